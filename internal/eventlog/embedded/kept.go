package embedded

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// What a log remembers beside events, for whoever moves it to another log. All
// is read while nobody appends; an append meanwhile may be missing.

// KeptKey is an idempotency key.
type KeptKey struct {
	Key    string
	Range  stream.Range
	Digest uint64
	Stored time.Time
}

// KeptIDs are event ids that were stored together. IDs is valid only until the
// iteration goes on.
type KeptIDs struct {
	IDs    []eventlog.ID
	Stored time.Time
}

// KeptMark is how far a source has been read.
type KeptMark struct {
	Mark string
	At   uint64
}

// Keys yields the stream's idempotency keys, also those that are about to be forgotten.
func (l *Log) Keys(ctx context.Context, streamID string) iter.Seq2[KeptKey, error] {
	return func(yield func(KeptKey, error) bool) {
		err := l.kept(ctx, streamID, spaceKey, func(s *streamState, key, value []byte) (bool, error) {
			name := string(key[len(spanStart(spaceKey, 0)):])
			r, err := decodeKeyRecord(key, value)
			if err != nil {
				return false, keyFault(s.id, name, errors.Join(pebble.ErrCorruption, err))
			}
			return yield(KeptKey{
				Key: name, Digest: r.digest, Stored: time.UnixMilli(r.storedMs).UTC(),
				Range: stream.Range{Partition: r.partition, Start: r.first, End: r.first + stream.Offset(r.events)},
			}, nil), nil
		})
		if err != nil {
			yield(KeptKey{}, err)
		}
	}
}

// IDs yields the stream's event ids, in the order in which they were stored, also
// those that are about to be forgotten.
func (l *Log) IDs(ctx context.Context, streamID string) iter.Seq2[KeptIDs, error] {
	return func(yield func(KeptIDs, error) bool) {
		var ids []eventlog.ID
		err := l.kept(ctx, streamID, spaceIDs, func(s *streamState, key, value []byte) (bool, error) {
			r, err := decodeIDs(key, value)
			if err != nil {
				return false, idFault(s.id, err)
			}
			ids = ids[:0]
			for i := range r.count() {
				ids = append(ids, r.id(i))
			}
			return yield(KeptIDs{IDs: ids, Stored: time.UnixMilli(r.storedMs).UTC()}, nil), nil
		})
		if err != nil {
			yield(KeptIDs{}, err)
		}
	}
}

// Marks yields the stream's marks.
func (l *Log) Marks(ctx context.Context, streamID string) iter.Seq2[KeptMark, error] {
	return func(yield func(KeptMark, error) bool) {
		err := l.kept(ctx, streamID, spaceMark, func(s *streamState, key, value []byte) (bool, error) {
			name := string(key[len(spanStart(spaceMark, 0)):])
			at, err := decodeMark(key, value)
			if err != nil {
				return false, markFault(s.id, name, errors.Join(pebble.ErrCorruption, err))
			}
			return yield(KeptMark{Mark: name, At: at}, nil), nil
		})
		if err != nil {
			yield(KeptMark{}, err)
		}
	}
}

// keptChunk bounds how long an iterator of the engine is held: a slow consumer
// works between two of them.
const keptChunk = 1024

// kept calls fn for every record of the stream in the space until it says false.
func (l *Log) kept(ctx context.Context, streamID string, space byte, fn func(s *streamState, key, value []byte) (bool, error)) error {
	s, err := l.stream(streamID)
	if err != nil {
		return err
	}
	from := spanStart(space, s.number)
	for {
		keys, values, err := l.keptRecords(ctx, s, space, from)
		if err != nil {
			return err
		}
		for i := range keys {
			if more, err := fn(s, keys[i], values[i]); err != nil || !more {
				return err
			}
		}
		if len(keys) < keptChunk {
			return nil
		}
		from = append(keys[len(keys)-1], 0)
	}
}

// keptRecords copies the next records, at most keptChunk.
func (l *Log) keptRecords(ctx context.Context, s *streamState, space byte, from []byte) (keys, values [][]byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := l.enter(); err != nil {
		return nil, nil, err
	}
	defer l.leave()
	if s.dropped.Load() {
		return nil, nil, noStream(s.id)
	}
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: spanEnd(space, s.number)})
	if err != nil {
		return nil, nil, readFault(s.id, 0, 0, err)
	}
	for ok := it.First(); ok && len(keys) < keptChunk; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return nil, nil, errors.Join(readFault(s.id, 0, 0, err), it.Close())
		}
		keys, values = append(keys, bytes.Clone(it.Key())), append(values, bytes.Clone(v))
	}
	if err := it.Close(); err != nil {
		return nil, nil, readFault(s.id, 0, 0, err)
	}
	return keys, values, nil
}
