package exporter_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// The second fault table: at every step of the protocol, before its effect and
// after it, an operator pauses, deletes, changes or replays the exporter.

// meeting is where the operator comes in.
type meeting struct {
	step  string
	at    int64
	after bool // the step has had its effect

	calls   map[string]*atomic.Int64
	come    func()
	arrived chan struct{} // closed when the operator has done it
}

// pass runs one step. If the operator's doing ends the exporter's step, ctx
// ends, and the caller is told cut.
func (m *meeting) pass(ctx context.Context, step string, act func() error, cut func(error) error) error {
	here := m.calls[step].Add(1)-1 == m.at && step == m.step
	if here && !m.after {
		m.meet(ctx)
		if ctx.Err() != nil {
			return cut(ctx.Err())
		}
	}
	err := act()
	if here && m.after {
		m.meet(ctx)
		if ctx.Err() != nil {
			return cut(ctx.Err())
		}
	}
	return err
}

func (m *meeting) meet(ctx context.Context) {
	go func() {
		defer close(m.arrived)
		m.come()
	}()
	select {
	case <-m.arrived:
	case <-ctx.Done(): // the operator waits for this step to end
	}
}

func (m *meeting) total() (n int64) {
	for _, c := range m.calls {
		n += c.Load()
	}
	return n
}

type metLedger struct {
	exporter.Ledger
	m *meeting
}

func same(err error) error { return err }

func (l metLedger) Plan(ctx context.Context, b []stream.Batch, next stream.Position) error {
	if b[0].Replay != "" {
		return l.Ledger.Plan(ctx, b, next) // the operator's own
	}
	return l.m.pass(ctx, "plan", func() error { return l.Ledger.Plan(ctx, b, next) }, same)
}

func (l metLedger) Save(ctx context.Context, b *stream.Batch) error {
	return l.m.pass(ctx, "save", func() error { return l.Ledger.Save(ctx, b) }, same)
}

type metBucket struct {
	objstore.Bucket
	objstore.Reader
	m *meeting
}

func (b metBucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if strings.Contains(key, ".strm_test_") {
		return b.Bucket.Create(ctx, key, c)
	}
	return b.m.pass(ctx, "put", func() error { return b.Bucket.Create(ctx, key, c) }, func(err error) error {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: err}
	})
}

// store changes the exporter in the catalog and makes the runner take it up.
func (w *world) put(p *process, change func(e *stream.Exporter)) error {
	change(&w.exp)
	if err := w.db.UpdateExporter(context.Background(), w.exp); err != nil {
		return err
	}
	return p.runner.Reload(context.Background(), w.exp.ID)
}

func TestAnOperatorMayComeInAtAnyStep(t *testing.T) {
	hour := time.Now().UTC().Truncate(time.Hour)
	for step, times := range map[string]int{"plan": 1, "save": 4, "put": 3} {
		for at := 0; at < times; at += every {
			for _, after := range []bool{false, true} {
				for what, operator := range map[string]operator{"pause": pauses, "delete": deletes, "change": changes, "replay": replays, "flush": flushes} {
					t.Run(fmt.Sprintf("%s at %s %d, after %v", what, step, at, after), func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, stream.Output{Layout: "hive", Compression: "zstd", PathPrefix: "first"}, 2)
						w.append(40, hour.Add(-2*time.Hour))
						w.append(40, hour.Add(-time.Hour))
						w.append(41, hour)
						m := &meeting{step: step, at: int64(at), after: after, arrived: make(chan struct{}),
							calls: map[string]*atomic.Int64{"plan": {}, "save": {}, "put": {}}}
						var p *process
						begun := make(chan struct{})
						m.come = func() {
							<-begun
							operator.comes(t, w, p, m)
						}
						p = w.start(func(_ *process, l exporter.Ledger) exporter.Ledger { return metLedger{l, m} },
							func(_ *process, b objstore.Bucket) objstore.Bucket { return metBucket{b, w.store, m} })
						close(begun)
						<-m.arrived // the first hours are long over: the exporter begins by itself
						operator.expects(t, w, p)
					})
				}
			}
		}
	}
}

// operator is what one does, from within a step, and what must hold in the end.
type operator struct {
	comes   func(t *testing.T, w *world, p *process, m *meeting)
	expects func(t *testing.T, w *world, p *process)
}

// still checks that nothing of the exporter runs any more.
func still(t *testing.T, p *process, id string, m *meeting) {
	t.Helper()
	before := m.total()
	// Another round through the runner: had a step gone on, it would show.
	if err := p.runner.Reload(context.Background(), id); err != nil {
		t.Error(err)
	}
	if after := m.total(); after != before {
		t.Errorf("%d steps were made after the operator was told that nothing runs", after-before)
	}
}

var pauses = operator{
	comes: func(t *testing.T, w *world, p *process, m *meeting) {
		if err := w.put(p, func(e *stream.Exporter) { e.Paused = true }); err != nil {
			t.Error(err)
		}
		still(t, p, w.exp.ID, m)
	},
	expects: func(_ *testing.T, w *world, p *process) {
		w.must(w.put(p, func(e *stream.Exporter) { e.Paused = false }))
		w.append(5, time.Now())
		w.flush(p)
		w.check(p)
	},
}

var changes = operator{
	comes: func(t *testing.T, w *world, p *process, _ *meeting) {
		if err := w.put(p, func(e *stream.Exporter) { e.Output.PathPrefix, e.Output.Layout = "second", "strm" }); err != nil {
			t.Error(err)
		}
	},
	expects: func(t *testing.T, w *world, p *process) {
		w.append(5, time.Now())
		w.flush(p)
		w.flush(p)
		w.check(p)
		second := 0
		for info, err := range w.store.List(t.Context(), "second/") {
			w.must(err)
			second += len(w.ids(info.Key))
		}
		if second < 5 {
			t.Errorf("%d events are below the new prefix", second)
		}
	},
}

var flushes = operator{
	comes: func(t *testing.T, w *world, p *process, _ *meeting) {
		w.append(9, time.Now())
		if _, err := p.runner.Flush(context.Background(), w.exp.ID); err != nil {
			t.Error(err)
		}
	},
	expects: func(_ *testing.T, w *world, p *process) {
		w.flush(p)
		w.check(p)
	},
}

var replays = operator{
	comes: func(t *testing.T, w *world, p *process, _ *meeting) {
		rep, err := p.runner.Replay(context.Background(), w.exp.ID, "again", time.Time{}, time.Time{})
		if err != nil || rep.Events != int64(w.sent) {
			t.Errorf("replay of %d events: %+v, %v", w.sent, rep, err)
		}
	},
	expects: func(t *testing.T, w *world, p *process) {
		w.flush(p)
		for {
			left, err := w.db.Unfinished(t.Context(), w.exp.ID)
			w.must(err)
			if len(left) == 0 {
				break
			}
		}
		seen := map[string]map[int]int{"first": {}, "again": {}}
		for info, err := range w.store.List(t.Context(), "") {
			w.must(err)
			under, _, _ := strings.Cut(info.Key, "/")
			for _, id := range w.ids(info.Key) {
				seen[under][id]++
			}
		}
		for under, ids := range seen {
			for id := range w.sent {
				if ids[id] != 1 {
					t.Errorf("event %d is below %s %d times", id, under, ids[id])
				}
			}
		}
		v, err := p.runner.Verify(t.Context(), w.exp.ID)
		w.must(err)
		if !v.OK || v.Events != int64(2*w.sent) {
			t.Errorf("audit: %+v", v)
		}
	},
}

var deletes = operator{
	comes: func(t *testing.T, w *world, p *process, m *meeting) {
		if err := w.db.DeleteExporter(context.Background(), w.exp.ID); err != nil {
			t.Error(err)
		}
		if err := p.runner.Reload(context.Background(), w.exp.ID); err != nil {
			t.Error(err)
		}
		still(t, p, w.exp.ID, m)
	},
	expects: func(t *testing.T, w *world, p *process) {
		left, err := w.db.Unfinished(t.Context(), w.exp.ID)
		w.must(err)
		if len(left) > 0 {
			t.Errorf("the deleted exporter still has %d batches to deliver", len(left))
		}
		if _, ok, err := w.db.Held(t.Context(), w.stream.ID); ok || err != nil {
			t.Errorf("the deleted exporter holds the log: %v", err)
		}
		seen := map[int]int{}
		for info, err := range w.store.List(t.Context(), "first/") {
			w.must(err)
			for _, id := range w.ids(info.Key) {
				if seen[id]++; seen[id] > 1 {
					t.Errorf("event %d was delivered %d times", id, seen[id])
				}
			}
		}
		// One of the same name begins anew, beside what the old one left.
		w.exp.ID, w.exp.Output.PathPrefix = "5e6f7a8b", "anew"
		w.must(w.db.CreateExporter(t.Context(), w.exp))
		w.must(p.runner.Reload(t.Context(), w.exp.ID))
		w.flush(p)
		v, err := p.runner.Verify(t.Context(), w.exp.ID)
		w.must(err)
		if !v.OK || v.Events != int64(w.sent) {
			t.Errorf("audit: %+v", v)
		}
	},
}
