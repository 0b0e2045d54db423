package exporter_test

import (
	"testing"

	"strm/internal/exporter"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestAResumedExporterCanBeFlushedAtOnce(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	w.append(3, w.exp.CreatedAt)
	pause := func(paused bool) {
		w.exp.Paused = paused
		w.must(w.db.UpdateExporter(t.Context(), w.exp))
		w.must(w.process.runner.Reload(t.Context(), w.exp.ID))
	}
	p := w.start(nil, nil)
	w.flush(p)
	// Many times: what went wrong was a race with the lane's next step.
	for range 50 {
		pause(true)
		if st := p.runner.Status(w.exp.ID); st.State != exporter.StatePaused {
			t.Fatalf("paused, it is %s", st.State)
		}
		if _, err := p.runner.Flush(t.Context(), w.exp.ID); problem.KindOf(err) != problem.Conflict {
			t.Fatalf("flush of a paused exporter: %v", err)
		}
		pause(false)
		w.append(1, w.exp.CreatedAt)
		target, err := p.runner.Flush(t.Context(), w.exp.ID)
		if err != nil {
			t.Fatalf("flush right after resuming: %v", err)
		}
		if ok, err := p.runner.WaitDelivered(t.Context(), w.exp.ID, target); !ok || err != nil {
			t.Fatalf("wait right after resuming: %v, %v", ok, err)
		}
	}
	w.check(p)
}

func TestEventsDoNotWakeAPausedExporter(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	p := w.start(nil, nil)
	w.append(1, w.exp.CreatedAt)
	w.flush(p)
	w.exp.Paused, w.exp.Cut.MaxBytes = true, 1<<20 // which makes a lane look at all that comes
	w.must(w.db.UpdateExporter(t.Context(), w.exp))
	reload := func() { w.must(p.runner.Reload(t.Context(), w.exp.ID)) }
	reload()
	before := w.looks.Load()
	for range 500 {
		w.append(1, w.exp.CreatedAt)
	}
	reload() // ends what runs
	if looks := w.looks.Load() - before; looks > 6 {
		t.Errorf("it looked %d times while 500 requests came", looks)
	}
	w.exp.Paused = false
	w.must(w.db.UpdateExporter(t.Context(), w.exp))
	reload()
	w.flush(p)
	w.check(p)
}
