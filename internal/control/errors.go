package control

import (
	"context"
	"errors"

	"strm/internal/objstore"
	"strm/internal/problem"
)

// classify gives a kind to errors of object stores and of time that have none,
// so that callers need not know those packages. The text stays.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var known *problem.Error
	if errors.As(err, &known) {
		return err
	}
	var store *objstore.Error
	if errors.As(err, &store) || errors.Is(err, context.DeadlineExceeded) {
		return problem.New(problem.Unavailable, "%w", err)
	}
	return err
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
