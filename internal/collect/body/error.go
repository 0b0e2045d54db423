package body

// Reason is why a body could not be read.
type Reason uint8

// The reasons.
const (
	TooLarge    Reason = iota + 1 // over Error.Limit
	Unsupported                   // its encoding is none of those known here
	Slow                          // it did not come within the time: the same request may succeed
	Cut                           // it ended before its declared end
	Damaged                       // it is not what its encoding says
)

// Error says why a body could not be read.
type Error struct {
	Reason Reason
	Detail string // for the sender
	Limit  int64  // for TooLarge: the limit in bytes
	Err    error  // for the operator; may be nil
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
