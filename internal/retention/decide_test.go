package retention

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// blocks are a partition's blocks: ten events and 100 bytes each, received at
// the given hours before noon.
type blocks struct {
	ago     []int
	damaged int // number of the block that cannot be read, from 1; 0: none
}

var errDamaged = errors.New("damaged")

// hours returns blocks received every hour, the newest last.
func hours(from, to int) blocks {
	var b blocks
	for h := from; h >= to; h-- {
		b.ago = append(b.ago, h)
	}
	return b
}

// given is a stream with its blocks.
type given struct {
	rules stream.Retention
	held  stream.Position // nil: no exporter
	parts []blocks
}

// world makes the lots of the streams and an index over their blocks.
func world(streams []given) ([]*lot, index) {
	var lots []*lot
	for i, g := range streams {
		l := &lot{stream: stream.Stream{ID: fmt.Sprint(i), Name: fmt.Sprint("s", i), Retention: g.rules}, held: g.held, exported: g.held != nil}
		for _, b := range g.parts {
			l.bounds = append(l.bounds, eventlog.Bound{End: stream.Offset(10 * len(b.ago)), Packed: int64(100 * len(b.ago))})
		}
		lots = append(lots, l)
	}
	return lots, func(id string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
		var i int
		_, _ = fmt.Sscan(id, &i)
		return streams[i].parts[r.Partition].index(r)
	}
}

func (b blocks) index(r stream.Range) iter.Seq2[stream.BlockHeader, error] {
	return func(yield func(stream.BlockHeader, error) bool) {
		for i, ago := range b.ago {
			own := stream.Range{Partition: r.Partition, Start: stream.Offset(10 * i), End: stream.Offset(10*i + 10)}
			if own.End <= r.Start || own.Start >= r.End {
				continue
			}
			if b.damaged == i+1 {
				yield(stream.BlockHeader{}, errDamaged)
				return
			}
			at := noon.Add(-time.Duration(ago) * time.Hour)
			if !yield(stream.BlockHeader{Range: own, Events: 10, Packed: 100, FirstAt: at, LastAt: at}, nil) {
				return
			}
		}
	}
}

// gone says what a decision trims: "stream/partition" to the offset.
func gone(d decision) map[string]stream.Offset {
	out := map[string]stream.Offset{}
	for _, t := range d.trims {
		out[fmt.Sprintf("%s/%d", t.lot.stream.Name, t.n)] = t.before
	}
	return out
}

func TestRetentionRemovesWhatIsOldOrTooMuchButNeverWhatIsHeld(t *testing.T) {
	type want = map[string]stream.Offset
	age := func(hours int) stream.Retention { return stream.Retention{MaxAge: time.Duration(hours) * time.Hour} }
	size := func(bytes int64) stream.Retention { return stream.Retention{MaxBytes: bytes} }
	ten := []blocks{hours(9, 0)}
	calm := room{free: -1, minFree: -1}
	for name, c := range map[string]struct {
		streams []given
		room    room
		want    want
		need    int64
		short   bool
	}{
		"no rule keeps all":              {[]given{{parts: ten}}, calm, want{}, 0, false},
		"age removes old blocks":         {[]given{{age(5), nil, ten}}, calm, want{"s0/0": 40}, 0, false},
		"age, far back":                  {[]given{{age(5), nil, []blocks{hours(99, 0)}}}, calm, want{"s0/0": 940}, 0, false},
		"age stops at what is held":      {[]given{{age(5), stream.Position{20}, ten}}, calm, want{"s0/0": 20}, 0, false},
		"a block half held stays":        {[]given{{age(5), stream.Position{25}, ten}}, calm, want{"s0/0": 20}, 0, false},
		"everything may go":              {[]given{{stream.Retention{MaxAge: 1}, nil, []blocks{hours(9, 1)}}}, calm, want{"s0/0": 90}, 0, false},
		"nothing delivered":              {[]given{{stream.Retention{MaxAge: 1, MaxBytes: 1}, stream.Position{0}, ten}}, calm, want{}, 0, true},
		"an exporter that knows nothing": {[]given{{age(5), stream.Position{}, ten}}, calm, want{}, 0, false},

		"below the size":                {[]given{{size(1001), nil, ten}}, calm, want{}, 0, false},
		"size removes down to 90 %":     {[]given{{size(1000), nil, ten}}, calm, want{"s0/0": 10}, 0, false},
		"size removes what is above it": {[]given{{size(400), nil, ten}}, calm, want{"s0/0": 70}, 0, false},
		"a small size is a rule too":    {[]given{{size(5), nil, ten}}, calm, want{"s0/0": 100}, 0, false},
		"the smallest size":             {[]given{{size(1), nil, ten}}, calm, want{"s0/0": 100}, 0, false},
		"size stops at what is held":    {[]given{{size(400), stream.Position{30}, ten}}, calm, want{"s0/0": 30}, 0, true},
		"size after age":                {[]given{{stream.Retention{MaxAge: 8 * time.Hour, MaxBytes: 900}, nil, ten}}, calm, want{"s0/0": 20}, 0, false},
		"age was enough for the size":   {[]given{{stream.Retention{MaxAge: 7 * time.Hour, MaxBytes: 900}, nil, ten}}, calm, want{"s0/0": 20}, 0, false},
		// One hot partition may have nearly all of the bound.
		"size, one hot partition": {[]given{{size(1300), nil, []blocks{hours(9, 0), {ago: []int{30}}, {}, {ago: []int{0, 0}}}}}, calm, want{"s0/0": 10, "s0/1": 10}, 0, false},
		"size, oldest over partitions": {[]given{{size(1000), nil, []blocks{{ago: []int{9, 7, 5, 3, 1}}, {ago: []int{8, 6, 4, 2, 0}}}}}, calm,
			want{"s0/0": 10}, 0, false},
		"size, oldest over partitions, more": {[]given{{size(560), nil, []blocks{{ago: []int{9, 7, 5, 3, 1}}, {ago: []int{8, 6, 4, 2, 0}}}}}, calm,
			want{"s0/0": 30, "s0/1": 20}, 0, false},
		"size, the oldest is held": {[]given{{size(1000), stream.Position{0, 50}, []blocks{{ago: []int{9, 7, 5, 3, 1}}, {ago: []int{8, 6, 4, 2, 0}}}}}, calm,
			want{"s0/1": 10}, 0, false},

		"log not yet tight":                 {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, maxPacked: 1060, free: -1, minFree: -1}, want{}, 0, false},
		"log at 95 %: down to 90 %":         {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, maxPacked: 1050, free: -1, minFree: -1}, want{"s0/0": 10}, 55, false},
		"log over its bound":                {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, maxPacked: 500, free: -1, minFree: -1}, want{"s0/0": 60}, 550, false},
		"a tiny log":                        {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, maxPacked: 1, free: -1, minFree: -1}, want{"s0/0": 100}, 1000, false},
		"log, delivered only":               {[]given{{held: stream.Position{35}, parts: ten}}, room{packed: 1000, maxPacked: 500, free: -1, minFree: -1}, want{"s0/0": 30}, 550, true},
		"log, nothing from without export":  {[]given{{parts: ten}, {rules: age(100), parts: ten}}, room{packed: 2000, maxPacked: 1000, free: -1, minFree: -1}, want{}, 1100, true},
		"log, but age takes from these too": {[]given{{rules: age(5), parts: ten}}, room{packed: 1000, maxPacked: 1000, free: -1, minFree: -1}, want{"s0/0": 40}, 0, false},
		"log, oldest over streams": {[]given{{held: stream.Position{50}, parts: []blocks{{ago: []int{9, 7, 5, 3, 1}}}}, {parts: ten}, {held: stream.Position{50}, parts: []blocks{{ago: []int{8, 6, 4, 2, 0}}}}},
			room{packed: 2000, maxPacked: 1890, free: -1, minFree: -1}, want{"s0/0": 20, "s2/0": 10}, 299, false},
		"log, after the streams' own": {[]given{{rules: age(5), held: stream.Position{100}, parts: ten}}, room{packed: 1000, maxPacked: 600, free: -1, minFree: -1},
			want{"s0/0": 50}, 60, false},

		"disk with room":           {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: 1100, minFree: 1000}, want{}, 0, false},
		"disk near its reserve":    {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: 1099, minFree: 1000}, want{"s0/0": 20}, 101, false},
		"disk below its reserve":   {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: 650, minFree: 1000}, want{"s0/0": 60}, 550, false},
		"disk, space is coming":    {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: 650, minFree: 1000, coming: 450}, want{}, 0, false},
		"disk, not enough comes":   {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: 650, minFree: 1000, coming: 400}, want{"s0/0": 20}, 150, false},
		"disk, delivered only":     {[]given{{held: stream.Position{10}, parts: ten}, {parts: ten}}, room{packed: 2000, free: 0, minFree: 1000}, want{"s0/0": 10}, 1200, true},
		"disk, age gives some":     {[]given{{rules: age(5), held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: 650, minFree: 1000}, want{"s0/0": 60}, 150, false},
		"disk of unknown room":     {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: -1, minFree: 1000}, want{}, 0, false},
		"disk without a reserve":   {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, free: 0, minFree: -1}, want{}, 0, false},
		"disk and log, the larger": {[]given{{held: stream.Position{100}, parts: ten}}, room{packed: 1000, maxPacked: 1000, free: 900, minFree: 1000}, want{"s0/0": 30}, 300, false},
	} {
		lots, look := world(c.streams)
		d := decide(lots, look, c.room, noon)
		if got := gone(d); !maps.Equal(got, c.want) || d.need != c.need || d.short != c.short || d.err != nil {
			t.Errorf("%s: got %v, needed %d, short %v (%v); want %v, %d, %v", name, got, d.need, d.short, d.err, c.want, c.need, c.short)
		}
	}
}

func TestWhatTheLogAskedForIsCountedApart(t *testing.T) {
	lots, look := world([]given{{rules: stream.Retention{MaxAge: 5 * time.Hour}, held: stream.Position{100}, parts: []blocks{hours(9, 0)}}})
	d := decide(lots, look, room{packed: 1000, maxPacked: 500, free: -1, minFree: -1}, noon)
	if len(d.trims) != 1 || d.trims[0].packed != 600 || d.trims[0].forRoom != 200 {
		t.Errorf("got %+v", d.trims)
	}
}

// Damage stops the look at its partition, at the place, and no other.
func TestDamageStaysAndTheRestIsTrimmed(t *testing.T) {
	for _, c := range []struct{ damaged, before int }{{1, 0}, {3, 20}, {40, 390}, {80, 790}} {
		bad := hours(99, 0)
		bad.damaged = c.damaged
		rules := stream.Retention{MaxAge: 6 * time.Hour}
		lots, look := world([]given{{rules: rules, parts: []blocks{bad, hours(9, 0)}}, {rules: rules, parts: []blocks{hours(9, 0)}}})
		d := decide(lots, look, room{free: -1, minFree: -1}, noon)
		want := map[string]stream.Offset{"s0/0": stream.Offset(c.before), "s0/1": 30, "s1/0": 30}
		if c.before == 0 {
			delete(want, "s0/0")
		}
		if got := gone(d); !maps.Equal(got, want) || !errors.Is(d.err, errDamaged) {
			t.Errorf("block %d is damaged: got %v (%v), want %v", c.damaged, got, d.err, want)
		}
	}
}
