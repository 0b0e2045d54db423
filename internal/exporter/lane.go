package exporter

import (
	"fmt"
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
	unfinished []stream.Batch     // by Seq, as the ledger has them
	failures   [troubles]failures // in a row, for the back-off
	validated  bool
	validateAt time.Time
	hurry      bool      // this step does not wait for retry times
	seen       time.Time // when a step first saw the events that wait now; zero: nothing waits
	told       string    // the trouble that other nodes read

	mu        sync.Mutex
	exp       stream.Exporter
	status    laneStatus
	delivered stream.Position
	flushTo   stream.Position      // cut at once while the position is before this
	urged     bool                 // the next step shall hurry
	reread    bool                 // the ledger holds batches the lane does not know
	known     stream.ExporterState // as the catalog was last read for other nodes' doings
	reloads   int                  // how often exp.Paused was set by Reload
	progress  chan struct{}        // closed and replaced whenever something changes

	// Guarded by Runner.mu.
	mine    bool      // it runs here
	wakeAt  time.Time // zero: no timer
	index   int       // in the heap, -1 outside
	running bool
	sink    string        // of the step that runs, or is parked
	again   bool          // woken while running
	gone    bool          // no further steps
	cancel  func()        // ends the running step
	ended   chan struct{} // closed when the running step ends
	wakeOn  totals        // wake when the stream's totals reach these; 0: no such rule
}

// kind of trouble. Replays have their own, so that neither they nor the export
// hide how the other fares.
const (
	ofExport = iota // validation included: nothing is exported without it
	ofReplay
	troubles
)

func troubleOf(b *stream.Batch) int {
	if b.Replay != "" {
		return ofReplay
	}
	return ofExport
}

// trouble is what keeps a lane from delivering; the zero value is none.
type trouble struct {
	problem string
	blocked bool
	since   time.Time
	retryAt time.Time
	batch   bool // the ledger has it, with its batch
}

type laneStatus struct {
	troubles  [troubles]trouble
	delivered time.Time
	putting   putting
}

// putting is the PUT that a lane waits for; the zero value is none.
type putting struct {
	key   string
	since time.Time
}

// slowPut is how long a PUT may take before the status speaks of it.
const slowPut = 10 * time.Second

// slow tells of a PUT that takes long, and since when. It is no trouble yet: the
// exporter runs.
func (p putting) slow(now time.Time) (reason string, since time.Time) {
	if p.key == "" || now.Sub(p.since) < slowPut {
		return "", time.Time{}
	}
	return fmt.Sprintf("the upload of %s has had no answer for %v", p.key, now.Sub(p.since).Round(time.Second)), p.since
}

// put notes the PUT that the lane waits for, and returns what notes its end.
func (l *lane) put(key string, at time.Time) (ended func()) {
	note := func(p putting) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.status.putting = p
	}
	note(putting{key, at})
	return func() { note(putting{}) }
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

// reload takes up at once whether the exporter is paused, so that who resumes
// it may flush it without waiting for a step. The rest is up to the next step:
// e may be older than what a running one has planned.
func (l *lane) reload(e stream.Exporter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exp.Paused = e.Paused
	l.reloads++
}

func (l *lane) reloaded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reloads
}

// begin takes up what was asked for since the last step. reloads tells how many
// reloads there were before e was read: a later one knows better than e.
func (l *lane) begin(st stream.ExporterState, reloads int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := st.Exporter
	l.told = st.Trouble
	l.flush(st.FlushTo)
	paused := l.exp.Paused
	if e.LastSeq > l.exp.LastSeq {
		l.loaded = false // another node has planned
	}
	if e.Sink != l.exp.Sink || e.Output != l.exp.Output {
		l.validated = false
	}
	l.exp = e
	if l.reloads != reloads {
		l.exp.Paused = paused // and another step follows
	}
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
	for kind := range l.status.troubles {
		l.status.troubles[kind].blocked = false // until that step knows better
	}
}

// failed counts a failure and returns those of its kind and cause in a row.
func (l *lane) failed(kind int, c cause) failures {
	l.failures[kind] = l.failures[kind].and(c)
	return l.failures[kind]
}

// announce wakes those who wait for progress. The caller holds l.mu.
func (l *lane) announce() {
	close(l.progress)
	l.progress = make(chan struct{})
}

// report makes a trouble visible. It began when the first of its kind did.
func (l *lane) report(kind int, t trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.status.troubles[kind]; old.problem != "" && old.since.Before(t.since) {
		t.since = old.since
	}
	l.status.troubles[kind] = t
	l.announce()
}

// recovered ends a trouble.
func (l *lane) recovered(kind int) {
	l.failures[kind] = failures{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.troubles[kind] = trouble{}
	l.announce()
}

// trouble returns what to tell of first. The caller holds l.mu.
func (s *laneStatus) trouble() trouble {
	t := s.troubles[ofExport]
	if t.problem == "" {
		t = s.troubles[ofReplay]
	}
	return t
}

// settleDelivered recomputes what is in the bucket: everything below the
// position that no unfinished export batch still covers.
func (l *lane) settleDelivered(doneAt time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delivered = delivered(l.exp.Next, l.unfinished)
	if !doneAt.IsZero() {
		l.status.delivered = doneAt
	}
	l.announce()
}

// delivered is what is in the bucket of an exporter at next with these unfinished batches.
func delivered(next stream.Position, unfinished []stream.Batch) stream.Position {
	d := next.Clone()
	for i := range unfinished {
		if unfinished[i].Replay != "" {
			continue
		}
		for _, r := range unfinished[i].Ranges() {
			if int(r.Partition) >= len(d) {
				continue // of a partition newer than the position
			}
			d[r.Partition] = min(d[r.Partition], r.Start)
		}
	}
	return d
}

// flush asks for a cut of everything below to, beside what was asked for before; nil asks
// for nothing. The caller holds l.mu.
func (l *lane) flush(to stream.Position) {
	if to != nil && l.flushTo.Before(to) {
		l.flushTo = to
	}
}

func (l *lane) wantsFlush() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.exp.Next.Before(l.flushTo)
}

// export returns the first unfinished export batch (alone, a node has one at most),
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

// ailing reports whether an unfinished batch was tried in vain.
func (l *lane) ailing(kind int) bool {
	for i := range l.unfinished {
		if troubleOf(&l.unfinished[i]) == kind && l.unfinished[i].Problem != "" {
			return true
		}
	}
	return false
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
