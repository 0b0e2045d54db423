package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// claims are a stream's idempotency keys in flight, or its marks. A key is looked
// up, and its entry committed, only by the holder of its claim; others with the same
// key wait. The channel is closed when the holder is done.
type claims struct {
	mu   sync.Mutex
	open map[string]chan struct{}
}

// take waits until the key is free and takes it.
func (c *claims) take(ctx context.Context, key string) error {
	for {
		c.mu.Lock()
		held, taken := c.open[key]
		if !taken {
			c.open[key] = make(chan struct{})
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *claims) release(key string) {
	c.mu.Lock()
	close(c.open[key])
	delete(c.open, key)
	c.mu.Unlock()
}

// claim takes the entry's key. If the key is stored already it answers the first
// append (again is true) and keeps no claim; otherwise the caller must release it.
//
// What the look-up finds is durable: it was committed by an earlier holder of
// the claim, which let go after its commit had returned, or recovered at
// opening. What it does not find is not stored: a failed append let go with
// nothing in the engine, or ended the process.
func (l *Log) claim(ctx context.Context, s *streamState, e *eventlog.Entry) (first eventlog.Appended, again bool, err error) {
	if err := s.keys.take(ctx, e.Key); err != nil {
		return eventlog.Appended{}, false, err
	}
	first, again, err = l.lookup(s, e)
	if err != nil || again {
		s.keys.release(e.Key)
	}
	if again && err == nil {
		l.duplicates.Add(1)
	}
	return first, again, err
}

func (l *Log) lookup(s *streamState, e *eventlog.Entry) (eventlog.Appended, bool, error) {
	none := eventlog.Appended{}
	if err := l.writable(); err != nil {
		return none, false, err // memory may hold what the disk does not
	}
	key := keyKey(s.number, e.Key)
	v, err := l.get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return none, false, nil
	}
	if err != nil {
		return none, false, keyFault(s.id, e.Key, err)
	}
	r, err := decodeKeyRecord(key, v)
	if err != nil {
		return none, false, keyFault(s.id, e.Key, errors.Join(pebble.ErrCorruption, err))
	}
	if r.digest != e.Digest {
		return none, false, problem.New(problem.Conflict, "stream %s key %q: %w", s.id, e.Key, eventlog.ErrKeyReused)
	}
	return eventlog.Appended{
		Range:     stream.Range{Partition: r.partition, Start: r.first, End: r.first + stream.Offset(r.events)},
		Events:    int(r.events),
		Duplicate: true,
	}, true, nil
}

func keyFault(id, key string, err error) error {
	if pebble.IsCorruptionError(err) {
		return problem.New(problem.Corrupt, "stream %s idempotency key %q: %w: %w", id, key, eventlog.ErrCorrupt, err)
	}
	return fmt.Errorf("look up idempotency key %q of stream %s: %w", key, id, err)
}
