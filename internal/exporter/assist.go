package exporter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// helper works on one batch, whoever carries its exporter.
type helper struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// assist takes batches that nobody works on, while there are hands free: of exporters
// that have more than one, as that is who has too much to do. It costs one query a second
// while other nodes live.
func (r *Runner) assist(ctx, work context.Context, wg *sync.WaitGroup) {
	tick := time.NewTicker(r.poll)
	defer tick.Stop()
	fresh := r.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.spare:
			r.takeSpare(ctx, work, wg)
		case <-tick.C:
			r.release(ctx)
			if r.members.Live() > 1 {
				r.takeSpare(ctx, work, wg)
			}
			if now := r.now(); now.Sub(fresh) >= refreshEvery {
				fresh = now
				if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
					r.logger.Warn("read the exporters anew", slog.Any("error", err))
				}
			}
		}
	}
}

// callHelp makes assist look at once.
func (r *Runner) callHelp() {
	select {
	case r.spare <- struct{}{}:
	default:
	}
}

func (r *Runner) takeSpare(ctx, work context.Context, wg *sync.WaitGroup) {
	r.mu.Lock()
	free := r.hands - r.helping
	r.mu.Unlock()
	if free <= 0 {
		return
	}
	// Reserved before anybody gives back what is not.
	r.claims.asking.RLock()
	batches, err := r.ledger.ClaimSpare(ctx, r.members.Self(), free)
	var ours []stream.Batch
	for _, b := range batches {
		if r.claims.reserve(b.ID) {
			ours = append(ours, b)
		} else {
			r.claims.mess() // a round of it has just given the claim up, and is not quite over
		}
	}
	r.claims.asking.RUnlock()
	if err != nil {
		r.claims.mess() // the answer may be lost
		if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			r.logger.Warn("look for batches that wait", slog.Any("error", err))
		}
		return
	}
	for i := range ours {
		r.startHelp(work, wg, &ours[i])
	}
}

// startHelp works on a batch that was claimed.
func (r *Runner) startHelp(work context.Context, wg *sync.WaitGroup, b *stream.Batch) {
	ctx, cancel := context.WithCancel(work)
	h := &helper{cancel: cancel, ended: make(chan struct{})}
	r.mu.Lock()
	r.helping++
	r.helpers[b.ExporterID] = append(r.helpers[b.ExporterID], h)
	r.seed++
	seed := r.seed
	r.mu.Unlock()
	wg.Go(func() {
		err := r.help(ctx, b, seed)
		cancel()
		r.claims.end(b.ID, err != nil && !lostClaim(err))
		r.release(work)
		if err != nil && !lostClaim(err) && !errors.Is(err, context.Canceled) {
			r.logger.Warn("batch taken over from its exporter", slog.String("batch", b.ID), slog.Any("error", err))
		}
		r.mu.Lock()
		r.helping--
		r.helpers[b.ExporterID] = without(r.helpers[b.ExporterID], h)
		if len(r.helpers[b.ExporterID]) == 0 {
			delete(r.helpers, b.ExporterID)
		}
		r.mu.Unlock()
		close(h.ended)
		r.adopt(b.ExporterID) // where it is ours, it may have been the last
		if err == nil && b.State == stream.BatchDone {
			r.callHelp()
		}
	})
}

// help makes one round of a batch.
func (r *Runner) help(ctx context.Context, b *stream.Batch, seed uint64) error {
	e, err := r.catalog.Exporter(ctx, b.ExporterID)
	if problem.KindOf(err) == problem.NotFound && err != nil {
		return context.Canceled // deleted since it was claimed
	}
	if err != nil {
		return err
	}
	if e.Paused {
		return context.Canceled
	}
	l := newLane(e, seed^uint64(r.now().UnixNano()))
	l.failures[troubleOf(b)] = failures{n: b.Attempts} // whoever made them
	return r.attempt(ctx, l, b)
}

func without(all []*helper, h *helper) []*helper {
	var out []*helper
	for _, other := range all {
		if other != h {
			out = append(out, other)
		}
	}
	return out
}

// helpersOf returns who works on batches of an exporter here, beside its lane.
func (r *Runner) helpersOf(exporterID string) []*helper {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*helper(nil), r.helpers[exporterID]...)
}

// stopHelp ends the work of helpers for an exporter and waits for it.
func (r *Runner) stopHelp(ctx context.Context, exporterID string) error {
	all := r.helpersOf(exporterID)
	for _, h := range all {
		h.cancel()
	}
	for _, h := range all {
		select {
		case <-h.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// quietWithin bounds how long a pause waits for other nodes, which hear of it within a
// second or two. One that hangs is fenced, not waited for.
const quietWithin = 5 * time.Second

// quiet waits, for a bounded time, until no live node works on a batch of an exporter. It is
// a courtesy to who paused or deleted it: nothing rests on it.
func (r *Runner) quiet(ctx context.Context, exporterID string) {
	if !r.shared {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, quietWithin)
	defer cancel()
	for {
		owners, err := r.ledger.Claimed(ctx, exporterID)
		if err != nil || len(owners) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(quietWithin / 50):
		}
	}
}
