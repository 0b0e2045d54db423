package control

import (
	"context"
	"errors"

	"strm/internal/eventlog"
	"strm/internal/objstore"
	"strm/internal/problem"
)

// classify gives a kind to errors of the log, of object stores and of time
// that have none, so that callers need not know those packages. The text stays.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var known *problem.Error
	if errors.As(err, &known) {
		return err
	}
	var store *objstore.Error
	switch {
	case errors.Is(err, eventlog.ErrNoStream):
		return problem.New(problem.NotFound, "%w", err)
	case errors.Is(err, eventlog.ErrTrimmed):
		return problem.New(problem.Conflict, "%w", err)
	case errors.Is(err, eventlog.ErrCorrupt):
		return problem.New(problem.Corrupt, "%w", err)
	case errors.Is(err, eventlog.ErrClosed):
		return problem.New(problem.Unavailable, "the server is stopping: %w", err)
	case errors.As(err, &store), errors.Is(err, context.DeadlineExceeded):
		return problem.New(problem.Unavailable, "%w", err)
	}
	return err
}

// needsPerson reports whether a failed validation waits for somebody to mend
// something, rather than for time to pass.
func needsPerson(err error) bool {
	var store *objstore.Error
	if errors.As(err, &store) {
		return store.Reason.NeedsPerson()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	switch problem.KindOf(err) {
	case problem.Busy, problem.Unavailable:
		return false
	case problem.Internal, problem.Invalid, problem.Unauthorized, problem.Forbidden,
		problem.NotFound, problem.Conflict, problem.TooLarge, problem.Corrupt:
		return true
	}
	return true
}
