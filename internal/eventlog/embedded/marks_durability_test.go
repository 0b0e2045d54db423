package embedded_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
)

func markedAt(at uint64) eventlog.Entry {
	return eventlog.Entry{Events: 1, Data: []byte(`{"row":1}` + "\n"), Mark: "file", MarkAt: at, MarkFrom: at - 1}
}

// While the sync of an append is under way, nobody is told how far its mark is,
// nor forgets it, nor goes on from there.
func TestMarksWaitForTheSync(t *testing.T) {
	g := newGate()
	l := openGated(t, g, vfs.NewMem(), func(err error) { t.Error(err) })
	defer closed(t, l)
	mustAppend(t, l, markedAt(1))
	g.on.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { mustAppend(t, l, markedAt(2)) })
	<-g.held
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	at, err := l.Mark(ctx, id, "file")
	_, err2 := l.Append(ctx, id, markedAt(2))
	_, err3 := l.Append(ctx, id, markedAt(3))
	for _, err := range []error{err, err2, err3, l.Unmark(ctx, id, "file")} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it did not wait: %v (mark at %d)", err, at)
		}
	}
	cancel()
	if at, err := l.Mark(context.Background(), id, "other"); at != 0 || err != nil {
		t.Errorf("another mark: %d, %v", at, err)
	}
	wg.Go(func() {
		if a := mustAppend(t, l, markedAt(2)); !a.Duplicate || a.Events != 0 {
			t.Errorf("second: %+v", a)
		}
	})
	close(g.release)
	wg.Wait()
	if at, err := l.Mark(context.Background(), id, "file"); at != 2 || err != nil {
		t.Errorf("mark at %d, %v", at, err)
	}
}

// A sync that fails leaves open how far the mark is: nothing is answered from it.
func TestSyncFailureAnswersNoMark(t *testing.T) {
	fs := vfs.NewCrashableMem()
	g := newGate()
	g.fail = errors.New("disk on fire")
	close(g.release)
	var fatal atomic.Pointer[error]
	l := openGated(t, g, fs, func(err error) { fatal.CompareAndSwap(nil, &err) })
	mustAppend(t, l, markedAt(1))
	g.on.Store(true)
	for range 2 {
		if a, err := l.Append(context.Background(), id, markedAt(2)); !errors.Is(err, g.fail) {
			t.Fatalf("append over a failing disk: %+v, %v", a, err)
		}
		if at, err := l.Mark(context.Background(), id, "file"); !errors.Is(err, g.fail) {
			t.Fatalf("mark over a failing disk: %d, %v", at, err)
		}
		if err := l.Unmark(context.Background(), id, "file"); !errors.Is(err, g.fail) {
			t.Fatalf("unmark over a failing disk: %v", err)
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
	if at, err := l2.Mark(context.Background(), id, "file"); at != 1 || err != nil {
		t.Errorf("after the crash: mark at %d, %v", at, err)
	}
	if a := mustAppend(t, l2, markedAt(2)); a.Events != 1 {
		t.Errorf("the retry: %+v", a)
	}
}
