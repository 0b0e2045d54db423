package answer

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"strm/internal/collect/body"
	"strm/internal/ingest"
	"strm/internal/problem"
)

// Refusal is an answer that is not a success.
type Refusal struct {
	Status     int
	Kind       problem.Kind
	Code       string // one of a fixed few words
	Message    string // for the sender
	RetryAfter int    // seconds; 0 for no such header
	Closing    bool   // the connection is of no more use
	Cause      error  // for the operator; may be nil
	Counted    bool   // the Ingester has told its observer
}

// text is the body of a refusal. Python's SDK of Segment reads code and message
// and takes their absence for a fault of ours, Ruby's reads error; each as a string.
type text struct {
	Success bool   `json:"success"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Error   string `json:"error"`
}

// Write answers with the refusal. There is no WWW-Authenticate with 401: a
// browser might ask its user for a password.
func (rf *Refusal) Write(w http.ResponseWriter) {
	head := w.Header()
	if rf.RetryAfter > 0 {
		after := strconv.Itoa(rf.RetryAfter)
		head.Set("Retry-After", after)
		head.Set("X-RateLimit-Reset", after)
	}
	if rf.Closing {
		head.Set("Connection", "close")
	}
	said, err := json.Marshal(text{Code: rf.Code, Message: rf.Message, Error: rf.Message})
	if err != nil { // four strings and a boolean
		said = []byte(`{"success":false,"code":"internal","message":"internal error","error":"internal error"}`)
	}
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(rf.Status)
	_, _ = w.Write(append(said, '\n')) // the client is gone: it will ask again
}

// Invalid refuses what stays wrong. It is always 400: Segment's SDK for Swift keeps
// and repeats whatever gets another status.
func Invalid(kind problem.Kind, code, message string, cause error) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Kind: kind, Code: code, Message: message, Cause: cause}
}

// Body turns an error of package body, or of the Memory it asked, into an answer.
func Body(err error) *Refusal {
	var e *body.Error
	if !errors.As(err, &e) {
		return Memory(err)
	}
	switch e.Reason {
	case body.TooLarge:
		return Invalid(problem.TooLarge, "body_too_large",
			e.Detail+", more than the limit of "+strconv.FormatInt(e.Limit, 10)+" bytes: send it in several requests", e.Err)
	case body.Unsupported:
		return Invalid(problem.Invalid, "unsupported_encoding", e.Detail, e.Err)
	case body.Slow, body.Cut:
		// The connection's fault, not the events': SDKs that know 408 send again.
		return &Refusal{Status: http.StatusRequestTimeout, Kind: problem.Busy, Code: "body_incomplete", Message: e.Detail, Cause: e.Err, Closing: true}
	case body.Damaged:
	}
	return Invalid(problem.Invalid, "damaged_encoding", e.Detail, e.Err)
}

// Memory turns an error of growing a reservation, which nobody has counted, into
// an answer.
func Memory(err error) *Refusal {
	rf := Ingest(err)
	rf.Counted = false
	return rf
}

// Ingest turns an error of the Ingester, which has counted it, into an answer.
func Ingest(err error) *Refusal {
	rf := &Refusal{Kind: problem.KindOf(err), Message: err.Error(), Cause: err, Counted: true}
	switch rf.Kind {
	case problem.Busy:
		rf.Status, rf.Code, rf.RetryAfter = http.StatusTooManyRequests, "busy", 5
		if errors.Is(err, ingest.ErrInFlight) {
			rf.RetryAfter = 1
		}
	case problem.Invalid, problem.TooLarge:
		rf.Status, rf.Code = http.StatusBadRequest, "invalid_event"
		if rf.Kind == problem.TooLarge {
			rf.Code = "event_too_large"
		}
	case problem.NotFound: // deleted since the key was looked up, and the key with it
		rf.Status, rf.Code, rf.Message = http.StatusUnauthorized, "unknown_write_key", "the stream of this write key is gone"
	case problem.Conflict: // its hour is over again and again: the log is far behind its clock
		rf.Status, rf.Code, rf.RetryAfter = http.StatusTooManyRequests, "busy", 1
		rf.Kind, rf.Message, rf.Counted = problem.Busy, "the received time could not be settled: nothing was stored, send again", false
	case problem.Unauthorized, problem.Forbidden, problem.Corrupt, problem.Unavailable, problem.Internal:
		// What the cause says is for the operator's log, not for senders.
		rf.Kind, rf.Status, rf.Code, rf.RetryAfter = problem.Unavailable, http.StatusServiceUnavailable, "unavailable", 5
		rf.Message = "the request could not be handled now: nothing was stored, send it again"
		if errors.Is(err, ingest.ErrUnsettled) {
			rf.Message = "the log did not answer: what was sent may or may not have been stored"
		}
	}
	return rf
}
