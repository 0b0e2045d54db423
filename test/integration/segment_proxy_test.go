//go:build integration

package integration

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fault is a way for a request to go wrong between a client and strm.
type fault string

const (
	whole    fault = "whole"    // nothing goes wrong
	dropped  fault = "dropped"  // the connection ends before strm sees anything
	cut      fault = "cut"      // it is reset in the middle of the body
	unheard  fault = "unheard"  // strm handles it, the answer is lost
	late     fault = "late"     // the connection ends; strm sees the request later, behind the client's retry
	slow     fault = "slow"     // the answer takes its time
	after502 fault = "502"      // strm handles it, a gateway answers 502
	busy503  fault = "503"      // a gateway answers 503
	limited  fault = "429"      // a gateway answers 429 with Retry-After: 1
	held     fault = "held"     // strm handles it, and no answer comes while the client waits
	gone     fault = "strm off" // strm was not there or went away
)

// spoilt are the faults that are drawn at random.
var spoilt = []fault{dropped, cut, unheard, late, slow, after502, busy503, limited}

// exchange is one request as the proxy saw it.
type exchange struct {
	Method, Path string
	Header       http.Header
	Body         []byte // decompressed
	Fault        fault
	Status       int // what the client was told; 0 for nothing
	Answer       http.Header
	Said         []byte // the answer's body
	Taken        bool   // strm said 200, whatever the client was told
	Began, Ended time.Time
}

// ids are the message ids in a request's body.
func (x *exchange) ids() []string {
	var doc struct {
		MessageID string `json:"messageId"`
		Batch     []struct {
			MessageID string `json:"messageId"`
		}
	}
	if json.Unmarshal(x.Body, &doc) != nil {
		return nil // cut short
	}
	if doc.Batch == nil && doc.MessageID != "" {
		return []string{doc.MessageID}
	}
	var out []string
	for _, e := range doc.Batch {
		out = append(out, e.MessageID)
	}
	return out
}

// network is what lies between one client and strm.
type network struct {
	seed    uint64
	share   float64               // of the POST and OPTIONS requests that are spoilt
	rule    func(*exchange) fault // decides before chance does, "" leaves it to chance; may be nil
	seen    func(*exchange)       // told of each POST before it is passed on; may be nil
	settled func(*exchange)       // told of each POST after its end; may be nil
}

// proxy stands between one client and strm, as a load balancer that ends TLS
// does. Which of its requests are spoilt depends on its seed alone.
type proxy struct {
	network
	http, https string // its two addresses
	upstream    string
	client      *http.Client
	holding     atomic.Int64 // answers held back so far

	mu     sync.Mutex
	rng    *rand.Rand
	log    []*exchange
	behind int        // late requests under way
	none   *sync.Cond // behind is 0; on mu
}

// newProxy starts a proxy before the server s; it ends with the test.
func newProxy(t *testing.T, s *strm, n network) *proxy {
	t.Helper()
	p := &proxy{
		network: n, upstream: s.srv.URL(), rng: rand.New(rand.NewPCG(n.seed, 0x5e9)),
		client: &http.Client{
			Timeout:       time.Minute,
			Transport:     &http.Transport{DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	p.none = sync.NewCond(&p.mu)
	plain, secure := httptest.NewServer(p), httptest.NewTLSServer(p)
	p.http, p.https = plain.URL, secure.URL
	t.Cleanup(func() {
		plain.Close()
		secure.Close()
		p.settle()
		p.client.CloseIdleConnections()
	})
	return p
}

// heldPath is answered by the proxy itself: how many answers it holds back.
const heldPath = "/proxy/held"

// ServeHTTP passes a request on, or spoils it.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == heldPath {
		_, _ = fmt.Fprint(w, p.holding.Load())
		return
	}
	x := &exchange{Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Began: time.Now()}
	kind, wait := p.draw(r.Method)
	var body []byte
	if kind == cut {
		// However this read ends, the connection does too.
		_, _ = io.CopyN(io.Discard, r.Body, max(1, r.ContentLength/2))
	} else {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return // the client broke off: it never was a whole request
		}
		x.Body = body
		if r.Header.Get("Content-Encoding") == "gzip" {
			if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
				x.Body, _ = io.ReadAll(z) // for the record only
			}
		}
	}
	if p.rule != nil && kind != cut {
		if f := p.rule(x); f != "" {
			kind = f
		}
	}
	x.Fault = kind
	p.note(x)
	p.act(w, r, x, body, wait)
	p.mu.Lock()
	x.Ended = time.Now()
	done := *x
	p.mu.Unlock()
	if p.settled != nil && x.Method == http.MethodPost {
		p.settled(&done)
	}
}

// draw decides the fate of the next request. The number of draws per request
// is fixed.
func (p *proxy) draw(method string) (fault, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	chance, kind, wait := p.rng.Float64(), p.rng.IntN(len(spoilt)), p.rng.IntN(300)
	if method == http.MethodGet || chance >= p.share {
		return whole, 0
	}
	return spoilt[kind], time.Duration(20+wait) * time.Millisecond
}

func (p *proxy) note(x *exchange) {
	p.mu.Lock()
	p.log = append(p.log, x)
	p.mu.Unlock()
	if p.seen != nil && x.Method == http.MethodPost {
		p.seen(x)
	}
}

func (p *proxy) act(w http.ResponseWriter, r *http.Request, x *exchange, body []byte, wait time.Duration) {
	switch x.Fault {
	case dropped, cut:
		hangUp(w, x.Fault == cut)
	case unheard:
		p.forward(r.Context(), r, x, body)
		hangUp(w, false)
	case held:
		// A client that goes away meanwhile does not stop what it has sent.
		p.forward(context.WithoutCancel(r.Context()), r, x, body)
		p.holding.Add(1)
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
		hangUp(w, false)
	case late:
		p.lag(1)
		ctx := context.WithoutCancel(r.Context())
		go func() {
			defer p.lag(-1)
			<-time.After(wait)
			p.forward(ctx, r, x, body)
		}()
		hangUp(w, false)
	case after502:
		p.forward(r.Context(), r, x, body)
		p.answer(w, x, http.StatusBadGateway, nil, []byte("bad gateway"))
	case busy503:
		p.answer(w, x, http.StatusServiceUnavailable, nil, []byte("unavailable"))
	case limited:
		h := http.Header{"Retry-After": {"1"}}
		if origin := r.Header.Get("Origin"); origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Retry-After")
		}
		p.answer(w, x, http.StatusTooManyRequests, h, []byte(`{"success":false,"code":"busy","message":"slow down","error":"slow down"}`))
	case whole, slow, gone:
		status, header, answer, err := p.forward(r.Context(), r, x, body)
		if err != nil {
			hangUp(w, true)
			return
		}
		if x.Fault == slow {
			<-time.After(wait)
		}
		p.answer(w, x, status, header, answer)
	}
}

// forward sends the request to strm as a load balancer would.
func (p *proxy) forward(ctx context.Context, r *http.Request, x *exchange, body []byte) (int, http.Header, []byte, error) {
	out, err := http.NewRequestWithContext(ctx, r.Method, p.upstream+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	out.Header = r.Header.Clone()
	out.Host = r.Host
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	out.Header.Set("X-Forwarded-For", host)
	out.Header.Set("X-Forwarded-Host", r.Host)
	out.Header.Set("X-Forwarded-Proto", map[bool]string{true: "https", false: "http"}[r.TLS != nil])
	resp, err := p.client.Do(out)
	if err == nil {
		answer, rerr := io.ReadAll(resp.Body)
		if err = errors.Join(rerr, resp.Body.Close()); err == nil {
			p.mu.Lock()
			x.Taken = resp.StatusCode == http.StatusOK
			p.mu.Unlock()
			return resp.StatusCode, resp.Header, answer, nil
		}
	}
	p.mu.Lock()
	x.Fault = gone
	p.mu.Unlock()
	return 0, nil, nil, err
}

func (p *proxy) answer(w http.ResponseWriter, x *exchange, status int, header http.Header, body []byte) {
	p.mu.Lock()
	x.Status, x.Answer, x.Said = status, header, body
	p.mu.Unlock()
	for name, vs := range header {
		w.Header()[name] = vs
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away does not hear it
}

// hangUp ends the connection without an answer; abruptly if reset is set.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // without it the reset is a plain close
	}
	_ = conn.Close()
}

func (p *proxy) lag(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.behind += n; p.behind == 0 {
		p.none.Broadcast()
	}
}

// settle waits until every late request has reached strm.
func (p *proxy) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.behind > 0 {
		p.none.Wait()
	}
}

// requests returns what was asked so far with a method, in order.
func (p *proxy) requests(method string) []exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []exchange
	for _, x := range p.log {
		if x.Method == method {
			out = append(out, *x)
		}
	}
	return out
}

// paths returns the different paths that were asked for with a method.
func (p *proxy) paths(method string) []string {
	var out []string
	for _, x := range p.requests(method) {
		out = append(out, x.Path)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// summary counts the faults.
func (p *proxy) summary() string {
	counts := map[fault]int{}
	p.mu.Lock()
	for _, x := range p.log {
		counts[x.Fault]++
	}
	p.mu.Unlock()
	var parts []string
	for _, f := range append([]fault{whole, held, gone}, spoilt...) {
		if counts[f] > 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", f, counts[f]))
		}
	}
	return strings.Join(parts, " ")
}
