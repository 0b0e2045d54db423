package kafka

import (
	"sync"

	"strm/internal/eventlog"
)

// subscribers are told of durable growth.
type subscribers struct {
	mu   sync.RWMutex
	next uint64
	fns  map[uint64]func(eventlog.Advance)
}

// Subscribe implements eventlog.Log. What this log appends is told at once; growth by
// others when Run looks, with Events at most and Raw about right. When cancel returns, fn is
// not running and is not called again; fn must not call cancel.
func (l *Log) Subscribe(fn func(eventlog.Advance)) (cancel func()) {
	s := &l.subs
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.next
	s.next++
	if s.fns == nil {
		s.fns = make(map[uint64]func(eventlog.Advance))
	}
	s.fns[id] = fn
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.fns, id)
	}
}

func (s *subscribers) tell(a eventlog.Advance) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, fn := range s.fns {
		fn(a)
	}
}
