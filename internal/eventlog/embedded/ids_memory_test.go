package embedded

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/problem"
)

// largeRoom makes a set whose first table is large.
const largeRoom = 300_000

// unmapped fails the test if a table still lies outside the heap.
func unmapped(t *testing.T, m *tableMemory, when string) {
	t.Helper()
	if n := m.mapped.Load(); n != 0 {
		t.Errorf("%s: %d bytes outside the heap were not given back", when, n)
	}
}

// gets counts the mappings that a log asks for.
func gets(l *Log) *int {
	n := new(int)
	l.idTables.get = func(bytes int) ([]byte, error) { *n++; return mapMemory(bytes) }
	return n
}

// A stream's first five tables hold smallIDs, the sixth is large.
const smallIDs, storedIDs = 512 + 2048 + 8192 + 32768 + 131072, 400_000

// putMany stores so many ids that there is a large table.
func putMany(t *testing.T, l *Log) {
	t.Helper()
	for at := 0; at < storedIDs; at += 50_000 {
		put(t, l, idEntry(uint64(at), 50_000, time.Hour))
	}
}

func TestLargeTablesAreFreed(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	l := openTest(t, opts)
	tables := l.idTables
	putMany(t, l)
	grown := tables.mapped.Load()
	if grown < 2<<20 {
		t.Fatalf("%d bytes lie outside the heap", grown)
	}
	// A fitted table takes the place of one that was too large.
	now = now.Add(15 * time.Minute)
	put(t, l, idEntry(1<<40, 1, time.Hour))
	forget(t, l)
	g := l.setOf(t).gens
	fitted := g[5].table.bytes()
	if g[5].table.room != storedIDs-smallIDs || fitted >= grown {
		t.Fatalf("the table has room for %d ids", g[5].table.room)
	}
	if n, want := tables.mapped.Load(), fitted+g[6].table.bytes(); n != want {
		t.Errorf("%d bytes lie outside the heap, want %d", n, want)
	}
	if a := put(t, l, idEntry(storedIDs-1000, 1000, time.Hour)); a.Repeated != 1000 {
		t.Errorf("%+v", a)
	}
	now = now.Add(time.Hour + time.Millisecond)
	forget(t, l)
	unmapped(t, tables, "expired")

	putMany(t, l)
	closed(t, l)
	unmapped(t, tables, "closed")

	// Read back, it lies there too.
	l = openTest(t, opts)
	tables = l.idTables
	if a := put(t, l, idEntry(storedIDs-1000, 1000, time.Hour)); a.Repeated != 1000 {
		t.Errorf("%+v", a)
	}
	if tables.mapped.Load() == 0 {
		t.Fatal("no table lies outside the heap")
	}
	if err := l.Drop(context.Background(), testID); err != nil {
		t.Fatal(err)
	}
	unmapped(t, tables, "dropped")
}

// Reading back that fails frees the table that is being filled, and those before.
func TestTablesOfFailedReadingAreFreed(t *testing.T) {
	for name, key := range map[string][]byte{
		"that table":  idKey(1, 6, 150_000),
		"a later one": idKey(1, 7, 0),
	} {
		t.Run(name, func(t *testing.T) {
			now := time.UnixMilli(1_800_000_000_000)
			fs := vfs.NewMem()
			opts := testOptions(fs)
			opts.Now = func() time.Time { return now }
			l := openTest(t, opts)
			putMany(t, l)
			now = now.Add(15 * time.Minute)
			put(t, l, idEntry(1<<40, 1, time.Hour))
			closed(t, l)
			tamper(t, fs, func(db *pebble.DB) error {
				it, err := db.NewIter(&pebble.IterOptions{LowerBound: key, UpperBound: spanEnd(spaceIDs, 1)})
				if err != nil {
					return err
				}
				it.First() // the record may begin a little later
				return errors.Join(edit(db, it.Key(), flip), it.Close())
			})
			l = openTest(t, opts)
			n := gets(l)
			if _, err := l.Append(context.Background(), testID, idEntry(1, 1, time.Hour)); problem.KindOf(err) != problem.Corrupt {
				t.Fatalf("append over damage: %v", err)
			}
			if *n != 1 {
				t.Errorf("%d large tables were made", *n)
			}
			unmapped(t, l.idTables, "damaged")
		})
	}
}

// The table that was made to fit is freed if it cannot be filled, and the one it
// was to replace stays.
func TestTableOfFailedFittingIsFreed(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	opts := testOptions(vfs.NewMem())
	opts.Now = func() time.Time { return now }
	l := openTest(t, opts)
	putMany(t, l)
	now = now.Add(15 * time.Minute)
	put(t, l, idEntry(1<<40, 1, time.Hour))
	before := l.idTables.mapped.Load()
	if err := edit(l.db, idKey(1, 6, 0), flip); err != nil {
		t.Fatal(err)
	}
	n := gets(l)
	forget(t, l)
	if now := l.idTables.mapped.Load(); now != before || *n != 1 {
		t.Errorf("%d bytes lie outside the heap, %d before; %d large tables were made", now, before, *n)
	}
	closed(t, l)
	unmapped(t, l.idTables, "closed")
}

// Where the system has no mapping to give, the table lies on the heap.
func TestTablesWithoutMappings(t *testing.T) {
	s := newIDSet(&tableMemory{get: func(int) ([]byte, error) { return nil, syscall.ENOMEM }})
	s.room = largeRoom
	fillSet(s, 0, largeRoom, 1)
	unmapped(t, s.tables, "refused")
	if n := len(s.find(serialIDs(0, 1000), make([]bool, 1000), time.Hour, nil)); n < 1000 {
		t.Errorf("%d of 1000 ids are found", n)
	}
	s.drop()
	unmapped(t, s.tables, "dropped")
}

// A generation is forgotten while an append is on its way to it, or while a table
// is made to fit it.
func TestForgottenBeforeInsertAndFit(t *testing.T) {
	s := newIDSet(newTableMemory())
	s.room = largeRoom
	ids := serialIDs(0, 1000)
	runs := s.reserve(len(ids), 1, time.Hour, nil)
	if gone := s.expire(time.Hour.Milliseconds() + 2); len(gone) != 1 {
		t.Fatalf("forgotten are %v", gone)
	}
	unmapped(t, s.tables, "expired")
	s.insert(ids, runs)
	s.fit(runs[0].gen, s.tables.table(largeRoom))
	unmapped(t, s.tables, "fitted")
	if found := s.find(ids, make([]bool, len(ids)), time.Hour, nil); len(found) != 0 {
		t.Errorf("%d ids are found", len(found))
	}
	// The ids of the run after it go where they belong.
	other := s.reserve(1000, 1, time.Hour, nil)
	s.insert(append(ids, serialIDs(5000, 1000)...), append(runs, other...))
	if found := s.find(serialIDs(5000, 1000), make([]bool, 1000), time.Hour, nil); len(found) < 1000 {
		t.Errorf("%d ids are found", len(found))
	}
	s.drop()
	unmapped(t, s.tables, "dropped")
}

// Tables come and go under those who look at them.
func TestLookingWhileTablesAreFreed(t *testing.T) {
	s := newIDSet(newTableMemory())
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			ids := serialIDs(uint64(w*100), 200)
			again := make([]bool, len(ids))
			var found []candidate
			for ctx.Err() == nil {
				found = s.find(ids, again, time.Hour, found[:0])
				s.size()
			}
		})
	}
	for i := range int64(200) {
		now := i * 2 * time.Hour.Milliseconds()
		s.mu.Lock()
		s.room = largeRoom
		s.mu.Unlock()
		fillSet(s, 0, 500, now)
		s.mu.RLock()
		g := s.gens[len(s.gens)-1]
		s.mu.RUnlock()
		fit := s.tables.table(largeRoom)
		for _, id := range serialIDs(0, 500) {
			fit.insert(s.hash.of(&id), 0)
		}
		s.fit(g, fit)
		if i%2 == 0 {
			s.drop()
		} else if gone := s.expire(now + time.Hour.Milliseconds() + 1); len(gone) == 0 {
			t.Error("nothing is forgotten")
		}
	}
	stop()
	wg.Wait()
	s.drop()
	unmapped(t, s.tables, "dropped")
}
