package sim

import (
	"context"
	"fmt"
	"time"

	"strm/internal/exporter"
	"strm/internal/problem"
)

// calmDown ends all faults and starts one last life.
func (w *world) calmDown() {
	w.calm.Store(true)
	close(w.settling)
	w.late.Wait()
	for {
		var old bool
		w.with(func(l *life) { old = l.last > 0 })
		if !old {
			break
		}
		time.Sleep(time.Second)
	}
	time.Sleep(time.Minute)
}

// settle resumes and flushes everything, and waits until nothing is left to do.
func (w *world) settle() {
	w.with(func(l *life) {
		for _, s := range w.script.streamNames() {
			exporters, err := l.control.ExportersOf(l.ctx, s)
			w.must(err)
			for _, e := range exporters {
				_, err := l.control.Resume(l.ctx, s, e.Name)
				w.must(err)
			}
			for _, e := range exporters {
				w.deliver(l, s, e.Name, e.ID)
			}
		}
	})
}

func (s *script) streamNames() []string {
	var names []string
	for i := range s.streams {
		names = append(names, fmt.Sprintf("stream-%d", i))
	}
	return names
}

// deliver waits for an exporter's events and replays to be in the bucket.
func (w *world) deliver(l *life, of, name, id string) {
	done := false
	for range 20 {
		f, err := l.control.Flush(l.ctx, of, name, "", time.Minute)
		if problem.KindOf(err) == problem.NotFound {
			err = nil // the runner has not begun
		}
		w.must(err)
		if done = f.Done; done {
			break
		}
	}
	for range 200 {
		left, err := l.db.Unfinished(context.Background(), id)
		w.must(err)
		if len(left) == 0 {
			break
		}
		time.Sleep(10 * time.Second)
	}
	st := l.runner.Status(id)
	if !done || st.State != exporter.StateRunning || st.Reason != "" || st.Waiting != 0 {
		w.t.Errorf("%s/%s has not delivered everything long after the trouble: %+v", of, name, st)
	}
}
