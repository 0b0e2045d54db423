package exporter

import (
	"context"
	"errors"

	"strm/internal/objstore"
	"strm/internal/stream"
)

// diagnose finds out more about a write that the store denied, where the bucket
// can, by writing the validation object in other ways. It returns err, or a
// better account of it with the same outcome. out is what was being written,
// its path prefix below the sink's.
func (r *Runner) diagnose(ctx context.Context, sink *openSink, e stream.Exporter, out stream.Output, err error) error {
	d, ok := sink.bucket.(objstore.Diagnoser)
	var refused *objstore.Error
	if !ok || !errors.As(err, &refused) || refused.Outcome != objstore.Rejected || refused.Reason != objstore.Denied {
		return err
	}
	e.Output = out
	key, c, terr := r.testObject(e, "")
	if terr != nil {
		return err // nothing to try with: the refusal stands as it is
	}
	c.Overwrite = sink.Conditional == stream.SupportNo
	return d.Diagnose(ctx, key, c, refused)
}
