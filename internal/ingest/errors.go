package ingest

import (
	"errors"
	"fmt"

	"strm/internal/problem"
)

// Identity of refusals that are nobody's fault.
var (
	// ErrStreamFull: the stream is at its Retention.MaxBytes. Nothing was
	// written; the same request may succeed later. Kind Busy.
	ErrStreamFull = errors.New("stream is full")
	// ErrInFlight: too many bytes are being taken in at once. Nothing was
	// written; the same request may succeed later. Kind Busy.
	ErrInFlight = errors.New("too much in work")
	// ErrUnsettled: the log failed in a way that leaves open whether the
	// events are stored. The same request with the same idempotency key
	// settles it. Kind Unavailable.
	ErrUnsettled = errors.New("the events may or may not have been stored")
)

// EventError says which event of a request was refused and why. Its kind is
// Invalid or TooLarge. Nothing of the request was appended.
type EventError struct {
	Line    int    // 1-based: the physical line where the event begins, or with Element its number in the array
	Element bool   // the request was a JSON array
	Reason  string // what is wrong and where in the event
	Err     error  // carries the kind
}

// Error returns the place and the reason.
func (e *EventError) Error() string {
	if e.Element {
		return fmt.Sprintf("element %d: %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// Unwrap returns the error that carries the kind.
func (e *EventError) Unwrap() error { return e.Err }

func eventError(k problem.Kind, line int, element bool, format string, args ...any) *EventError {
	reason := fmt.Sprintf(format, args...)
	return &EventError{Line: line, Element: element, Reason: reason, Err: problem.New(k, "%s", reason)}
}
