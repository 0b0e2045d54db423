package control

import (
	"context"
	"io"

	"strm/internal/stream"
)

// Object opens what a batch exporter has stored under a key, with the sink's
// credentials, and says what the ledger knows of it. The caller closes the
// reader; ctx must live as long. Errors: NotFound, Conflict, Forbidden with the
// missing permission, Unavailable.
func (c *Control) Object(ctx context.Context, streamName, name, key string) (io.ReadCloser, stream.Object, error) {
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return nil, stream.Object{}, err
	}
	return c.runner.Object(ctx, e.ID, key)
}
