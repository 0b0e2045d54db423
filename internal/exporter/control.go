package exporter

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// The states of an exporter.
const (
	StateRunning  = "running"
	StateRetrying = "retrying" // the trouble should pass by itself
	StateBlocked  = "blocked"  // a person must mend something; strm goes on trying, slowly
	StatePaused   = "paused"
)

// Status is how an exporter fares.
type Status struct {
	State          string
	Reason         string
	Since          time.Time // when the trouble began
	NextRetryAt    time.Time
	LastDeliveryAt time.Time
	Waiting        int64           // events accepted and not in the bucket
	Delivered      stream.Position // everything below is in the bucket
}

// Status returns how an exporter fares; the zero Status if it is not known.
func (r *Runner) Status(exporterID string) Status {
	l := r.lane(exporterID)
	if r.shared && (l == nil || !r.isMine(l)) {
		return r.remoteStatus(exporterID)
	}
	if l == nil {
		return Status{}
	}
	l.mu.Lock()
	e, s, d := l.exp, l.status, l.delivered.Clone()
	l.mu.Unlock()
	t := s.trouble()
	st := statusOf(e.Paused, t)
	if st.State == StateRunning {
		st.Reason, st.Since = s.putting.slow(r.now())
	}
	st.LastDeliveryAt, st.Delivered, st.Waiting = s.delivered, d, r.waiting(context.Background(), e.StreamID, d)
	return st
}

// statusOf is what an exporter's trouble makes of its state.
func statusOf(paused bool, t trouble) Status {
	st := Status{State: StateRunning, Reason: t.problem, Since: t.since, NextRetryAt: t.retryAt}
	switch {
	case paused:
		st.State = StatePaused
	case t.problem != "" && t.blocked:
		st.State = StateBlocked
	case t.problem != "":
		st.State = StateRetrying
	}
	return st
}

// waiting counts what a stream holds behind a position; where offsets have gaps, at most.
func (r *Runner) waiting(ctx context.Context, streamID string, from stream.Position) (n int64) {
	// The log knows its ends without asking a disk; if it is closed, there is
	// nothing to count.
	ends, err := r.ends(ctx, streamID)
	if err != nil {
		return 0
	}
	for p := range min(len(from), len(ends)) {
		n += int64(ends[p] - from[p])
	}
	return n
}

func (r *Runner) lane(id string) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[id]
}

// Reload takes up what the catalog says of an exporter now: created, updated,
// paused, resumed or deleted, or with batches abandoned. When it returns, no step
// runs that began with the old state of a paused or deleted exporter; on other nodes
// none does within a second or two, for which it waits, but not longer than quietWithin.
func (r *Runner) Reload(ctx context.Context, exporterID string) error {
	st, err := r.read(ctx, exporterID)
	if problem.KindOf(err) == problem.NotFound && err != nil {
		if err := r.remove(ctx, exporterID); err != nil {
			return err
		}
		r.quiet(ctx, exporterID)
		return nil
	}
	if err != nil {
		return err
	}
	l := r.add(st)
	r.takeUp(l, &st)
	if st.Paused {
		if err := r.interrupt(ctx, l); err != nil {
			return err
		}
		if err := r.stopHelp(ctx, exporterID); err != nil {
			return err
		}
		r.quiet(ctx, exporterID)
	}
	r.wake(l)
	return nil
}

// remove stops a lane for good, and waits for what runs of it.
func (r *Runner) remove(ctx context.Context, id string) error {
	if l := r.forget(id); l != nil {
		if err := r.interrupt(ctx, l); err != nil {
			return err
		}
	}
	return r.stopHelp(ctx, id)
}

// forget takes a lane out: no step of it begins any more. It returns nil if there is none.
func (r *Runner) forget(id string) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.progress, id)
	l := r.lanes[id]
	if l == nil {
		return nil
	}
	delete(r.lanes, id)
	l.gone = true
	if g := r.streams[l.streamID]; g != nil {
		delete(g.lanes, l)
		delete(g.asleep, l)
		if len(g.lanes) == 0 {
			delete(r.streams, l.streamID)
		}
	}
	if l.index >= 0 {
		heap.Remove(&r.timers, l.index)
	}
	return l
}

// interrupt ends a running step and waits for it. A PUT that is cut off is an
// attempt of unknown outcome, as the ledger already says.
func (r *Runner) interrupt(ctx context.Context, l *lane) error {
	r.mu.Lock()
	running, ended := l.running, l.ended
	if running {
		l.cancel()
	}
	r.mu.Unlock()
	if !running {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Runner) wake(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.gone {
		return
	}
	if g := r.streams[l.streamID]; g != nil {
		delete(g.asleep, l)
	}
	r.schedule(l, r.now())
	r.poke()
}

// SinkChanged makes every exporter that writes to a sink, or still has a batch
// for it, try at once what it was waiting to retry.
func (r *Runner) SinkChanged(ctx context.Context, sink string) {
	r.mu.Lock()
	var lanes []*lane
	for _, l := range r.lanes {
		lanes = append(lanes, l)
	}
	r.mu.Unlock()
	for _, l := range lanes {
		if !r.isMine(l) {
			continue // its node reads the sink's revision
		}
		if l.exporter().Sink == sink || r.owes(ctx, l.id, sink) {
			l.urge()
			r.cut(l)
			r.wake(l)
		}
	}
}

// StreamChanged makes every exporter of a stream that runs here look at once whether it can
// be read, and try what it was waiting to retry.
func (r *Runner) StreamChanged(streamID string) {
	r.mu.Lock()
	var lanes []*lane
	if g := r.streams[streamID]; g != nil {
		for l := range g.lanes {
			if l.mine {
				lanes = append(lanes, l)
			}
		}
	}
	r.mu.Unlock()
	for _, l := range lanes {
		l.urge()
		r.wake(l)
	}
}

// cut ends a running step without waiting for it: the PUT that it may wait for
// goes to a sink that is not as it was. Its outcome is unknown, as the ledger
// already says.
func (r *Runner) cut(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.running {
		l.cancel()
	}
}

// owes reports whether an exporter has a batch to deliver to the sink, which may
// not be its own any more. If the ledger does not say, it may have one.
func (r *Runner) owes(ctx context.Context, exporterID, sink string) bool {
	batches, err := r.ledger.Unfinished(ctx, exporterID)
	return err != nil || slices.ContainsFunc(batches, func(b stream.Batch) bool { return b.Sink == sink })
}

// Flush cuts everything that waits now, whatever the exporter's rules, and
// returns the position that will then have been delivered. What waits for a
// retry is tried at once. Of an exporter that another node carries, that node hears
// within a second.
func (r *Runner) Flush(ctx context.Context, exporterID string) (stream.Position, error) {
	l := r.lane(exporterID)
	if l == nil && !r.shared {
		return nil, problem.New(problem.NotFound, "exporter %s does not run", exporterID)
	}
	var e stream.Exporter
	if r.shared {
		st, err := r.catalog.ExporterState(ctx, exporterID)
		if err != nil {
			return nil, err
		}
		e, l = st.Exporter, r.add(st)
	} else {
		e = l.exporter()
	}
	if e.Paused {
		return nil, problem.New(problem.Conflict, "batch exporter %s is paused; resume it first (strm resume %s)", e.Name, e.Name)
	}
	ends, err := r.ends(ctx, e.StreamID)
	if err != nil {
		return nil, err
	}
	if r.shared {
		// Before anything else: the exporter may go to another node meanwhile.
		if err := r.catalog.SetFlush(ctx, exporterID, ends); err != nil {
			return nil, err
		}
	}
	l.urge()
	l.mu.Lock()
	l.flushTo = ends
	l.mu.Unlock()
	r.wake(l)
	return ends, nil
}

// WaitDelivered returns true once everything below target is in the bucket. It
// returns false when ctx ends, or as soon as the exporter is blocked or paused.
func (r *Runner) WaitDelivered(ctx context.Context, exporterID string, target stream.Position) (bool, error) {
	began := r.now()
	for {
		l := r.lane(exporterID)
		if r.shared && (l == nil || !r.isMine(l)) {
			done, over, err := r.waitRemote(ctx, exporterID, target, began)
			if over || err != nil {
				return done, err
			}
			select {
			case <-time.After(r.poll / 4):
			case <-ctx.Done():
				return false, nil
			}
			continue
		}
		if l == nil {
			return false, problem.New(problem.NotFound, "exporter %s does not run", exporterID)
		}
		l.mu.Lock()
		done := !l.delivered.Before(target)
		export := l.status.troubles[ofExport]
		stuck := l.exp.Paused || export.problem != "" && export.blocked
		progress := l.progress
		l.mu.Unlock()
		if done || stuck {
			return done, nil
		}
		select {
		case <-progress:
		case <-r.elsewhere():
			// It may be another node's by now, or be taken for its own by another.
			if is, err := r.remote(ctx, exporterID); err == nil && !is.delivered.Before(target) {
				return true, nil
			}
		case <-ctx.Done():
			return false, nil
		}
	}
}

// elsewhere returns a channel that tells now and then, where there are other nodes.
func (r *Runner) elsewhere() <-chan time.Time {
	if !r.shared {
		return nil
	}
	return time.After(r.poll)
}
