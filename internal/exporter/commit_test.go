package exporter_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"strm/internal/stream"
)

// What Kafka's own tools say of an exporter that has nothing to do comes right too, once
// Kafka answers again.
func TestAPositionThatCouldNotBeCommittedIsCommittedLater(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	want := stream.Position{3}
	refused, committed := false, make(chan struct{})
	w.commit = func(_ context.Context, _, _ string, p stream.Position) error { // by one goroutine
		switch {
		case !slices.Equal(p, want):
		case !refused:
			refused = true
			return errFault
		default:
			close(committed)
			want = nil
		}
		return nil
	}
	w.append(3, time.Now())
	p := w.start(nil, nil)
	w.flush(p)
	select {
	case <-committed:
	case <-time.After(time.Minute):
		t.Error("it is never committed")
	}
	w.check(p)
}
