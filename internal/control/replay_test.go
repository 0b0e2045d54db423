package control_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"strm/internal/builtin"
	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/exporter"
	"strm/internal/problem"
	"strm/internal/retention"
	"strm/internal/stream"
)

// realReplays is the real runner where replays are concerned.
type realReplays struct {
	control.Runner
	real *exporter.Runner
}

func (r realReplays) Replay(ctx context.Context, id, into string, from, to time.Time) (exporter.Replay, error) {
	return r.real.Replay(ctx, id, into, from, to)
}

// interposed runs a function when a plan is about to be stored.
type interposed struct {
	exporter.Ledger
	before func()
}

func (l interposed) Plan(ctx context.Context, b []stream.Batch, next stream.Position) error {
	l.before()
	return l.Ledger.Plan(ctx, b, next)
}

// asked tells when somebody wants the lock.
type asked struct {
	once sync.Once
	at   chan struct{}
}

func (a *asked) Lock(context.Context) (func(), error) {
	a.once.Do(func() { close(a.at) })
	return func() {}, nil
}

// Retention comes while a replay has read the log and not yet planned: it waits,
// and then leaves what the replay needs.
func TestRetentionWaitsForReplays(t *testing.T) {
	w, x := exporterWorld(t)
	hour := time.Now().UTC().Truncate(time.Hour)
	s, err := w.UpdateStream(t.Context(), "demo", control.StreamChange{Retention: &stream.Retention{MaxAge: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		w.Append("demo", 0, 2, hour.Add(time.Duration(i-9)*time.Hour))
	}
	// Delivered, as far as the exporter is concerned: nothing holds the events.
	b := stream.Batch{
		ID: stream.BatchID(x.ID, 1), ExporterID: x.ID, StreamID: s.ID, Stream: "demo", Seq: 1, Sink: "s3", State: stream.BatchPlanned,
		Objects: []stream.Object{{Key: "k", Ranges: []stream.Range{{End: 6}}, Events: 6}},
	}
	if err := w.DB.Plan(t.Context(), []stream.Batch{b}, stream.Position{6}); err != nil {
		t.Fatal(err)
	}
	b.State, b.Objects[0].Stored = stream.BatchDone, true
	if err := w.DB.Save(t.Context(), &b); err != nil {
		t.Fatal(err)
	}

	lock := make(trimLock, 1) // the one that control takes
	wants := asked{at: make(chan struct{})}
	keeper := retention.Keeper{Log: w.EventLog, Catalog: w.DB, Logger: slog.New(slog.DiscardHandler), Trimming: both{&wants, lock}}
	trimmed := make(chan error, 1)
	d := w.Deps
	d.Trimming = lock
	d.Runner = realReplays{w.Runner, exporter.New(exporter.Options{
		Log: w.EventLog, Catalog: w.DB, Format: builtin.Format, Logger: slog.New(slog.DiscardHandler),
		Ledger: interposed{w.DB, func() {
			go func() { trimmed <- keeper.Once(context.WithoutCancel(t.Context()), time.Now()) }()
			<-wants.at
			select {
			case lock <- struct{}{}:
				<-lock
				t.Error("retention may trim between the reading of the log and the plan")
			default:
			}
		}},
	})}
	r, err := control.New(d).Replay(t.Context(), "demo", "x", "again", time.Time{}, time.Time{})
	if err != nil || r.Events != 6 {
		t.Fatalf("replay %+v, %v", r, err)
	}
	if err := <-trimmed; err != nil {
		t.Fatal(err)
	}
	for _, err := range w.EventLog.Read(t.Context(), s.ID, stream.Range{End: 6}) {
		if err != nil {
			t.Errorf("the planned replay cannot be read: %v", err)
		}
	}
	// Given up, it holds nothing any more.
	if n, err := w.CancelReplay(t.Context(), "demo", "x", r.ID); err != nil || n != 1 {
		t.Fatalf("cancel: %d, %v", n, err)
	}
	if err := keeper.Once(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if bounds, err := w.EventLog.Bounds(t.Context(), s.ID); err != nil || bounds[0].Floor != 6 {
		t.Errorf("bounds %+v, %v", bounds, err)
	}
}

// both takes two locks as one.
type both struct{ first, second control.Locker }

func (b both) Lock(ctx context.Context) (func(), error) {
	first, err := b.first.Lock(ctx)
	if err != nil {
		return nil, err
	}
	second, err := b.second.Lock(ctx)
	if err != nil {
		first()
		return nil, err
	}
	return func() { second(); first() }, nil
}

// trimLock is a lock that a test may look at.
type trimLock chan struct{}

func (l trimLock) Lock(ctx context.Context) (func(), error) {
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestCancelReplay(t *testing.T) {
	plan := func(t *testing.T) *controltest.World {
		w, x := exporterWorld(t)
		w.Append("demo", 0, 2, time.Now())
		b := stream.Batch{
			ID: stream.BatchID(x.ID, 1), ExporterID: x.ID, StreamID: x.StreamID, Stream: "demo", Seq: 1, Sink: "s3", State: stream.BatchPlanned, Replay: "r1",
			Objects: []stream.Object{{Key: "k", Ranges: []stream.Range{{End: 2}}, Events: 2}},
		}
		if err := w.DB.Plan(t.Context(), []stream.Batch{b}, nil); err != nil {
			t.Fatal(err)
		}
		return w
	}
	for _, tt := range []struct {
		name   string
		inject func(*controltest.World)
		failed bool
		left   int64 // for a second call
	}{
		{"as it should", func(*controltest.World) {}, false, 0},
		{"request lost", func(w *controltest.World) { w.Faults.LoseRequest("AbandonReplay") }, true, 1},
		{"answer lost", func(w *controltest.World) { w.Faults.LoseAnswer("AbandonReplay") }, true, 0},
		{"runner fails", func(w *controltest.World) { w.Runner.ReloadErr = controltest.ErrInjected }, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := plan(t)
			tt.inject(w)
			n, err := w.CancelReplay(t.Context(), "demo", "x", "r1")
			switch {
			case tt.failed:
				wantInjected(t, err)
			case err != nil || n != 1:
				t.Errorf("%d, %v", n, err)
			}
			if tt.name != "runner fails" && len(w.Runner.Reloads) != 1 {
				t.Errorf("the runner looked %d times", len(w.Runner.Reloads))
			}
			w.Faults.Clear()
			w.Runner.ReloadErr = nil
			if n, err := w.CancelReplay(t.Context(), "demo", "x", "r1"); err != nil || n != tt.left {
				t.Errorf("again: %d, %v, want %d", n, err, tt.left)
			}
		})
	}
	w := plan(t)
	_, err := w.CancelReplay(t.Context(), "demo", "x", "nope")
	wantKind(t, err, problem.NotFound, `"nope"`)
	_, err = w.CancelReplay(t.Context(), "demo", "nope", "r1")
	wantKind(t, err, problem.NotFound, "nope")
}
