package exporter

import (
	"context"
	"iter"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/layout"
	"strm/internal/stream"
)

func TestLaneRemembersWhenItSawWhatWaits(t *testing.T) {
	l := newLane(stream.Exporter{}, 1)
	one := waiting{events: 1}
	for i, c := range []struct {
		w         waiting
		now, want time.Time
	}{
		{one, noon, noon},
		{one, noon.Add(time.Minute), noon},
		{waiting{}, noon.Add(2 * time.Minute), time.Time{}}, // all was taken
		{one, noon.Add(3 * time.Minute), noon.Add(3 * time.Minute)},
		{one, noon, noon}, // the clock was set back
	} {
		if got := l.see(c.w, c.now); !got.Equal(c.want) {
			t.Errorf("step %d: got %v, want %v", i, got, c.want)
		}
	}
}

func TestFirstCutIsThatOfTheOldestEventOfAnAdvance(t *testing.T) {
	r := New(Options{})
	l := newLane(stream.Exporter{Cut: stream.Cut{Interval: time.Minute}}, 1)
	// A commit across the boundary at noon: due then, not a minute later.
	a := eventlog.Advance{First: noon.Add(-time.Second), At: noon.Add(time.Second)}
	if got := r.firstCut(l, a); !got.Equal(noon) {
		t.Errorf("got %v, want %v", got, noon)
	}
	before := time.Now()
	a.First = before.AddDate(1, 0, 0)
	if got := r.firstCut(l, a); got.Before(before) || got.After(time.Now()) {
		t.Errorf("an event stamped ahead is looked at at %v", got)
	}
}

// manyBlocks is a log of one-event blocks.
type manyBlocks struct {
	eventlog.Log
	gave int
}

func (m *manyBlocks) Index(_ context.Context, _ string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
	return func(yield func(stream.BlockHeader, error) bool) {
		for at := r.Start; at < r.End; at++ {
			m.gave++
			h := stream.BlockHeader{Range: stream.Range{Start: at, End: at + 1}, Events: 1, Raw: 200, Packed: 150, FirstAt: noon, LastAt: noon}
			if !yield(h, nil) {
				return
			}
		}
	}
}

func TestSurveyKeepsABoundedNumberOfHeaders(t *testing.T) {
	lay, err := layout.Parse("strm")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		waiting, took int
		limit         stream.CutReason
	}{
		{maxBlocks, maxBlocks, ""},
		{1_300_000, maxBlocks, stream.CutBytes},
	} {
		log := &manyBlocks{}
		took, w, err := survey(t.Context(), log, "s", stream.Position{0}, stream.Position{stream.Offset(c.waiting)}, limitsOf(stream.Cut{Interval: time.Hour}), lay.Division())
		if err != nil || len(took) != c.took || w.events != int64(c.took) || w.limit != c.limit || log.gave > c.took+1 {
			t.Errorf("%d wait: took %d of %d looked at (%+v, %v)", c.waiting, len(took), log.gave, w, err)
		}
	}
}
