package airbyte

import (
	"context"
	"errors"

	"strm/internal/airbyte/protocol"
	"strm/internal/objstore"
	"strm/internal/problem"
)

// ErrTerminated is in the chain of the error of a run that was told to stop.
var ErrTerminated = errors.New("stopped before the end of the input")

// incompleteError is a sync that the source did not bring to its end.
type incompleteError struct{ text string }

// Error names the streams.
func (e *incompleteError) Error() string { return e.text }

// failureOf says whose turn it is.
func failureOf(err error) protocol.Failure {
	var store *objstore.Error
	var incomplete *incompleteError
	switch {
	case errors.As(err, &incomplete), errors.Is(err, ErrTerminated), errors.Is(err, context.Canceled):
		return protocol.TransientError
	case errors.As(err, &store):
		if store.Reason.NeedsPerson() {
			return protocol.ConfigError
		}
		return protocol.TransientError
	}
	switch problem.KindOf(err) {
	case problem.Invalid, problem.Conflict, problem.NotFound, problem.Forbidden, problem.Unauthorized:
		return protocol.ConfigError
	case problem.Unavailable, problem.Busy:
		return protocol.TransientError
	case problem.Internal, problem.TooLarge, problem.Corrupt:
		return protocol.SystemError
	}
	return protocol.SystemError
}
