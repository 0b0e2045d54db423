package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"strm/internal/jsonscan"
	"strm/internal/problem"
)

// Envelope is a body with what stands around its entries.
type Envelope struct {
	Entries []byte // value of the bulk body: an array, or an object for counts and keys

	// What beacons carry, and the synchronizer's impression listener, as they
	// have no headers for it. Empty where it is not there.
	Token   string
	SDK     string
	Mode    string
	IP      string
	Machine string
}

// Error says why a body is not JSON. Its kind is Invalid.
type Error struct{ Message string }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns an error that carries the kind.
func (e *Error) Unwrap() error { return problem.New(problem.Invalid, "%s", e.Message) }

// Mend returns body with U+FFFD for what is not UTF-8: body itself where there
// is nothing of that kind, else a copy of at most three times its size.
func Mend(body []byte) []byte {
	if utf8.Valid(body) {
		return body
	}
	return bytes.ToValidUTF8(body, []byte("\uFFFD"))
}

// Open checks that a body is JSON and finds its entries: the body itself, or
// what a beacon or an impression listener wrapped. The envelope uses the body's
// bytes. The error is an *Error.
func Open(body []byte) (Envelope, error) {
	if !json.Valid(body) {
		return Envelope{}, notJSON(body)
	}
	body = jsonscan.Trim(body)
	e := Envelope{Entries: body}
	if jsonscan.KindOf(body) != jsonscan.Object {
		return e, nil
	}
	m := jsonscan.MembersOf(body)
	for m.Next() {
		key, _ := m.Key()
		val, _ := m.Value()
		switch string(key) {
		case "entries", "impressions":
			e.Entries = val
		case "token":
			e.Token = plain(val)
		case "sdk", "sdkVersion":
			e.SDK = plain(val)
		case "sim":
			e.Mode = plain(val)
		case "machineIP":
			e.IP = plain(val)
		case "machineName":
			e.Machine = plain(val)
		}
	}
	return e, nil
}

// plain returns the text of a string, empty for any other value.
func plain(val []byte) string {
	if jsonscan.KindOf(val) != jsonscan.String {
		return ""
	}
	return string(jsonscan.Unquote(nil, val[1:len(val)-1]))
}

func notJSON(body []byte) *Error {
	var at *json.SyntaxError
	var ignored json.RawMessage
	err := json.Unmarshal(body, &ignored)
	switch {
	case len(jsonscan.Trim(body)) == 0:
		return &Error{"the body is empty"}
	case errors.As(err, &at):
		return &Error{fmt.Sprintf("the body is not JSON: byte %d: %s", at.Offset, at.Error())}
	}
	return &Error{"the body is not JSON"}
}
