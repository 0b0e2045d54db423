package embedded

import (
	"fmt"
	"sync"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// room remembers the free space for a second.
type room struct {
	mu      sync.Mutex
	looked  time.Time
	free    int64
	lookErr error
}

// checkRoom answers ErrFull while there is no room, and nothing once there is.
func (l *Log) checkRoom() error {
	if limit := l.opts.MaxBytes; limit > 0 {
		if kept := l.packed.Load(); kept >= limit {
			return problem.New(problem.Busy, "%w: it keeps %d bytes of at most %d; deliveries and retention make room", eventlog.ErrFull, kept, limit)
		}
	}
	if l.opts.MinFree < 0 {
		return nil
	}
	free, err := l.freeBytes()
	if err != nil {
		return err
	}
	if free < l.opts.MinFree {
		return problem.New(problem.Busy, "%w: %d bytes are free on the disk of %s, %d must stay free", eventlog.ErrFull, free, l.dir, l.opts.MinFree)
	}
	return nil
}

func (l *Log) freeBytes() (int64, error) {
	r := &l.room
	r.mu.Lock()
	defer r.mu.Unlock()
	now := l.opts.Now()
	if age := now.Sub(r.looked); age < 0 || age >= time.Second {
		r.looked = now
		r.free, r.lookErr = l.opts.FreeBytes(l.dir)
	}
	if r.lookErr != nil {
		return 0, fmt.Errorf("look at the free space of %s: %w", l.dir, r.lookErr)
	}
	return r.free, nil
}

// Pressure says how near the log is to its bounds, in bytes: what it keeps and
// the bound (0: none), what is free on its disk, at most a second old (-1:
// unknown), and what must stay free (negative: no such rule). A closed log is
// under no pressure.
func (l *Log) Pressure() (packed, maxPacked, free, minFree int64) {
	if err := l.enter(); err != nil {
		return 0, 0, -1, -1
	}
	defer l.leave()
	free = -1
	if l.opts.MinFree > 0 {
		if f, err := l.freeBytes(); err == nil {
			free = f // an error is what the next append answers
		}
	}
	return l.packed.Load(), l.opts.MaxBytes, free, l.opts.MinFree
}
