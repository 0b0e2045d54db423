package s3fault

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"strm/internal/objstore/s3server"
)

// Record is a request that came and what became of it.
type Record struct {
	Request
	Denied bool // by the policy
	Fault  Fault
	Status int  // of the answer, also of one that was lost; 0 if nothing answered
	Stored bool // a PUT that the endpoint carried out
}

// Options of a Handler.
type Options struct {
	Policy Policy       // nil permits everything
	Decide Decide       // nil: no faults
	Keep   int          // how many records to keep, the newest; 0: 10,000
	Region string       // x-amz-bucket-region, also of refusals; empty: none
	Notify func(Record) // called when a request is over, concurrently; may be nil
}

// Handler is the middleware. Safe for concurrent use; Policy and Decide can be
// exchanged while it serves.
type Handler struct {
	next http.Handler
	opts Options

	mu      sync.Mutex
	policy  Policy
	decide  Decide
	counts  map[[3]string]int
	records []Record
}

// Wrap puts the middleware before an endpoint.
func Wrap(next http.Handler, o Options) *Handler {
	if o.Keep == 0 {
		o.Keep = 10_000
	}
	return &Handler{next: next, opts: o, policy: o.Policy, decide: o.Decide, counts: map[[3]string]int{}}
}

// SetPolicy exchanges the policy for the requests to come.
func (h *Handler) SetPolicy(p Policy) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.policy = p
}

// SetDecide exchanges the faults for the requests to come.
func (h *Handler) SetDecide(d Decide) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.decide = d
}

// Records returns the newest records in the order in which requests ended. A
// client can have its answer, or lack of it, before its request has ended here:
// a test that must not miss one waits for Notify.
func (h *Handler) Records() []Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Record(nil), h.records...)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := Record{Request: parse(r)}
	h.mu.Lock()
	id := [3]string{rec.Action, rec.Bucket, rec.Key}
	rec.N = h.counts[id]
	h.counts[id]++
	policy, decide := h.policy, h.decide
	h.mu.Unlock()
	defer func() { h.keep(rec) }() // also when the connection is aborted by panic

	if decide != nil {
		rec.Fault = decide(rec.Request)
	}
	if rec.Fault.Delay > 0 {
		wait := time.NewTimer(rec.Fault.Delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if h.opts.Region != "" {
		w.Header().Set("x-amz-bucket-region", h.opts.Region)
	}
	if policy != nil && !policy(rec.Request) {
		rec.Denied, rec.Status = true, http.StatusForbidden
		s3server.WriteError(w, http.StatusForbidden, "AccessDenied", "Access Denied")
		return
	}
	h.serve(w, r, &rec)
}

// serve carries the request out, or not, and fails as it should.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, rec *Record) {
	if rec.Fault.Kind == None || rec.Fault.After {
		out := &answer{ResponseWriter: w, silent: rec.Fault.Kind != None}
		if out.silent {
			out.header = http.Header{}
		}
		h.next.ServeHTTP(out, r)
		rec.Status = out.code()
		rec.Stored = r.Method == http.MethodPut && rec.Status == http.StatusOK
		if rec.Fault.Kind == None {
			return
		}
	}
	status, code := rec.Fault.Status, rec.Fault.Code
	switch rec.Fault.Kind {
	case None:
		return
	case Drop:
		panic(http.ErrAbortHandler)
	case Reset:
		if r.ContentLength > 1 {
			// What was read or why not does not matter: the connection ends here.
			_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		}
		reset(w)
		return
	case Internal:
		status, code = http.StatusInternalServerError, "InternalError"
	case Busy:
		status, code = http.StatusServiceUnavailable, "SlowDown"
	case Conflict:
		status, code = http.StatusConflict, "ConditionalRequestConflict"
	case ErrorIn200:
		status, code = http.StatusOK, "InternalError"
	case Answer:
	}
	if !rec.Fault.After {
		rec.Status = status
	}
	s3server.WriteError(w, status, code, "injected fault")
}

// reset ends the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end is a FIN, which will do too
	}
	_ = conn.Close() // nobody is left to tell
}

func (h *Handler) keep(rec Record) {
	h.mu.Lock()
	h.records = append(h.records, rec)
	if len(h.records) > 2*h.opts.Keep {
		h.records = append([]Record(nil), h.records[len(h.records)-h.opts.Keep:]...)
	}
	h.mu.Unlock()
	if h.opts.Notify != nil {
		h.opts.Notify(rec)
	}
}

// answer notes the status and, if silent, keeps the answer from the client.
type answer struct {
	http.ResponseWriter
	silent bool
	header http.Header // of a silent answer
	status int
}

func (a *answer) Header() http.Header {
	if a.silent {
		return a.header
	}
	return a.ResponseWriter.Header()
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	if !a.silent {
		a.ResponseWriter.WriteHeader(status)
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.silent {
		return len(p), nil
	}
	return a.ResponseWriter.Write(p)
}

func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK // a handler that wrote nothing
	}
	return a.status
}

// String describes a record in one line, for logs of failing tests.
func (r Record) String() string {
	return fmt.Sprintf("%s %s/%s #%d -> %d denied=%v fault=%+v stored=%v",
		r.Action, r.Bucket, r.Key, r.N, r.Status, r.Denied, r.Fault, r.Stored)
}
