package control

import (
	"context"
	"errors"
	"time"

	"strm/internal/eventlog"
	"strm/internal/format"
	"strm/internal/problem"
	"strm/internal/stream"
)

// followCheck is how often a tail that waits looks whether its stream still exists.
const followCheck = 10 * time.Second

// TailQuery says which events to show.
type TailQuery struct {
	Start     Start // zero means those accepted from now on
	Follow    bool  // go on with what comes
	Limit     int64 // stop after so many; 0 for no limit
	Partition int   // only this one; below 0 for all
}

// TailEvent is one event. JSON, without its newline, is valid only until the
// function it was given to returns.
type TailEvent struct {
	Partition stream.Partition
	Offset    stream.Offset
	JSON      []byte
}

// Tail is a reading of a stream that has been checked and not yet begun.
type Tail struct {
	log    Log
	stream stream.Stream
	query  TailQuery
	next   stream.Position
	begun  []bool // per partition: an event was shown, so a gap would be a loss
}

// Tail prepares to show the events of a stream.
func (c *Control) Tail(ctx context.Context, name string, q TailQuery) (*Tail, error) {
	s, err := c.catalog.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	if q.Limit < 0 {
		return nil, problem.New(problem.Invalid, "limit: %d is below 0", q.Limit)
	}
	if q.Partition >= s.Partitions {
		return nil, problem.New(problem.Invalid, "stream %q has no partition %d; the last is %d", name, q.Partition, s.Partitions-1)
	}
	if err := q.Start.check(now()); err != nil {
		return nil, err
	}
	next, err := c.startPosition(ctx, s, q.Start)
	if err != nil {
		return nil, err
	}
	return &Tail{log: c.log, stream: s, query: q, next: next, begun: make([]bool, len(next))}, nil
}

// errLimit ends a reading that has shown enough.
var errLimit = errors.New("limit reached")

// Each calls event for the events in order of offset within each partition,
// and caughtUp whenever it has shown all there is for now. It returns nil when
// all was shown (without Follow), when the limit is reached or when ctx ends.
// Retention does not wait for it: if it removes events not yet shown, Each
// ends with a Conflict that says so. Memory is bounded by one block.
func (t *Tail) Each(ctx context.Context, event func(TailEvent) error, caughtUp func() error) error {
	left := t.query.Limit
	counted := func(e TailEvent) error {
		if err := event(e); err != nil {
			return err
		}
		if left--; left == 0 {
			return errLimit
		}
		return nil
	}
	grown := make(chan struct{}, 1)
	if t.query.Follow {
		cancel := t.log.Subscribe(func(a eventlog.Advance) {
			if a.StreamID != t.stream.ID {
				return
			}
			select {
			case grown <- struct{}{}:
			default: // it is awake already
			}
		})
		defer cancel()
	}
	check := time.NewTicker(followCheck)
	defer check.Stop()
	for {
		if err := t.round(ctx, counted); err != nil {
			if errors.Is(err, errLimit) {
				return caughtUp()
			}
			if ctx.Err() != nil {
				return nil // the reader has gone; there is nobody to tell
			}
			return classify(err)
		}
		if err := caughtUp(); err != nil {
			return err
		}
		if !t.query.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		case <-check.C:
		}
	}
}

// round shows what is there now and not yet shown.
func (t *Tail) round(ctx context.Context, event func(TailEvent) error) error {
	bounds, err := t.log.Bounds(ctx, t.stream.ID)
	if err != nil {
		return err
	}
	for i, b := range bounds {
		if i >= len(t.next) || t.query.Partition >= 0 && t.query.Partition != i {
			continue
		}
		if !t.begun[i] {
			t.next[i] = max(t.next[i], b.Floor)
		}
		r := stream.Range{Partition: stream.Partition(i), Start: t.next[i], End: b.End}
		if r.Empty() {
			continue
		}
		for line, err := range format.Lines(t.log.Read(ctx, t.stream.ID, r), r) {
			if err != nil {
				return err
			}
			if err := event(TailEvent{Partition: r.Partition, Offset: line.Offset, JSON: line.Data}); err != nil {
				return err
			}
			t.next[i], t.begun[i] = line.Offset+1, true
		}
		t.next[i] = b.End // behind the last event there may be a gap
	}
	return nil
}
