package exporter_test

import (
	"context"
	"testing"
	"time"

	"strm/internal/stream"
)

// A clock that was a year ahead for one event stamps all later ones of the
// partition with that time. They are still delivered at the next boundaries.
func TestEventsStampedAheadOfTheClockAreDeliveredByInterval(t *testing.T) {
	for _, when := range []string{"waiting at the start", "arriving later"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, stream.Output{}, 1)
			w.exp.Cut.Interval = time.Second
			w.must(w.db.UpdateExporter(t.Context(), w.exp))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			send := func() {
				w.append(1, time.Now().AddDate(1, 0, 0))
				w.append(1, time.Now())
			}
			var p *process
			if when == "waiting at the start" {
				send()
				p = w.start(nil, nil)
			} else {
				p = w.start(nil, nil)
				w.append(2, time.Now())
				w.flush(p)
				send()
			}
			w.must(p.runner.Load(ctx)) // or it may not know the exporter yet
			for round := range 2 {
				bounds, err := w.log.Bounds(ctx, w.stream.ID)
				w.must(err)
				if ok, err := p.runner.WaitDelivered(ctx, w.exp.ID, stream.Position{bounds[0].End}); err != nil || !ok {
					t.Fatalf("not delivered by its interval: %v", err)
				}
				if round == 0 {
					send()
				}
			}
			w.check(p)
		})
	}
}
