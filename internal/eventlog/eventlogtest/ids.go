package eventlogtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// named makes an entry whose events are called by the names, one line each.
func named(p stream.Partition, names ...string) eventlog.Entry {
	e := eventlog.Entry{Partition: p, Events: len(names), Received: noon, IDWindow: 24 * time.Hour}
	for _, name := range names {
		e.Data = append(e.Data, line(name)...)
		e.IDs = append(e.IDs, eventlog.NewID([]byte(name)))
	}
	return e
}

func line(name string) string { return fmt.Sprintf(`{"messageId":"%s"}`+"\n", name) }

func linesOf(names ...string) (out []byte) {
	for _, name := range names {
		out = append(out, line(name)...)
	}
	return out
}

// series is n names that begin with tag.
func series(tag string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d", tag, i)
	}
	return out
}

// appendNamed appends and wants so many of the events stored.
func appendNamed(t tb, l eventlog.Log, e eventlog.Entry, stored int) eventlog.Appended {
	t.Helper()
	a, err := l.Append(context.Background(), id, e)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	if a.Events != stored || a.Repeated != e.Events-stored || a.Duplicate || int(a.Range.End-a.Range.Start) != stored || a.Range.Partition != e.Partition {
		t.Fatalf("append of %d events, %d of them new, answered %+v", e.Events, stored, a)
	}
	return a
}

func ids(t *testing.T, s Store) {
	l := openStream(t, s, 2)
	first := named(0, "a", "b", "c")
	data, given := bytes.Clone(first.Data), append([]eventlog.ID(nil), first.IDs...)
	appendNamed(t, l, first, 3)
	large := named(1, series("large", 5000)...)
	appendNamed(t, l, large, 5000)
	again := func() {
		t.Helper()
		appendNamed(t, l, first, 0)
		appendNamed(t, l, large, 0)
		appendNamed(t, l, named(1, "c", "large-0", "a"), 0) // in whatever partition
	}
	again()
	if !bytes.Equal(data, first.Data) || fmt.Sprint(given) != fmt.Sprint(first.IDs) {
		t.Fatal("the caller's entry was changed")
	}
	l = reopen(t, s, l)
	again()
	s.Crash()
	l = open(t, s)
	again()
	wantText(t, l, whole(t, l, 0), first.Data)
	wantText(t, l, whole(t, l, 1), large.Data)

	// What is left out leaves the others as they are; in one entry the first counts.
	a := appendNamed(t, l, named(0, "new1", "b", "new2", "new1", "large-77", "new3", "new2"), 3)
	wantText(t, l, a.Range, linesOf("new1", "new2", "new3"))
	mixed := append(append(series("more", 3000), series("large", 5000)...), series("more", 3100)...)
	a = appendNamed(t, l, named(1, mixed...), 3100)
	wantText(t, l, a.Range, linesOf(series("more", 3100)...))
	// Entries without ids, or with keys, have nothing to do with it.
	plain := named(0, "a")
	plain.IDs = nil
	appendEntry(t, l, plain)
	appendEntry(t, l, keyed(plain, "key", 1))
	appendNamed(t, l, named(0, "a"), 0)
	// Ids belong to their stream, and go with it.
	const other = "00000000000000b2"
	if err := l.Create(context.Background(), other, 1); err != nil {
		t.Fatal(err)
	}
	if a, err := l.Append(context.Background(), other, named(0, "a")); err != nil || a.Events != 1 {
		t.Fatalf("the id in another stream: %+v, %v", a, err)
	}
	// Trimming takes the events, not the memory of them.
	if err := l.Trim(context.Background(), id, 0, whole(t, l, 0).End); err != nil {
		t.Fatal(err)
	}
	appendNamed(t, l, first, 0)
	if err := errors.Join(l.Drop(context.Background(), id), l.Create(context.Background(), id, 2)); err != nil {
		t.Fatal(err)
	}
	appendNamed(t, l, first, 3)
	l = reopen(t, s, l)
	appendNamed(t, l, named(1, "large-1", "a"), 1)
	closeLog(t, l)
}

// idsWhenFull: what is stored needs no room, what is not stored is not remembered.
func idsWhenFull(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	appendNamed(t, l, named(0, "a", "b"), 2)
	s.Full(true)
	appendNamed(t, l, named(0, "b", "a"), 0)
	for _, e := range []eventlog.Entry{named(0, "c"), named(0, "a", "c"), named(0, append(series("f", 9000), "a")...)} {
		if _, err := l.Append(context.Background(), id, e); !isFault(err, eventlog.ErrFull, problem.Busy) {
			t.Fatalf("append to a full log: %v", err)
		}
	}
	s.Full(false)
	appendNamed(t, l, named(0, "a", "c"), 1)
	wantText(t, l, whole(t, l, 0), linesOf("a", "b", "c"))
}

// idsConcurrently: entries that share events, in every order and partition. Each
// event is in the log once, and in the answers once.
func idsConcurrently(t *testing.T, s Store) {
	const partitions, writers, pool = 3, 8, 400
	l := openStream(t, s, partitions)
	var mu sync.Mutex
	stored, repeated, sent := 0, 0, 0
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range 40 {
				var names []string
				for k := range 1 + (w*7+i)%25 {
					names = append(names, fmt.Sprint("n", (w*31+i*17+k*(1+w%3))%pool))
				}
				if i%16 == w {
					names = append(names, series("big", 4000)...)
				}
				if w%2 == 1 {
					for a, b := 0, len(names)-1; a < b; a, b = a+1, b-1 {
						names[a], names[b] = names[b], names[a]
					}
				}
				a, err := l.Append(context.Background(), id, named(stream.Partition((w+i)%partitions), names...))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				stored, repeated, sent = stored+a.Events, repeated+a.Repeated, sent+len(names)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if stored+repeated != sent {
		t.Errorf("%d stored and %d repeated of %d", stored, repeated, sent)
	}
	if n := wantOnce(t, l, partitions); n != stored {
		t.Errorf("the log holds %d events, %d were called stored", n, stored)
	}
	closeLog(t, l)
}

// wantOnce wants every line once in the log, and returns how many there are.
func wantOnce(t tb, l eventlog.Log, partitions int) int {
	t.Helper()
	n := 0
	seen := map[string]bool{}
	for p := range partitions {
		for _, line := range bytes.SplitAfter(text(t, l, whole(t, l, stream.Partition(p))), []byte("\n")) {
			if len(line) == 0 {
				continue
			}
			if seen[string(line)] {
				t.Errorf("%s is in the log twice", line)
			}
			seen[string(line)] = true
			n++
		}
	}
	return n
}

// idsAcrossCrash: events that were acknowledged are there and known after a
// crash; whatever became of the others, sending them again leaves each there once.
func idsAcrossCrash(t *testing.T, s Store) {
	const writers, partitions = 5, 2
	l := openStream(t, s, partitions)
	all := map[string]bool{}
	for round := range 8 {
		var mu sync.Mutex
		var acked, tried [][]string
		enough := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range 40 {
					n := 1 + (w+i)%9
					if w == 0 && i%8 == 3 {
						n = 6000
					}
					names := series(fmt.Sprintf("r%d-w%d-%d", round, w, i/2), n) // half of the entries repeat what was before
					mu.Lock()
					tried = append(tried, names)
					mu.Unlock()
					if _, err := l.Append(context.Background(), id, named(stream.Partition((w+i)%partitions), names...)); err != nil {
						return // the log is lost
					}
					mu.Lock()
					if acked = append(acked, names); len(acked) == 15+8*round {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		mu.Lock()
		must := append([][]string(nil), acked...)
		mu.Unlock()
		s.Crash()
		wg.Wait()
		l = open(t, s)
		for _, names := range must {
			appendNamed(t, l, named(0, names...), 0)
		}
		for i, names := range tried {
			if _, err := l.Append(context.Background(), id, named(stream.Partition(i%partitions), names...)); err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				all[name] = true
			}
		}
		if n := wantOnce(t, l, partitions); n != len(all) {
			t.Fatalf("round %d: the log holds %d events, want %d", round, n, len(all))
		}
	}
	closeLog(t, l)
}
