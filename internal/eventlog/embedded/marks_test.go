package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// markEntry is one chunk of a file in partition p.
func markEntry(p int, mark string, at uint64) eventlog.Entry {
	e := noisy(rand.New(rand.NewPCG(uint64(p), at)), 2)
	e.Partition, e.Mark, e.MarkAt = stream.Partition(p), mark, at
	return e
}

// A damaged mark may have been anywhere: nothing is stored with it, and nothing
// is said of it. Other marks go on, and it can be forgotten.
func TestDamagedMark(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func([]byte) []byte{
		"bit":   flip,
		"cut":   func(v []byte) []byte { return v[:len(v)-1] },
		"empty": func([]byte) []byte { return nil },
		"other": func([]byte) []byte { return encodeMark(markKey(1, "b"), 9) },
		"zero":  func([]byte) []byte { return encodeMark(markKey(1, "a"), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			written(t, fs, "/log")
			l := reopened(t, fs)
			for _, mark := range []string{"a", "b"} {
				if _, err := l.Append(ctx, testID, markEntry(0, mark, 9)); err != nil {
					t.Fatal(err)
				}
			}
			closed(t, l)
			tamper(t, fs, func(db *pebble.DB) error { return edit(db, markKey(1, "a"), change) })
			l = reopened(t, fs)
			defer closed(t, l)
			_, err := l.Append(ctx, testID, markEntry(0, "a", 10))
			_, err2 := l.Mark(ctx, testID, "a")
			for _, err := range []error{err, err2} {
				if !errors.Is(err, eventlog.ErrCorrupt) || problem.KindOf(err) != problem.Corrupt || !strings.Contains(err.Error(), `mark "a"`) {
					t.Errorf("with a damaged mark: %v", err)
				}
			}
			if at, err := l.Mark(ctx, testID, "b"); at != 9 || err != nil {
				t.Errorf("the other mark: %d, %v", at, err)
			}
			if err := l.Unmark(ctx, testID, "a"); err != nil {
				t.Errorf("unmark: %v", err)
			}
			if _, err := l.Append(ctx, testID, markEntry(0, "a", 1)); err != nil {
				t.Errorf("append after unmark: %v", err)
			}
		})
	}
}

func reopened(t *testing.T, fs vfs.FS) *Log {
	t.Helper()
	l, err := Open("/log", testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// storedVersion reads the version as a program that comes later does.
func storedVersion(t *testing.T, l *Log) uint32 {
	t.Helper()
	v, err := l.get([]byte{spaceVersion})
	if err != nil || len(v) != 4 {
		t.Fatalf("version %x, %v", v, err)
	}
	return be.Uint32(v)
}

// The version rises with the batch that needs it, and never sinks, whatever else
// is stored at the same time in other partitions.
func TestVersionRises(t *testing.T) {
	ctx := context.Background()
	for round := range 20 {
		fs := vfs.NewCrashableMem()
		l := reopened(t, fs)
		if err := l.Create(ctx, testID, 4); err != nil {
			t.Fatal(err)
		}
		if v := storedVersion(t, l); v != versionFirst {
			t.Fatalf("a new log has version %d", v)
		}
		var wg sync.WaitGroup
		for p := range 4 {
			wg.Go(func() {
				e := idEntry(uint64(p*100), 2, 1e9)
				if p%2 == round%2 {
					e = markEntry(p, fmt.Sprint("m", p), 1)
				}
				e.Partition = stream.Partition(p)
				if _, err := l.Append(ctx, testID, e); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if v := storedVersion(t, l); v != versionWithMarks {
			t.Fatalf("round %d: version %d", round, v)
		}
		after := fs.CrashClone(vfs.CrashCloneCfg{})
		closed(t, l)
		l = reopened(t, after)
		if v := storedVersion(t, l); v != versionWithMarks || l.version.Load() != v {
			t.Fatalf("round %d: version %d after the crash", round, v)
		}
		// Neither do ids that come later.
		if _, err := l.Append(ctx, testID, idEntry(1000, 1, 1e9)); err != nil {
			t.Fatal(err)
		}
		if v := storedVersion(t, l); v != versionWithMarks {
			t.Fatalf("version %d after ids", v)
		}
		closed(t, l)
	}
}

// Dropping a stream leaves nothing of its marks behind.
func TestDropTakesMarks(t *testing.T) {
	ctx := context.Background()
	l := reopened(t, vfs.NewMem())
	defer closed(t, l)
	if err := l.Create(ctx, testID, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(ctx, testID, markEntry(0, "a", 3)); err != nil {
		t.Fatal(err)
	}
	if err := l.Drop(ctx, testID); err != nil {
		t.Fatal(err)
	}
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceMark}, UpperBound: []byte{spaceMark + 1}})
	if err != nil {
		t.Fatal(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		t.Errorf("left behind: %x", bytes.Clone(it.Key()))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
}
