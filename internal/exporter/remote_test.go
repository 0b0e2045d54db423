package exporter_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// hears makes a node read the exporters anew when the configuration changes, as nodes do.
func (w *world) hears(p *process) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		was := int64(-1)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			if now, err := w.db.Revision(ctx); err == nil && now != was {
				was = now
				if err := p.runner.Refresh(ctx); err != nil && ctx.Err() == nil {
					w.t.Error(err)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// pair starts a node that carries the exporter and one that does not.
func (w *world) pair(bucket func(*process, objstore.Bucket) objstore.Bucket) (owner, other *process, owners, others *crew) {
	w.lives("a", "b")
	owners, others = newCrew("a", 2, everything), newCrew("b", 2, nothing)
	owner = w.node(owners, nil, bucket)
	other = w.node(others, nil, bucket)
	for _, p := range []*process{owner, other} {
		w.t.Cleanup(p.stop)
		w.t.Cleanup(w.hears(p))
	}
	return owner, other, owners, others
}

func TestAnyNodeFlushesAndAnswersForAnExporter(t *testing.T) {
	w := newWorld(t, stream.Output{}, 2)
	_, other, _, _ := w.pair(nil)
	for range 3 {
		w.append(4, time.Now())
		w.flush(other)
	}
	st := other.runner.Status(w.exp.ID)
	if st.State != exporter.StateRunning || st.Reason != "" || st.Waiting != 0 || st.LastDeliveryAt.IsZero() || st.Delivered.Before(stream.Position{12, 0}) {
		t.Errorf("status %+v", st)
	}
	w.append(4, time.Now())
	if st := other.runner.Status(w.exp.ID); st.Waiting != 4 {
		t.Errorf("%d events wait", st.Waiting)
	}
	if st := other.runner.Status("nope"); st.State != "" {
		t.Errorf("of nothing: %+v", st)
	}
	if _, err := other.runner.Flush(t.Context(), "nope"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("flush of nothing: %v", err)
	}
	w.flush(other)
	w.check(other)
	w.quietly()
}

func TestAnyNodeTellsWhyAnExporterDoesNotDeliver(t *testing.T) {
	for _, what := range []string{"its batch", "the validation"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, stream.Output{}, 1)
			var broken atomic.Bool
			broken.Store(what == "the validation")
			_, other, _, _ := w.pair(func(_ *process, b objstore.Bucket) objstore.Bucket {
				return &breakable{Bucket: b, Reader: w.store, reason: objstore.Denied, broken: &broken}
			})
			if what == "its batch" {
				w.append(1, time.Now())
				w.flush(other)
				broken.Store(true)
			}
			w.append(3, time.Now())
			blocked := func(st exporter.Status) bool {
				return st.State == exporter.StateBlocked && strings.Contains(st.Reason, "told so") && !st.Since.IsZero()
			}
			w.flushUntil(other, blocked)
			target, err := other.runner.Flush(t.Context(), w.exp.ID)
			w.must(err)
			if done, err := other.runner.WaitDelivered(t.Context(), w.exp.ID, target); done || err != nil {
				t.Errorf("blocked, and it says %v, %v", done, err)
			}
			broken.Store(false)
			w.flush(other)
			for other.runner.Status(w.exp.ID).State != exporter.StateRunning {
				w.flush(other) // the owner has yet to say that it is well
			}
			w.check(other)
		})
	}
}

func TestAnyNodePausesAndDeletesAnExporter(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	hung := make(chan struct{})
	hang := new(atomic.Bool)
	owner, other, _, _ := w.pair(func(_ *process, b objstore.Bucket) objstore.Bucket {
		return stuck{Bucket: b, Reader: w.store, hung: hung, once: hang}
	})
	w.append(3, time.Now())
	_, err := other.runner.Flush(t.Context(), w.exp.ID)
	w.must(err)
	<-hung // the owner uploads
	w.must(w.put(other, func(e *stream.Exporter) { e.Paused = true }))
	if owners, err := w.db.Claimed(t.Context(), w.exp.ID); err != nil || len(owners) > 0 {
		t.Errorf("paused, and %q work on it (%v)", owners, err)
	}
	for _, p := range []*process{owner, other} {
		if st := p.runner.Status(w.exp.ID); st.State != exporter.StatePaused {
			t.Errorf("paused, it is %+v", st)
		}
	}
	w.must(w.put(other, func(e *stream.Exporter) { e.Paused = false }))
	w.flush(other)
	w.check(other)

	w.must(w.db.DeleteExporter(t.Context(), w.exp.ID))
	w.must(other.runner.Reload(t.Context(), w.exp.ID))
	for owner.runner.Status(w.exp.ID).State != "" { // it hears of it soon
		w.must(owner.runner.Refresh(t.Context()))
	}
}

func TestAReplayPlannedElsewhereIsRunByTheOwner(t *testing.T) {
	w := newWorld(t, stream.Output{PathPrefix: "first"}, 1)
	_, other, _, _ := w.pair(nil)
	w.append(9, time.Now())
	w.flush(other)
	rep, err := other.runner.Replay(t.Context(), w.exp.ID, "again", time.Time{}, time.Time{})
	if err != nil || rep.Events != 9 {
		t.Fatalf("replay %+v, %v", rep, err)
	}
	for state := stream.BatchPlanned; state != stream.BatchDone; {
		b, err := w.db.Batch(t.Context(), rep.Batches[0])
		w.must(err)
		state = b.State
	}
}

func TestAnExporterGoesToAnotherNodeAndBack(t *testing.T) {
	w := newWorld(t, stream.Output{}, 2)
	var mu sync.Mutex
	commits := map[string]stream.Position{}
	w.commit = func(_ context.Context, streamID, group string, p stream.Position) error {
		mu.Lock()
		defer mu.Unlock()
		commits[streamID+" "+group] = p.Clone()
		return nil
	}
	a, b, as, bs := w.pair(nil)
	for range 4 {
		w.append(4, time.Now())
		w.flush(a)
		as.believe(2, nothing)
		bs.believe(2, everything)
		w.append(4, time.Now())
		w.flush(a)
		w.flush(b)
		bs.believe(2, nothing) // nobody has it for a moment
		as.believe(2, everything)
	}
	w.check(b)
	w.quietly()
	bounds, err := w.log.Bounds(t.Context(), w.stream.ID)
	w.must(err)
	want := stream.Position{bounds[0].End, bounds[1].End}
	for at := stream.Position(nil); !slices.Equal(at, want); {
		mu.Lock()
		at = commits[w.stream.ID+" "+exporter.Group(w.exp.ID)]
		mu.Unlock()
	}
}

func TestANodeThatStopsGivesItsClaimsBack(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	hung := make(chan struct{})
	w.lives("a", "b")
	a := w.node(newCrew("a", 2, everything), nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return stuck{Bucket: b, Reader: w.store, hung: hung, once: new(atomic.Bool)}
	})
	w.append(3, time.Now().Add(-2*time.Hour))
	<-hung
	if owners, err := w.db.Claimed(t.Context(), w.exp.ID); err != nil || !slices.Equal(owners, []string{"a"}) {
		t.Errorf("%q work on it (%v)", owners, err)
	}
	a.stop() // its lease is not over
	if owners, err := w.db.Claimed(t.Context(), w.exp.ID); err != nil || len(owners) > 0 {
		t.Errorf("%q work on it (%v)", owners, err)
	}
	b := w.node(newCrew("b", 2, everything), nil, nil)
	defer b.stop()
	w.flush(b)
	w.check(b)
}
