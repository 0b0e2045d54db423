package exporter

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"strm/internal/eventlog"
	"strm/internal/format"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// Observer is told what happens, for metrics. Methods must return at once.
type Observer interface {
	BatchPlanned(b *stream.Batch)
	BatchDone(b *stream.Batch)
	// Lost is called with what objects of the stream that were stored do not hold
	// of their events: members that the declared schema has no place for, values
	// that did not fit their column.
	Lost(stream string, undeclared, nulled int64)
	// Dropped is called with the number of values of the stream that are no events and
	// were left out of objects that were stored, as the stream says.
	Dropped(stream string, values int64)
	// Put is called after each PUT: "stored" or an objstore.Outcome.
	Put(outcome string)
}

// Options hold what a Runner needs.
type Options struct {
	Log      eventlog.Log
	Ledger   Ledger
	Catalog  Catalog
	Open     Opener
	Format   func(name string) (format.Format, error)
	SpoolDir string // for objects that must be encoded; what a crash left in it is of no use
	Logger   *slog.Logger
	Observer Observer
	Backoff  Backoff       // zero: DefaultBackoff
	Parallel int           // exporters at work at once; 0: 64
	Grace    time.Duration // how long running rounds may go on when Run's context ends; 0: 10 s
	Members  Members       // the nodes that share the ledger; nil: this process is alone
	Poll     time.Duration // how often to look at what other nodes work on; 0: 1 s
	// Commit tells the log's own tools how far a consumer group (Group of the exporter)
	// has got; nil: there are none. It is called every few seconds at most.
	Commit func(ctx context.Context, streamID, group string, p stream.Position) error
}

// Runner runs all exporters of one process. Run does the work; the other
// methods may be called from any goroutine, before, while and after it runs.
type Runner struct {
	log      eventlog.Log
	ledger   Ledger
	catalog  Catalog
	sinks    *sinks
	format   func(name string) (format.Format, error)
	spoolDir string
	logger   *slog.Logger
	observe  Observer
	backoff  Backoff
	parallel int
	grace    time.Duration
	encoding *semaphore.Weighted // encoders at work: one per CPU, so memory does not grow with exporters
	spooled  *semaphore.Weighted // bytes in spool files
	kick     chan struct{}
	members  Members
	shared   bool // with other nodes
	claims   claims
	spare    chan struct{}
	hands    int // helpers at most
	poll     time.Duration
	commit   func(ctx context.Context, streamID, group string, p stream.Position) error

	mu      sync.Mutex // guards what follows and the marked fields of lanes
	lanes   map[string]*lane
	streams map[string]*growth
	timers  timers
	atWork  int
	bySink  map[string]int     // steps at work
	parked  map[string][]*lane // due, but their sink has its share at work
	seed    uint64

	helping  int
	helpers  map[string][]*helper // by exporter
	progress map[string]progress  // by exporter: to be committed
}

// growth counts what a stream has taken since the process began, and knows
// which lanes to wake for it.
type growth struct {
	has    totals
	lanes  map[*lane]struct{}
	asleep map[*lane]struct{} // without a timer: any event arms them
	wakeOn totals             // the lowest of each lane.wakeOn, 0: none
}

// totals are amounts of events: what a stream has taken, or shall have taken.
type totals struct{ raw, packed, events int64 }

// reached reports whether one of the marks is reached; 0 is none.
func (t totals) reached(marks totals) bool {
	return marks.raw > 0 && t.raw >= marks.raw || marks.packed > 0 && t.packed >= marks.packed || marks.events > 0 && t.events >= marks.events
}

// marks returns where the stream will be when it has grown by so much.
func (t totals) marks(pause rest) totals {
	var m totals
	for _, x := range []struct {
		mark      *int64
		now, grow int64
	}{{&m.raw, t.raw, pause.raw}, {&m.packed, t.packed, pause.packed}, {&m.events, t.events, pause.events}} {
		if x.grow > 0 {
			*x.mark = x.now + x.grow
		}
	}
	return m
}

// lowest lowers marks to those of another; 0 is none.
func (t *totals) lowest(of totals) {
	for _, x := range [][2]*int64{{&t.raw, &of.raw}, {&t.packed, &of.packed}, {&t.events, &of.events}} {
		if *x[1] > 0 && (*x[0] == 0 || *x[1] < *x[0]) {
			*x[0] = *x[1]
		}
	}
}

// sinkShare is the part of the parallel steps that one sink may take: a quarter.
const sinkShare = 4

// New returns a Runner that does nothing until Run is called.
func New(o Options) *Runner {
	if o.Backoff == (Backoff{}) {
		o.Backoff = DefaultBackoff
	}
	if o.Parallel <= 0 {
		o.Parallel = 64
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Poll <= 0 {
		o.Poll = heldPoll
	}
	members := o.Members
	if members == nil {
		members = alone{}
	}
	return &Runner{
		members: members, shared: o.Members != nil, claims: claims{working: map[string]bool{}}, spare: make(chan struct{}, 1), hands: max(2, runtime.GOMAXPROCS(0)), poll: o.Poll,
		commit: o.Commit, helpers: map[string][]*helper{}, progress: map[string]progress{},
		log: o.Log, ledger: o.Ledger, catalog: o.Catalog, format: o.Format, spoolDir: o.SpoolDir, logger: o.Logger, observe: o.Observer,
		backoff: o.Backoff, parallel: o.Parallel, grace: o.Grace,
		sinks:    &sinks{catalog: o.Catalog, open: o.Open, held: map[string]*openSink{}},
		encoding: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))),
		spooled:  semaphore.NewWeighted(maxSpooled),
		kick:     make(chan struct{}, 1),
		lanes:    map[string]*lane{}, streams: map[string]*growth{}, bySink: map[string]int{}, parked: map[string][]*lane{},
	}
}

func (r *Runner) now() time.Time { return time.Now() }

// Load makes all exporters of the catalog known, so that the other methods find
// them. Run does it too; calling it first lets a server answer before it has
// looked at every exporter.
func (r *Runner) Load(ctx context.Context) error {
	if r.shared {
		return r.Refresh(ctx)
	}
	exporters, err := r.catalog.Exporters(ctx)
	if err != nil {
		return fmt.Errorf("read the exporters: %w", err)
	}
	for _, e := range exporters {
		r.add(stream.ExporterState{Exporter: e})
	}
	return nil
}

// Run carries events until ctx ends. Rounds that are running then may go on for
// the grace period; what they leave is in the ledger. It returns ctx's error, or
// the reason why it could not start.
func (r *Runner) Run(ctx context.Context) error {
	cancel := r.log.Subscribe(r.advanced)
	defer cancel()
	if err := r.Load(ctx); err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	if r.shared {
		wg.Go(func() { r.watch(ctx) })
		wg.Go(func() { r.assist(ctx, work, &wg) })
	}
	if r.commit != nil {
		wg.Go(func() { r.commits(ctx) })
	}
	r.dispatch(ctx, work, &wg)

	t := time.AfterFunc(r.grace, stop)
	defer t.Stop()
	wg.Wait()
	r.release(work)
	return errors.Join(ctx.Err(), r.sinks.close())
}

func (r *Runner) dispatch(ctx, work context.Context, wg *sync.WaitGroup) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := r.startDue(work, wg)
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-timer.C:
		}
	}
}

// startDue starts a step for every lane whose time has come and returns how
// long nothing is due.
func (r *Runner) startDue(work context.Context, wg *sync.WaitGroup) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for len(r.timers) > 0 && r.atWork < r.parallel {
		l := r.timers[0]
		if d := l.wakeAt.Sub(now); d > 0 {
			return d
		}
		heap.Pop(&r.timers)
		l.wakeAt, l.sink = time.Time{}, l.exporter().Sink
		if r.bySink[l.sink] >= max(1, r.parallel/sinkShare) {
			// A sink that does not answer must not hold up the others.
			r.parked[l.sink] = append(r.parked[l.sink], l)
			continue
		}
		r.bySink[l.sink]++
		l.again, l.running = false, true
		l.ended = make(chan struct{})
		ctx, cancel := context.WithCancel(work)
		l.cancel = cancel
		r.atWork++
		g := r.streams[l.streamID]
		before := g.has
		wg.Go(func() {
			defer cancel()
			pause, err := r.step(ctx, l)
			r.ended(ctx, l, pause, err, before)
		})
	}
	return time.Hour // a kick comes first
}

// ended puts a lane to rest. before are the stream's totals from before the
// step: whatever came since may not have been seen by it.
func (r *Runner) ended(ctx context.Context, l *lane, pause rest, err error, before totals) {
	if lostClaim(err) {
		// Another node has the batch, and knows it better.
		r.logger.Info("a batch was taken over by another node", slog.String("exporter", l.id), slog.Any("error", err))
		l.loaded = false
		pause, err = rest{until: r.now()}, nil
	}
	if err != nil && !errors.Is(err, errGone) {
		// The ledger may know more than the lane now: an answer may be lost.
		l.loaded = false
		pause = r.faulted(l, err)
	}
	r.tell(ctx, l)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.atWork--
	l.running = false
	r.unpark(l.sink)
	close(l.ended)
	defer r.poke()
	if l.gone || errors.Is(err, errGone) || !l.mine {
		return
	}
	g := r.streams[l.streamID]
	l.wakeOn = before.marks(pause)
	switch {
	case pause.paused && !l.again:
	case l.again || g.has.reached(l.wakeOn) || pause.until.IsZero() && g.has.events != before.events:
		r.schedule(l, r.now())
	case pause.until.IsZero():
		g.asleep[l] = struct{}{}
	default:
		r.schedule(l, pause.until)
	}
	g.wakeOn.lowest(l.wakeOn)
}

// unpark ends a step for a sink and lets those go that wait for it. The caller
// holds r.mu.
func (r *Runner) unpark(sink string) {
	if r.bySink[sink]--; r.bySink[sink] == 0 {
		delete(r.bySink, sink)
	}
	waiting := r.parked[sink]
	delete(r.parked, sink)
	for _, l := range waiting {
		if !l.gone {
			r.schedule(l, r.now())
		}
	}
}

// faulted makes a fault of ours visible and says when to try again. A step that
// was cut off, by a pause or by the end of the run, is no fault.
func (r *Runner) faulted(l *lane, err error) rest {
	if errors.Is(err, context.Canceled) {
		return rest{until: r.now()}
	}
	blocked := objstore.NeedsPerson(err)
	now := r.now()
	pause := rest{until: now.Add(r.backoff.after(l.failed(ofExport, causeOf(err)), blocked, l.random))}
	l.report(ofExport, trouble{problem: err.Error(), blocked: blocked, retryAt: pause.until, since: now})
	r.logger.Error("exporter step", slog.String("exporter", l.exporter().Name), slog.Any("error", err), slog.Time("retry_at", pause.until))
	return pause
}

// advanced is called by the log after every append. Its cost does not depend
// on the number of exporters, but when one of them is to be woken.
func (r *Runner) advanced(a eventlog.Advance) {
	if a.Turned {
		r.StreamChanged(a.StreamID)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.streams[a.StreamID]
	if g == nil {
		return
	}
	g.has.raw += a.Raw
	g.has.packed += a.Packed
	g.has.events += a.Events
	if len(g.asleep) > 0 {
		for l := range g.asleep {
			delete(g.asleep, l)
			r.schedule(l, r.firstCut(l, a))
		}
		r.poke()
	}
	if g.has.reached(g.wakeOn) {
		g.wakeOn = totals{}
		for l := range g.lanes {
			if !l.running && g.has.reached(l.wakeOn) {
				l.wakeOn = totals{}
				r.schedule(l, r.now())
				continue
			}
			g.wakeOn.lowest(l.wakeOn)
		}
		r.poke()
	}
}

// firstCut says when a lane that had nothing waiting must look at the first
// event: at its next boundary, or at once if sizes matter, to learn how much
// is missing.
func (r *Runner) firstCut(l *lane, a eventlog.Advance) time.Time {
	e := l.exporter()
	if e.Cut.Interval <= 0 || e.Cut.MaxBytes > 0 || e.Cut.MaxPacked > 0 || e.Cut.MaxEvents > 0 {
		return r.now()
	}
	if a.First.After(r.now()) {
		return r.now() // the clock was set back; from now on the lane knows that something waits
	}
	return stream.NextBoundary(a.First, e.Cut.Interval, e.Cut.Offset)
}

// schedule arms a lane, or moves its timer forward. The caller holds r.mu.
func (r *Runner) schedule(l *lane, at time.Time) {
	switch {
	case !l.mine:
	case l.running:
		l.again = true
	case l.index >= 0:
		if at.Before(l.wakeAt) {
			l.wakeAt = at
			heap.Fix(&r.timers, l.index)
		}
	default:
		l.wakeAt = at
		heap.Push(&r.timers, l)
	}
}

// poke makes the dispatcher look again.
func (r *Runner) poke() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// add makes a lane for an exporter that has none.
func (r *Runner) add(st stream.ExporterState) *lane {
	e := st.Exporter
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lanes[e.ID]; l != nil {
		return l
	}
	r.seed++
	l := newLane(e, r.seed^uint64(r.now().UnixNano()))
	l.known, l.mine = st, r.Owns(e.ID)
	l.flush(st.FlushTo)
	r.lanes[e.ID] = l
	g := r.streams[e.StreamID]
	if g == nil {
		g = &growth{lanes: map[*lane]struct{}{}, asleep: map[*lane]struct{}{}}
		r.streams[e.StreamID] = g
	}
	g.lanes[l] = struct{}{}
	r.schedule(l, r.now())
	r.poke()
	return l
}

// timers is a heap of lanes by wakeAt.
type timers []*lane

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].wakeAt.Before(t[j].wakeAt) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push appends a lane.
func (t *timers) Push(x any) {
	l := x.(*lane)
	l.index = len(*t)
	*t = append(*t, l)
}

// Pop removes the last lane.
func (t *timers) Pop() any {
	old := *t
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	l.index = -1
	return l
}
