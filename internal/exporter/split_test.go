package exporter

import (
	"slices"
	"testing"

	"strm/internal/stream"
)

func TestSharesDivideWhatWaitsByPartitions(t *testing.T) {
	const mib = 1 << 20
	unbounded := limitsOf(stream.Cut{})
	for name, c := range map[string]struct {
		next, ends stream.Position
		w          waiting
		l          limits
		hands      int
		want       []share
	}{
		"nothing":                      {stream.Position{5, 5}, stream.Position{5, 5}, waiting{}, unbounded, 6, nil},
		"too little":                   {stream.Position{0, 0}, stream.Position{50, 50}, waiting{events: 100, raw: 40 * mib}, unbounded, 6, nil},
		"much in one partition":        {stream.Position{0, 0}, stream.Position{100, 0}, waiting{events: 100, raw: 200 * mib}, unbounded, 6, nil},
		"much in two":                  {stream.Position{0, 0}, stream.Position{50, 50}, waiting{events: 100, raw: 200 * mib}, unbounded, 6, []share{{0, 1}, {1, 2}}},
		"few hands":                    {make(stream.Position, 4), stream.Position{10, 10, 10, 10}, waiting{events: 40, raw: 200 * mib}, unbounded, 2, []share{{0, 2}, {2, 4}}},
		"one busy partition":           {make(stream.Position, 4), stream.Position{100, 1, 1, 1}, waiting{events: 103, raw: 200 * mib}, unbounded, 2, []share{{0, 1}, {1, 4}}},
		"the survey saw a part":        {make(stream.Position, 2), stream.Position{500, 500}, waiting{events: 100, raw: 10 * mib}, unbounded, 6, []share{{0, 1}, {1, 2}}},
		"batches are small":            {make(stream.Position, 2), stream.Position{50, 50}, waiting{events: 50, raw: mib}, limitsOf(stream.Cut{MaxBytes: mib}), 6, []share{{0, 1}, {1, 2}}},
		"one batch is just full":       {make(stream.Position, 2), stream.Position{50, 51}, waiting{events: 100, raw: mib}, limitsOf(stream.Cut{MaxBytes: mib}), 6, nil},
		"several batches of events":    {make(stream.Position, 3), stream.Position{50, 50, 50}, waiting{events: 50, raw: 50}, limitsOf(stream.Cut{MaxEvents: 50}), 6, []share{{0, 1}, {1, 2}, {2, 3}}},
		"the last partitions are idle": {make(stream.Position, 4), stream.Position{50, 50, 0, 0}, waiting{events: 100, raw: 200 * mib}, unbounded, 6, []share{{0, 1}, {1, 2}, {2, 4}}},
	} {
		got := shares(c.next, c.ends, c.w, c.l, c.hands)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTroubleIsToldToOtherNodesAsItIs(t *testing.T) {
	is := trouble{problem: "bucket gone <&>\x00\xff", blocked: true, since: noon.UTC(), retryAt: noon.UTC()}
	got := troubleTold(is.told())
	if is.problem = "bucket gone <&>\x00\ufffd"; got != is {
		t.Errorf("got %+v, want %+v", got, is)
	}
	is.batch = true // then its row says it
	if is.told() != "" || troubleTold("") != (trouble{}) || troubleTold("no JSON") != (trouble{}) {
		t.Error("told what is not to be told")
	}
}
