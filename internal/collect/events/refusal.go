package events

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"strm/internal/api/apiv1"
	"strm/internal/collect/body"
	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/problem"
)

// refusal is an answer that is not a success.
type refusal struct {
	status         int
	kind           problem.Kind
	detail         string
	line           int
	reason         string
	retryAfter     int // seconds; 0 for no such header
	acceptEncoding bool
	closing        bool  // the connection is of no more use
	cause          error // for the log; never sent
}

// refuse turns an error of the Ingester into an answer. Back-pressure is never
// a 5xx: clients and proxies treat those as faults.
func refuse(err error) *refusal {
	rf := &refusal{kind: problem.KindOf(err), detail: err.Error(), cause: err}
	var ev *ingest.EventError
	if errors.As(err, &ev) {
		rf.line, rf.reason = ev.Line, ev.Reason
	}
	switch rf.kind {
	case problem.Invalid:
		rf.status = http.StatusBadRequest
	case problem.TooLarge:
		rf.status = http.StatusRequestEntityTooLarge
	case problem.Busy:
		rf.status, rf.retryAfter = http.StatusTooManyRequests, 5
		if errors.Is(err, ingest.ErrInFlight) {
			rf.retryAfter = 1
		}
	case problem.Conflict:
		rf.status = http.StatusConflict
		if errors.Is(err, eventlog.ErrKeyReused) {
			rf.status = http.StatusUnprocessableEntity
			rf.detail = "this Idempotency-Key was used before with other content: nothing was stored; use a new key for new content"
		}
	case problem.NotFound:
		rf.status, rf.detail = http.StatusNotFound, "the stream is gone"
	case problem.Unauthorized, problem.Forbidden, problem.Corrupt, problem.Unavailable, problem.Internal:
		// What the cause says is for the operator's log, not for senders.
		rf.kind, rf.status, rf.retryAfter = problem.Unavailable, http.StatusServiceUnavailable, 5
		rf.detail = "the request could not be handled now: nothing was stored, send it again"
		if errors.Is(err, ingest.ErrUnsettled) {
			rf.detail = "the log did not answer: the request may or may not have been stored; send it again with the same Idempotency-Key, then it counts once"
		}
	}
	return rf
}

// refuseBody turns an error of reading the body into an answer.
func refuseBody(err error) *refusal {
	var e *body.Error
	if !errors.As(err, &e) {
		return refuse(err) // of the reservation
	}
	rf := &refusal{status: http.StatusBadRequest, kind: problem.Invalid, cause: e.Err, detail: e.Detail}
	switch e.Reason {
	case body.TooLarge:
		rf.status, rf.kind = http.StatusRequestEntityTooLarge, problem.TooLarge
		rf.detail += ", more than the limit of " + strconv.FormatInt(e.Limit, 10) + " bytes: send it in several requests"
	case body.Unsupported:
		rf.status, rf.acceptEncoding = http.StatusUnsupportedMediaType, true
	case body.Slow:
		rf.status, rf.kind, rf.closing = http.StatusRequestTimeout, problem.Busy, true
	case body.Cut, body.Damaged:
	}
	return rf
}

func (rf *refusal) headers(h http.Header) {
	if rf.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(rf.retryAfter))
	}
	if rf.acceptEncoding {
		h.Set("Accept-Encoding", "gzip, zstd")
	}
	if rf.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="strm"`)
	}
	if rf.closing {
		h.Set("Connection", "close")
	}
}

// writeProblem answers as RFC 9457 says.
func (rf *refusal) writeProblem(w http.ResponseWriter) {
	rf.headers(w.Header())
	p := apiv1.NewProblem(rf.status, rf.kind.String(), rf.detail)
	p.Line, p.Reason = rf.line, rf.reason
	p.Write(w)
}

// writeText answers as the STRM gateways do: plain text, and JSON for 401.
func (rf *refusal) writeText(w http.ResponseWriter) {
	rf.headers(w.Header())
	if rf.status == http.StatusUnauthorized {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rf.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": rf.detail})
		return
	}
	detail := rf.detail
	if rf.reason != "" {
		detail = rf.reason // there is one event: its line says nothing
	}
	http.Error(w, detail, rf.status)
}
