package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// stalled is how long a download may go without a byte.
const stalled = time.Minute

// fetch reads the bytes of the file's version and opens it. An error that is no
// *FileError is about the bucket, the way to it, or this machine: what came of the
// file does not count. A download that breaks is begun again by the next attempt.
func (r *Runner) fetch(ctx context.Context, i *stream.Import, sink *openSink) (EventFile, error) {
	bucket, ok := sink.bucket.(objstore.Versions)
	if !ok {
		return nil, problem.New(problem.Invalid, "sink %s is of a kind that batch importers cannot read", sink.Name)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &download{key: i.Key, cancel: cancel}
	d.timer = time.AfterFunc(stalled, d.stall)
	defer d.timer.Stop()
	body, info, err := bucket.OpenVersion(ctx, i.Key, i.VersionID(), i.ETag)
	if err != nil {
		return nil, because(ctx, err)
	}
	d.body, d.size = body, info.Size
	file, err := r.openFile(ctx, d, info.Size)
	r.observe.Fetched(i.Importer, d.read)
	_ = body.Close() // what came of it counts
	if d.err != nil {
		// Whatever the reader made of it, the file was not all there.
		if file != nil {
			_ = file.Close() // a temporary file, which the next start removes
		}
		return nil, because(ctx, d.err)
	}
	return file, err
}

// because puts the reason why we gave up before what came of it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// download counts the bytes of a body, so that one that breaks off is not taken
// for a shorter file.
type download struct {
	key    string
	body   io.Reader
	size   int64
	read   int64
	err    error // of the body, but for its proper end
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func (d *download) stall() {
	d.cancel(problem.New(problem.Unavailable, "no byte of the file came for %s", stalled))
}

// Read reads on, and fails where the body ends too early or not in time.
func (d *download) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.body.Read(p)
	d.timer.Reset(stalled)
	d.read += int64(n)
	switch {
	case d.read > d.size:
		d.err = d.broken("the store sends more bytes than it announced", nil)
	case errors.Is(err, io.EOF) && d.read < d.size:
		d.err = d.broken("the connection ended too early", io.ErrUnexpectedEOF)
	case err != nil && !errors.Is(err, io.EOF):
		d.err = d.broken("the connection broke", err)
	default:
		return n, err
	}
	return n, d.err
}

func (d *download) broken(what string, cause error) error {
	text := fmt.Sprintf("%s after %d of %d bytes", what, d.read, d.size)
	return &objstore.Error{Op: "get", Key: d.key, Outcome: objstore.Ambiguous, Reason: objstore.Unknown, Err: objstore.Story(text, cause)}
}
