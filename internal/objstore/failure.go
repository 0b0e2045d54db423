package objstore

import (
	"errors"

	"strm/internal/problem"
)

// OfStore reports whether err is what a store said, or its silence.
func OfStore(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// NeedsPerson reports whether a failure, of a store or of ours, waits for
// somebody to mend something rather than for time to pass.
func NeedsPerson(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason.NeedsPerson()
	}
	switch problem.KindOf(err) {
	case problem.Invalid, problem.NotFound, problem.Conflict, problem.Forbidden, problem.Corrupt:
		return true
	case problem.Internal, problem.Unauthorized, problem.TooLarge, problem.Busy, problem.Unavailable:
	}
	return false
}
