package exporter

import (
	"math/rand/v2"
	"sync"
	"time"

	"strm/internal/stream"
)

// lane is the runner's memory of one exporter. At most one step of a lane runs
// at a time; the fields below the mutex are shared with callers.
type lane struct {
	id       string
	streamID string
	random   *rand.Rand // only for the running step

	// Owned by the running step.
	loaded     bool
	unfinished []stream.Batch // by Seq, as the ledger has them
	failures   int            // in a row, for the back-off
	validated  bool
	validateAt time.Time
	hurry      bool      // this step does not wait for retry times
	seen       time.Time // when a step first saw the events that wait now; zero: nothing waits

	mu        sync.Mutex
	exp       stream.Exporter
	status    laneStatus
	delivered stream.Position
	flushTo   stream.Position // cut at once while the position is before this
	urged     bool            // the next step shall hurry
	reread    bool            // the ledger holds batches the lane does not know
	progress  chan struct{}   // closed and replaced whenever something changes

	// Guarded by Runner.mu.
	wakeAt  time.Time // zero: no timer
	index   int       // in the heap, -1 outside
	running bool
	again   bool          // woken while running
	gone    bool          // no further steps
	cancel  func()        // ends the running step
	ended   chan struct{} // closed when the running step ends
	rawAt   int64         // wake when the stream's totals reach these; 0: no such rule
	eventAt int64
}

type laneStatus struct {
	problem   string
	blocked   bool
	since     time.Time
	retryAt   time.Time
	delivered time.Time
}

func newLane(e stream.Exporter, seed uint64) *lane {
	return &lane{
		id: e.ID, streamID: e.StreamID, exp: e, index: -1, progress: make(chan struct{}), delivered: e.Start.Clone(),
		random: rand.New(rand.NewPCG(seed, 1)),
	}
}

func (l *lane) exporter() stream.Exporter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.exp
}

// begin takes up what was asked for since the last step.
func (l *lane) begin(e stream.Exporter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exp = e
	l.hurry, l.urged = l.urged, false
	if l.reread {
		l.loaded, l.reread = false, false
	}
}

// see notes when the events that wait were first seen.
func (l *lane) see(w waiting, now time.Time) time.Time {
	switch {
	case w.events == 0:
		l.seen = time.Time{}
	case l.seen.IsZero() || l.seen.After(now):
		l.seen = now
	}
	return l.seen
}

// urge makes the next step try at once what waits for a retry.
func (l *lane) urge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urged = true
	l.status.blocked = false // until that step knows better
}

// failed counts a failure and returns how many there were in a row.
func (l *lane) failed() int {
	l.failures++
	return l.failures
}

// announce wakes those who wait for progress. The caller holds l.mu.
func (l *lane) announce() {
	close(l.progress)
	l.progress = make(chan struct{})
}

// report makes the lane's troubles, or their end, visible.
func (l *lane) report(problem string, blocked bool, retryAt, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.status
	if problem == "" {
		s.since = time.Time{}
	} else if s.problem == "" {
		s.since = now
	}
	s.problem, s.blocked, s.retryAt = problem, blocked, retryAt
	l.announce()
}

// settleDelivered recomputes what is in the bucket: everything below the
// position that no unfinished export batch still covers.
func (l *lane) settleDelivered(doneAt time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.exp.Next.Clone()
	for i := range l.unfinished {
		if l.unfinished[i].Replay != "" {
			continue
		}
		for _, r := range l.unfinished[i].Ranges() {
			d[r.Partition] = min(d[r.Partition], r.Start)
		}
	}
	l.delivered = d
	if !doneAt.IsZero() {
		l.status.delivered = doneAt
	}
	l.announce()
}

func (l *lane) wantsFlush() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.exp.Next.Before(l.flushTo)
}

// export returns the unfinished export batch, of which there is one at most,
// and replay the first unfinished replay batch; nil if there is none.
func (l *lane) export() *stream.Batch {
	for i := range l.unfinished {
		if l.unfinished[i].Replay == "" {
			return &l.unfinished[i]
		}
	}
	return nil
}

func (l *lane) replay() *stream.Batch {
	for i := range l.unfinished {
		if l.unfinished[i].Replay != "" {
			return &l.unfinished[i]
		}
	}
	return nil
}

// drop forgets a batch that is done.
func (l *lane) drop(id string) {
	for i := range l.unfinished {
		if l.unfinished[i].ID == id {
			l.unfinished = append(l.unfinished[:i], l.unfinished[i+1:]...)
			return
		}
	}
}
