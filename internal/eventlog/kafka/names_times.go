package kafka

import (
	"context"
	"time"

	"strm/internal/eventlog"
)

// atNewest asks for the record with the highest timestamp.
const atNewest int64 = -3

// reachedAfter says whether the hour of an entry has ended in its partition: at or
// below the offset last, or anywhere if last is negative. Nil: it has not.
func (l *Log) reachedAfter(ctx context.Context, w *waiting, last int64) (*eventlog.LateError, error) {
	end := w.entry.Received.Truncate(time.Hour).Add(time.Hour).UnixMilli()
	f, err := l.offsetOf(ctx, w.st, w.part, end, readUncommitted)
	if err != nil || f.offset < 0 || last >= 0 && f.offset > last {
		return nil, err
	}
	newest, err := l.offsetOf(ctx, w.st, w.part, atNewest, readUncommitted)
	if err != nil {
		return nil, err
	}
	return &eventlog.LateError{At: time.UnixMilli(max(f.time, newest.time)).UTC()}, nil
}

// stampOf is the time that a record is stamped with. Whoever tests can shift it: markers of
// transactions are stamped by the brokers' clocks, in whose past tests live.
func (l *Log) stampOf(at time.Time) time.Time { return at.Add(l.shift) }
