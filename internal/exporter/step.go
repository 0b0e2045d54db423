package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// rest says what a lane waits for between steps.
type rest struct {
	paused bool      // for somebody to resume it: events do not matter
	until  time.Time // zero: no timer
	raw    int64     // so many more bytes in the stream; 0: no such rule
	packed int64     // likewise, as the log keeps them
	events int64     // so many more events; 0: no such rule
}

// errGone: the exporter was deleted.
var errGone = errors.New("the batch exporter was deleted")

// step does the next thing an exporter needs and returns what it waits for
// then. A step does at most one round of one batch, so that pausing and
// stopping act between rounds.
func (r *Runner) step(ctx context.Context, l *lane) (rest, error) {
	reloads := l.reloaded()
	e, err := r.catalog.Exporter(ctx, l.id)
	if err != nil && problem.KindOf(err) == problem.NotFound {
		return rest{}, errGone
	}
	if err != nil {
		return rest{}, err
	}
	l.begin(e, reloads)
	if !l.loaded {
		if l.unfinished, err = r.ledger.Unfinished(ctx, l.id); err != nil {
			return rest{}, err
		}
		l.loaded = true
		l.settleDelivered(time.Time{})
	}
	if e.Paused {
		l.validated = false // resuming validates again, as every start does
		for kind := range troubles {
			l.recovered(kind)
		}
		return rest{paused: true}, nil
	}
	if !l.validated {
		if wake, ok := r.revalidate(ctx, l, e); !ok {
			return rest{until: wake}, ctx.Err()
		}
	}
	pause, did, err := r.stepExport(ctx, l, e)
	if err != nil || did {
		return rest{until: r.now()}, err
	}
	wake, did, err := r.stepReplay(ctx, l)
	if err != nil || did {
		return rest{until: r.now()}, err
	}
	// No fault, and nothing left that could be in trouble: what was, is over or
	// was given up.
	if l.export() == nil {
		l.recovered(ofExport)
	}
	if l.replay() == nil {
		l.recovered(ofReplay)
	}
	pause.until = earlier(pause.until, wake)
	return pause, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// revalidate writes the validation object after a (re)start. It returns false,
// and when to try again, while the bucket cannot be written.
func (r *Runner) revalidate(ctx context.Context, l *lane, e stream.Exporter) (time.Time, bool) {
	now := r.now()
	if l.validateAt.After(now) && !l.hurry {
		return l.validateAt, false
	}
	err := r.Validate(ctx, e)
	if err == nil {
		l.validated = true
		if l.export() == nil {
			l.recovered(ofExport)
		}
		return time.Time{}, true
	}
	blocked := objstore.NeedsPerson(err)
	l.validateAt = now.Add(r.backoff.after(l.failed(ofExport), blocked, l.random))
	l.report(ofExport, trouble{problem: err.Error(), blocked: blocked, retryAt: l.validateAt, since: now})
	return l.validateAt, false
}

// stepExport attempts the unfinished export batch, or plans the next one. did
// says that something happened and the lane should be stepped again at once.
func (r *Runner) stepExport(ctx context.Context, l *lane, e stream.Exporter) (_ rest, did bool, err error) {
	if b := l.export(); b != nil {
		wake, did, err := r.round(ctx, l, b)
		return rest{until: wake}, did, err
	}
	lay, err := layout.Parse(e.Output.Layout)
	if err != nil {
		return rest{}, false, err
	}
	ends, err := r.ends(ctx, e.StreamID)
	if err != nil {
		return rest{}, false, err
	}
	blocks, w, err := survey(ctx, r.log, e.StreamID, e.Next, ends, limitsOf(e.Cut), lay.Division())
	if err != nil {
		return rest{}, false, err
	}
	// What limits a batch also closes it, set or not.
	cut := e.Cut
	cut.MaxBytes = limitsOf(e.Cut).raw
	now := r.now()
	w.seen = l.see(w, now)
	reason, cutAt, wake := due(cut, w, l.wantsFlush(), now)
	if reason == "" {
		pause := rest{until: wake, raw: cut.MaxBytes - w.raw}
		if cut.MaxPacked > 0 {
			pause.packed = cut.MaxPacked - w.packed
		}
		if cut.MaxEvents > 0 {
			pause.events = cut.MaxEvents - w.events
		}
		return pause, false, nil
	}
	if lay.ByMoment() {
		// Not the boundary, at which every exporter of every installation plans.
		cutAt = now
	}
	return rest{}, true, r.planExport(ctx, l, e, lay, blocks, reason, cutAt)
}

func (r *Runner) planExport(ctx context.Context, l *lane, e stream.Exporter, lay layout.Layout, blocks []stream.BlockHeader, reason stream.CutReason, cutAt time.Time) error {
	out, v, err := r.target(ctx, e, lay, e.Output.PathPrefix)
	if err != nil {
		return err
	}
	in := planned{
		exporter: e, seq: e.LastSeq + 1, reason: reason, cutAt: cutAt, now: r.now(), output: out, layout: lay, variant: v,
	}
	b := plan(in, blocks)
	next := after(e.Next, blocks)
	// If the answer is lost, the next step reads the exporter's position and the
	// unfinished batches from the ledger again, and finds what happened.
	err = r.ledger.Plan(ctx, []stream.Batch{b}, next)
	for tries := 1; taken(err) && lay.ByMoment() && tries < maxMoments; tries++ {
		in.cutAt = in.cutAt.Add(time.Millisecond)
		b = plan(in, blocks)
		err = r.ledger.Plan(ctx, []stream.Batch{b}, next)
	}
	if err != nil {
		now, rerr := r.catalog.Exporter(ctx, e.ID)
		if problem.KindOf(err) == problem.Conflict && (rerr != nil || now.LastSeq != e.LastSeq || now.Sink != e.Sink) {
			l.loaded = false
			return nil //nolint:nilerr // deleted, moved or replayed meanwhile: look again
		}
		return fmt.Errorf("plan batch %s: %w", b.ID, err)
	}
	l.unfinished = append(l.unfinished, b)
	l.seen = time.Time{}
	l.mu.Lock()
	l.exp.Next, l.exp.LastSeq = next, b.Seq
	l.mu.Unlock()
	r.observe.BatchPlanned(&b)
	return nil
}

// target returns what to plan with: the exporter's output with a path prefix
// below that of its sink as it is now, and the format's variant. It refuses a
// prefix that could make a key longer than stores take: the sink's may have
// changed since the exporter's was accepted.
func (r *Runner) target(ctx context.Context, e stream.Exporter, lay layout.Layout, prefix string) (stream.Output, format.Variant, error) {
	out := e.Output
	sink, err := r.catalog.Sink(ctx, e.Sink)
	if err != nil {
		return out, format.Variant{}, err
	}
	out.PathPrefix = stream.JoinPrefix(sink.Prefix, prefix)
	f, err := r.format(out.Format)
	if err != nil {
		return out, format.Variant{}, err
	}
	v, err := f.Variant(out)
	if err != nil {
		return out, v, err
	}
	return out, v, lay.CheckLength(layout.Facts{Prefix: out.PathPrefix, Stream: out.StreamPrefix + e.Stream, Source: out.Source, Ext: v.Ext, Compression: v.Compression}, len(e.Start))
}

func (r *Runner) stepReplay(ctx context.Context, l *lane) (wake time.Time, did bool, err error) {
	b := l.replay()
	if b == nil {
		return time.Time{}, false, nil
	}
	return r.round(ctx, l, b)
}

// round attempts a batch if its time has come.
func (r *Runner) round(ctx context.Context, l *lane, b *stream.Batch) (wake time.Time, did bool, err error) {
	now := r.now()
	if b.NextRetryAt.After(now) && !l.hurry {
		l.report(troubleOf(b), troubleIn(b))
		return b.NextRetryAt, false, nil
	}
	if err := r.attempt(ctx, l, b); err != nil {
		return time.Time{}, false, err
	}
	if b.State != stream.BatchDone {
		l.report(troubleOf(b), troubleIn(b))
		return b.NextRetryAt, false, nil
	}
	kind, doneAt := troubleOf(b), b.DoneAt
	l.drop(b.ID) // b is not valid any more
	l.recovered(kind)
	l.settleDelivered(doneAt)
	return time.Time{}, true, nil
}

// troubleIn is what the ledger says of a batch that was tried in vain.
func troubleIn(b *stream.Batch) trouble {
	return trouble{problem: b.Problem, blocked: b.Blocked, since: b.AttemptedAt, retryAt: b.NextRetryAt}
}

// ends returns the durable ends of a stream.
func (r *Runner) ends(ctx context.Context, streamID string) (stream.Position, error) {
	bounds, err := r.log.Bounds(ctx, streamID)
	if err != nil {
		return nil, err
	}
	ends := make(stream.Position, len(bounds))
	for i, b := range bounds {
		ends[i] = b.End
	}
	return ends, nil
}
