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
	if l == nil {
		return Status{}
	}
	l.mu.Lock()
	e, s, d := l.exp, l.status, l.delivered.Clone()
	l.mu.Unlock()
	t := s.trouble()
	st := Status{State: StateRunning, Reason: t.problem, Since: t.since, NextRetryAt: t.retryAt, LastDeliveryAt: s.delivered, Delivered: d}
	switch {
	case e.Paused:
		st.State = StatePaused
	case t.problem != "" && t.blocked:
		st.State = StateBlocked
	case t.problem != "":
		st.State = StateRetrying
	default:
		st.Reason, st.Since = s.putting.slow(r.now())
	}
	// The log knows its ends without asking a disk; if it is closed, there is
	// nothing to count.
	if ends, err := r.ends(context.Background(), e.StreamID); err == nil {
		for p := range d {
			st.Waiting += int64(ends[p] - d[p])
		}
	}
	return st
}

func (r *Runner) lane(id string) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[id]
}

// Reload takes up what the catalog says of an exporter now: created, updated,
// paused, resumed or deleted, or with batches abandoned. When it returns, no step
// runs that began with the old state of a paused or deleted exporter.
func (r *Runner) Reload(ctx context.Context, exporterID string) error {
	e, err := r.catalog.Exporter(ctx, exporterID)
	if problem.KindOf(err) == problem.NotFound && err != nil {
		return r.remove(ctx, exporterID)
	}
	if err != nil {
		return err
	}
	l := r.add(e)
	l.reload(e)
	l.urge()
	l.mu.Lock()
	l.reread = true
	l.mu.Unlock()
	if e.Paused {
		if err := r.interrupt(ctx, l); err != nil {
			return err
		}
	}
	r.wake(l)
	return nil
}

// remove stops a lane for good.
func (r *Runner) remove(ctx context.Context, id string) error {
	r.mu.Lock()
	l := r.lanes[id]
	if l == nil {
		r.mu.Unlock()
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
	r.mu.Unlock()
	return r.interrupt(ctx, l)
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
		if l.exporter().Sink == sink || r.owes(ctx, l.id, sink) {
			l.urge()
			r.cut(l)
			r.wake(l)
		}
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
// retry is tried at once.
func (r *Runner) Flush(ctx context.Context, exporterID string) (stream.Position, error) {
	l := r.lane(exporterID)
	if l == nil {
		return nil, problem.New(problem.NotFound, "exporter %s does not run", exporterID)
	}
	e := l.exporter()
	if e.Paused {
		return nil, problem.New(problem.Conflict, "batch exporter %s is paused; resume it first (strm resume %s)", e.Name, e.Name)
	}
	ends, err := r.ends(ctx, e.StreamID)
	if err != nil {
		return nil, err
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
	for {
		l := r.lane(exporterID)
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
		case <-ctx.Done():
			return false, nil
		}
	}
}
