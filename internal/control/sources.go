package control

import (
	"context"

	"strm/internal/problem"
	"strm/internal/stream"
)

// CreateSource creates a source and returns it with its write key, which
// nobody can ask for again: only its hash is kept. Errors: Invalid, NotFound
// for the stream, Conflict for the name.
//
// It is one write. If its answer is lost, the source exists with a key that
// nobody holds: creating it again says Conflict, and deleting it mends that.
func (c *Control) CreateSource(ctx context.Context, name, streamName, kind string) (stream.Source, string, error) {
	if err := stream.CheckName("source", name); err != nil {
		return stream.Source{}, "", err
	}
	switch stream.SourceKind(kind) {
	case stream.SourceEvents, "":
	default:
		return stream.Source{}, "", problem.New(problem.Invalid, "source kind %q is not known; use %q", kind, stream.SourceEvents)
	}
	if streamName == "" {
		return stream.Source{}, "", problem.New(problem.Invalid, "a source needs a stream")
	}
	c.change.Lock()
	defer c.change.Unlock()
	s, err := c.catalog.Stream(ctx, streamName)
	if err != nil {
		return stream.Source{}, "", err
	}
	key := newWriteKey()
	src := stream.Source{
		Name:      name,
		Stream:    s.Name,
		StreamID:  s.ID,
		Kind:      stream.SourceEvents,
		KeyHash:   KeyHash(key),
		CreatedAt: now(),
	}
	defer c.keys.invalidate() // a failed write may have happened
	if err := c.catalog.CreateSource(ctx, src); err != nil {
		return stream.Source{}, "", err
	}
	return src, key, nil
}

// Source returns a source.
func (c *Control) Source(ctx context.Context, name string) (stream.Source, error) {
	return c.catalog.Source(ctx, name)
}

// Sources returns all sources, by name.
func (c *Control) Sources(ctx context.Context) ([]stream.Source, error) {
	return c.catalog.Sources(ctx)
}

// DeleteSource deletes a source. Its write key is refused from now on; what it
// sent stays.
func (c *Control) DeleteSource(ctx context.Context, name string) error {
	defer c.keys.invalidate()
	return c.catalog.DeleteSource(ctx, name)
}
