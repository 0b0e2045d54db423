package control

import (
	"context"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Start says where a new exporter begins. The zero value means now: with the
// first event accepted after its creation.
type Start struct {
	Existing bool      // with the oldest event kept
	From     time.Time // with the events received at or after it; whole blocks, see startPosition
}

func (s Start) check(now time.Time) error {
	if s.Existing && !s.From.IsZero() {
		return problem.New(problem.Invalid, "from and include existing events exclude each other")
	}
	if s.From.After(now) {
		return problem.New(problem.Invalid, "from %s lies in the future; leave it out to begin now", s.From.UTC().Format(time.RFC3339))
	}
	return nil
}

// startPosition turns a Start into offsets. A time selects whole blocks: exact to
// the events of one request or of those merged with it, some milliseconds. So
// the first may have been received shortly before it. The caller holds Trimming.
func (c *Control) startPosition(ctx context.Context, s stream.Stream, start Start) (stream.Position, error) {
	bounds, err := c.log.Bounds(ctx, s.ID)
	if err != nil {
		return nil, classify(err)
	}
	pos := make(stream.Position, len(bounds))
	for i, b := range bounds {
		switch {
		case start.Existing:
			pos[i] = b.Floor
		case start.From.IsZero():
			pos[i] = b.End
		default:
			r := stream.Range{Partition: stream.Partition(i), Start: b.Floor, End: b.End}
			if pos[i], err = c.firstSince(ctx, s.ID, r, start.From); err != nil {
				return nil, classify(err)
			}
		}
	}
	return pos, nil
}

// firstSince returns the offset of the first block in r whose last event was
// received at t or later, r.End if there is none. Received times never go
// back within a partition, so everything after it is later too.
func (c *Control) firstSince(ctx context.Context, id string, r stream.Range, t time.Time) (stream.Offset, error) {
	if r.Empty() {
		return r.End, nil
	}
	for h, err := range c.log.Index(ctx, id, r) {
		if err != nil {
			return 0, err
		}
		if !h.LastAt.Before(t) {
			return max(h.Range.Start, r.Start), nil
		}
	}
	return r.End, nil
}
