package rawlog

import (
	"fmt"
	"unicode/utf8"
)

// report turns a flaw into the Error that refuses the body.
func (f *flaw) report(body []byte) *Error {
	switch {
	case f.want == "":
		return &Error{CodeTooDeep, fmt.Sprintf("nested too deep at byte %d: at most %d levels are allowed", f.at+1, MaxDepth)}
	case len(body) == 0:
		return &Error{CodeInvalidJSON, "the body is empty"}
	case f.at >= len(body):
		return &Error{CodeInvalidJSON, fmt.Sprintf("the body ends after byte %d, in the middle of its JSON: expected %s", len(body), f.want)}
	}
	r, _ := utf8.DecodeRune(body[f.at:])
	return &Error{CodeInvalidJSON, fmt.Sprintf("invalid character %q at byte %d: expected %s", r, f.at+1, f.want)}
}

// String returns the word for messages.
func (k kind) String() string {
	switch k {
	case object:
		return "an object"
	case array:
		return "an array"
	case text:
		return "a string"
	case number:
		return "a number"
	case yes, no:
		return "a boolean"
	case null:
		return "null"
	}
	return "nothing"
}
