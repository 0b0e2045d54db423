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
	st, err := r.read(ctx, l.id)
	e := st.Exporter
	if err != nil && problem.KindOf(err) == problem.NotFound {
		return rest{}, errGone
	}
	if err != nil {
		return rest{}, err
	}
	l.begin(st, reloads)
	if !l.loaded {
		if l.unfinished, err = r.ledger.Unfinished(ctx, l.id); err != nil {
			return rest{}, err
		}
		l.loaded = true
		l.settleDelivered(time.Time{})
		r.moved(l)
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
	l.validateAt = now.Add(r.backoff.after(l.failed(ofExport, causeOf(err)), blocked, l.random))
	l.report(ofExport, trouble{problem: err.Error(), blocked: blocked, retryAt: l.validateAt, since: now})
	return l.validateAt, false
}

// stepExport attempts the unfinished export batches, or plans the next. did
// says that something happened and the lane should be stepped again at once.
func (r *Runner) stepExport(ctx context.Context, l *lane, e stream.Exporter) (_ rest, did bool, err error) {
	if l.export() != nil {
		wake, did, err := r.work(ctx, l, ofExport)
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
	if len(ends) > len(e.Next) { // partitions that are new: the exporter is read anew in a moment
		ends = ends[:len(e.Next)]
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
	parts := [][]stream.BlockHeader{blocks}
	if r.shared {
		if all := shares(e.Next, ends, w, limitsOf(e.Cut), handsPerNode*r.members.Live()); len(all) > 1 {
			if parts, err = r.surveyShares(ctx, e, ends, all, lay.Division()); err != nil {
				return rest{}, false, err
			}
		}
	}
	return rest{}, true, r.planExport(ctx, l, e, lay, parts, reason, cutAt)
}

// planExport plans a batch of each part, in one transaction.
func (r *Runner) planExport(ctx context.Context, l *lane, e stream.Exporter, lay layout.Layout, parts [][]stream.BlockHeader, reason stream.CutReason, cutAt time.Time) error {
	out, v, err := r.target(ctx, e, lay, e.Output.PathPrefix)
	if err != nil {
		return err
	}
	in := planned{
		exporter: e, reason: reason, cutAt: cutAt, now: r.now(), output: out, layout: lay, variant: v,
	}
	next := e.Next
	for _, blocks := range parts {
		next = after(next, blocks)
	}
	batches := planAll(&in, parts)
	// If the answer is lost, the next step reads the exporter's position and the
	// unfinished batches from the ledger again, and finds what happened.
	err = r.ledger.Plan(ctx, batches, next)
	for tries := 1; taken(err) && lay.ByMoment() && tries < maxMoments; tries++ {
		batches = planAll(&in, parts)
		err = r.ledger.Plan(ctx, batches, next)
	}
	if err != nil {
		now, rerr := r.catalog.Exporter(ctx, e.ID)
		if problem.KindOf(err) == problem.Conflict && (rerr != nil || now.LastSeq != e.LastSeq || now.Sink != e.Sink) {
			l.loaded = false
			return nil //nolint:nilerr // deleted, moved or replayed meanwhile: look again
		}
		return fmt.Errorf("plan batch %s: %w", batches[0].ID, err)
	}
	l.unfinished = append(l.unfinished, batches...)
	l.seen = time.Time{}
	l.mu.Lock()
	l.exp.Next, l.exp.LastSeq = next, batches[len(batches)-1].Seq
	l.mu.Unlock()
	for i := range batches {
		r.observe.BatchPlanned(&batches[i])
	}
	if len(batches) > 1 {
		r.callHelp()
	}
	return nil
}

// planAll plans a batch of each part. Where keys name a moment, each has one of its own,
// and in.cutAt is after them.
func planAll(in *planned, parts [][]stream.BlockHeader) []stream.Batch {
	out := make([]stream.Batch, len(parts))
	for i, blocks := range parts {
		in.seq = in.exporter.LastSeq + 1 + int64(i)
		out[i] = plan(*in, blocks)
		if in.layout.ByMoment() {
			in.cutAt = in.cutAt.Add(time.Millisecond)
		}
	}
	return out
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
	return r.work(ctx, l, ofReplay)
}

// work attempts the first unfinished batch of a kind whose time has come and that nobody
// else works on. An export's batches are all tried: one may be in the way of nobody but itself. Of a
// replay's, which may be thousands, only the first.
func (r *Runner) work(ctx context.Context, l *lane, kind int) (wake time.Time, did bool, err error) {
	for i := range l.unfinished {
		b := &l.unfinished[i]
		if troubleOf(b) != kind {
			continue
		}
		at, how, err := r.round(ctx, l, b)
		if err != nil || how == roundDone {
			return at, how == roundDone, err // and b is not valid any more
		}
		wake = earlier(wake, at)
		if kind == ofReplay && how != roundHeld {
			break
		}
	}
	return wake, false, nil
}

// how a round went.
type how int

const (
	roundDone  how = iota
	roundHeld      // another works on the batch, or it is finished
	roundLater     // at its retry time
)

// round attempts a batch if its time has come.
func (r *Runner) round(ctx context.Context, l *lane, b *stream.Batch) (wake time.Time, _ how, err error) {
	if b.NextRetryAt.After(r.now()) && !l.hurry {
		l.report(troubleOf(b), troubleIn(b))
		return b.NextRetryAt, roundLater, nil
	}
	over := false // and the ledger has given the claim up
	if r.shared {
		ok, cerr := r.claim(ctx, b)
		if cerr != nil {
			return time.Time{}, roundHeld, cerr
		}
		if !ok {
			l.loaded = false // whoever has it may have finished it
			if b.Problem != "" {
				l.report(troubleOf(b), troubleIn(b))
			}
			return r.now().Add(r.poll), roundHeld, nil
		}
		id := b.ID
		defer func() {
			r.claims.end(id, !over && !lostClaim(err))
			r.release(ctx)
		}()
		if b.NextRetryAt.After(r.now()) && !l.hurry {
			l.report(troubleOf(b), troubleIn(b)) // another has just tried
			return b.NextRetryAt, roundLater, nil
		}
	}
	if err := r.attempt(ctx, l, b); err != nil {
		return time.Time{}, roundHeld, err
	}
	over = true
	if b.State != stream.BatchDone {
		l.report(troubleOf(b), troubleIn(b))
		return b.NextRetryAt, roundLater, nil
	}
	kind, doneAt := troubleOf(b), b.DoneAt
	l.drop(b.ID) // b is not valid any more
	if l.ailing(kind) {
		l.failures[kind] = failures{}
	} else {
		l.recovered(kind)
	}
	l.settleDelivered(doneAt)
	r.moved(l)
	return time.Time{}, roundDone, nil
}

// claim makes a batch ours to work on, and b what it is then.
func (r *Runner) claim(ctx context.Context, b *stream.Batch) (ok bool, err error) {
	r.claims.asking.RLock()
	if !r.claims.reserve(b.ID) {
		r.claims.asking.RUnlock()
		return false, nil // a helper of ours has it
	}
	fresh, ok, err := r.ledger.Claim(ctx, b.ExporterID, b.Seq, r.members.Self())
	r.claims.asking.RUnlock()
	if err != nil {
		r.claims.end(b.ID, true) // the answer may be lost
		r.release(ctx)
		return false, fmt.Errorf("claim batch %s: %w", b.ID, err)
	}
	if !ok {
		r.claims.end(b.ID, false)
		return false, nil
	}
	*b = fresh
	return true, nil
}

// troubleIn is what the ledger says of a batch that was tried in vain.
func troubleIn(b *stream.Batch) trouble {
	return trouble{problem: b.Problem, blocked: b.Blocked, since: b.AttemptedAt, retryAt: b.NextRetryAt, batch: true}
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
