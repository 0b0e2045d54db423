package kafka

import (
	"cmp"
	"context"
	"errors"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// recordWeight is what a record takes in memory beside its text.
const recordWeight = 320

// weigh is how much of the buffer an entry takes until the brokers have answered: never
// more than all of it, so that an entry of any size goes when it is alone.
func (l *Log) weigh(bytes, events int) int64 {
	return min(int64(bytes)+int64(events)*recordWeight, l.opts.Buffer)
}

// reserve waits for room in the buffer, for AppendWait at most.
func (l *Log) reserve(ctx context.Context, n int64) error {
	if !l.room.TryAcquire(n) {
		wait, cancel := context.WithTimeoutCause(ctx, l.opts.AppendWait, errNoRoom)
		defer cancel()
		if err := l.room.Acquire(wait, n); err != nil {
			if errors.Is(context.Cause(wait), errNoRoom) {
				return l.refuse("the brokers take events slower than they come: %d bytes are on their way", l.buffered.Load())
			}
			return err
		}
	}
	l.buffered.Add(n)
	return nil
}

var errNoRoom = errors.New("no room in time")

func (l *Log) release(n int64) {
	l.buffered.Add(-n)
	l.room.Release(n)
}

// refuse is the error of an append of which nothing was stored, and which may succeed later.
func (l *Log) refuse(format string, args ...any) error {
	l.refused.Add(1)
	return problem.New(problem.Busy, "kafka: %w: %w", eventlog.ErrFull, problem.New(problem.Busy, format, args...))
}

// giveUp bounds how long an append waits for the answer to what was sent: as long again
// as it may wait to be sent.
func (l *Log) giveUp() *time.Timer { return time.NewTimer(cmp.Or(l.opts.answer, 2*l.opts.AppendWait)) }
