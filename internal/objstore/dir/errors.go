package dir

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"strm/internal/objstore"
)

// refused judges a failure before the object had its name: nothing was stored.
func refused(key string, err error) error {
	reason := objstore.Unknown
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fail("put", key, objstore.NotSent, reason, err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		reason = objstore.NoSpace
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		e := fail("put", key, objstore.Rejected, objstore.Denied, err)
		e.Action = "to write in the directory"
		return e
	case errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) ||
		errors.Is(err, syscall.ELOOP) || errors.Is(err, fs.ErrExist) || escapes(err): // exists: a file where a directory must be
		reason = objstore.BadKey
	}
	return fail("put", key, objstore.Rejected, reason, err)
}

// unnamed judges a failure to give the object its name: what is not understood
// may have happened.
func unnamed(key string, err error) error {
	refusal := objstore.AsError(refused(key, err))
	if refusal.Outcome == objstore.Rejected && refusal.Reason == objstore.Unknown {
		refusal.Outcome = objstore.Ambiguous
	}
	return refusal
}

// escapes reports whether an os.Root refused to leave the directory.
func escapes(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "escapes")
}

func fail(op, key string, o objstore.Outcome, r objstore.Reason, err error) *objstore.Error {
	return &objstore.Error{Op: op, Key: key, Outcome: o, Reason: r, Err: err}
}
