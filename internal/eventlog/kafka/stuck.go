package kafka

import (
	"context"
	"sync"
	"time"

	"strm/internal/problem"
)

// stuck counts entries that brokers have not answered for. Those of a partition are
// the ones that were handed to the producer over AppendWait ago. The client sends what comes after them after them only, and
// does not give them up while it does not know whether they are stored: while there are
// any, nothing more is handed to it, and so what is refused is certainly not stored.
type stuck struct {
	mu   sync.Mutex
	n    int
	free chan struct{} // closed when n is 0 again; nil while it is
}

func (s *stuck) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n++; s.n == 1 {
		s.free = make(chan struct{})
	}
}

// leave follows enter, or is about to be followed by it.
func (s *stuck) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 && s.free != nil {
		close(s.free)
		s.free = nil
	}
}

func (s *stuck) waiting() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free
}

// unstuck waits until the partition's producer gets on, for AppendWait at most.
func (l *Log) unstuck(ctx context.Context, st *topic, part *partition) error {
	free := part.stuck.waiting()
	if free == nil {
		return nil
	}
	t := time.NewTimer(l.opts.AppendWait)
	defer t.Stop()
	select {
	case <-free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return l.refuse("topic %s, partition %d: the brokers have not answered for what was sent before", st.desc.Name, part.num)
	}
}

// streamToAppend is stream for appends, of which nothing was stored if the brokers are away.
func (l *Log) streamToAppend(ctx context.Context, streamID string) (*topic, error) {
	c, cancel := context.WithTimeout(ctx, l.opts.AppendWait)
	defer cancel()
	st, err := l.stream(c, streamID)
	if err != nil && ctx.Err() == nil && (c.Err() != nil || problem.KindOf(err) == problem.Unavailable && !denied(err)) {
		return nil, l.refuse("the topic of stream %s cannot be looked at: %v", streamID, err)
	}
	return st, err
}
