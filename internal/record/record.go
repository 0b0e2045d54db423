// Package record turns the values of a Kafka topic's records into events: one
// JSON object a line. What a value is, a stream's topic says (stream.Values);
// values with the id of a schema registry are package record/registry's.
//
// The same value gives the same line for ever: a batch that is attempted twice
// must have the same bytes.
package record

import (
	"context"
	"errors"
	"fmt"

	"strm/internal/problem"
)

// Limits of one event, which are those of the intake.
const (
	MaxDepth = 512     // how deep objects and arrays may nest, the event itself included
	MaxEvent = 1 << 20 // bytes of a line without its '\n', where nothing else is said
)

// ErrInvalid is wrapped by errors about a value that is no event and never will
// be: what a stream with stream.InvalidDrop leaves out. Other errors, also those
// of kind Corrupt, may pass.
var ErrInvalid = errors.New("the value is no event")

// Values turns values into lines. It is safe for concurrent use.
type Values interface {
	// AppendLine appends the event as one line, ended by '\n', and returns dst as it was
	// if it cannot. A nil value is a tombstone. Errors: Corrupt if the value is no event
	// (it wraps ErrInvalid then) or its schema is unknown, TooLarge (it wraps ErrInvalid
	// too), Unavailable if what it takes to read the value does not answer, the end of ctx.
	// They do not say where the record is; the caller adds that.
	AppendLine(ctx context.Context, dst, value []byte) ([]byte, error)
}

// Invalid returns an error about a value that is no event.
func Invalid(format string, args ...any) error {
	return problem.New(problem.Corrupt, "%w", &invalid{fmt.Errorf(format, args...)})
}

// TooLarge returns the error for a value whose line would have more than limit bytes.
func TooLarge(limit int) error {
	return problem.New(problem.TooLarge, "%w", &invalid{fmt.Errorf("the event has more than the limit of %d bytes", limit)})
}

// Tombstone returns the error for a record without a value.
func Tombstone() error { return Invalid("a null value: a tombstone of a compacted topic") }

// invalid gives an error the identity of ErrInvalid without its words.
type invalid struct{ err error }

func (e *invalid) Error() string   { return e.err.Error() }
func (e *invalid) Unwrap() []error { return []error{e.err, ErrInvalid} }
