package control

import (
	"context"
	"crypto/sha256"
	"fmt"

	"strm/internal/stream"
)

// TestSink tries a sink at once and returns it with its health as found. What
// is written is a validation object under the path prefix, if one is given;
// else that of the sink's first exporter, since permissions may be as narrow as
// what exporters write; else one under the sink's own prefix. It is created
// with a fixed key, so there is one however often the sink is tried. Errors:
// NotFound, Invalid; that the sink fails is none.
func (c *Control) TestSink(ctx context.Context, name, pathPrefix string) (stream.Sink, error) {
	s, err := c.catalog.Sink(ctx, name)
	if err != nil {
		return stream.Sink{}, err
	}
	return c.testSink(ctx, s, pathPrefix)
}

func (c *Control) testSink(ctx context.Context, s stream.Sink, pathPrefix string) (stream.Sink, error) {
	e, err := c.testsAs(ctx, s, pathPrefix)
	if err != nil {
		return stream.Sink{}, err
	}
	within, cancel := context.WithTimeout(ctx, c.options.TestTimeout)
	defer cancel()
	h, err := c.runner.TestSink(within, e)
	if err != nil {
		return stream.Sink{}, err
	}
	if now, err := c.catalog.Sink(ctx, s.Name); err == nil && now.Revision == s.Revision {
		s = now // region and conditional writes as found
	} // else as it was when it was tried
	s.Health = h
	return s, nil
}

// testsAs returns whose validation object tells whether the sink can be written.
func (c *Control) testsAs(ctx context.Context, s stream.Sink, pathPrefix string) (stream.Exporter, error) {
	if pathPrefix == "" {
		users, err := c.catalog.ExportersOfSink(ctx, s.Name)
		if err != nil {
			return stream.Exporter{}, err
		}
		if len(users) > 0 {
			return users[0], nil
		}
	}
	out, err := c.checkOutput(stream.Output{PathPrefix: pathPrefix}, s.Prefix, "test", 1)
	if err != nil {
		return stream.Exporter{}, err
	}
	return stream.Exporter{Sink: s.Name, Output: out, TestID: sinkTestID(s)}, nil
}

// sinkTestID returns the UUID in the name of a sink's validation object. It
// comes from the sink's name and birth, so it needs no place in the catalog.
func sinkTestID(s stream.Sink) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s %d", s.Name, s.CreatedAt.UnixMicro()))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80 // version 8: a UUID of one's own making
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
