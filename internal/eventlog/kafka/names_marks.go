package kafka

import (
	"context"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// Mark implements eventlog.Log. It waits for an append under way that has the mark.
func (l *Log) Mark(ctx context.Context, streamID, mark string) (at uint64, err error) {
	err = l.withMark(ctx, streamID, mark, func(ctx context.Context) (claim int64, err error) {
		at, claim, err = l.opts.Names.FindMark(ctx, streamID, mark)
		return claim, err
	})
	return at, err
}

// Unmark implements eventlog.Log. It waits for an append under way that has the mark.
func (l *Log) Unmark(ctx context.Context, streamID, mark string) error {
	return l.withMark(ctx, streamID, mark, func(ctx context.Context) (int64, error) {
		return l.opts.Names.ForgetMark(ctx, streamID, mark)
	})
}

// withMark calls fn until no claim is moving the mark.
func (l *Log) withMark(ctx context.Context, streamID, mark string, fn func(context.Context) (claim int64, err error)) error {
	c, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := eventlog.CheckMark(mark); err != nil {
		return err
	}
	st, err := l.stream(c, streamID)
	if err != nil {
		return l.ended(c, err)
	}
	if l.opts.Names == nil {
		return errNoNames(st.streamID)
	}
	giveUp := l.giveUp()
	defer giveUp.Stop()
	for {
		claim, err := fn(c)
		if err != nil || claim == 0 {
			return l.ended(c, err)
		}
		if err := l.awaitClaims(c, giveUp.C, []int64{claim}); err != nil {
			return l.ended(c, err)
		}
	}
}

// dropNames forgets the names of a stream that is dropped.
func (l *Log) dropNames(ctx context.Context, streamID string) error {
	if l.opts.Names == nil {
		return nil
	}
	return l.opts.Names.ForgetStreamNames(ctx, streamID)
}

// holdBack returns up to where a partition may be trimmed: not beyond the beginning of
// an open claim, whose outcome is read there. A claim that is made later begins at or above
// what was there now.
func (l *Log) holdBack(ctx context.Context, streamID string, p stream.Partition, before stream.Offset) (stream.Offset, error) {
	if l.opts.Names == nil {
		return before, nil
	}
	for after := int64(0); ; {
		open, err := l.opts.Names.OpenClaims(ctx, after, claimsAtOnce)
		if err != nil {
			return before, err
		}
		for _, c := range open {
			after = c.ID
			for _, part := range c.Parts {
				if part.StreamID == streamID && part.Partition == p {
					before = min(before, part.From)
				}
			}
		}
		if len(open) < claimsAtOnce {
			return before, nil
		}
	}
}
