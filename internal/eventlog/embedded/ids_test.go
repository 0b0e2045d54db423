package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// idEntry is an entry of n events with ids from a number on.
func idEntry(from uint64, n int, window time.Duration) eventlog.Entry {
	e := eventlog.Entry{Events: n, IDs: serialIDs(from, n), IDWindow: window}
	for i := range n {
		e.Data = fmt.Appendf(e.Data, `{"n":%d}`+"\n", from+uint64(i))
	}
	return e
}

func (l *Log) setOf(t interface{ Fatal(...any) }) *idSet {
	s, err := l.stream(testID)
	if err != nil {
		t.Fatal(err)
	}
	return s.ids.set.Load()
}

// forget is what the janitor does.
func forget(t interface{ Fatal(...any) }, l *Log) {
	if err := l.forgetIDs(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// An id is known for the window and at most a quarter longer, whatever restarts,
// crashes and jumps of the clock come between.
func TestIDsAreKnownForTheWindow(t *testing.T) {
	const window = 24 * time.Hour
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewCrashableMem()
		now := time.UnixMilli(1_800_000_000_000)
		latest := now   // that the janitor or a start has seen
		jumped := false // the clock was set back at some time
		opts := testOptions(fs)
		opts.Now = func() time.Time { return now }
		var l *Log
		open := func() {
			var err error
			opts.FS = fs
			if l, err = Open("/log", opts); err != nil {
				rt.Fatal(err)
			}
		}
		open()
		defer func() { _ = l.Close() }()
		if err := l.Create(context.Background(), testID, 1); err != nil {
			rt.Fatal(err)
		}
		stored := map[uint64]time.Time{}
		fresh := uint64(1 << 32)
		push := func(from uint64, n int) eventlog.Appended {
			a, err := l.Append(context.Background(), testID, idEntry(from, n, window))
			if err != nil {
				rt.Fatal(err)
			}
			return a
		}
		check := func(n uint64, gone bool) {
			at, known := stored[n]
			a := push(n, 1)
			switch age := now.Sub(at); {
			case !known && a.Repeated != 0:
				rt.Fatalf("id %d was never stored and is called a repeat", n)
			case known && a.Repeated == 0 && latest.Sub(at) <= window && age <= window:
				rt.Fatalf("id %d is forgotten after %s", n, age)
			case known && a.Repeated == 1 && gone && !jumped && age > window+window/4:
				rt.Fatalf("id %d is known after %s", n, age)
			}
			if a.Events == 1 {
				stored[n] = now
			}
		}
		ids := rapid.Uint64Range(0, 30)
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) { check(ids.Draw(rt, "id"), false) },
			"fill": func(rt *rapid.T) {
				n := rapid.IntRange(1, 3000).Draw(rt, "ids")
				if a := push(fresh, n); a.Events != n {
					rt.Fatalf("%+v of %d new ids", a, n)
				}
				fresh += uint64(n)
			},
			"wait": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 12*60).Draw(rt, "minutes")) * time.Minute)
			},
			"back": func(rt *rapid.T) {
				now = now.Add(-time.Duration(rapid.IntRange(1, 12*60).Draw(rt, "minutes")) * time.Minute)
				jumped = true
			},
			"forget": func(rt *rapid.T) {
				push(fresh, 1) // reads back what a start has not looked at yet
				fresh++
				forget(rt, l)
				if now.After(latest) {
					latest = now
				}
				check(ids.Draw(rt, "id"), true)
			},
			"reopen": func(rt *rapid.T) {
				if err := l.Close(); err != nil {
					rt.Fatal(err)
				}
				open()
			},
			"crash": func(*rapid.T) {
				fs = fs.CrashClone(vfs.CrashCloneCfg{})
				_ = l.Close()
				open()
			},
		})
	})
}

// Over days of steady intake neither memory nor disk grow.
func TestForgottenIDsLeaveNothing(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	l := openTest(t, opts)
	const window, each = 24 * time.Hour, 400
	for hour := range 24 * 5 {
		now = now.Add(time.Hour)
		put(t, l, idEntry(uint64(hour*each), each, window))
		forget(t, l)
		kept, tables := l.setOf(t).size()
		if kept > 31*each || len(l.setOf(t).gens) > 12 || tables > 31*each*10 {
			t.Fatalf("hour %d: %d ids in %d generations, %d bytes", hour, kept, len(l.setOf(t).gens), tables)
		}
		if n := records(t, l, spaceIDs); n > 2*31 {
			t.Fatalf("hour %d: %d records", hour, n)
		}
		if old := hour - 24; old >= 0 {
			if a := put(t, l, idEntry(uint64(old*each), each, window)); a.Repeated != each {
				t.Fatalf("hour %d: %+v", hour, a)
			}
		}
	}
	now = now.Add(window + time.Millisecond)
	forget(t, l)
	if n := records(t, l, spaceIDs); n != 0 || l.Stats().IDs != 0 || l.Stats().IDTables != 0 {
		t.Errorf("%d records are left, %+v", n, l.Stats())
	}
	if a := put(t, l, idEntry(0, each, window)); a.Events != each {
		t.Errorf("after all was forgotten: %+v", a)
	}
}

// A table that has become too large is fitted to what it holds.
func TestClosedTablesAreFitted(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	l := openTest(t, opts)
	put(t, l, idEntry(0, 3000, time.Hour)) // fills 512 and 2048 and begins 8192
	forget(t, l)
	if g := l.setOf(t).gens; len(g) != 3 || g[2].table.room != 8192 {
		t.Fatalf("%d generations", len(g))
	}
	now = now.Add(15 * time.Minute)
	put(t, l, idEntry(5000, 1, time.Hour))
	forget(t, l)
	if g := l.setOf(t).gens; len(g) != 4 || g[2].table.room != 440 {
		t.Fatalf("the table has room for %d ids", g[2].table.room)
	}
	if a := put(t, l, idEntry(0, 3001, time.Hour)); a.Repeated != 3000 || a.Events != 1 {
		t.Errorf("%+v", a)
	}
}

// A process that starts often goes on with the generation it finds, and reads
// nothing before it is needed.
func TestRestartsDoNotScatterIDs(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	l := openTest(t, opts)
	reopen := func() {
		t.Helper()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, opts)
		if l.setOf(t) != nil {
			t.Fatal("ids were read before anybody asked")
		}
	}
	for i := range 40 {
		put(t, l, idEntry(uint64(i*10), 10, time.Hour))
		if n := len(l.setOf(t).gens); n != 1 {
			t.Fatalf("%d generations after %d restarts", n, i)
		}
		reopen()
	}
	// All come at once, when nothing is read back yet.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if a, err := l.Append(context.Background(), testID, idEntry(0, 401, time.Hour)); err != nil || a.Repeated < 400 {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	wg.Wait()
	if n := l.Stats().IDs; n != 401 {
		t.Errorf("%d ids", n)
	}
	now = now.Add(20 * time.Minute)
	reopen()
	put(t, l, idEntry(1000, 1, time.Hour))
	if g := l.setOf(t).gens; len(g) != 2 || g[0].table.room != 401 {
		t.Errorf("%d generations, the first with room for %d", len(g), g[0].table.room)
	}
}

func TestDamagedIDsAreNotForgotten(t *testing.T) {
	const window = time.Hour
	for name, change := range map[string]func(db *pebble.DB) error{
		"bit": func(db *pebble.DB) error { return edit(db, idKey(1, 1, 100), flip) },
		"cut": func(db *pebble.DB) error {
			return edit(db, idKey(1, 1, 100), func(v []byte) []byte { return v[:len(v)-16] })
		},
		"last, cut": func(db *pebble.DB) error { return edit(db, idKey(1, 1, 200), func([]byte) []byte { return nil }) },
		"of other events": func(db *pebble.DB) error {
			return edit(db, idKey(1, 1, 100), func([]byte) []byte { return flip(make([]byte, 1612)) })
		},
		"a second time": func(db *pebble.DB) error {
			k := idKey(1, 1, 150)
			return db.Set(k, appendIDs(k, 5, serialIDs(1, 2), nil), pebble.Sync)
		},
		"strange key": func(db *pebble.DB) error { return db.Set(append(spanStart(spaceIDs, 1), 7), nil, pebble.Sync) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			l := openTest(t, testOptions(fs))
			for i := range 3 {
				put(t, l, idEntry(uint64(i*100), 100, window))
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			tamper(t, fs, change)
			l = openTest(t, testOptions(fs))
			for range 2 {
				_, err := l.Append(context.Background(), testID, idEntry(1000, 1, window))
				if !errors.Is(err, eventlog.ErrCorrupt) || problem.KindOf(err) != problem.Corrupt || !strings.Contains(err.Error(), "stream "+testID) {
					t.Fatalf("append with ids over damage: %v", err)
				}
			}
			put(t, l, one("")) // the rest works on
			const other = "00000000000000b2"
			if err := l.Create(context.Background(), other, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Append(context.Background(), other, idEntry(1000, 1, window)); err != nil {
				t.Error(err)
			}
			// Made anew, the stream takes ids again.
			if err := errors.Join(l.Drop(context.Background(), testID), l.Create(context.Background(), testID, 1)); err != nil {
				t.Fatal(err)
			}
			put(t, l, idEntry(1000, 1, window))
		})
	}
}

// Damage that comes while the log runs shows when the place is looked at.
func TestDamagedSliceRefusesTheEntry(t *testing.T) {
	l := openTest(t, testOptions(vfs.NewMem()))
	put(t, l, idEntry(0, 100, time.Hour))
	if err := edit(l.db, idKey(1, 1, 0), flip); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(context.Background(), testID, idEntry(99, 2, time.Hour)); problem.KindOf(err) != problem.Corrupt {
		t.Errorf("append of what may be a repeat: %v", err)
	}
	put(t, l, idEntry(100, 1, time.Hour)) // its claim was given back, and it is surely new
}

func TestVersionRisesWithTheFirstIDs(t *testing.T) {
	fs := vfs.NewMem()
	version := func() uint32 {
		var v []byte
		tamper(t, fs, func(db *pebble.DB) error {
			return edit(db, []byte{spaceVersion}, func(have []byte) []byte { v = bytes.Clone(have); return have })
		})
		return be.Uint32(v)
	}
	for _, c := range []struct {
		e    eventlog.Entry
		want uint32
	}{{one("key"), 1}, {idEntry(1, 1, time.Hour), 2}, {one("key2"), 2}} {
		l := openTest(t, testOptions(fs))
		put(t, l, c.e)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if have := version(); have != c.want {
			t.Fatalf("version %d, want %d", have, c.want)
		}
	}
}

func TestDroppedStreamsLeaveNoIDs(t *testing.T) {
	l := openTest(t, testOptions(vfs.NewMem()))
	put(t, l, idEntry(1, 3000, time.Hour))
	if n := records(t, l, spaceIDs); n == 0 {
		t.Fatal("no records")
	}
	if err := l.Drop(context.Background(), testID); err != nil {
		t.Fatal(err)
	}
	if n := records(t, l, spaceIDs); n != 0 || l.Stats().IDs != 0 {
		t.Errorf("%d records are left", n)
	}
}

func FuzzDecodeIDs(f *testing.F) {
	key := idKey(1, 2, 1000)
	f.Add(key, appendIDs(key, 5, serialIDs(1, 24), nil)[:8+24*idSize])
	f.Add(key, []byte{})
	f.Add(idKey(0, 0, 1<<31), make([]byte, 24))
	f.Fuzz(func(t *testing.T, key, body []byte) {
		_, _ = decodeIDs(key, body)
		value := seal(key, bytes.Clone(body))
		r, err := decodeIDs(key, value)
		if err != nil {
			return
		}
		var ids []eventlog.ID
		for i := range r.count() {
			ids = append(ids, r.id(i))
		}
		if len(ids) == 0 || r.first/sliceIDs != (r.first+r.count()-1)/sliceIDs || (r.first+r.count()-1)/sliceIDs > sliceMask {
			t.Fatalf("impossible record %+v", r)
		}
		if again := appendIDs(key, r.storedMs, ids, nil); !bytes.Equal(again, value) || !bytes.Equal(idKey(be.Uint64(key[1:]), r.generation, r.first), key) {
			t.Fatalf("%x %x does not come back", key, value)
		}
		for i := range value {
			value[i] ^= 1
			if _, err := decodeIDs(key, value); err == nil {
				t.Fatalf("bit flipped in byte %d and not noticed", i)
			}
			value[i] ^= 1
		}
	})
}
