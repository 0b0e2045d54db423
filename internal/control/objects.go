package control

import (
	"context"
	"io"
)

// Object opens what a batch exporter has stored under a key, with the sink's
// credentials, and says how long the store says it is. The caller closes the
// reader; ctx must live as long. Errors: NotFound, Conflict, Forbidden with the
// missing permission, Unavailable.
func (c *Control) Object(ctx context.Context, streamName, name, key string) (body io.ReadCloser, size int64, err error) {
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return nil, 0, err
	}
	return c.runner.Object(ctx, e.ID, key)
}
