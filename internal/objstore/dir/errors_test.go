package dir

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"strm/internal/objstore"
)

func TestRefused(t *testing.T) {
	tests := []struct {
		err     error
		outcome objstore.Outcome
		reason  objstore.Reason
	}{
		{syscall.ENOSPC, objstore.Rejected, objstore.NoSpace},
		{syscall.EDQUOT, objstore.Rejected, objstore.NoSpace},
		{syscall.EACCES, objstore.Rejected, objstore.Denied},
		{syscall.EROFS, objstore.Rejected, objstore.Denied},
		{syscall.ENAMETOOLONG, objstore.Rejected, objstore.BadKey},
		{syscall.EIO, objstore.Rejected, objstore.Unknown},
		{fs.ErrNotExist, objstore.Rejected, objstore.Unknown},
		{context.Canceled, objstore.NotSent, objstore.Unknown},
	}
	for _, tt := range tests {
		e := objstore.AsError(refused("k", fmt.Errorf("write: %w", tt.err)))
		if e.Outcome != tt.outcome || e.Reason != tt.reason {
			t.Errorf("%v: %v %q, want %v %q", tt.err, e.Outcome, e.Reason, tt.outcome, tt.reason)
		}
	}
}
