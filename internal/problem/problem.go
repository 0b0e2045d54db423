// Package problem names the kinds of failure that strm tells apart.
//
// A kind decides policy: the HTTP status, the exit code, the metric label and
// whether a flow retries. Sentinel errors (eventlog.ErrTrimmed and the like)
// carry identity; wrapping carries the story.
package problem

import (
	"errors"
	"fmt"
)

// Kind is the class of a failure.
type Kind uint8

// The kinds. Internal is the zero value, so an unclassified error is never
// mistaken for the caller's fault.
const (
	Internal     Kind = iota // a fault of ours: visible, counted, never hidden
	Invalid                  // the request is wrong and stays wrong
	Unauthorized             // no or wrong credentials for strm itself
	Forbidden                // a known caller that may not do this
	NotFound                 // the named thing does not exist
	Conflict                 // the state of things refuses the request
	TooLarge                 // over a limit of size
	Busy                     // back-pressure: the same request may succeed later
	Corrupt                  // stored bytes are not what was written
	Unavailable              // a service strm depends on does not answer
)

// String returns the word used in API problems and metric labels.
func (k Kind) String() string {
	switch k {
	case Internal:
		return "internal"
	case Invalid:
		return "invalid"
	case Unauthorized:
		return "unauthorized"
	case Forbidden:
		return "forbidden"
	case NotFound:
		return "not_found"
	case Conflict:
		return "conflict"
	case TooLarge:
		return "too_large"
	case Busy:
		return "busy"
	case Corrupt:
		return "corrupt"
	case Unavailable:
		return "unavailable"
	}
	return "internal"
}

// Error is an error with a kind.
type Error struct {
	Kind Kind
	Err  error
}

// Error returns the text of the wrapped error; the kind is policy, not prose.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of kind k. The format is that of fmt.Errorf, %w included.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// KindOf returns the kind of the outermost Error in err's chain, Internal if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
