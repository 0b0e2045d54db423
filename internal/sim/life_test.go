package sim

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/builtin"
	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/control"
	"strm/internal/eventlog/embedded"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/objstore/faulty"
	"strm/internal/problem"
	"strm/internal/retention"
	"strm/internal/stream"
)

// life is one process of the installation, from its start to its death.
type life struct {
	w   *world
	n   int
	fs  *vfs.MemFS
	log *embedded.Log
	db  *catalog.DB

	runner  *exporter.Runner
	keeper  *retention.Keeper
	control *control.Control

	ctx    context.Context
	cancel context.CancelFunc
	users  sync.WaitGroup // calls of actors under way
	parts  sync.WaitGroup // what runs by itself

	// An effect is something that outlives the process. Whoever makes one holds
	// mu for reading meanwhile; dying takes it for writing, so that afterwards
	// nothing of this life has any effect.
	mu      sync.RWMutex
	dead    bool
	after   *vfs.MemFS // what a crash left of the disk
	died    chan struct{}
	running atomic.Bool
	effects atomic.Int64
	last    int64 // dies at this effect; 0: at none
	syncs   atomic.Int64
	sync    int64 // dies at this sync of the log's write-ahead log; 0: at none
	keep    int   // percentage of unsynced data that the crash spares

	randomMu sync.Mutex
	random   *rand.Rand
}

var errDead = problem.New(problem.Unavailable, "the process is dead")

// boot starts the installation on what a former life left.
func (w *world) boot(n int, fs *vfs.MemFS) *life {
	r := w.script.rng("life", n)
	l := &life{w: w, n: n, fs: fs, died: make(chan struct{}), random: r, keep: pick(r, 0, 0, r.IntN(101), 100)}
	if !w.calm.Load() && r.Float64() < w.script.kills {
		l.last = 1 + r.Int64N(pick[int64](r, 60, 400, 2000))
		if r.IntN(2) == 0 {
			// Odd: before the sync, as a rule, and then what it was for is lost.
			l.sync, l.keep = 1|r.Int64N(pick[int64](r, 10, 30, 120)), 0
		}
	}
	var err error
	l.log, err = embedded.Open("/data/log", embedded.Options{
		FS: disk{fs, l.synced}, Logger: slog.New(slog.DiscardHandler), FreeBytes: w.freeBytes,
		Fatal: func(err error) { w.t.Errorf("life %d: the log gave up: %v", n, err) },
	})
	w.must(err)
	l.db, err = sqlite.Open(context.Background(), filepath.Join(w.dir, "catalog.db"))
	w.must(err)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	cat := gatedCatalog{DB: l.db, l: l}
	grace := time.Nanosecond
	if l.last == 0 {
		grace = 10 * time.Second
	}
	trimming := make(lock, 1)
	l.runner = exporter.New(exporter.Options{
		Log: l.log, Ledger: cat, Catalog: cat, Format: builtin.Format, SpoolDir: w.dir, Logger: slog.New(slog.DiscardHandler),
		Open: func(context.Context, stream.Sink) (objstore.Bucket, error) {
			return faulty.Wrap(gatedBucket{l: l}, l.putFault, nil), nil
		},
		Observer: deaf{}, Grace: grace, Parallel: pick(r, 1, 2, 64),
	})
	l.keeper = &retention.Keeper{Log: l.log, Catalog: cat, Logger: slog.New(slog.DiscardHandler), Every: time.Minute, Trimming: trimming}
	l.control = control.New(control.Deps{
		Catalog: cat, Log: l.log, Runner: l.runner, CheckOutput: builtin.CheckOutput, Trimming: trimming,
		Options: control.Options{AllowShortIntervals: true},
	})
	strangers, err := l.control.FinishDeletions(l.ctx)
	w.must(err)
	if len(strangers) > 0 {
		w.t.Errorf("the log holds streams that the catalog does not know: %v", strangers)
	}
	l.running.Store(true)
	l.parts.Go(func() { l.part("exporters", l.runner.Run) })
	l.parts.Go(func() { l.part("retention", l.keeper.Run) })
	l.parts.Go(func() { l.part("log", l.log.Run) })
	return l
}

func (l *life) part(name string, run func(context.Context) error) {
	if err := run(l.ctx); err != nil && !errors.Is(err, context.Canceled) {
		l.w.t.Errorf("life %d: %s: %v", l.n, name, err)
	}
}

// lock is a mutex whose waiters let simulated time pass: a replay may hold it
// while the catalog is slow.
type lock chan struct{}

func (l lock) Lock(ctx context.Context) (func(), error) {
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type deaf struct{}

func (deaf) BatchPlanned(*stream.Batch) {}
func (deaf) BatchDone(*stream.Batch)    {}
func (deaf) Lost(string, int64, int64)  {}
func (deaf) Dropped(string, int64)      {}
func (deaf) Put(string)                 {}

// strike counts a place where the process may die, and lets it.
func (l *life) strike() {
	if l.running.Load() && l.effects.Add(1) == l.last && !l.w.calm.Load() {
		l.die()
	}
}

// synced is told of each sync of a file, before and after.
func (l *life) synced(wal bool) {
	if wal && l.running.Load() && l.syncs.Add(1) == l.sync && !l.w.calm.Load() {
		// A disk takes its time. Whoever acts on what is not yet safe gets the
		// chance to do so now. Simulated time cannot pass in here.
		for range 300_000 {
			runtime.Gosched()
		}
		l.w.seen.count("crash at a sync of the log")
		l.die()
		return
	}
	l.strike()
}

// die is the end: what is on the disk now is what the next life finds.
func (l *life) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.dead = true
	cfg := vfs.CrashCloneCfg{}
	if l.keep > 0 {
		cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: l.keep, RNG: l.w.script.rng("crash", l.n)}
	}
	l.after = l.fs.CrashClone(cfg)
	close(l.died)
}

// effect runs act unless the process is dead, which it may be before or after.
func (l *life) effect(act func() error) error {
	l.strike()
	err := l.alive(act)
	l.strike()
	if err == nil {
		return l.alive(func() error { return nil })
	}
	return err
}

func (l *life) alive(act func() error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.dead {
		return errDead
	}
	return act()
}

// chance draws from the life's dice.
func (l *life) chance(f func(r *rand.Rand)) {
	l.randomMu.Lock()
	defer l.randomMu.Unlock()
	f(l.random)
}

// end waits until nothing of this life runs, and returns the disk of the next.
func (l *life) end() *vfs.MemFS {
	l.cancel()
	l.parts.Wait()
	l.users.Wait()
	l.running.Store(false)
	l.w.must(l.db.Close())
	l.w.must(l.log.Close())
	if l.after != nil {
		return l.after
	}
	return l.fs
}

// supervise starts one life after the other until the run is over.
func (w *world) supervise() {
	fs := vfs.NewCrashableMem()
	for n := 0; ; n++ {
		r := w.script.rng("supervisor", n)
		last := w.calm.Load()
		l := w.boot(n, fs)
		w.lives = n + 1
		w.open(l)
		span, down := between(r, time.Minute, 3*time.Hour), between(r, time.Second, 30*time.Minute)
		switch {
		case last:
			<-w.over
		default:
			select {
			case <-l.died:
			case <-w.settling:
			case <-time.After(span):
				if l.last > 0 {
					l.die()
				}
			}
		}
		w.shut()
		if l.after != nil {
			w.crashes++
		}
		fs = l.end()
		if last {
			return
		}
		select {
		case <-w.settling:
		case <-time.After(down):
		}
	}
}
