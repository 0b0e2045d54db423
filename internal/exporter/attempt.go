package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// attempt puts the objects of an unfinished batch that are not stored yet and
// settles the batch. When it returns nil the ledger and b agree; an error
// means that the ledger could not be written, and b may be ahead of it.
func (r *Runner) attempt(ctx context.Context, l *lane, b *stream.Batch) (err error) {
	now := r.now()
	b.Attempts++
	if b.AttemptedAt.IsZero() {
		b.AttemptedAt = now.UTC()
	}
	b.State = stream.BatchAttempted

	sink, err := r.sinks.get(ctx, b.Sink)
	if err != nil {
		return r.refuse(ctx, l, b, fmt.Sprintf("sink %s: %v", b.Sink, err), NeedsPerson(err))
	}
	var lost format.Losses
	defer func() {
		if err == nil { // else the ledger does not know of them, and they are put again
			r.complain(b, &lost)
		}
	}()
	for i := range b.Objects {
		if b.Objects[i].Stored {
			continue
		}
		ok, moved, err := r.put(ctx, l, sink, b, i, true, &lost)
		for moves := 1; moved && err == nil; moves++ {
			ok, moved, err = r.put(ctx, l, sink, b, i, moves < maxMoves, &lost)
		}
		if err != nil || !ok {
			return err
		}
	}
	b.State = stream.BatchDone
	b.DoneAt = r.now().UTC()
	succeed(b)
	// A crash before this Save finds every object MaybeStored, puts them again
	// and is told that they exist.
	if err := r.ledger.Save(ctx, b); err != nil {
		return fmt.Errorf("note batch %s as done: %w", b.ID, err)
	}
	r.observe.BatchDone(b)
	if sink.Health.Status != stream.HealthOK || b.DoneAt.Sub(sink.Health.At) >= deliveryNews {
		r.remember(ctx, sink.Sink, nil)
	}
	return nil
}

// complain tells what the objects that were just stored do not hold of their
// events. A later round of the batch tells of its own objects.
func (r *Runner) complain(b *stream.Batch, lost *format.Losses) {
	members := lost.Members()
	if members == 0 && lost.Nulled == 0 {
		return
	}
	r.observe.Lost(b.Stream, members, lost.Nulled)
	r.logger.Warn("not everything in the events has a place in the declared schema; it is left out of the files", slog.String("batch", b.ID), slog.String("stream", b.Stream),
		slog.Int64("undeclared_members", members), slog.String("undeclared", lost.Names()), slog.Int64("nulled_values", lost.Nulled))
}

// put stores one object, and adds to lost what it does not hold. It returns false if it is not stored, with the batch
// saved and its retry scheduled. Where others may have its key, and do, the batch
// gets other keys if it may move: then nothing is scheduled and put must be
// called again.
func (r *Runner) put(ctx context.Context, l *lane, sink *openSink, b *stream.Batch, i int, mayMove bool, lost *format.Losses) (stored, moved bool, err error) {
	o := &b.Objects[i]
	no := func(err error) (bool, bool, error) { return false, false, err }
	f, err := r.format(b.Output.Format)
	if err != nil {
		return no(r.refuse(ctx, l, b, err.Error(), true))
	}
	lay, err := layout.Parse(b.Output.Layout)
	if err != nil {
		return no(r.refuse(ctx, l, b, err.Error(), true))
	}
	if sink.Conditional == stream.SupportNo && lay.ByMoment() {
		return no(r.refuse(ctx, l, b, needConditions(b.Output.Layout), true))
	}
	if err := r.encoding.Acquire(ctx, 1); err != nil {
		return no(err)
	}
	c, err := r.open(ctx, f, b, o)
	r.encoding.Release(1)
	if err != nil {
		if ctx.Err() != nil {
			return no(ctx.Err())
		}
		return no(r.refuse(ctx, l, b, fmt.Sprintf("read %s from the log: %v", o.Key, err), NeedsPerson(err)))
	}
	defer func() {
		if err := c.close(); err != nil {
			r.logger.Warn("close spool", slog.Any("error", err))
		}
	}()
	c.Overwrite = sink.Conditional == stream.SupportNo

	maybe := o.MaybeStored
	if !maybe {
		// Otherwise the bytes in the bucket, if any, are those of the earlier
		// attempt. They differ from today's only if the encoder changed between.
		o.Bytes, o.CRC32 = c.Size, c.CRC32
	}
	o.MaybeStored = true
	// Durable before the PUT: whatever happens from here on, the next attempt
	// knows that this one may have stored the object.
	if err := r.ledger.Save(ctx, b); err != nil {
		o.MaybeStored = maybe
		return no(fmt.Errorf("note the attempt of batch %s: %w", b.ID, err))
	}
	create := func() error {
		defer l.put(o.Key, r.now())()
		err := sink.bucket.Create(ctx, o.Key, c.Content)
		r.observe.Put(outcomeOf(err))
		return err
	}
	err = create()
	v := settle(maybe, err)
	if v.again && !c.Overwrite {
		// The store does not know conditions: it refused, so nothing is stored.
		if lerr := r.sinks.learn(ctx, sink, stream.SupportNo); lerr != nil {
			r.logger.Warn("remember that the sink lacks conditional writes", slog.String("sink", sink.Name), slog.Any("error", lerr))
		}
		if lay.ByMoment() {
			o.MaybeStored = maybe
			return no(r.refuse(ctx, l, b, needConditions(b.Output.Layout), true))
		}
		c.Overwrite = true
		err = create()
		v = settle(maybe, err)
	}
	met, move := false, false
	if lay.ByMoment() && outcomeOf(err) == objstore.Exists.String() {
		met = true
		v, move = meet(ctx, sink.bucket, b, o, maybe, err)
	}
	o.Stored, o.MaybeStored = v.stored, v.maybeStored
	if v.stored {
		if err == nil {
			o.Bytes, o.CRC32 = c.Size, c.CRC32
		}
		lost.Add(&c.lost)
		return true, false, nil
	}
	if ctx.Err() != nil {
		// Stopping. MaybeStored is in the ledger already; the next start tries again.
		return no(ctx.Err())
	}
	if move && mayMove && untouched(b) {
		// Noted first. A crash before it leaves MaybeStored in the ledger: then the
		// exporter stops at the other's object, as its own PUT might still arrive.
		if err := r.ledger.Save(ctx, b); err != nil {
			return no(fmt.Errorf("note the refusal of batch %s: %w", b.ID, err))
		}
		if err := r.move(ctx, b, lay); err != nil {
			return no(err)
		}
		return false, true, nil
	}
	if told := r.diagnose(ctx, sink, l.exporter(), b.Output, err); told != nil && !met {
		v, err = settle(maybe, told), told
	}
	if ofStore(err) && NeedsPerson(err) {
		r.remember(ctx, sink.Sink, err)
	}
	return no(r.refuse(ctx, l, b, v.problem, v.blocked))
}

func outcomeOf(err error) string {
	if err == nil {
		return "stored"
	}
	return objstore.AsError(err).Outcome.String()
}

// refuse writes a failed attempt into the ledger, with its reason and the time
// of the next.
func (r *Runner) refuse(ctx context.Context, l *lane, b *stream.Batch, reason string, blocked bool) error {
	wait := r.backoff.after(l.failed(troubleOf(b)), blocked, l.random)
	fail(b, reason, blocked, r.now().Add(wait))
	r.logger.Warn("batch not delivered", slog.String("batch", b.ID), slog.String("exporter", l.exporter().Name),
		slog.Bool("blocked", blocked), slog.String("reason", reason), slog.Duration("retry_in", wait.Round(time.Millisecond)))
	if err := r.ledger.Save(ctx, b); err != nil {
		return fmt.Errorf("note the failure of batch %s: %w", b.ID, err)
	}
	return nil
}
