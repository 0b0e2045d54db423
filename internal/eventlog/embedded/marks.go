package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func markKey(number uint64, mark string) []byte { return append(spanStart(spaceMark, number), mark...) }

const markRecordSize = 8

func encodeMark(key []byte, at uint64) []byte {
	return seal(key, be.AppendUint64(make([]byte, 0, markRecordSize+4), at))
}

// decodeMark reads a record. What it accepts could have been written.
func decodeMark(key, value []byte) (at uint64, err error) {
	if n := len(key) - len(spanStart(spaceMark, 0)); n < 1 || n > eventlog.MaxName || key[0] != spaceMark {
		return 0, errKey
	}
	v, err := unseal(key, value, markRecordSize)
	if err != nil {
		return 0, err
	}
	if at = be.Uint64(v); at == 0 {
		return 0, errRecordValue
	}
	return at, nil
}

// claimMark takes the entry's mark. If the stream holds as much of it already,
// again is true and no claim is kept, as with an error (ErrMarkMoved among them);
// otherwise the caller must release it.
// Why what the look-up says is settled: see claim.
func (l *Log) claimMark(ctx context.Context, s *streamState, e *eventlog.Entry) (again bool, err error) {
	if err := s.marks.take(ctx, e.Mark); err != nil {
		return false, err
	}
	at, err := l.lookupMark(s, e.Mark)
	again = err == nil && at >= e.MarkAt
	if err == nil && !again && at > e.MarkFrom {
		err = problem.New(problem.Conflict, "stream %s mark %q at %d: %w", s.id, e.Mark, at, eventlog.ErrMarkMoved)
	}
	if err != nil || again {
		s.marks.release(e.Mark)
	}
	if again {
		l.duplicates.Add(1)
	}
	return again, err
}

// appendMarked stores an entry with a mark, unless as much has been stored.
func (l *Log) appendMarked(ctx context.Context, s *streamState, p *partition, e *eventlog.Entry) (eventlog.Appended, error) {
	again, err := l.claimMark(ctx, s, e)
	if err != nil {
		return eventlog.Appended{}, err
	}
	if again {
		return eventlog.Appended{Range: stream.Range{Partition: e.Partition}, Duplicate: true}, nil
	}
	defer s.marks.release(e.Mark)
	return l.store(ctx, p, &waiter{entry: e})
}

// lookupMark returns what is stored of a mark. The caller holds its claim.
func (l *Log) lookupMark(s *streamState, mark string) (at uint64, err error) {
	if err := l.writable(); err != nil {
		return 0, err // memory may hold what the disk does not
	}
	key := markKey(s.number, mark)
	v, err := l.get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, markFault(s.id, mark, err)
	}
	if at, err = decodeMark(key, v); err != nil {
		return 0, markFault(s.id, mark, errors.Join(pebble.ErrCorruption, err))
	}
	return at, nil
}

// Mark implements eventlog.Log. It waits for an append under way that has the mark.
func (l *Log) Mark(ctx context.Context, streamID, mark string) (at uint64, err error) {
	err = l.withMark(ctx, streamID, mark, func(s *streamState) error {
		at, err = l.lookupMark(s, mark)
		return err
	})
	return at, err
}

// Unmark implements eventlog.Log. It waits for an append under way that has the
// mark. A damaged record goes too: whoever forgets a mark has no more use for it.
func (l *Log) Unmark(ctx context.Context, streamID, mark string) error {
	return l.withMark(ctx, streamID, mark, func(s *streamState) error {
		if err := l.writable(); err != nil {
			return err
		}
		key := markKey(s.number, mark)
		if _, err := l.get(key); errors.Is(err, pebble.ErrNotFound) {
			return nil
		} else if err != nil {
			return markFault(s.id, mark, err)
		}
		b := l.db.NewBatch()
		if err := b.Delete(key, nil); err != nil {
			return errors.Join(fmt.Errorf("forget mark %q of stream %s: %w", mark, s.id, err), b.Close())
		}
		return l.apply(b)
	})
}

// withMark calls fn while nobody else looks at the mark or stores it.
func (l *Log) withMark(ctx context.Context, streamID, mark string, fn func(*streamState) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := eventlog.CheckMark(mark); err != nil {
		return err
	}
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	s, err := l.stream(streamID)
	if err != nil {
		return err
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if s.dropped.Load() {
		return noStream(streamID)
	}
	if err := s.marks.take(ctx, mark); err != nil {
		return err
	}
	defer s.marks.release(mark)
	return fn(s)
}

func markFault(id, mark string, err error) error {
	if pebble.IsCorruptionError(err) {
		return problem.New(problem.Corrupt, "stream %s mark %q: %w: %w", id, mark, eventlog.ErrCorrupt, err)
	}
	return fmt.Errorf("look up mark %q of stream %s: %w", mark, id, err)
}
