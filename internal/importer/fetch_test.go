package importer_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/importer"
	"strm/internal/objstore"
)

// stuck is a bucket whose answers or bytes stop coming.
type stuck struct {
	*store
	answer bool
	times  atomic.Int64
}

func (b *stuck) OpenVersion(ctx context.Context, key, version, etag string) (io.ReadCloser, objstore.Info, error) {
	if b.times.Add(1) > 1 {
		return b.store.OpenVersion(ctx, key, version, etag)
	}
	if b.answer {
		<-ctx.Done()
		return nil, objstore.Info{}, &objstore.Error{Op: "get", Key: key, Outcome: objstore.Ambiguous, Err: ctx.Err()}
	}
	body, info, err := b.store.OpenVersion(ctx, key, version, etag)
	return stuckBody{body, ctx}, info, err
}

type stuckBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b stuckBody) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// A download that stands still is given up and begun again, and says so.
func TestStalledDownload(t *testing.T) {
	for _, answer := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(t, true)
			s.put("in/a.rows", fileOf("e1 a"))
			began := time.Now()
			err := importer.Fetch(t.Context(), &stuck{store: s, answer: answer}, "in/a.rows", "version1", func(_ context.Context, src io.Reader, _ int64) (importer.EventFile, error) {
				return openRows(src, 3)
			})
			if took := time.Since(began); took != time.Minute {
				t.Errorf("given up after %s", took)
			}
			if err == nil || !strings.Contains(err.Error(), "no byte of the file came for 1m0s") {
				t.Errorf("error %v", err)
			}
		})
	}
}
