package retention

import (
	"errors"
	"testing"
	"time"

	"strm/internal/stream"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// hours yields ten blocks of ten events, one an hour, 100 bytes each; the
// newest was received at noon.
func hours(yield func(stream.BlockHeader, error) bool) {
	for i := range 10 {
		at := noon.Add(time.Duration(i-9) * time.Hour)
		h := stream.BlockHeader{
			Range: stream.Range{Start: stream.Offset(i * 10), End: stream.Offset(i*10 + 10)}, Events: 10, Packed: 100, FirstAt: at, LastAt: at,
		}
		if !yield(h, nil) {
			return
		}
	}
}

func TestRetentionRemovesWhatIsOldOrTooMuchButNeverWhatIsHeld(t *testing.T) {
	for name, c := range map[string]struct {
		rule rule
		want stream.Offset
	}{
		"no rule keeps all":            {rule{limit: 100}, 0},
		"age removes old blocks":       {rule{limit: 100, oldest: noon.Add(-5 * time.Hour)}, 40},
		"age stops at what is held":    {rule{limit: 20, oldest: noon.Add(-5 * time.Hour)}, 20},
		"a block half held stays":      {rule{limit: 25, oldest: noon.Add(-5 * time.Hour)}, 20},
		"size removes the oldest":      {rule{limit: 100, keep: 300, packed: 1000}, 70},
		"size stops at what is held":   {rule{limit: 30, keep: 300, packed: 1000}, 30},
		"size and age, whichever more": {rule{limit: 100, keep: 900, packed: 1000, oldest: noon.Add(-8 * time.Hour)}, 10},
		"everything may go":            {rule{limit: 100, oldest: noon.Add(time.Hour)}, 100},
		"nothing delivered":            {rule{limit: 0, oldest: noon.Add(time.Hour), keep: 1, packed: 1000}, 0},
	} {
		got, err := c.rule.before(0, hours)
		if err != nil || got != c.want {
			t.Errorf("%s: got %d (%v), want %d", name, got, err, c.want)
		}
	}
}

func TestDamagedIndexStopsRetention(t *testing.T) {
	bad := errors.New("damaged")
	_, err := rule{limit: 100}.before(0, func(yield func(stream.BlockHeader, error) bool) { yield(stream.BlockHeader{}, bad) })
	if !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
}
