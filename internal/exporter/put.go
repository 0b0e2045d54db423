package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// asleepAfter is how long the write before a PUT may take until it counts as a sign
// that the process was stopped, even if it has a lease again. Leases may be shorter.
const asleepAfter = 10 * time.Second

var errAsleep = errors.New("the process stood still, or has no lease, just before the upload, which it did not begin")

// put stores one object, and adds to left what it does not hold. It returns false
// if it is not stored, with the batch saved and its retry scheduled. Where others
// may have its key, and do, the batch gets other keys if it may move: then nothing
// is scheduled and put must be called again.
func (r *Runner) put(ctx context.Context, l *lane, sink *openSink, b *stream.Batch, i int, mayMove bool, left *leftOut) (stored, moved bool, err error) {
	o := &b.Objects[i]
	no := func(err error) (bool, bool, error) { return false, false, err }
	f, lay, err := r.shape(sink, b)
	if err != nil {
		return no(r.refuse(ctx, l, b, err.Error(), ofOurs, true))
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
		return no(r.refuse(ctx, l, b, fmt.Sprintf("read %s from the log: %v", o.Key, err), causeOf(err), objstore.NeedsPerson(err)))
	}
	defer func() {
		if err := c.close(); err != nil {
			r.logger.Warn("close spool", slog.Any("error", err))
		}
	}()
	if o.Estimated {
		// Counted: from the next Save on it is as if it had been planned so.
		o.Events, o.Estimated = c.events, false
		if c.events == 0 {
			o.Stored = true // without a PUT, as there is nothing to store
			left.add(&c)
			return true, false, nil
		}
	}
	c.Overwrite = sink.Conditional == stream.SupportNo

	maybe := o.MaybeStored
	if !maybe {
		// Otherwise the bytes in the bucket, if any, are those of the earlier
		// attempt. They differ from today's only if the encoder changed between.
		o.Bytes, o.CRC32 = c.Size, c.CRC32
	}
	o.MaybeStored = true
	began := r.now()
	// Durable before the PUT: whatever happens from here on, the next attempt
	// knows that this one may have stored the object.
	if err := r.ledger.Save(ctx, b); err != nil {
		o.MaybeStored = maybe
		return no(fmt.Errorf("note the attempt of batch %s: %w", b.ID, err))
	}
	if r.shared && (r.now().Sub(began) > asleepAfter || r.members.Live() == 0) {
		// This process stood still, its claim may be another's, and what that one has stored
		// may have been taken away already. Nothing was sent: begin again with a claim.
		return no(fmt.Errorf("put %s: %w", o.Key, errAsleep))
	}
	v, err := r.send(ctx, l, sink, lay, o, &c, maybe)
	if v.unfit {
		o.MaybeStored = maybe
		return no(r.refuse(ctx, l, b, needConditions(b.Output.Layout), ofStore, true))
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
		left.add(&c)
		return true, false, nil
	}
	if ctx.Err() != nil {
		// Stopping. MaybeStored is in the ledger already; the next start tries again.
		return no(ctx.Err())
	}
	if move && mayMove && untouched(b) {
		err := r.giveWay(ctx, b, lay)
		return false, err == nil, err
	}
	if told := r.diagnose(ctx, sink, l.exporter(), b.Output, err); told != nil && !met {
		v, err = settle(maybe, told), told
	}
	if objstore.OfStore(err) && objstore.NeedsPerson(err) {
		r.remember(ctx, sink.Sink, err)
	}
	return no(r.refuse(ctx, l, b, v.problem, causeOf(err), v.blocked))
}

// shape returns how the objects of a batch are written and named. An error is why
// they cannot be; it takes a person to mend.
func (r *Runner) shape(sink *openSink, b *stream.Batch) (f format.Format, lay layout.Layout, err error) {
	if f, err = r.format(b.Output.Format); err != nil {
		return nil, lay, err
	}
	if lay, err = layout.Parse(b.Output.Layout); err != nil {
		return nil, lay, err
	}
	if sink.Conditional == stream.SupportNo && lay.ByMoment() {
		return nil, lay, errors.New(needConditions(b.Output.Layout))
	}
	return f, lay, nil
}

// send PUTs an object and judges the store's answer, err. A store that turns out
// not to know conditions is asked again without, unless the key may be another's:
// then the verdict is unfit, and nothing is stored. maybe is as in settle.
func (r *Runner) send(ctx context.Context, l *lane, sink *openSink, lay layout.Layout, o *stream.Object, c *content, maybe bool) (v verdict, err error) {
	create := func() error {
		defer l.put(o.Key, r.now())()
		err := sink.bucket.Create(ctx, o.Key, c.Content)
		r.observe.Put(outcomeOf(err))
		return err
	}
	err = create()
	v = settle(maybe, err)
	if !v.again || c.Overwrite {
		return v, err
	}
	// The store does not know conditions: it refused, so nothing is stored.
	if lerr := r.sinks.learn(ctx, sink, stream.SupportNo); lerr != nil {
		r.logger.Warn("remember that the sink lacks conditional writes", slog.String("sink", sink.Name), slog.Any("error", lerr))
	}
	if lay.ByMoment() {
		v.unfit = true
		return v, err
	}
	c.Overwrite = true
	err = create()
	return settle(maybe, err), err
}

// giveWay names a batch anew because another's object has one of its keys.
// The refusal is noted first: a crash before it leaves MaybeStored in the ledger,
// and then the exporter stops at the other's object, as its own PUT might still arrive.
func (r *Runner) giveWay(ctx context.Context, b *stream.Batch, lay layout.Layout) error {
	if err := r.ledger.Save(ctx, b); err != nil {
		return fmt.Errorf("note the refusal of batch %s: %w", b.ID, err)
	}
	return r.move(ctx, b, lay)
}

func outcomeOf(err error) string {
	if err == nil {
		return "stored"
	}
	return objstore.AsError(err).Outcome.String()
}
