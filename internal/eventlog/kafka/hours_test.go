package kafka

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/stream"
)

// Producers with clocks of their own: hours are those of the running maximum of
// timestamps, from wherever one begins to read, and the same for every node.
func TestHoursOfClocksThatDisagree(t *testing.T) {
	s := newStore(t)
	s.make("t", 1, nil)
	rng := rand.New(rand.NewPCG(3, 5))
	var rs []*kgo.Record
	var reached []int64 // the hour of each offset
	at, top := noon, int64(0)
	for i := range 20_000 {
		ts := at.Add(time.Duration(rng.IntN(7200)-3600) * time.Second)
		switch {
		case i%1999 == 0:
			at = at.Add(time.Duration(rng.IntN(40)) * time.Hour)
		case i == 15_000:
			ts = at.AddDate(2, 0, 0) // far ahead, once
		case i%500 == 0:
			ts = time.UnixMilli(0)
		}
		rs = append(rs, record("t", 0, i, ts))
		top = max(top, hourOf(ts.UnixMilli()))
		reached = append(reached, top)
	}
	s.produce(nil, rs...)
	l := openTopic(t, s, stream.Topic{Name: "t"})
	all(t, l, 0)
	ctx := context.Background()
	for try := range 60 {
		start := rng.IntN(len(reached))
		r := stream.Range{Start: stream.Offset(start), End: stream.Offset(min(len(reached), start+1+rng.IntN(9000)))}
		if try%3 == 0 {
			l.forget(l.streams[testID]) // as a node that knows nothing yet
		}
		next := r.Start
		var last time.Time
		for h, err := range l.Index(ctx, testID, r) {
			if err != nil {
				t.Fatal(err)
			}
			if h.Range.Start != next || h.FirstAt.Before(last) {
				t.Fatalf("%+v follows offset %d and %v", h, next, last)
			}
			for o := h.Range.Start; o < h.Range.End; o++ {
				if hour := hourOf(h.FirstAt.UnixMilli()); reached[o] != hour {
					t.Fatalf("offset %d is in a block of hour %d, it is of %d", o, hour, reached[o])
				}
			}
			if same := int(h.Range.End) < len(reached) && h.Range.End < r.End && reached[h.Range.End] == reached[h.Range.Start]; same && h.Range.End%blockLen != 0 {
				t.Fatalf("block %v ends in the middle of its hour", h.Range)
			}
			next, last = h.Range.End, h.LastAt
		}
		if next != r.End {
			t.Fatalf("index of %v ends at %d", r, next)
		}
	}
}

// What waits since when is known to the millisecond for the first block of a range.
func TestFirstAtIsThatOfTheFirstEvent(t *testing.T) {
	s := newStore(t)
	s.make("t", 1, nil)
	first := noon.Add(17*time.Minute + 123*time.Millisecond)
	s.produce(nil, record("t", 0, 0, noon), record("t", 0, 1, first), record("t", 0, 2, first.Add(time.Hour)))
	l := openTopic(t, s, stream.Topic{Name: "t"})
	var got []time.Time
	for h, err := range l.Index(context.Background(), testID, stream.Range{Start: 1, End: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.FirstAt)
	}
	if len(got) != 2 || !got[0].Equal(first) || !got[1].Equal(first.Add(time.Hour)) {
		t.Fatalf("%v", got)
	}
}
