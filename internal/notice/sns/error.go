package sns

import "strm/internal/problem"

// Check names a step of verification, in the order in which they are taken.
type Check string

// The steps.
const (
	CheckSize        Check = "size"
	CheckJSON        Check = "json"
	CheckType        Check = "type"
	CheckTopic       Check = "topic"
	CheckURL         Check = "certificate_url"
	CheckForm        Check = "signature_form" // version and encoding
	CheckCertificate Check = "certificate"
	CheckSignature   Check = "signature"
	CheckAge         Check = "age"
	CheckSubscribe   Check = "subscribe_url" // of Confirm
	CheckConfirm     Check = "confirm"       // likewise: what SNS answered
)

// Error says which check failed. Its kind says whose fault that is: Invalid,
// Forbidden and TooLarge are final, for the message will never be wanted;
// Unavailable is trouble of ours or of SNS, and the same message may pass later.
type Error struct {
	Check Check
	Err   error
}

// Error returns the text of the cause.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause, which has a kind.
func (e *Error) Unwrap() error { return e.Err }

func failed(c Check, k problem.Kind, format string, args ...any) error {
	return &Error{Check: c, Err: problem.New(k, format, args...)}
}
