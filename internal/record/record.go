// Package record turns the values of a Kafka topic's records into events: one
// JSON object a line. What a value is, a stream's topic says (stream.Values);
// values with the id of a schema registry are package record/registry's.
//
// The same value gives the same line for ever: a batch that is attempted twice
// must have the same bytes.
package record

import (
	"context"

	"strm/internal/problem"
)

// Limits of one event, which are those of the intake.
const (
	MaxDepth = 512     // how deep objects and arrays may nest, the event itself included
	MaxEvent = 1 << 20 // bytes of a line without its '\n', where nothing else is said
)

// Values turns values into lines. It is safe for concurrent use.
type Values interface {
	// AppendLine appends the event as one line, ended by '\n', and returns dst as it was
	// if it cannot. A nil value is a tombstone. Errors: Corrupt if the value is no event
	// and never will be, which is what a stream with stream.InvalidDrop leaves out;
	// Unavailable if what it takes to read the value is not there now; the end of ctx.
	// They do not say where the record is; the caller adds that.
	AppendLine(ctx context.Context, dst, value []byte) ([]byte, error)
}

// Invalid returns the error about a value that is no event.
func Invalid(format string, args ...any) error { return problem.New(problem.Corrupt, format, args...) }

// TooLarge returns the error for a value whose line would have more than limit bytes.
func TooLarge(limit int) error {
	return Invalid("the event has more than the limit of %d bytes", limit)
}

// Tombstone returns the error for a record without a value.
func Tombstone() error { return Invalid("a null value: a tombstone of a compacted topic") }
