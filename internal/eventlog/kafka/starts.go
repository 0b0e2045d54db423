package kafka

import (
	"context"
	"sync"
	"time"
)

// startsFor is how long an answer about the beginnings of a topic's partitions is good for.
// Retention of others may move them in that time, as it may between any look and the reading
// after it: then the reading finds that they have.
const startsFor = time.Second

// starts are where the partitions of a topic begin. They are asked for in one request,
// because who looks at one partition looks at the others next. Each is told once, so that whoever
// looks a second time sees what is there then.
type starts struct {
	mu    sync.Mutex
	asked time.Time
	of    []int64 // by partition; -1: told, or not known
}

// take returns a start that is not told yet.
func (s *starts) take(p int32, now time.Time) (offset int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(p) >= len(s.of) || s.of[p] < 0 || now.Sub(s.asked) > startsFor {
		return 0, false
	}
	offset, s.of[p] = s.of[p], -1
	return offset, true
}

// keep notes an answer.
func (s *starts) keep(asked time.Time, at []found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.of = asked, make([]int64, len(at))
	for i, f := range at {
		s.of[i] = f.offset
		if f.err != nil {
			s.of[i] = -1
		}
	}
}

// forget is called when a start has moved.
func (s *starts) forget() { s.keep(time.Time{}, nil) }

// startOf returns where a partition begins.
func (l *Log) startOf(ctx context.Context, st *topic, part *partition) (int64, error) {
	if at, ok := st.starts.take(part.num, time.Now()); ok {
		return at, nil
	}
	if len(st.parts) > 1 {
		asked := time.Now()
		st.starts.keep(asked, l.offsets(ctx, []*topic{st}, atStart)[st.desc.Name])
		if at, ok := st.starts.take(part.num, asked); ok {
			return at, nil
		}
	}
	// Alone, or its leader is on the move: what others have to say does not help.
	f, err := l.offsetAt(ctx, st, part, atStart)
	return f.offset, err
}
