package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
)

// called makes an entry of one event per name, with ids.
func called(names ...string) eventlog.Entry {
	e := eventlog.Entry{Events: len(names), IDWindow: time.Hour}
	for _, n := range names {
		e.Data = fmt.Appendf(e.Data, `{"id":%q}`+"\n", n)
		e.IDs = append(e.IDs, eventlog.NewID([]byte(n)))
	}
	return e
}

// While an event's sync is under way, nobody is told that it was stored before;
// entries without a common event do not wait.
func TestRepeatsWaitForTheSync(t *testing.T) {
	g := newGate()
	l := openGated(t, g, vfs.NewMem(), func(err error) { t.Error(err) })
	defer closed(t, l)
	mustAppend(t, l, called("before"))
	g.on.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		if a := mustAppend(t, l, called("a", "b")); a.Events != 2 {
			t.Errorf("first: %+v", a)
		}
	})
	<-g.held
	for _, e := range []eventlog.Entry{called("b"), called("c", "a"), called("before", "b")} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		if a, err := l.Append(ctx, id, e); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an append with an event in flight did not wait: %+v, %v", a, err)
		}
		cancel()
	}
	if a := mustAppend(t, l, called("before")); a.Repeated != 1 {
		t.Errorf("stored before: %+v", a)
	}
	for _, c := range []struct {
		e      eventlog.Entry
		stored int
	}{{called("b"), 0}, {called("x", "a"), 1}} {
		wg.Go(func() {
			if a := mustAppend(t, l, c.e); a.Events != c.stored || a.Repeated != 1 {
				t.Errorf("second: %+v", a)
			}
		})
	}
	close(g.release)
	wg.Wait()
	if e := end(t, l); e != 4 {
		t.Errorf("end is %d, want 4", e)
	}
}

// A sync that fails leaves open what is stored: no repeat is answered from it.
func TestSyncFailureAnswersNoRepeat(t *testing.T) {
	fs := vfs.NewCrashableMem()
	g := newGate()
	g.fail = errors.New("disk on fire")
	close(g.release)
	var fatal atomic.Pointer[error]
	l := openGated(t, g, fs, func(err error) { fatal.CompareAndSwap(nil, &err) })
	mustAppend(t, l, called("before"))
	g.on.Store(true)
	for range 2 {
		if a, err := l.Append(context.Background(), id, called("a", "before")); !errors.Is(err, g.fail) {
			t.Fatalf("append over a failing disk: %+v, %v", a, err)
		}
	}
	if fatal.Load() == nil {
		t.Fatal("the process would have gone on")
	}
	g.on.Store(false)
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	_ = l.Close()
	l2, err := embedded.Open("/data/log", embedded.Options{Logger: quiet, FS: after, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, l2)
	if a := mustAppend(t, l2, called("a", "before")); a.Events != 1 || a.Repeated != 1 {
		t.Errorf("the retry: %+v", a)
	}
}
