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
	case problem.Invalid, problem.NotFound, problem.Conflict, problem.Forbidden, problem.Corrupt:
		return true
	case problem.Internal, problem.Unauthorized, problem.TooLarge, problem.Busy, problem.Unavailable:
		return false
	}
	return false
}

// mayHaveHappened reports whether a write that failed with err may have been
// done all the same: its answer was lost, not a no given.
func mayHaveHappened(err error) bool {
	switch problem.KindOf(err) {
	case problem.Internal, problem.Unavailable, problem.Corrupt:
		return err != nil
	case problem.Invalid, problem.Unauthorized, problem.Forbidden, problem.NotFound,
		problem.Conflict, problem.TooLarge, problem.Busy:
		return false
	}
	return true
}

// isNotFound reports whether err says that the thing does not exist.
func isNotFound(err error) bool { return err != nil && problem.KindOf(err) == problem.NotFound }
