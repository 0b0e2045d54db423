package s3double

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Fault is one way for a request to go wrong.
type Fault int

// The faults. The first three leave the object stored (or about to be) though
// the client does not hear of it.
const (
	None         Fault = iota
	LostAnswer         // stored, then the connection is dropped without an answer
	Stored500          // stored, then answered with 500 InternalError
	LateStore          // the connection is dropped, the request takes effect later
	DroppedFirst       // the connection is dropped before anything is stored
	ResetMidBody       // the connection is reset while the body is being sent
	SlowDown           // 503 SlowDown, nothing stored
	Conflict           // 409 ConditionalRequestConflict, nothing stored
	SlowAnswer         // stored, and the answer comes late
	faultKinds
)

// String returns the word used in the summary.
func (f Fault) String() string {
	switch f {
	case None:
		return "none"
	case LostAnswer:
		return "lost-answer"
	case Stored500:
		return "stored-500"
	case LateStore:
		return "late-store"
	case DroppedFirst:
		return "dropped"
	case ResetMidBody:
		return "reset"
	case SlowDown:
		return "503"
	case Conflict:
		return "409"
	case SlowAnswer:
		return "slow"
	case faultKinds:
	}
	return "unknown"
}

// Faults stands before a Server and spoils a share of the requests. Which
// fault meets the n-th request depends on the seed alone.
type Faults struct {
	next  http.Handler
	share float64 // of the requests, 0 to 1
	only  Fault   // the one kind to make; None for all of them

	mu     sync.Mutex
	rng    *rand.Rand
	off    bool
	counts [faultKinds]int64
	late   sync.WaitGroup // joined under mu, so that nobody joins behind Off's back
}

// NewFaults returns a layer that is on.
func NewFaults(next http.Handler, seed uint64, share float64) *Faults {
	return &Faults{next: next, share: share, rng: rand.New(rand.NewPCG(seed, 0x5333))}
}

// Off stops making new faults and waits until everything that was put off has
// taken effect. On turns them on again.
func (f *Faults) Off() {
	f.mu.Lock()
	f.off = true
	f.mu.Unlock()
	f.late.Wait()
}

// On turns the faults on (again).
func (f *Faults) On() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = false
}

// Counts returns "kind=n" for every kind of fault that occurred.
func (f *Faults) Counts() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var parts []string
	for kind := LostAnswer; kind < faultKinds; kind++ {
		if n := f.counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%v=%d", kind, n))
		}
	}
	return strings.Join(parts, " ")
}

// draw returns the fault for the next request and how long a late or slow one
// takes. Of a LateStore, the caller ends what f.late counts. The number of random draws per request is fixed, so the schedule does
// not depend on what kind of request comes.
func (f *Faults) draw() (Fault, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	spoil, kind, wait := f.rng.Float64(), f.rng.IntN(int(faultKinds)-1), f.rng.IntN(500)
	if f.off || spoil >= f.share {
		return None, 0
	}
	fault := LostAnswer + Fault(kind)
	if f.only != None {
		fault = f.only
	}
	f.counts[fault]++
	if fault == LateStore {
		f.late.Add(1)
	}
	return fault, time.Duration(20+wait) * time.Millisecond
}

// ServeHTTP passes the request on, or spoils it.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, wait := f.draw()
	switch fault {
	case LostAnswer:
		f.next.ServeHTTP(httptest.NewRecorder(), r)
		drop(w, false)
	case Stored500:
		f.next.ServeHTTP(httptest.NewRecorder(), r)
		refuse(w, r, http.StatusInternalServerError, "InternalError", "we encountered an internal error, please try again")
	case LateStore:
		f.later(w, r, wait)
	case DroppedFirst:
		drop(w, false)
	case ResetMidBody:
		// Whatever the outcome of this read, the connection ends now.
		_, _ = io.CopyN(io.Discard, r.Body, max(1, r.ContentLength/2))
		drop(w, true)
	case SlowDown:
		swallow(r)
		refuse(w, r, http.StatusServiceUnavailable, "SlowDown", "please reduce your request rate")
	case Conflict:
		swallow(r)
		if r.Method != http.MethodPut {
			refuse(w, r, http.StatusServiceUnavailable, "SlowDown", "please reduce your request rate")
			return
		}
		refuse(w, r, http.StatusConflict, "ConditionalRequestConflict", "a conflicting operation occurred during the upload")
	case SlowAnswer:
		rec := httptest.NewRecorder()
		f.next.ServeHTTP(rec, r)
		pause(r.Context(), wait)
		replay(w, rec)
	case None, faultKinds:
		f.next.ServeHTTP(w, r)
	}
}

// later drops the connection now and performs the request afterwards, as a
// network that delivers a packet late would.
func (f *Faults) later(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.late.Done()
		return // cut off by the client: it never was a whole request
	}
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body = io.NopCloser(strings.NewReader(string(body)))
	go func() {
		defer f.late.Done()
		pause(context.Background(), wait)
		f.next.ServeHTTP(httptest.NewRecorder(), again)
	}()
	drop(w, false)
}

// drop ends the connection without an answer; abruptly if reset is set.
func drop(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server's way to end a connection it cannot hand over
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		// Best effort: without it the reset is a plain close.
		_ = tcp.SetLinger(0)
	}
	// Nothing is left to do with a connection that does not even close.
	_ = conn.Close()
}

// swallow reads the body, so that the client hears the answer rather than a
// broken pipe. A client that breaks off gets no answer anyway.
func swallow(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func replay(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for name, vs := range rec.Header() {
		w.Header()[name] = vs
	}
	w.WriteHeader(rec.Code)
	// A client that went away meanwhile does not hear it.
	_, _ = w.Write(rec.Body.Bytes())
}
