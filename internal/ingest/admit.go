package ingest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Reservation is a share of the memory that requests in work may use. The
// zero value is not useful; a nil one reserves nothing.
type Reservation struct {
	sem  *semaphore.Weighted
	size int64 // of the whole
	wait time.Duration
	held int64
}

// Grow reserves n bytes more and waits for them, for some seconds at most.
// Two requests that grow at once can wait for each other; the shorter wait of
// one that holds something already ends that.
func (r *Reservation) Grow(ctx context.Context, n int64) error {
	if r == nil || r.sem == nil {
		return nil
	}
	// One request alone may be larger than the whole: it then has all of it.
	n = min(n, r.size-r.held)
	if n <= 0 || r.sem.TryAcquire(n) {
		r.held += max(n, 0)
		return nil
	}
	wait := r.wait
	if r.held > 0 {
		wait /= 4
	}
	timeout, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := r.sem.Acquire(timeout, n); err != nil {
		if ctx.Err() != nil {
			return problem.New(problem.Unavailable, "waiting for room to take a request in: %w", ctx.Err())
		}
		return problem.New(problem.Busy, "%w: requests with %d bytes in all may be taken in at once; send again in a moment, or raise the server's limit", ErrInFlight, r.size)
	}
	r.held += n
	return nil
}

// Release gives everything back. Calling it again does nothing.
func (r *Reservation) Release() {
	if r == nil || r.sem == nil || r.held == 0 {
		return
	}
	r.sem.Release(r.held)
	r.held = 0
}

// again is how soon a log or stream without room is asked again.
const again = 250 * time.Millisecond

// patiently tries again while the error is full, as long as patience says and
// the asker waits. What it returns is the last error.
func patiently(ctx context.Context, patience time.Duration, full error, try func() error) error {
	err := try()
	if patience <= 0 || !errors.Is(err, full) {
		return err
	}
	over, tick := time.NewTimer(patience), time.NewTicker(again)
	defer over.Stop()
	defer tick.Stop()
	for errors.Is(err, full) {
		select {
		case <-ctx.Done():
			return err
		case <-over.C:
			return err
		case <-tick.C:
			err = try()
		}
	}
	return err
}

// rooms knows how full streams are and which partition is next.
type rooms struct {
	log   eventlog.Log
	every time.Duration

	mu   sync.Mutex
	byID map[string]*room
}

type room struct {
	turn    atomic.Uint64 // round robin over the partitions
	used    atomic.Int64  // Unix nanoseconds of the last request
	packed  atomic.Int64  // bytes kept, as of looked
	looked  atomic.Int64  // Unix nanoseconds
	looking sync.Mutex
}

// keepRooms is how many streams are remembered before idle ones are forgotten.
const keepRooms = 1024

func (rs *rooms) of(streamID string, now time.Time) *room {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byID[streamID]
	if r == nil {
		if len(rs.byID) >= keepRooms {
			for id, old := range rs.byID {
				// Or far ahead, if the clock was set back meanwhile.
				if idle := now.Sub(time.Unix(0, old.used.Load())); idle.Abs() > time.Hour {
					delete(rs.byID, id)
				}
			}
		}
		r = &room{}
		rs.byID[streamID] = r
	}
	r.used.Store(now.UnixNano())
	return r
}

// check refuses a stream that is at its size limit. The log is asked at most
// once per interval, by one request while the others go by the last answer, so
// a stream may pass its limit by what is accepted within one interval.
func (rs *rooms) check(ctx context.Context, s *stream.Stream, now time.Time) error {
	limit := s.Retention.MaxBytes
	if limit <= 0 {
		return nil
	}
	r := rs.of(s.ID, now)
	last := r.looked.Load()
	// A look in the future means that the clock was set back since.
	if age := now.Sub(time.Unix(0, last)); last == 0 || age.Abs() >= rs.every {
		if err := rs.look(ctx, s.ID, r, last, now); err != nil {
			return err
		}
	}
	if packed := r.packed.Load(); packed >= limit {
		return problem.New(problem.Busy, "%w: stream %q keeps %d bytes and its limit (retention.maxBytes) is %d; there is room again when batch exporters have delivered more, or raise the limit",
			ErrStreamFull, s.Name, packed, limit)
	}
	return nil
}

func (rs *rooms) look(ctx context.Context, streamID string, r *room, last int64, now time.Time) error {
	if last == 0 {
		r.looking.Lock() // nothing is known yet: wait for the first answer
	} else if !r.looking.TryLock() {
		return nil
	}
	defer r.looking.Unlock()
	if r.looked.Load() != last {
		return nil // another request looked meanwhile
	}
	bounds, err := rs.log.Bounds(ctx, streamID)
	if err != nil {
		return logError(err, false)
	}
	var packed int64
	for _, b := range bounds {
		packed += b.Packed
	}
	r.packed.Store(packed)
	r.looked.Store(now.UnixNano())
	return nil
}
