package importer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// mostFiles is how many files one report tells of.
const mostFiles = 1000

// mostMillis is how many taken milliseconds in a row are passed by before a
// report waits: more than that were not stored by chance.
const mostMillis = 100

// startReports goes on with the reports that are planned, and plans those that are due.
func (r *Runner) startReports(ctx context.Context) (next time.Time, err error) {
	if !r.members.Owns(ReportsDuty) {
		return time.Time{}, nil // Run's loop hears of it when that changes
	}
	open, err := r.ledger.OpenReports(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for planned status reports: %w", err)
	}
	now := time.Now()
	for _, rep := range open {
		if rep.NextTryAt.After(now) {
			next = earlier(next, rep.NextTryAt)
			continue
		}
		next = earlier(next, r.beginReport(ctx, rep, now))
	}
	for r.reports.free() > 0 {
		rep, ok, err := r.ledger.PlanReport(ctx, now.UTC(), mostFiles)
		if err != nil {
			return time.Time{}, fmt.Errorf("plan a status report: %w", err)
		}
		if !ok {
			break
		}
		r.beginReport(ctx, rep, now)
	}
	plan, err := r.ledger.NextReport(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("look when a status report is due: %w", err)
	}
	return earlier(next, plan), nil
}

func (r *Runner) beginReport(ctx context.Context, rep stream.Report, now time.Time) (held time.Time) {
	return r.reports.begin(rep.ID, now, func() { r.report(ctx, rep) })
}

// report makes one attempt at a report, and notes how it failed.
func (r *Runner) report(ctx context.Context, rep stream.Report) {
	of := rep.ID
	rep.Owner = r.members.Self()
	rep.Attempts++
	// The number of the attempt is durable before it: from here on the ledger takes nothing of
	// an earlier one. If this is lost, or only its answer, the report is read again.
	rep, ok, err := r.ledger.BeginReport(ctx, rep)
	if err != nil || !ok {
		if err != nil && ctx.Err() == nil {
			r.logger.Error("begin a status report", slog.Any("error", err))
		}
		r.reports.hold(of, time.Now().Add(r.backoff.after(1, err))) // done, or another process is at it
		return
	}
	err = r.guard(func() error { return r.attemptReport(ctx, &rep) })
	if err == nil || ctx.Err() != nil || rep.State != stream.ReportPlanned {
		if err != nil && ctx.Err() == nil {
			r.logger.Error("note a status report as done", slog.Any("error", err))
			r.reports.hold(rep.ID, time.Now().Add(r.backoff.after(1, err)))
		}
		return
	}
	wait := r.backoff.after(rep.Attempts, err)
	rep.Problem, rep.NextTryAt = err.Error(), time.Now().Add(wait).UTC()
	r.logger.Warn("status report was not stored, and will be tried again", slog.String("key", rep.Key()), slog.String("sink", rep.Sink),
		slog.String("reason", rep.Problem), slog.Duration("retry_in", wait.Round(time.Millisecond)))
	err = r.ledger.SaveReport(ctx, rep)
	if err != nil && ctx.Err() == nil && problem.KindOf(err) != problem.Conflict {
		r.logger.Error("note why a status report was not stored", slog.Any("error", err))
		r.reports.hold(rep.ID, rep.NextTryAt)
	}
}

// attemptReport stores a report. Nil means that nothing is left to do.
func (r *Runner) attemptReport(ctx context.Context, rep *stream.Report) error {
	entries, err := r.ledger.ReportEntries(ctx, rep.ID)
	if err != nil {
		return fmt.Errorf("read the entries of a status report: %w", err)
	}
	sink, err := r.buckets.get(ctx, rep.Sink)
	if err != nil {
		return fmt.Errorf("sink %s: %w", rep.Sink, err)
	}
	if place := sink.Place(); place != rep.Place {
		return problem.New(problem.Conflict, "the report is for %s, and sink %s is now %s", rep.Place, rep.Sink, place)
	}
	c := objstore.Bytes(ReportBody(entries))
	c.ContentType = "application/json"
	c.Overwrite = sink.Conditional == stream.SupportNo
	for range mostMillis {
		taken, err := r.putReport(ctx, rep, sink, c)
		if err != nil || !taken {
			return err
		}
		if err := r.moveReport(ctx, rep); err != nil {
			return err
		}
	}
	return problem.New(problem.Conflict, "%d keys in a row up to %s are taken", mostMillis, rep.Key())
}

// putReport puts a report under its key. taken says that somebody else's object has it.
func (r *Runner) putReport(ctx context.Context, rep *stream.Report, sink *openSink, c objstore.Content) (taken bool, err error) {
	key := rep.Key()
	maybe := rep.MaybeStored
	rep.MaybeStored = true
	// Durable before the PUT: whatever happens from here on, the next attempt
	// knows that this one may have stored the report.
	if err := r.ledger.SaveReport(ctx, *rep); problem.KindOf(err) == problem.Conflict {
		return false, nil // done, or given up with its sink, or another process is at it
	} else if err != nil {
		rep.MaybeStored = maybe
		return false, fmt.Errorf("note the attempt: %w", err)
	}
	err = sink.bucket.Create(ctx, key, c)
	if err != nil && !c.Overwrite && objstore.AsError(err).Reason == objstore.NoConditions {
		// The store refused, so nothing is stored.
		c.Overwrite = true
		if lerr := r.catalog.SetSinkFound(ctx, sink.Name, sink.Revision, sink.FoundRegion, stream.SupportNo); lerr != nil {
			r.logger.Warn("remember that the sink lacks conditional writes", slog.String("sink", sink.Name), slog.Any("error", lerr))
		}
		err = sink.bucket.Create(ctx, key, c)
	}
	outcome := "stored"
	if err != nil {
		e := objstore.AsError(err)
		outcome = e.Outcome.String()
		switch e.Outcome {
		case objstore.Exists:
			if !maybe {
				r.observe.Report(outcome)
				return true, nil
			}
			err = nil // our own write, whose answer was lost
		case objstore.NotSent, objstore.Rejected:
			rep.MaybeStored = maybe
		case objstore.Ambiguous:
		}
	}
	r.observe.Report(outcome)
	if err != nil {
		return false, err
	}
	rep.State, rep.Problem, rep.NextTryAt, rep.DoneAt = stream.ReportDone, "", time.Time{}, time.Now().UTC()
	// A crash before this Save finds MaybeStored, puts again and is told that the key is taken.
	if err := r.ledger.SaveReport(ctx, *rep); err != nil && problem.KindOf(err) != problem.Conflict {
		return false, fmt.Errorf("note the report as done: %w", err)
	}
	r.logger.Info("status report stored", slog.String("key", key), slog.String("sink", rep.Sink))
	return false, nil
}

// moveReport gives a report the next millisecond that no other report of ours has.
func (r *Runner) moveReport(ctx context.Context, rep *stream.Report) error {
	rep.MaybeStored = false
	at := rep.At
	var err error
	for range mostMillis {
		rep.At = rep.At.Add(time.Millisecond)
		if err = r.ledger.SaveReport(ctx, *rep); problem.KindOf(err) != problem.Conflict {
			break
		}
	}
	if err != nil {
		rep.At = at // as the ledger has it
		return fmt.Errorf("give the report another millisecond: %w", err)
	}
	return nil
}
