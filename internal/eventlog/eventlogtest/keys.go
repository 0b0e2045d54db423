package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

func keys(t *testing.T, s Store) {
	l := openStream(t, s, 2)
	small, large := keyed(entry(0, "small", 3), "k-small", 7), keyed(entry(1, "large", 2000), "k-large", 8)
	first := map[string]eventlog.Appended{}
	for _, e := range []eventlog.Entry{small, large} {
		a := appendEntry(t, l, e)
		if a.Duplicate {
			t.Fatalf("first append of %s is called a duplicate", e.Key)
		}
		first[e.Key] = a
	}
	again := func() {
		t.Helper()
		for _, e := range []eventlog.Entry{small, large} {
			want := first[e.Key]
			want.Duplicate = true
			if a := appendEntry(t, l, e); a != want {
				t.Fatalf("second append of %s answered %+v, want %+v", e.Key, a, want)
			}
			e.Digest++
			_, err := l.Append(context.Background(), id, e)
			if !errors.Is(err, eventlog.ErrKeyReused) || problem.KindOf(err) != problem.Conflict {
				t.Fatalf("key with other content: %v (kind %v)", err, problem.KindOf(err))
			}
		}
		wantText(t, l, whole(t, l, 0), small.Data)
		wantText(t, l, whole(t, l, 1), large.Data)
	}
	again()
	l = reopen(t, s, l)
	again()
	s.Crash()
	l = open(t, s)
	again()
	// A key belongs to its stream.
	const other = "00000000000000b2"
	if err := l.Create(context.Background(), other, 1); err != nil {
		t.Fatal(err)
	}
	a, err := l.Append(context.Background(), other, small)
	if err != nil || a.Duplicate {
		t.Fatalf("the key in another stream: %+v, %v", a, err)
	}
	closeLog(t, l)
}

func keysConcurrently(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	for round := range 30 {
		n := 2
		if round%2 == 1 {
			n = 900 // large enough to go its own way
		}
		e := keyed(entry(0, fmt.Sprint("c", round), n), fmt.Sprint("key", round), 1)
		before := bounds(t, l)[0].End
		var wg sync.WaitGroup
		answers := make([]eventlog.Appended, 8)
		start := make(chan struct{})
		for i := range answers {
			wg.Go(func() {
				<-start
				a, err := l.Append(context.Background(), id, e)
				if err != nil {
					t.Error(err)
				}
				answers[i] = a
			})
		}
		close(start)
		wg.Wait()
		firsts := 0
		for _, a := range answers {
			if !a.Duplicate {
				firsts++
			}
			if a.Range != answers[0].Range || a.Events != n {
				t.Fatalf("answers differ: %+v and %+v", a, answers[0])
			}
		}
		if firsts != 1 {
			t.Fatalf("%d of the appends were called the first", firsts)
		}
		r := whole(t, l, 0)
		r.Start = before
		wantText(t, l, r, e.Data)
	}
}

// keysAcrossCrash: after an append whose answer was lost, the same append again
// leaves the events in the log once.
func keysAcrossCrash(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	for round := range 12 {
		e := keyed(entry(0, fmt.Sprint("x", round), 1+round*131%900), fmt.Sprint("key", round), uint64(round))
		before := bounds(t, l)[0].End
		done := make(chan error, 1)
		go func() {
			_, err := l.Append(context.Background(), id, e)
			done <- err
		}()
		if round%3 == 0 {
			<-done // durable, the answer is lost on its way
			done <- nil
		}
		s.Crash()
		<-done
		l = open(t, s)
		a := appendEntry(t, l, e)
		if round%3 == 0 && !a.Duplicate {
			t.Fatalf("round %d: an acknowledged append was forgotten", round)
		}
		r := whole(t, l, 0)
		r.Start = before
		wantText(t, l, r, e.Data)
	}
	closeLog(t, l)
}
