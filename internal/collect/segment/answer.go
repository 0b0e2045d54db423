package segment

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"strm/internal/collect/body"
	"strm/internal/ingest"
	"strm/internal/problem"
)

// refusal is an answer that is not a success.
type refusal struct {
	status     int
	kind       problem.Kind
	code       string // one of a fixed few words
	message    string
	retryAfter int  // seconds; 0 for no such header
	closing    bool // the connection is of no more use
	cause      error
	counted    bool // the Ingester has told its observer
}

// answer is the body of an answer. Python reads code and message and takes
// their absence for a fault of ours, Ruby reads error; each as a string.
type answer struct {
	Success bool   `json:"success"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Error   string `json:"error"`
}

// write answers with the refusal. There is no WWW-Authenticate with 401: a
// browser might ask its user for a password.
func (rf *refusal) write(w http.ResponseWriter) {
	head := w.Header()
	if rf.retryAfter > 0 {
		after := strconv.Itoa(rf.retryAfter)
		head.Set("Retry-After", after)
		head.Set("X-RateLimit-Reset", after)
	}
	if rf.closing {
		head.Set("Connection", "close")
	}
	text, err := json.Marshal(answer{Code: rf.code, Message: rf.message, Error: rf.message})
	if err != nil { // four strings and a boolean
		text = []byte(`{"success":false,"code":"internal","message":"internal error","error":"internal error"}`)
	}
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(rf.status)
	_, _ = w.Write(append(text, '\n')) // the client is gone: it will ask again
}

// succeed answers exactly what every SDK takes for success: PHP and Python want
// 200 and nothing else, Ruby wants a JSON body.
func succeed(w http.ResponseWriter) {
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"success":true}` + "\n")) // the client is gone: it will send again, and the message ids are known
}

// invalid refuses what stays wrong. It is always 400: Swift keeps and repeats
// whatever gets another status.
func invalid(kind problem.Kind, code, message string, cause error) *refusal {
	return &refusal{status: http.StatusBadRequest, kind: kind, code: code, message: message, cause: cause}
}

// refuseBody turns an error of reading the body into an answer.
func refuseBody(err error) *refusal {
	var e *body.Error
	if !errors.As(err, &e) {
		rf := refuse(err) // of the reservation
		rf.counted = false
		return rf
	}
	switch e.Reason {
	case body.TooLarge:
		return invalid(problem.TooLarge, "body_too_large",
			e.Detail+", more than the limit of "+strconv.FormatInt(e.Limit, 10)+" bytes: send it in several requests", e.Err)
	case body.Unsupported:
		return invalid(problem.Invalid, "unsupported_encoding", e.Detail, e.Err)
	case body.Slow, body.Cut:
		// The connection's fault, not the events': SDKs that know 408 send again.
		return &refusal{status: http.StatusRequestTimeout, kind: problem.Busy, code: "body_incomplete", message: e.Detail, cause: e.Err, closing: true}
	case body.Damaged:
	}
	return invalid(problem.Invalid, "damaged_encoding", e.Detail, e.Err)
}

// refuse turns an error of the Ingester, which has counted it, into an answer.
func refuse(err error) *refusal {
	rf := &refusal{kind: problem.KindOf(err), message: err.Error(), cause: err, counted: true}
	switch rf.kind {
	case problem.Busy:
		rf.status, rf.code, rf.retryAfter = http.StatusTooManyRequests, "busy", 5
		if errors.Is(err, ingest.ErrInFlight) {
			rf.retryAfter = 1
		}
	case problem.Invalid, problem.TooLarge:
		rf.status, rf.code = http.StatusBadRequest, "invalid_event"
		if rf.kind == problem.TooLarge {
			rf.code = "event_too_large"
		}
	case problem.NotFound: // deleted since the key was looked up, and the key with it
		rf.status, rf.code, rf.message = http.StatusUnauthorized, "unknown_write_key", "the stream of this write key is gone"
	case problem.Conflict: // its hour is over again and again: the log is far behind its clock
		rf.status, rf.code, rf.retryAfter = http.StatusTooManyRequests, "busy", 1
		rf.kind, rf.message, rf.counted = problem.Busy, "the received time could not be settled: nothing was stored, send again", false
	case problem.Unauthorized, problem.Forbidden, problem.Corrupt, problem.Unavailable, problem.Internal:
		// What the cause says is for the operator's log, not for senders.
		rf.kind, rf.status, rf.code, rf.retryAfter = problem.Unavailable, http.StatusServiceUnavailable, "unavailable", 5
		rf.message = "the request could not be handled now: nothing was stored, send it again"
		if errors.Is(err, ingest.ErrUnsettled) {
			rf.message = "the log did not answer: the calls may or may not have been stored; send them again with the same messageId, then each counts once"
		}
	}
	return rf
}

// tell counts the refusal and tells the operator: of faults of ours each time,
// of what senders do wrong now and then, for a sender that is wrong once is so
// with every request.
func (h *Handler) tell(r *http.Request, from sender, rf *refusal) {
	if !rf.counted {
		h.Observer.Refused(from.stream.Name, rf.kind)
	}
	h.Observer.Answered(from.source.Name, rf.kind.String())
	about := []slog.Attr{slog.String("path", LogPath(r.URL.Path)), slog.Int("status", rf.status), slog.String("source", from.source.Name), slog.Any("error", rf.cause)}
	switch {
	case rf.status < 500:
		if rf.kind != problem.Busy { // those have their gauges
			h.note(r.Context(), from.source.Name, rf.code, "requests", 1, slog.String("last", rf.message))
		}
	case r.Context().Err() != nil && errors.Is(rf.cause, context.Canceled):
		h.Logger.LogAttrs(r.Context(), slog.LevelDebug, "the client went away", about...)
	default:
		h.Logger.LogAttrs(r.Context(), slog.LevelError, "intake failed", about...)
	}
}
