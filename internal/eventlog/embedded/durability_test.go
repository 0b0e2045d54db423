package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
	default:
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
	defer l.Close()
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
	defer l.Close()
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
	}
	close(g.release)
	wg.Wait()
	if c := l.Stats().Commits - before; c != 2 {
		t.Errorf("%d appends took %d commits, want 2", n+1, c)
	}
	blocks := 0
	seen := map[stream.Offset]bool{}
	for h, err := range l.Index(context.Background(), id, stream.Range{End: n + 1}) {
		if err != nil {
			t.Fatal(err)
		}
		blocks++
		_ = h
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
			defer l2.Close()
			if a := mustAppend(t, l2, e); a.Range.Start != 0 {
				t.Errorf("the retry went to %v", a.Range)
			}
			if at := end(t, l2); at != stream.Offset(size) {
				t.Errorf("end is %d, want %d", at, size)
			}
		})
	}
}
