package eventlogtest

import (
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

func stamped(e eventlog.Entry, at time.Time) eventlog.Entry {
	e.Received, e.Stamped = at, true
	return e
}

// wantLate wants the entry refused because the partition has reached at.
func wantLate(t tb, l eventlog.Log, e eventlog.Entry, at time.Time) {
	t.Helper()
	before := bounds(t, l)[e.Partition]
	a, err := l.Append(context.Background(), id, e)
	var late *eventlog.LateError
	if !errors.As(err, &late) || !isFault(err, eventlog.ErrLate, problem.Conflict) {
		t.Fatalf("append of what was received at %v: %+v, %v; the partition has reached %v", e.Received, a, err, at)
	}
	if !late.At.Equal(at) {
		t.Fatalf("the partition is said to have reached %v, it is %v", late.At, at)
	}
	if after := bounds(t, l)[e.Partition]; after != before {
		t.Fatalf("a late entry changed the bounds from %+v to %+v", before, after)
	}
}

// wantHour wants all blocks of the range in the hour of at.
func wantHour(t tb, l eventlog.Log, r stream.Range, at time.Time) {
	t.Helper()
	for _, h := range index(t, l, r) {
		if !h.FirstAt.Truncate(time.Hour).Equal(at.UTC().Truncate(time.Hour)) {
			t.Fatalf("block %v was received at %v, its events say %v", h.Range, h.FirstAt, at)
		}
	}
}

// stampedEntries: a clock that was set back moves entries within their hour, and
// never out of it.
func stampedEntries(t *testing.T, s Store, timesGo bool) {
	l := openStream(t, s, 2)
	ok := func(d time.Duration, n int) {
		t.Helper()
		e := stamped(entry(0, fmt.Sprint("ok", d, n), n), noon.Add(d))
		a := appendEntry(t, l, e)
		wantHour(t, l, a.Range, e.Received)
		wantText(t, l, a.Range, e.Data)
	}
	late := func(d time.Duration, reached time.Duration) {
		t.Helper()
		for _, n := range []int{1, 6000} {
			e := stamped(entry(0, "late", n), noon.Add(d))
			wantLate(t, l, e, noon.Add(reached))
		}
	}
	ok(30*time.Minute, 2)
	ok(10*time.Minute, 2)
	ok(10*time.Minute, 6000)
	late(-time.Millisecond, 30*time.Minute)
	ok(time.Hour-time.Millisecond, 6000)
	ok(time.Hour, 1)
	late(time.Hour-time.Millisecond, time.Hour)
	l = reopen(t, s, l)
	late(0, time.Hour)
	s.Crash()
	l = open(t, s)
	late(0, time.Hour)
	// Stamped anew with the time it was told, it goes in; so does what is not stamped.
	ok(time.Hour, 3)
	e := entry(0, "moved", 2)
	wantHour(t, l, appendEntry(t, l, e).Range, noon.Add(time.Hour))
	// Partitions have each their own time.
	appendEntry(t, l, stamped(entry(1, "other", 1), noon))
	if err := l.Trim(context.Background(), id, 0, whole(t, l, 0).End); err != nil {
		t.Fatal(err)
	}
	if timesGo {
		ok(time.Hour, 1)
	}
	late(0, time.Hour)

	// What was late is not remembered.
	n := stamped(named(0, "x", "y"), noon)
	wantLate(t, l, n, noon.Add(time.Hour))
	n.Received = noon.Add(time.Hour)
	appendNamed(t, l, n, 2)
	appendNamed(t, l, stamped(named(0, "x"), noon), 0) // stored already, so never late
	closeLog(t, l)
}

// stampedConcurrently: senders stamp their events with clocks that differ, over
// several hours, and stamp anew what is late. Every block has the hour its
// events say, and every event is there once.
func stampedConcurrently(t *testing.T, s Store) {
	const writers, rounds, partitions = 8, 60, 2
	l := openStream(t, s, partitions)
	var mu sync.Mutex
	lates := 0
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("s%d-%d", w, i)
				n := 1 + (w+i)%4
				if i%20 == w {
					n = 7000
				}
				p := stream.Partition((w + i) % partitions)
				at := noon.Add(time.Duration(i)*6*time.Minute + time.Duration(w*w)*20*time.Second)
				for {
					e := named(p, series(name, n)...)
					if e.Received = at; w%4 == 3 {
						e.IDs = nil
						if _, err := l.Append(context.Background(), id, e); err != nil {
							t.Error(err)
							return
						}
						break
					}
					a, err := l.Append(context.Background(), id, stamped(e, at))
					var late *eventlog.LateError
					if errors.As(err, &late) {
						if hour := at.Truncate(time.Hour); late.At.Truncate(time.Hour).Equal(hour) || late.At.Before(at) {
							t.Errorf("received at %v is late for %v", at, late.At)
							return
						}
						at = late.At
						mu.Lock()
						lates++
						mu.Unlock()
						continue
					}
					if err != nil || a.Events != n {
						t.Errorf("append: %+v, %v", a, err)
						return
					}
					for h, err := range l.Index(context.Background(), id, a.Range) {
						if err != nil || !h.FirstAt.Truncate(time.Hour).Equal(at.Truncate(time.Hour)) {
							t.Errorf("block %v was received at %v, %v; its events say %v", h.Range, h.FirstAt, err, at)
						}
					}
					break
				}
			}
		})
	}
	wg.Wait()
	if lates == 0 {
		t.Error("nothing was late: the test tests nothing")
	}
	if n := wantOnce(t, l, partitions); n < writers*rounds {
		t.Errorf("%d events are in the log", n)
	}
	closeLog(t, l)
}
