package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/stream"
)

const id = "00000000000000a1"

// gate holds the syncs of the engine's log until it is opened, or fails them.
type gate struct {
	on      atomic.Bool
	fail    error
	held    chan struct{} // gets a token when a sync arrives
	release chan struct{} // closed to let syncs through
}

func newGate() *gate { return &gate{held: make(chan struct{}, 100), release: make(chan struct{})} }

func (g *gate) String() string { return "gate" }

func (g *gate) MaybeError(op errorfs.Op) error {
	if !g.on.Load() || !strings.HasSuffix(op.Path, ".log") {
		return nil
	}
	if op.Kind != errorfs.OpFileSync && op.Kind != errorfs.OpFileSyncData && op.Kind != errorfs.OpFileSyncTo {
		return nil
	}
	select {
	case g.held <- struct{}{}:
	default:
	}
	<-g.release
	return g.fail
}

func openGated(t *testing.T, g *gate, fs vfs.FS, fatal func(error)) *embedded.Log {
	t.Helper()
	l, err := embedded.Open("/data/log", embedded.Options{Logger: quiet, FS: errorfs.Wrap(fs, g), MinFree: -1, Fatal: fatal})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Create(context.Background(), id, 1); err != nil {
		t.Fatal(err)
	}
	return l
}

func closed(t *testing.T, l *embedded.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func event(i int) eventlog.Entry {
	return eventlog.Entry{Events: 1, Data: fmt.Appendf(nil, `{"n":%d}`+"\n", i), Key: fmt.Sprint("key", i), Digest: 1}
}

func mustAppend(t *testing.T, l *embedded.Log, e eventlog.Entry) eventlog.Appended {
	t.Helper()
	a, err := l.Append(context.Background(), id, e)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func end(t *testing.T, l *embedded.Log) stream.Offset {
	t.Helper()
	bs, err := l.Bounds(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return bs[0].End
}

// An event whose sync has not returned is in the engine's memory already; no
// reader, subscriber or second append with its key may see it.
func TestNotVisibleBeforeSync(t *testing.T) {
	g := newGate()
	l := openGated(t, g, vfs.NewMem(), func(err error) { t.Error(err) })
	defer closed(t, l)
	mustAppend(t, l, event(0))
	var told atomic.Int64
	defer l.Subscribe(func(a eventlog.Advance) { told.Add(a.Events) })()
	g.on.Store(true)
	var wg sync.WaitGroup
	results := make([]eventlog.Appended, 2)
	for i := range results { // the second waits for the first, as it has its key
		wg.Go(func() { results[i], _ = l.Append(context.Background(), id, event(1)) })
	}
	<-g.held
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if a, err := l.Append(ctx, id, event(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an append with the key in flight did not wait: %+v, %v", a, err)
	}
	if e := end(t, l); e != 1 {
		t.Errorf("end is %d before the sync returned", e)
	}
	for h, err := range l.Index(context.Background(), id, stream.Range{Start: 1, End: 10}) {
		t.Errorf("index shows %v, %v before the sync returned", h, err)
	}
	for b, err := range l.Read(context.Background(), id, stream.Range{Start: 1, End: 10}) {
		t.Errorf("read shows %v, %v before the sync returned", b.Range, err)
	}
	if told.Load() != 0 {
		t.Error("a subscriber was told before the sync returned")
	}
	if results[0].Events != 0 || results[1].Events != 0 {
		t.Error("an append returned before the sync")
	}
	close(g.release)
	wg.Wait()
	if e := end(t, l); e != 2 {
		t.Errorf("end is %d, want 2", e)
	}
	if results[0].Duplicate == results[1].Duplicate || results[0].Range != results[1].Range {
		t.Errorf("answers %+v and %+v", results[0], results[1])
	}
}

// Entries that arrive during a commit share the next one.
func TestGroupCommit(t *testing.T) {
	const n = 500
	g := newGate()
	l := openGated(t, g, vfs.NewMem(), func(err error) { t.Error(err) })
	defer closed(t, l)
	before := l.Stats().Commits
	g.on.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, l, event(0)) })
	<-g.held
	answers := make([]eventlog.Appended, n+1)
	for i := 1; i <= n; i++ {
		wg.Go(func() { answers[i], _ = l.Append(context.Background(), id, event(i)) })
	}
	for l.Waiting(id) < n { // queued behind the one that is being synced
		runtime.Gosched()
	}
	close(g.release)
	wg.Wait()
	if c := l.Stats().Commits - before; c != 2 {
		t.Errorf("%d appends took %d commits, want 2", n+1, c)
	}
	blocks := 0
	seen := map[stream.Offset]bool{}
	for _, err := range l.Index(context.Background(), id, stream.Range{End: n + 1}) {
		if err != nil {
			t.Fatal(err)
		}
		blocks++
	}
	if blocks != 2 {
		t.Errorf("%d blocks, want 2", blocks)
	}
	for i := 1; i <= n; i++ {
		a := answers[i]
		if again := mustAppend(t, l, event(i)); !again.Duplicate || again.Range != a.Range || seen[a.Range.Start] {
			t.Fatalf("event %d: first %+v, again %+v", i, a, again)
		}
		seen[a.Range.Start] = true
	}
}

// Merged entries of different hours do not share a block, and an entry that
// went its own way meanwhile does not make the hours mix.
func TestMergedBlocksKeepTheHour(t *testing.T) {
	g := newGate()
	l := openGated(t, g, vfs.NewMem(), func(err error) { t.Error(err) })
	defer closed(t, l)
	g.on.Store(true)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	send := func(i int, at time.Duration) {
		e := event(i)
		e.Received = noon.Add(at)
		wg.Go(func() { mustAppend(t, l, e) })
	}
	send(0, 0)
	<-g.held
	for i, minutes := range []int{10, 59, 60, 30, 119, 120} {
		send(i+1, time.Duration(minutes)*time.Minute)
		for l.Waiting(id) <= i {
			runtime.Gosched()
		}
	}
	close(g.release)
	wg.Wait()
	var got []string
	for b, err := range l.Read(context.Background(), id, stream.Range{End: 100}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s-%s", b.Events, b.FirstAt.Format("15:04"), b.LastAt.Format("15:04")))
	}
	want := []string{"1 12:00-12:00", "2 12:10-12:59", "3 13:00-13:59", "1 14:00-14:00"}
	if !slices.Equal(got, want) {
		t.Errorf("blocks %q, want %q", got, want)
	}
}

// While the sync of a trim or drop is under way its blocks may be gone already.
// A reader must take that for what it is, not for damage.
func TestRemovalUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		remove func(l *embedded.Log) error
		want   error
	}{
		"trim": {func(l *embedded.Log) error { return l.Trim(context.Background(), id, 0, 2) }, eventlog.ErrTrimmed},
		"drop": {func(l *embedded.Log) error { return l.Drop(context.Background(), id) }, eventlog.ErrNoStream},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			l := openGated(t, g, vfs.NewMem(), func(err error) { t.Error(err) })
			defer closed(t, l)
			mustAppend(t, l, event(0))
			mustAppend(t, l, event(1))
			done := make(chan error)
			started := false
			for _, err := range l.Read(context.Background(), id, stream.Range{End: 2}) {
				if !started { // the first block is out, the second is known to the reader
					started = true
					g.on.Store(true)
					go func() { done <- c.remove(l) }()
					<-g.held
				} else if err != nil && !errors.Is(err, c.want) { // nil: not gone yet
					t.Errorf("read during the removal: %v", err)
				}
			}
			for _, err := range l.Index(context.Background(), id, stream.Range{End: 2}) {
				if !errors.Is(err, c.want) {
					t.Errorf("index during the removal: %v", err)
				}
			}
			close(g.release)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// A sync that fails ends the process: memory holds what the disk may not. The
// append has not succeeded, nothing of it shows, nothing more is written; a new
// process settles it by the key.
func TestSyncFailureIsFatal(t *testing.T) {
	for _, size := range []int{1, 5000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			g := newGate()
			g.fail = errors.New("disk on fire")
			close(g.release)
			var fatal atomic.Pointer[error]
			l := openGated(t, g, fs, func(err error) { fatal.CompareAndSwap(nil, &err) })
			e := event(1)
			e.Events, e.Data = size, []byte(strings.Repeat(string(e.Data), size))
			g.on.Store(true)
			if a, err := l.Append(context.Background(), id, e); !errors.Is(err, g.fail) {
				t.Fatalf("append over a failing disk: %+v, %v", a, err)
			}
			if p := fatal.Load(); p == nil || !errors.Is(*p, g.fail) {
				t.Fatal("the process would have gone on")
			}
			if at := end(t, l); at != 0 {
				t.Errorf("end is %d", at)
			}
			for _, e := range []eventlog.Entry{e, event(2)} {
				if a, err := l.Append(context.Background(), id, e); err == nil {
					t.Errorf("append after the failure: %+v", a)
				}
			}
			g.on.Store(false)
			after := fs.CrashClone(vfs.CrashCloneCfg{})
			_ = l.Close()
			l2, err := embedded.Open("/data/log", embedded.Options{Logger: quiet, FS: after, MinFree: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer closed(t, l2)
			if a := mustAppend(t, l2, e); a.Range.Start != 0 {
				t.Errorf("the retry went to %v", a.Range)
			}
			if at := end(t, l2); at != stream.Offset(size) {
				t.Errorf("end is %d, want %d", at, size)
			}
		})
	}
}
