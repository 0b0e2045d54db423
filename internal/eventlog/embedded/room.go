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
	packed  uint64 // bytes stored until then
	lookErr error
}

// engineShare is how many bytes on the disk a stored byte may take at once: its
// place in the write-ahead log, in a blob file, and in files preallocated.
const engineShare = 3

// openRoom is what the engine needs to open: it replays and flushes its
// write-ahead log, and would try that for ever on a full disk.
const openRoom = 64 << 20

// checkOpenRoom refuses to open the log on a disk without room for that. Where
// free space cannot be told, it says nothing.
func checkOpenRoom(dir string, free func(string) (int64, error)) error {
	n, err := free(dir)
	if err != nil || n >= openRoom {
		return nil //nolint:nilerr // opening will tell what is wrong with the directory
	}
	return problem.New(problem.Unavailable, "%d bytes are free on the disk of event log %s, it needs %d to open: make room and start again", n, dir, openRoom)
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
		r.looked, r.packed = now, l.stored.Load()
		r.free, r.lookErr = l.opts.FreeBytes(l.dir)
	}
	if r.lookErr != nil {
		return 0, fmt.Errorf("look at the free space of %s: %w", l.dir, r.lookErr)
	}
	// What was stored since the look has taken room since.
	return r.free - engineShare*int64(l.stored.Load()-r.packed), nil
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
