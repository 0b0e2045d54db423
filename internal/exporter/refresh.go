package exporter

import (
	"context"
	"fmt"
	"slices"

	"strm/internal/stream"
)

// Refresh takes up what the catalog says of all exporters now: created, updated, paused,
// resumed, deleted, flushed, or given batches by another node, or whose sink was updated.
// It is one query, and costs nothing for an exporter of which nothing has changed. It waits
// for no step to end.
func (r *Runner) Refresh(ctx context.Context) error {
	r.mu.Lock()
	gone := map[string]bool{} // lanes are made after their exporters
	for id := range r.lanes {
		gone[id] = true
	}
	r.mu.Unlock()
	states, err := r.catalog.ExporterStates(ctx)
	if err != nil {
		return fmt.Errorf("read the exporters: %w", err)
	}
	for i := range states {
		delete(gone, states[i].ID)
		r.refresh(&states[i])
	}
	for id := range gone {
		if l := r.forget(id); l != nil {
			r.cut(l)
		}
		r.cutHelp(id)
	}
	return nil
}

// refresh takes up the state of one exporter.
func (r *Runner) refresh(st *stream.ExporterState) {
	l := r.lane(st.ID)
	if l == nil {
		r.add(*st)
		return
	}
	l.mu.Lock()
	was := l.known
	l.known = *st
	ahead := st.LastSeq > l.exp.LastSeq
	sink := was.SinkRevision != st.SinkRevision
	same := !ahead && !sink && was.UpdatedAt.Equal(st.UpdatedAt) && was.Paused == st.Paused && slices.Equal(was.FlushTo, st.FlushTo)
	l.mu.Unlock()
	if same {
		return
	}
	r.takeUp(l, st)
	if st.Paused || sink {
		r.cut(l)
		r.cutHelp(st.ID)
	}
	r.wake(l)
}

// takeUp tells a lane of a state of its exporter that was just read. Its next step reads
// the rest, and tries at once what waits for a retry.
func (r *Runner) takeUp(l *lane, st *stream.ExporterState) {
	mine := r.isMine(l)
	l.reload(st.Exporter)
	l.urge()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !mine {
		l.exp = st.Exporter
	}
	l.known = *st
	l.reread = true
	l.flush(st.FlushTo)
}

// cutHelp ends the work of helpers for an exporter without waiting for it.
func (r *Runner) cutHelp(exporterID string) {
	for _, h := range r.helpersOf(exporterID) {
		h.cancel()
	}
}

// read returns an exporter as it is in the catalog; alone, without what nodes tell each
// other.
func (r *Runner) read(ctx context.Context, id string) (stream.ExporterState, error) {
	if r.shared {
		return r.catalog.ExporterState(ctx, id)
	}
	e, err := r.catalog.Exporter(ctx, id)
	return stream.ExporterState{Exporter: e}, err
}
