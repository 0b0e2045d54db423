package embedded

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func openTest(t *testing.T, opts Options) *Log {
	t.Helper()
	l, err := Open("/log", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Create(context.Background(), testID, 1); err != nil {
		t.Fatal(err)
	}
	return l
}

func put(t *testing.T, l *Log, e eventlog.Entry) eventlog.Appended {
	t.Helper()
	a, err := l.Append(context.Background(), testID, e)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func one(key string) eventlog.Entry {
	return eventlog.Entry{Events: 1, Data: []byte("{}\n"), Key: key, Digest: 1}
}

// records counts the keys of a space.
func records(t *testing.T, l *Log, space byte) int {
	t.Helper()
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKeysAreForgottenInTime(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	opts.KeyTTL = time.Hour
	l := openTest(t, opts)
	const old = expireStep + 10
	for i := range old {
		put(t, l, one(fmt.Sprint("old", i)))
	}
	now = now.Add(30 * time.Minute)
	put(t, l, one("young"))
	now = now.Add(31 * time.Minute)
	cut := now.Add(-opts.KeyTTL)
	for _, want := range []struct {
		more bool
		left int
	}{{true, old + 1 - expireStep}, {false, 1}, {false, 1}} {
		more, err := l.expire(cut)
		if err != nil || more != want.more {
			t.Fatalf("step: more %v, %v; want %v", more, err, want.more)
		}
		if k, a := records(t, l, spaceKey), records(t, l, spaceAge); k != want.left || a != want.left {
			t.Fatalf("%d keys and %d ages are left, want %d", k, a, want.left)
		}
	}
	if !put(t, l, one("young")).Duplicate {
		t.Error("a young key was forgotten")
	}
	if put(t, l, one("old3")).Duplicate {
		t.Error("an old key is remembered")
	}
	if !put(t, l, one("old3")).Duplicate {
		t.Error("a key stored again was not remembered")
	}
	// The ages of a dropped stream go with the rest.
	if err := l.Drop(context.Background(), testID); err != nil {
		t.Fatal(err)
	}
	for _, space := range []byte{spaceStream, spaceFloor, spaceHeader, spacePayload, spaceKey} {
		if n := records(t, l, space); n != 0 {
			t.Errorf("%d records %q are left of a dropped stream", n, space)
		}
	}
	if _, err := l.expire(now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if a := records(t, l, spaceAge); a != 0 {
		t.Errorf("%d ages are left", a)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := testOptions(vfs.NewMem())
		opts.KeyTTL = time.Hour
		l := openTest(t, opts)
		put(t, l, one("key"))
		put(t, l, idEntry(1, 3, time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		time.Sleep(59 * time.Minute) // of the bubble's clock
		if records(t, l, spaceKey) != 1 || records(t, l, spaceIDs) != 1 {
			t.Error("forgotten too early")
		}
		time.Sleep(3 * time.Minute)
		if records(t, l, spaceKey) != 0 || records(t, l, spaceIDs) != 0 {
			t.Error("not forgotten")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Run(t.Context()); err != nil {
			t.Errorf("run of a closed log: %v", err)
		}
	})
}

func TestFreeSpace(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	const reserve = 128 << 20
	free, looks := int64(reserve+1<<20), 0
	var lookErr error
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	opts.MinFree = reserve
	opts.FreeBytes = func(string) (int64, error) { looks++; return free, lookErr }
	l := openTest(t, opts)
	looks = 0 // opening looks too
	put(t, l, one("a"))
	free = reserve - 1
	put(t, l, one("b")) // not looked at yet
	now = now.Add(time.Second)
	if _, err := l.Append(context.Background(), testID, one("c")); !errors.Is(err, eventlog.ErrFull) {
		t.Fatalf("append to a full disk: %v", err)
	}
	if !put(t, l, one("b")).Duplicate {
		t.Error("the retry of what is stored needs no room")
	}
	free = reserve
	now = now.Add(time.Second)
	put(t, l, one("c"))
	if looks != 3 {
		t.Errorf("looked %d times, want 3", looks)
	}
	lookErr = errors.New("no such device")
	now = now.Add(time.Second)
	if _, err := l.Append(context.Background(), testID, one("d")); !errors.Is(err, lookErr) {
		t.Errorf("append with unknown free space: %v", err)
	}
	if s := l.Stats(); s.Free != -1 || s.Refused != 2 || s.Appends != 3 || s.Duplicates != 1 || s.Streams != 1 || s.Packed == 0 || s.Disk == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestAFullDiskIsRefusedBeforeTheEngineTriesForEver(t *testing.T) {
	opts := testOptions(vfs.NewMem())
	free := int64(10 << 20)
	opts.FreeBytes = func(string) (int64, error) { return free, nil }
	if _, err := Open("log", opts); problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "make room") {
		t.Fatalf("got %v", err)
	}
	free = 100 << 20
	l, err := Open("log", opts) // the lock was given back
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestABurstIsCountedAgainstTheReserveBeforeTheNextLook(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	opts.MinFree = 128 << 20
	opts.FreeBytes = func(string) (int64, error) { return opts.MinFree + 10, nil }
	l := openTest(t, opts)
	put(t, l, one("a")) // some 40 bytes, times what they may take on the disk
	if _, err := l.Append(context.Background(), testID, one("b")); !errors.Is(err, eventlog.ErrFull) {
		t.Errorf("got %v", err)
	}
	now = now.Add(time.Second)
	put(t, l, one("b"))
}

func TestMaxBytes(t *testing.T) {
	fs := vfs.NewMem()
	opts := testOptions(fs)
	opts.MaxBytes = 100_000
	l := openTest(t, opts)
	rng := rand.New(rand.NewPCG(1, 2))
	var last stream.Range
	n := 0
	for ; ; n++ {
		a, err := l.Append(context.Background(), testID, noisy(rng, 300))
		if errors.Is(err, eventlog.ErrFull) {
			break
		}
		if err != nil || n > 1000 {
			t.Fatalf("append %d: %v", n, err)
		}
		last = a.Range
	}
	if kept := l.Stats().Packed; kept < opts.MaxBytes || kept > opts.MaxBytes+20_000 {
		t.Errorf("full at %d packed bytes of %d", kept, opts.MaxBytes)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openTest(t, opts)
	if _, err := l.Append(context.Background(), testID, noisy(rng, 1)); !errors.Is(err, eventlog.ErrFull) {
		t.Fatalf("after reopening there is room: %v", err)
	}
	if err := l.Trim(context.Background(), testID, 0, last.End); err != nil {
		t.Fatal(err)
	}
	put(t, l, noisy(rng, 1))
	if err := l.Drop(context.Background(), testID); err != nil {
		t.Fatal(err)
	}
	if kept := l.Stats().Packed; kept != 0 {
		t.Errorf("%d packed bytes are kept of nothing", kept)
	}
}

// Without a further write, the files of trimmed and dropped blocks go, but for
// one that shares a table with what is kept: that waits for a compaction.
func TestSpaceComesBack(t *testing.T) {
	for name, remove := range map[string]func(l *Log, end stream.Offset) error{
		"trim": func(l *Log, end stream.Offset) error { return l.Trim(context.Background(), testID, 0, end) },
		"drop": func(l *Log, _ stream.Offset) error { return l.Drop(context.Background(), testID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			removed := make(chan struct{}, 1)
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpRemove && strings.HasSuffix(op.Path, ".blob") {
					select {
					case removed <- struct{}{}:
					default:
					}
				}
				return nil
			}))
			l := openTest(t, testOptions(fs))
			rng := rand.New(rand.NewPCG(1, 2))
			var end stream.Offset
			for l.Stats().Packed < 24<<20 {
				end = put(t, l, noisy(rng, 10_000)).Range.End
			}
			blobs := func() (size uint64) { return l.db.Metrics().BlobFiles.LiveSize + l.db.Metrics().BlobFiles.ObsoleteSize }
			if err := l.db.Flush(); err != nil {
				t.Fatal(err)
			}
			if blobs() < 20<<20 {
				t.Fatalf("values are not separated: %d bytes of blob files", blobs())
			}
			if err := remove(l, end); err != nil {
				t.Fatal(err)
			}
			deadline := time.After(10 * time.Minute)
			for blobs() > 6<<20 {
				select {
				case <-removed:
				case <-deadline:
					t.Fatalf("%d bytes of blob files are left", blobs())
				}
			}
		})
	}
}
