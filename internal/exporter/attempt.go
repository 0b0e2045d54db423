package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"strm/internal/format"
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
	b.NextRetryAt = time.Time{} // that is now; set again, it ends the round, and with it the claim

	sink, err := r.sinks.get(ctx, b.Sink)
	if err != nil {
		return r.refuse(ctx, l, b, fmt.Sprintf("sink %s: %v", b.Sink, err), causeOf(err), objstore.NeedsPerson(err))
	}
	var left leftOut
	defer func() {
		if err == nil { // else the ledger does not know of them, and they are put again
			r.complain(b, &left)
		}
	}()
	for i := range b.Objects {
		if b.Objects[i].Stored {
			continue
		}
		ok, moved, err := r.put(ctx, l, sink, b, i, true, &left)
		for moves := 1; moved && err == nil; moves++ {
			ok, moved, err = r.put(ctx, l, sink, b, i, moves < maxMoves, &left)
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

// leftOut is what the objects that a round stored do not hold of the log.
type leftOut struct {
	lost    format.Losses
	dropped int64
}

func (l *leftOut) add(c *content) {
	l.lost.Add(&c.lost)
	l.dropped += c.dropped
}

// complain tells what the objects that were just stored do not hold of their
// events. A later round of the batch tells of its own objects.
func (r *Runner) complain(b *stream.Batch, left *leftOut) {
	if left.dropped > 0 {
		r.observe.Dropped(b.Stream, left.dropped)
		r.logger.Warn("values that are no events were left out, as the stream says", slog.String("batch", b.ID), slog.String("stream", b.Stream), slog.Int64("values", left.dropped))
	}
	lost := &left.lost
	members := lost.Members()
	if members == 0 && lost.Nulled == 0 {
		return
	}
	r.observe.Lost(b.Stream, members, lost.Nulled)
	r.logger.Warn("not everything in the events has a place in the declared schema; it is left out of the files", slog.String("batch", b.ID), slog.String("stream", b.Stream),
		slog.Int64("undeclared_members", members), slog.String("undeclared", lost.Names()), slog.Int64("nulled_values", lost.Nulled))
}

// refuse writes a failed attempt into the ledger, with its reason, whose trouble it is, and
// the time of the next.
func (r *Runner) refuse(ctx context.Context, l *lane, b *stream.Batch, reason string, c cause, blocked bool) error {
	wait := r.backoff.after(l.failed(troubleOf(b), c), blocked, l.random)
	fail(b, reason, blocked, r.now().Add(wait))
	err := r.ledger.Save(ctx, b)
	if lostClaim(err) {
		return err // the reason was perhaps what another has done to the batch
	}
	r.logger.Warn("batch not delivered", slog.String("batch", b.ID), slog.String("exporter", l.exporter().Name),
		slog.Bool("blocked", blocked), slog.String("reason", reason), slog.Duration("retry_in", wait.Round(time.Millisecond)))
	if err != nil {
		return fmt.Errorf("note the failure of batch %s: %w", b.ID, err)
	}
	return nil
}

// lostClaim reports whether another was chosen to work on the batch that err is about.
func lostClaim(err error) bool {
	var lost *stream.ClaimLostError
	return errors.As(err, &lost)
}
