package eventlogtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// shadow is the simple log in memory that the real one is compared with.
type shadow struct {
	timesGo bool // Harness.TimesGo
	trimmed bool // something was
	entries map[stream.Partition][]placed
	keys    map[string]placed
	ids     map[eventlog.ID]bool
	marks   map[string]uint64
	reached map[stream.Partition]time.Time // newest received time
	serial  int
	clock   time.Time
}

// placed is an entry where the log said it put it.
type placed struct {
	r      stream.Range
	data   []byte
	digest uint64
	events int
}

const modelPartitions = 2

// model compares the log with a shadow over random histories of appends, trims,
// reopenings, crashes and drops. rapid prints the seed of a failure.
func model(t *testing.T, h Harness) {
	rapid.Check(t, func(rt *rapid.T) {
		s := h.New(t)
		l := openStream(rt, s, modelPartitions)
		sh := &shadow{clock: noon, timesGo: h.TimesGo}
		sh.clear()
		partition := rapid.Map(rapid.IntRange(0, modelPartitions-1), func(p int) stream.Partition { return stream.Partition(p) })
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				n := rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(1, 1200)).Draw(rt, "events")
				sh.serial++
				e := entry(partition.Draw(rt, "partition"), fmt.Sprint("m", sh.serial), n)
				sh.clock = sh.clock.Add(time.Duration(rapid.IntRange(-600, 1800).Draw(rt, "seconds")) * time.Second)
				e.Received = sh.clock
				if rapid.Bool().Draw(rt, "keyed") {
					e.Key = fmt.Sprint("key", rapid.IntRange(0, 5).Draw(rt, "key"))
					e.Digest = uint64(rapid.IntRange(1, 2).Draw(rt, "digest"))
				}
				sh.append(rt, l, e)
			},
			"append named": func(rt *rapid.T) {
				names := rapid.SliceOfN(rapid.IntRange(0, 60), 1, 12).Draw(rt, "names")
				var called []string
				for _, n := range names {
					called = append(called, fmt.Sprint("id", n))
				}
				if rapid.IntRange(0, 9).Draw(rt, "much") == 0 {
					sh.serial++
					called = append(called, series(fmt.Sprint("much", sh.serial%3), rapid.IntRange(1000, 9000).Draw(rt, "more"))...)
				}
				e := named(partition.Draw(rt, "partition"), called...)
				sh.clock = sh.clock.Add(time.Duration(rapid.IntRange(-600, 1800).Draw(rt, "seconds")) * time.Second)
				e.Received, e.Stamped = sh.clock, rapid.Bool().Draw(rt, "stamped")
				sh.appendNamed(rt, l, e)
			},
			"append marked": func(rt *rapid.T) {
				sh.serial++
				e := entry(partition.Draw(rt, "partition"), fmt.Sprint("m", sh.serial), rapid.IntRange(1, 900).Draw(rt, "events"))
				e.Received = sh.clock
				sh.appendMarked(rt, l, marked(e, fmt.Sprint("mark", rapid.IntRange(0, 3).Draw(rt, "mark")), rapid.Uint64Range(1, 12).Draw(rt, "at")))
			},
			"unmark": func(rt *rapid.T) {
				mark := fmt.Sprint("mark", rapid.IntRange(0, 3).Draw(rt, "mark"))
				unmark(rt, l, mark)
				delete(sh.marks, mark)
			},
			"trim": func(rt *rapid.T) {
				p := partition.Draw(rt, "partition")
				r := whole(rt, l, p)
				before := stream.Offset(rapid.Int64Range(0, int64(r.End)+2).Draw(rt, "before"))
				if err := l.Trim(context.Background(), id, p, before); err != nil {
					rt.Fatalf("trim: %v", err)
				}
				after := whole(rt, l, p)
				if after.End != r.End || after.Start < r.Start || after.Start > max(before, r.Start) {
					rt.Fatalf("trim before %d changed %v to %v", before, r, after)
				}
				if after.Start > r.Start {
					sh.trimmed = true
					wantTrimmed(rt, l, r)
				}
			},
			"reopen": func(rt *rapid.T) { l = reopen(rt, s, l) },
			"crash": func(rt *rapid.T) {
				s.Crash()
				l = open(rt, s)
			},
			"drop": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "really") > 0 {
					return
				}
				if err := l.Drop(context.Background(), id); err != nil {
					rt.Fatalf("drop: %v", err)
				}
				if err := l.Create(context.Background(), id, modelPartitions); err != nil {
					rt.Fatalf("create: %v", err)
				}
				sh.clear()
			},
			"": func(rt *rapid.T) { sh.compare(rt, l) },
		})
		closeLog(rt, l)
	})
}

func (sh *shadow) clear() {
	sh.trimmed = false
	sh.entries, sh.keys = map[stream.Partition][]placed{}, map[string]placed{}
	sh.marks = map[string]uint64{}
	sh.ids, sh.reached = map[eventlog.ID]bool{}, map[stream.Partition]time.Time{}
}

func (sh *shadow) append(t tb, l eventlog.Log, e eventlog.Entry) {
	t.Helper()
	a, err := l.Append(context.Background(), id, e)
	if first, ok := sh.keys[e.Key]; ok && e.Key != "" {
		if first.digest != e.Digest {
			if !errors.Is(err, eventlog.ErrKeyReused) || problem.KindOf(err) != problem.Conflict {
				t.Fatalf("key %s with other content: %+v, %v", e.Key, a, err)
			}
			return
		}
		if err != nil || !a.Duplicate || a.Range != first.r || a.Events != first.events {
			t.Fatalf("key %s again: %+v, %v; first was %+v", e.Key, a, err, first.r)
		}
		return
	}
	if err != nil || a.Duplicate || a.Events != e.Events || a.Range.Partition != e.Partition {
		t.Fatalf("append: %+v, %v", a, err)
	}
	es := sh.entries[e.Partition]
	if len(es) > 0 && a.Range.Start < es[len(es)-1].r.End {
		t.Fatalf("append at %v, the one before ended at %d", a.Range, es[len(es)-1].r.End)
	}
	pl := placed{a.Range, e.Data, e.Digest, e.Events}
	sh.entries[e.Partition] = append(es, pl)
	if e.Received.After(sh.reached[e.Partition]) {
		sh.reached[e.Partition] = e.Received
	}
	if e.Key != "" {
		sh.keys[e.Key] = pl
	}
}

// appendMarked appends an entry with a mark, which is new beyond what was before.
func (sh *shadow) appendMarked(t tb, l eventlog.Log, e eventlog.Entry) {
	t.Helper()
	if e.MarkAt <= sh.marks[e.Mark] {
		appendMarked(t, l, e, false)
		return
	}
	sh.append(t, l, e)
	sh.marks[e.Mark] = e.MarkAt
}

// appendNamed appends an entry with ids: what is new of it, unless it is late.
func (sh *shadow) appendNamed(t tb, l eventlog.Log, e eventlog.Entry) {
	t.Helper()
	fresh := e
	fresh.Events, fresh.Data = 0, nil
	ls := bytes.SplitAfter(e.Data, []byte("\n"))
	seen := map[eventlog.ID]bool{}
	for i, n := range e.IDs {
		if !sh.ids[n] && !seen[n] {
			fresh.Events++
			fresh.Data = append(fresh.Data, ls[i]...)
		}
		seen[n] = true
	}
	if reached := sh.reached[e.Partition]; fresh.Events > 0 && e.Stamped && reached.Truncate(time.Hour).After(e.Received) {
		if sh.timesGo && sh.trimmed {
			return // whether it is late depends on what was trimmed
		}
		wantLate(t, l, e, reached)
		return
	}
	a := appendNamed(t, l, e, fresh.Events)
	if fresh.Events == 0 {
		return
	}
	for n := range seen {
		sh.ids[n] = true
	}
	sh.entries[e.Partition] = append(sh.entries[e.Partition], placed{a.Range, fresh.Data, 0, fresh.Events})
	if e.Received.After(sh.reached[e.Partition]) {
		sh.reached[e.Partition] = e.Received
	}
	if e.Stamped {
		wantHour(t, l, a.Range, e.Received)
	}
}

// compare reads everything that is kept and holds it against the shadow.
func (sh *shadow) compare(t tb, l eventlog.Log) {
	t.Helper()
	for i := range 4 {
		mark := fmt.Sprint("mark", i)
		wantMark(t, l, mark, sh.marks[mark])
	}
	for p, b := range bounds(t, l) {
		r := stream.Range{Partition: stream.Partition(p), Start: b.Floor, End: b.End}
		es := sh.entries[r.Partition]
		for len(es) > 0 && es[0].r.End <= r.Start {
			es = es[1:]
		}
		var want []byte
		for i, pl := range es {
			if i == 0 && pl.r.Start < r.Start {
				wantText(t, l, stream.Range{Partition: r.Partition, Start: r.Start, End: pl.r.End}, tail(pl.data, int(pl.r.End-r.Start)))
				want = append(want, tail(pl.data, int(pl.r.End-r.Start))...)
				continue
			}
			want = append(want, pl.data...)
		}
		wantText(t, l, r, want)
		var last time.Time
		var packed int64
		for _, h := range index(t, l, r) {
			if h.FirstAt.Before(last) {
				t.Fatalf("received times went back at %v", h.Range)
			}
			last = h.LastAt
			packed += h.Packed
		}
		if packed != b.Packed {
			t.Fatalf("partition %d keeps %d bytes, bounds say %d", p, packed, b.Packed)
		}
	}
}

// tail is the last n lines of data.
func tail(data []byte, n int) []byte {
	at := len(data)
	for ; n > 0; n-- {
		at--
		for at > 0 && data[at-1] != '\n' {
			at--
		}
	}
	return data[at:]
}
