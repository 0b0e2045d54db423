package eventlogtest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// told collects what a subscriber hears.
type told struct {
	mu     sync.Mutex
	events int64
	raw    int64
	packed int64
	first  time.Time // earliest First
	last   time.Time // latest At
	bad    string
	grew   chan struct{} // has a token when something was told
}

func listen(l eventlog.Log) (*told, func()) {
	d := &told{grew: make(chan struct{}, 1)}
	return d, l.Subscribe(func(a eventlog.Advance) {
		d.mu.Lock()
		d.events += a.Events
		d.raw += a.Raw
		d.packed += a.Packed
		if d.first.IsZero() || a.First.Before(d.first) {
			d.first = a.First
		}
		if a.At.After(d.last) {
			d.last = a.At
		}
		if a.StreamID != id || a.Events < 1 || a.Raw < 1 || a.Packed < 0 || a.At.Before(noon) || a.First.Before(noon) || a.First.After(a.At) {
			d.bad = fmt.Sprintf("%+v", a)
		}
		d.mu.Unlock()
		select {
		case d.grew <- struct{}{}:
		default:
		}
	})
}

func (d *told) sums() (events, raw int64, bad string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events, d.raw, d.bad
}

func (d *told) wantTimes(t *testing.T, first, last time.Time) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.first.Equal(first) || !d.last.Equal(last) {
		t.Fatalf("told of events received from %v to %v, want %v to %v", d.first, d.last, first, last)
	}
}

// wantPacked wants the packed bytes that were told to be those the log keeps.
func (d *told) wantPacked(t *testing.T, l eventlog.Log) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := int64(0)
	for _, b := range bounds(t, l) {
		kept += b.Packed
	}
	if d.packed != kept {
		t.Fatalf("told of %d packed bytes, the log keeps %d", d.packed, kept)
	}
}

func subscribe(t *testing.T, s Store) {
	l := openStream(t, s, 2)
	defer closeLog(t, l)
	d, cancel := listen(l)
	var wantEvents, wantRaw int64
	for i := range 10 {
		e := keyed(entry(stream.Partition(i%2), fmt.Sprint("s", i), 1+i*150), fmt.Sprint(i), 1)
		e.Received = noon.Add(time.Duration(i+1) * time.Minute)
		appendEntry(t, l, e)
		appendEntry(t, l, e) // a duplicate is no growth
		n := named(e.Partition, "the same")
		n.Received = e.Received
		if i > 0 {
			appendNamed(t, l, n, 0) // nor is a repeat
			n = named(e.Partition, "the same", fmt.Sprint(i))
			n.Received = e.Received
		}
		appendNamed(t, l, n, 1)
		wantEvents++
		wantRaw += int64(len(n.Data))
		if i > 0 {
			wantRaw -= int64(len(line("the same")))
		}
		wantEvents += int64(e.Events)
		wantRaw += int64(len(e.Data))
	}
	for {
		events, raw, bad := d.sums()
		if bad != "" || events > wantEvents {
			t.Fatalf("told of %d events, want %d; bad: %s", events, wantEvents, bad)
		}
		if events == wantEvents {
			if raw != wantRaw {
				t.Fatalf("told of %d raw bytes, want %d", raw, wantRaw)
			}
			d.wantPacked(t, l)
			d.wantTimes(t, noon.Add(time.Minute), noon.Add(10*time.Minute))
			break
		}
		<-d.grew
	}
	cancel()
	appendEntry(t, l, entry(0, "unheard", 1))
	if events, _, _ := d.sums(); events != wantEvents {
		t.Fatal("told after cancel")
	}
}

// concurrent: writers over several partitions, readers beside them.
func concurrent(t *testing.T, s Store) {
	const partitions, writers, rounds = 3, 8, 25
	l := openStream(t, s, partitions)
	d, cancel := listen(l)
	defer cancel()
	ctx := context.Background()
	var mu sync.Mutex
	where := map[string]eventlog.Appended{}
	data := map[string][]byte{}
	var stop atomic.Bool
	var readers, wg sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			prev := make([]eventlog.Bound, partitions)
			for !stop.Load() {
				told, _, _ := d.sums()
				bs, err := l.Bounds(ctx, id)
				if err != nil {
					t.Error(err)
					return
				}
				var sum int64
				for p, b := range bs {
					if b.End < prev[p].End || b.Packed < prev[p].Packed {
						t.Errorf("bounds went back: %+v to %+v", prev[p], b)
						return
					}
					hs := index(t, l, stream.Range{Partition: stream.Partition(p), Start: prev[p].End, End: b.End})
					if len(hs) > 0 && (hs[0].Range.Start != prev[p].End || hs[len(hs)-1].Range.End != b.End) {
						t.Errorf("blocks %v..%v do not fill %d..%d", hs[0].Range, hs[len(hs)-1].Range, prev[p].End, b.End)
						return
					}
					if _, err := tryText(l, stream.Range{Partition: stream.Partition(p), Start: prev[p].End, End: b.End}); err != nil {
						t.Error(err)
						return
					}
					for _, h := range index(t, l, stream.Range{Partition: stream.Partition(p), Start: b.Floor, End: b.End}) {
						sum += h.Events
					}
				}
				if sum < told {
					t.Errorf("subscriber was told of %d events, %d are visible", told, sum)
					return
				}
				prev = bs
			}
		})
	}
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				tag := fmt.Sprintf("w%d-%d", w, i)
				n := 1 + (w*31+i*17)%40
				if i%8 == w%8 {
					n = 700
				}
				e := entry(stream.Partition((w+i)%partitions), tag, n)
				a, err := l.Append(ctx, id, e)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				where[tag], data[tag] = a, e.Data
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	readers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	l = reopen(t, s, l)
	var size [partitions]int
	for tag, a := range where {
		wantText(t, l, a.Range, data[tag])
		size[a.Range.Partition] += len(data[tag])
	}
	for p := range partitions {
		if got := text(t, l, whole(t, l, stream.Partition(p))); len(got) != size[p] {
			t.Fatalf("partition %d holds %d bytes, want %d", p, len(got), size[p])
		}
	}
	closeLog(t, l)
}

// crashWhileAppending: what was acknowledged before the crash is there; the rest
// is wholly there or wholly absent, and the same append again settles it.
func crashWhileAppending(t *testing.T, s Store) {
	const writers = 6
	l := openStream(t, s, 2)
	ctx := context.Background()
	all := map[string]eventlog.Entry{}
	for round := range 8 {
		var mu sync.Mutex
		acked := map[string]eventlog.Appended{}
		tried := map[string]eventlog.Entry{}
		enough := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				limit := 40
				if w == 0 {
					limit = 6
				}
				for i := range limit {
					key := fmt.Sprintf("r%d-w%d-%d", round, w, i)
					n := 1 + (w+i)%5
					if w == 0 {
						n = 700
					}
					e := keyed(entry(stream.Partition((w+i)%2), key, n), key, uint64(i))
					mu.Lock()
					tried[key] = e
					mu.Unlock()
					a, err := l.Append(ctx, id, e)
					if err != nil {
						return // the log is lost
					}
					mu.Lock()
					acked[key] = a
					if len(acked) == 20+5*round {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		mu.Lock()
		must := make(map[string]eventlog.Appended, len(acked))
		for k, a := range acked {
			must[k] = a
		}
		mu.Unlock()
		s.Crash()
		wg.Wait()
		l = open(t, s)
		for key, a := range must {
			wantText(t, l, a.Range, tried[key].Data)
		}
		for key, e := range tried {
			a := appendEntry(t, l, e)
			if first, ok := must[key]; ok && (!a.Duplicate || a.Range != first.Range) {
				t.Fatalf("%s was acknowledged at %v, a retry says %+v", key, first.Range, a)
			}
			wantText(t, l, a.Range, e.Data)
			all[key] = e
		}
	}
	// Nothing else is in the log: every entry once, whole.
	want := 0
	var got []byte
	for p := range stream.Partition(2) {
		got = append(got, text(t, l, whole(t, l, p))...)
	}
	for key, e := range all {
		want += len(e.Data)
		if n := bytes.Count(got, e.Data); n != 1 {
			t.Fatalf("entry %s is %d times in the log", key, n)
		}
	}
	if len(got) != want {
		t.Fatalf("the log holds %d bytes, want %d", len(got), want)
	}
	closeLog(t, l)
}

// nothingVisibleIsLost: what a reader or subscriber has seen is there after a
// crash, the same, even if its append had not returned.
func nothingVisibleIsLost(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	for round := range 10 {
		var wg sync.WaitGroup
		d, cancel := listen(l)
		before := whole(t, l, 0)
		for w := range 4 {
			wg.Go(func() {
				for i := range 50 {
					n := 1 + i%7
					if w == 0 {
						n = 700
					}
					if _, err := l.Append(context.Background(), id, entry(0, fmt.Sprintf("v%d-%d-%d", round, w, i), n)); err != nil {
						return
					}
				}
			})
		}
		told, _, _ := d.sums()
		for told < int64(20+30*round) {
			<-d.grew
			told, _, _ = d.sums()
		}
		seen := whole(t, l, 0)
		seen.Start = before.End
		have := text(t, l, seen)
		s.Crash()
		wg.Wait()
		cancel()
		l = open(t, s)
		now := whole(t, l, 0)
		if now.End < seen.End {
			t.Fatalf("offsets up to %d were visible, the log ends at %d after the crash", seen.End, now.End)
		}
		wantText(t, l, seen, have)
		var events int64
		for _, h := range index(t, l, stream.Range{Start: before.End, End: now.End}) {
			events += h.Events
		}
		if events < told {
			t.Fatalf("subscriber was told of %d events, %d are left", told, events)
		}
	}
	closeLog(t, l)
}
