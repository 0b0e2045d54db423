package exporter

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// healthFresh is how old a remembered health may be before the same one is
// written again: the exporters of a sink that start together say one thing.
const healthFresh = time.Minute

// deliveryNews is how old the health of a sink that is well may be before a
// delivery says so again: what is in use need not be tried.
const deliveryNews = 10 * time.Minute

// rememberWithin bounds the write of a sink's health, which must happen also
// when the time of the trial itself has run out.
const rememberWithin = 5 * time.Second

// TestSink tries the sink e.Sink at once, by writing e's validation object; e
// need not be stored. It returns how that went and remembers it as the sink's
// health. Run twice, the second trial is told that the object exists, which
// says the same. Errors are of the trial, not of the sink: NotFound for a sink
// that is not there, Invalid for an output, and the end of ctx by its caller.
func (r *Runner) TestSink(ctx context.Context, e stream.Exporter) (stream.Health, error) {
	h, _, err := r.try(ctx, e)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return stream.Health{}, ctx.Err()
	case h.Status == stream.HealthUnknown:
		return stream.Health{}, err
	}
	return h, nil
}

// remember returns what err says of a sink's health, nil that it is well, and
// stores it. A failure to store is no failure of the trial: the next one tells
// anew. Nothing is learnt from a trial that its caller gave up.
func (r *Runner) remember(ctx context.Context, sink stream.Sink, err error) stream.Health {
	h := stream.Health{Status: stream.HealthOK, At: r.now().UTC().Truncate(time.Microsecond)}
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return stream.Health{}
		}
		h.Status, h.Step, h.Reason = stream.HealthFailing, failedStep(&sink, err), err.Error()
	}
	if h.Same(sink.Health) && h.At.Sub(sink.Health.At) < healthFresh {
		return h
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), rememberWithin)
	defer cancel()
	serr := r.catalog.SetSinkHealth(within, sink.Name, sink.Revision, h)
	changed := problem.KindOf(serr) == problem.Conflict || problem.KindOf(serr) == problem.NotFound // this was of the old one
	if serr != nil && !changed {
		r.logger.Warn("remember the health of the sink", slog.String("sink", sink.Name), slog.Any("error", serr))
	}
	return h
}

// failedStep tells at which step a write failed.
func failedStep(sink *stream.Sink, err error) stream.HealthStep {
	local := sink.Type == stream.SinkDir
	var e *objstore.Error
	if !errors.As(err, &e) {
		if local {
			return stream.StepBucket
		}
		return stream.StepCredentials // they do not open, or make no client
	}
	if strings.HasPrefix(e.Action, "sts:") || sink.Role.ARN != "" && e.Outcome == objstore.NotSent && e.Reason == objstore.BadRequest {
		return stream.StepRole
	}
	switch e.Reason {
	case objstore.BadCredentials, objstore.ClockSkew: // a signature is of its time
		return stream.StepCredentials
	case objstore.NoBucket:
		return stream.StepBucket
	case objstore.WrongRegion:
		return stream.StepRegion
	case objstore.Unreachable:
		return stream.StepConnection
	case objstore.Unknown:
		if !local && e.Status == 0 {
			return stream.StepConnection // no answer
		}
	case objstore.Denied, objstore.NoObject, objstore.Replaced, objstore.BadKey, objstore.BadRequest, objstore.NoConditions,
		objstore.Contended, objstore.Throttled, objstore.Damaged, objstore.NoSpace:
	}
	if e.Op == "locate" {
		return stream.StepRegion
	}
	return stream.StepPut
}
