package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"strm/internal/eventlog"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Options hold what a Runner needs.
type Options struct {
	Log      eventlog.Log
	Ledger   Ledger
	Catalog  Catalog
	Open     Opener
	OpenFile OpenFile
	// Room says whether a stream may grow; kind Busy if not now. See ingest.Ingester.HasRoom.
	Room     func(ctx context.Context, s *stream.Stream) error
	Poll     Poll // nil: queues are not listened to
	Logger   *slog.Logger
	Observer Observer
	Members  Members // nil: nobody else works with the ledger and the log
	Parallel int     // files at work at once; 0: one per CPU
	Backoff  Backoff // zero: DefaultBackoff
}

// Beside files, what a Runner does at once at most.
const (
	parallelReports  = 4
	parallelListings = 2
)

// Runner imports files and reports on them. Run does the work; Wake may be called
// from any goroutine, before, while and after it runs.
type Runner struct {
	log      eventlog.Log
	ledger   Ledger
	catalog  Catalog
	buckets  *buckets
	openFile OpenFile
	room     func(ctx context.Context, s *stream.Stream) error
	poll     Poll
	logger   *slog.Logger
	observe  Observer
	backoff  Backoff
	members  Members
	shared   bool // others may work with the ledger and the log

	loops    [3]chan struct{} // kicks
	files    *crew[int64]
	reports  *crew[int64]
	listings *crew[string]
	notices  notices
}

// The loops of a Runner.
const (
	ofFiles = iota
	ofReports
	ofNotices
)

// New returns a Runner that does nothing until Run is called.
func New(o Options) *Runner {
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	if o.Backoff == (Backoff{}) {
		o.Backoff = DefaultBackoff
	}
	shared := o.Members != nil
	if !shared {
		o.Members = alone{}
	}
	r := &Runner{
		backoff: o.Backoff, members: o.Members, shared: shared,
		log: o.Log, ledger: o.Ledger, catalog: o.Catalog, openFile: o.OpenFile, room: o.Room, poll: o.Poll, logger: o.Logger, observe: o.Observer,
		buckets: &buckets{catalog: o.Catalog, open: o.Open, held: map[string]*openSink{}},
		notices: newNotices(),
	}
	for i := range r.loops {
		r.loops[i] = make(chan struct{}, 1)
	}
	// A file that is done has something to report; a report that is done lets another be planned.
	r.files = newCrew[int64](o.Parallel, func() { r.kick(ofFiles); r.kick(ofReports) })
	r.reports = newCrew[int64](parallelReports, func() { r.kick(ofReports) })
	r.listings = newCrew[string](parallelListings, func() { r.kick(ofNotices); r.kick(ofFiles) })
	return r
}

// Wake makes the runner look at once for files that were noticed and importers
// that were changed. Without it that takes until the next look, half a minute at most.
func (r *Runner) Wake() {
	for i := range r.loops {
		r.kick(i)
	}
}

func (r *Runner) kick(loop int) {
	select {
	case r.loops[loop] <- struct{}{}:
	default:
	}
}

// Run imports until ctx ends, and returns ctx's error when nothing is at work any
// more. Files under way stop between two appends; they go on from their marks.
func (r *Runner) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { r.loop(ctx, ofFiles, r.startFiles) })
	wg.Go(func() { r.loop(ctx, ofReports, r.startReports) })
	wg.Go(func() { r.loop(ctx, ofNotices, r.startNotices) })
	wg.Wait()
	r.files.wait()
	r.reports.wait()
	r.listings.wait()
	r.notices.wait()
	return errors.Join(ctx.Err(), r.buckets.close())
}

// How often a Runner looks for work of which nobody told it: notices may come to
// another process, which tells only itself.
const (
	lookEvery       = 30 * time.Second
	lookEveryShared = 5 * time.Second
)

// loop calls start when it is kicked, when the time has come that start named,
// and from time to time.
func (r *Runner) loop(ctx context.Context, which int, start func(context.Context) (time.Time, error)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	most := lookEvery
	if r.shared {
		most = lookEveryShared
	}
	failures := 0
	for {
		wait := most
		others := r.members.Watch() // before start asks who owns what
		next, err := start(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			wait = min(r.backoff.after(failures, err), most)
			r.logger.Error("importing cannot go on", slog.Any("error", err), slog.Duration("retry_in", wait.Round(time.Millisecond)))
		case !next.IsZero():
			failures = 0
			wait = min(max(time.Until(next), r.backoff.Min), most)
		default:
			failures = 0
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-r.loops[which]:
		case <-others:
		case <-timer.C:
		}
	}
}

// startFiles begins what is due, oldest first.
func (r *Runner) startFiles(ctx context.Context) (next time.Time, err error) {
	free := r.files.free()
	if free <= 0 {
		return time.Time{}, nil // a kick comes when one is done
	}
	now := time.Now()
	due, next, err := r.ledger.DueImports(ctx, r.members.Self(), now, r.files.known()+free)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for files to import: %w", err)
	}
	for _, i := range due {
		held := r.files.begin(i.ID, now, func() { r.importFile(ctx, i) })
		next = earlier(next, held)
	}
	return next, nil
}

// importFile makes one attempt at an import, and notes how it failed.
func (r *Runner) importFile(ctx context.Context, i stream.Import) {
	i.Owner = r.members.Self()
	err := r.guard(func() error { return r.attempt(ctx, &i) })
	if err == nil || ctx.Err() != nil {
		return // stopping is no failure; the next start goes on
	}
	wait := r.backoff.after(i.Attempts, err)
	i.Problem, i.NextTryAt = err.Error(), time.Now().Add(wait).UTC()
	log := r.logger.Warn
	if problem.KindOf(err) == problem.Internal && !objstore.OfStore(err) {
		log = r.logger.Error
	}
	log("file was not imported, and will be tried again", slog.String("importer", i.Importer), slog.String("key", i.Key), slog.Int("attempt", i.Attempts),
		slog.String("reason", i.Problem), slog.Duration("retry_in", wait.Round(time.Millisecond)))
	r.observe.FileFailed(i.Importer)
	err = r.ledger.SaveImport(ctx, i)
	switch {
	case err == nil || ctx.Err() != nil:
	case problem.KindOf(err) == problem.Conflict: // done or given up meanwhile, or another process is at it
	default:
		r.logger.Error("note why a file was not imported", slog.String("key", i.Key), slog.Any("error", err))
		r.files.hold(i.ID, i.NextTryAt)
	}
}

// errPanic: something of ours went wrong in a way that nobody thought of.
var errPanic = errors.New("internal fault")

// guard turns a panic into an error, with its stack in the log.
func (r *Runner) guard(work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			r.logger.Error("importing panicked", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("%w: %v; the server's log has the details", errPanic, v)
		}
	}()
	return work()
}
