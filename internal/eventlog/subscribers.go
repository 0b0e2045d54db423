package eventlog

import "sync"

// Subscribers are those whom a log tells of durable growth. The zero value has none; all
// methods are safe for concurrent use.
type Subscribers struct {
	mu   sync.RWMutex
	next uint64
	fns  map[uint64]func(Advance)
}

// Add makes fn be told until cancel is called. When cancel returns, fn is not running and
// is not called again; fn must not call cancel.
func (s *Subscribers) Add(fn func(Advance)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.next
	s.next++
	if s.fns == nil {
		s.fns = make(map[uint64]func(Advance))
	}
	s.fns[id] = fn
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.fns, id)
	}
}

// Tell tells all.
func (s *Subscribers) Tell(a Advance) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, fn := range s.fns {
		fn(a)
	}
}
