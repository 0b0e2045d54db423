package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// marked gives the entry a mark that goes on from wherever the source stands.
func marked(e eventlog.Entry, mark string, at uint64) eventlog.Entry {
	return markedFrom(e, mark, at-1, at)
}

func markedFrom(e eventlog.Entry, mark string, from, at uint64) eventlog.Entry {
	e.Mark, e.MarkFrom, e.MarkAt = mark, from, at
	return e
}

// wantMoved wants the entry refused because its mark lies between MarkFrom and MarkAt.
func wantMoved(t tb, l eventlog.Log, e eventlog.Entry) {
	t.Helper()
	before := bounds(t, l)[e.Partition]
	a, err := l.Append(context.Background(), id, e)
	if !isFault(err, eventlog.ErrMarkMoved, problem.Conflict) || a != (eventlog.Appended{}) {
		t.Fatalf("append of %d to %d of mark %s: %+v, %v", e.MarkFrom, e.MarkAt, e.Mark, a, err)
	}
	if after := bounds(t, l)[e.Partition]; after != before {
		t.Fatalf("a refused entry changed the bounds from %+v to %+v", before, after)
	}
}

// marksMoved: two readers of a source that divide it otherwise never double anything.
func marksMoved(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	appendMarked(t, l, markedFrom(entry(0, "a", 3), "file", 0, 10), true)
	wantMoved(t, l, markedFrom(entry(0, "b", 9), "file", 0, 15))
	wantMoved(t, l, markedFrom(entry(0, "b", 9000), "file", 9, 11))
	appendMarked(t, l, markedFrom(entry(0, "b", 2), "file", 0, 10), false)
	appendMarked(t, l, markedFrom(entry(0, "b", 2), "file", 0, 4), false)
	l = reopen(t, s, l)
	wantMoved(t, l, markedFrom(entry(0, "b", 9), "file", 9, 15))
	s.Crash()
	l = open(t, s)
	wantMoved(t, l, markedFrom(entry(0, "b", 9), "file", 9, 15))
	wantMark(t, l, "file", 10)
	appendMarked(t, l, markedFrom(entry(0, "b", 5), "file", 10, 15), true)
	appendMarked(t, l, markedFrom(entry(0, "c", 5), "file", 20, 25), true) // a stretch without events has no entry
	unmark(t, l, "file")
	appendMarked(t, l, markedFrom(entry(0, "d", 5), "file", 20, 25), true)
	want := append(append(lines("a", 3), lines("b", 5)...), append(lines("c", 5), lines("d", 5)...)...)
	wantText(t, l, whole(t, l, 0), want)

	// Racing from the same place, one wins each stretch.
	for at := uint64(25); at < 65; at += 10 {
		var wg sync.WaitGroup
		won := make(chan int, 8)
		for w := range 8 {
			wg.Go(func() {
				_, err := l.Append(context.Background(), id, markedFrom(entry(0, fmt.Sprintf("r%d-%d", at, w), 2), "file", at, at+2+uint64(w)))
				if err == nil {
					won <- w
				} else if !errors.Is(err, eventlog.ErrMarkMoved) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(won)
		stored := 0
		for range won {
			stored++
		}
		reached, err := l.Mark(context.Background(), id, "file")
		if err != nil || reached < at+2 || stored == 0 {
			t.Fatalf("mark at %d, %v; %d were stored or repeated", reached, err, stored)
		}
		want = append(want, lines(fmt.Sprintf("r%d-%d", at, reached-at-2), 2)...)
		wantText(t, l, whole(t, l, 0), want)
		at = reached - 10
	}
	closeLog(t, l)
}

// appendMarked appends and wants all of the events stored, or nothing.
func appendMarked(t tb, l eventlog.Log, e eventlog.Entry, stored bool) {
	t.Helper()
	a, err := l.Append(context.Background(), id, e)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	want := eventlog.Appended{Range: stream.Range{Partition: e.Partition}, Duplicate: true}
	if stored {
		want = eventlog.Appended{Range: a.Range, Events: e.Events}
	}
	if a != want || a.Range.Empty() == stored || a.Range.Partition != e.Partition {
		t.Fatalf("append with mark %s at %d, new: %v, answered %+v", e.Mark, e.MarkAt, stored, a)
	}
}

func wantMark(t tb, l eventlog.Log, mark string, want uint64) {
	t.Helper()
	if at, err := l.Mark(context.Background(), id, mark); err != nil || at != want {
		t.Fatalf("mark %s is at %d, %v; want %d", mark, at, err, want)
	}
}

func unmark(t tb, l eventlog.Log, mark string) {
	t.Helper()
	for range 2 { // forgetting what is not there is no error
		if err := l.Unmark(context.Background(), id, mark); err != nil {
			t.Fatalf("unmark %s: %v", mark, err)
		}
	}
	wantMark(t, l, mark, 0)
}

func marks(t *testing.T, s Store) {
	l := openStream(t, s, 2)
	wantMark(t, l, "file", 0)
	small, large := marked(entry(0, "small", 3), "file", 10), marked(entry(0, "large", 2000), "file", 5000)
	appendMarked(t, l, small, true)
	wantMark(t, l, "file", 10)
	wantMark(t, l, "fil", 0)
	wantMark(t, l, "file/2", 0)
	appendMarked(t, l, large, true)
	again := func() {
		t.Helper()
		wantMark(t, l, "file", 5000)
		appendMarked(t, l, small, false) // further along already
		appendMarked(t, l, large, false)
		appendMarked(t, l, marked(entry(1, "elsewhere", 1), "file", 4999), false) // in whatever partition
		wantText(t, l, whole(t, l, 0), append(lines("small", 3), lines("large", 2000)...))
	}
	again()
	l = reopen(t, s, l)
	again()
	s.Crash()
	l = open(t, s)
	again()
	// Marks have nothing to do with keys, with each other, or with what is trimmed.
	appendEntry(t, l, keyed(entry(1, "k", 1), "file", 1))
	appendMarked(t, l, marked(entry(1, "other", 1), "other", 1), true)
	wantMark(t, l, "other", 1)
	if err := l.Trim(context.Background(), id, 0, whole(t, l, 0).End); err != nil {
		t.Fatal(err)
	}
	wantMark(t, l, "file", 5000)
	appendMarked(t, l, large, false)
	// They belong to their stream.
	const other = "00000000000000b2"
	if err := l.Create(context.Background(), other, 1); err != nil {
		t.Fatal(err)
	}
	if at, err := l.Mark(context.Background(), other, "file"); err != nil || at != 0 {
		t.Fatalf("the mark in another stream: %d, %v", at, err)
	}
	if err := l.Unmark(context.Background(), other, "file"); err != nil {
		t.Fatal(err)
	}
	again2 := func() {
		t.Helper()
		wantMark(t, l, "file", 0)
		wantMark(t, l, "other", 1)
	}
	unmark(t, l, "file")
	again2()
	s.Crash()
	l = open(t, s)
	again2()
	appendMarked(t, l, small, true)
	wantMark(t, l, "file", 10)
	// And go with it.
	if err := errors.Join(l.Drop(context.Background(), id), l.Create(context.Background(), id, 2)); err != nil {
		t.Fatal(err)
	}
	wantMark(t, l, "file", 0)
	appendMarked(t, l, small, true)
	l = reopen(t, s, l)
	wantMark(t, l, "file", 10)
	closeLog(t, l)
}

// marksWhenFull: what is stored needs no room, what is not stored moves no mark.
func marksWhenFull(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	first := marked(entry(0, "a", 2), "file", 2)
	appendMarked(t, l, first, true)
	s.Full(true)
	appendMarked(t, l, first, false)
	for _, n := range []int{1, 9000} {
		_, err := l.Append(context.Background(), id, marked(entry(0, "b", n), "file", 3))
		if !isFault(err, eventlog.ErrFull, problem.Busy) {
			t.Fatalf("append to a full log: %v", err)
		}
	}
	wantMark(t, l, "file", 2)
	unmark(t, l, "never") // forgetting needs no room
	s.Full(false)
	appendMarked(t, l, marked(entry(0, "b", 1), "file", 3), true)
	wantMark(t, l, "file", 3)
}

// marksConcurrently: many readers of the same files, some behind others. What is
// in the log is one reading of each, in order, without gaps.
func marksConcurrently(t *testing.T, s Store) {
	const files, readers, chunks = 3, 4, 20
	l := openStream(t, s, files)
	var wg sync.WaitGroup
	for f := range files {
		for range readers {
			wg.Go(func() {
				mark := fmt.Sprint("file", f)
				for i := range chunks {
					e := chunk(f, i)
					if _, err := l.Append(context.Background(), id, e); err != nil {
						t.Error(err)
						return
					}
					if at, err := l.Mark(context.Background(), id, mark); err != nil || at < e.MarkAt {
						t.Errorf("mark %s is at %d after an append at %d: %v", mark, at, e.MarkAt, err)
					}
				}
			})
		}
	}
	wg.Wait()
	for f := range files {
		wantText(t, l, whole(t, l, stream.Partition(f)), wholeFile(f, chunks))
	}
	closeLog(t, l)
}

// chunk is a part of a file, which has a partition of its own.
func chunk(file, i int) eventlog.Entry {
	n := 1 + i%5
	if (i+file)%8 == 7 {
		n = 700
	}
	return marked(entry(stream.Partition(file), fmt.Sprintf("f%d-%d", file, i), n), fmt.Sprint("file", file), uint64(1+i)*10)
}

func wholeFile(file, chunks int) (data []byte) {
	for i := range chunks {
		data = append(data, chunk(file, i).Data...)
	}
	return data
}

// marksAcrossCrash: a file is read on from its mark after each crash, and is in
// the log once, in order.
func marksAcrossCrash(t *testing.T, s Store) {
	const files, rounds, step, chunks = 3, 10, 6, 90
	l := openStream(t, s, files)
	for round := range rounds {
		var mu sync.Mutex
		acked := map[int]uint64{}
		n := 0
		enough := make(chan struct{})
		var wg sync.WaitGroup
		for f := range files {
			wg.Go(func() {
				at, err := l.Mark(context.Background(), id, fmt.Sprint("file", f))
				for i := int(at / 10); err == nil && i < chunks; i++ {
					e := chunk(f, i)
					if _, err = l.Append(context.Background(), id, e); err != nil {
						return // the log is lost
					}
					mu.Lock()
					acked[f] = e.MarkAt
					if n++; n == step {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		mu.Lock()
		must := map[int]uint64{}
		for f, at := range acked {
			must[f] = at
		}
		mu.Unlock()
		s.Crash()
		wg.Wait()
		l = open(t, s)
		for f := range files {
			at, err := l.Mark(context.Background(), id, fmt.Sprint("file", f))
			if err != nil || at < must[f] {
				t.Fatalf("round %d: file %d is marked at %d, %v; %d was acknowledged", round, f, at, err, must[f])
			}
			wantText(t, l, whole(t, l, stream.Partition(f)), wholeFile(f, int(at/10)))
			if at == chunks*10 { // begin anew
				unmark(t, l, fmt.Sprint("file", f))
				if err := l.Drop(context.Background(), id); err != nil {
					t.Fatal(err)
				}
				if err := l.Create(context.Background(), id, files); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	}
	closeLog(t, l)
}
