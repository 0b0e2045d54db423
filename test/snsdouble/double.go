package snsdouble

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Request is one that the double has seen.
type Request struct {
	Kind string // "connect" to the proxy, "certificate", "confirm", "other"
	What string // the host and port, or the path
	OK   bool   // it was served
}

// Double is an SNS of one region. Close ends it.
type Double struct {
	region  string
	ca      *authority
	web     *http.Server
	proxy   *http.Server
	webAt   string
	proxyAt string
	client  *http.Client // delivers
	wait    sync.WaitGroup

	mu       sync.Mutex
	requests []Request
	tokens   map[string]token
	next     int
	tunnels  map[net.Conn]struct{}
	closed   bool
	hang     chan struct{}
}

// Start starts an SNS of a region ("us-east-1"). It writes the CA's certificate
// and those for an endpoint into dir.
func Start(ctx context.Context, dir, region string) (*Double, error) {
	d := &Double{region: region, tokens: map[string]token{}, tunnels: map[net.Conn]struct{}{}, hang: make(chan struct{})}
	var err error
	if d.ca, err = newAuthority(dir, d.Host()); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	web, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	proxy, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, web.Close())
	}
	d.webAt, d.proxyAt = web.Addr().String(), "http://"+proxy.Addr().String()
	quiet := log.New(io.Discard, "", 0) // receivers that hang up in the handshake are part of the tests
	d.web = &http.Server{Handler: http.HandlerFunc(d.serveWeb), ReadHeaderTimeout: time.Minute, ErrorLog: quiet}
	d.proxy = &http.Server{Handler: http.HandlerFunc(d.serveProxy), ReadHeaderTimeout: time.Minute, ErrorLog: quiet}
	d.client = &http.Client{
		Timeout:       15 * time.Second, // SNS's own
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.ca.pool}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tlsListener := tls.NewListener(web, &tls.Config{Certificates: []tls.Certificate{d.ca.host}})
	d.wait.Add(2)
	go func() { defer d.wait.Done(); _ = d.web.Serve(tlsListener) }() // until Close
	go func() { defer d.wait.Done(); _ = d.proxy.Serve(proxy) }()     // likewise
	return d, nil
}

// Close ends the double and waits for all it has started.
func (d *Double) Close() error {
	d.Release()
	d.mu.Lock()
	d.closed = true
	for c := range d.tunnels {
		_ = c.Close() // a tunnel ends with either of its ends
	}
	d.mu.Unlock()
	err := errors.Join(d.web.Close(), d.proxy.Close())
	d.wait.Wait()
	return err
}

// Host is the name of this SNS.
func (d *Double) Host() string { return "sns." + d.region + ".amazonaws.com" }

// Proxy is the URL of the proxy that leads to it.
func (d *Double) Proxy() string { return d.proxyAt }

// Roots is the CA.
func (d *Double) Roots() *x509.CertPool { return d.ca.pool }

// EndpointFiles are certificate and key for a receiver at https://localhost:PORT.
func (d *Double) EndpointFiles() (certificate, key string) {
	return d.ca.endpoint[0], d.ca.endpoint[1]
}

// Env is what a process needs to take the double for SNS. Without the first it
// must refuse everything: then it is its own trust that is used.
func (d *Double) Env() []string {
	return []string{"SSL_CERT_FILE=" + d.ca.caFile, "HTTPS_PROXY=" + d.proxyAt, "https_proxy=" + d.proxyAt, "NO_PROXY=", "no_proxy="}
}

// Transport is for receivers in this process, which reads the variables of Env
// once at most. The caller closes its idle connections.
func (d *Double) Transport(roots *x509.CertPool) (*http.Transport, error) {
	u, err := url.Parse(d.proxyAt)
	if err != nil {
		return nil, err
	}
	return &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}, nil
}

// Release lets what hangs go on.
func (d *Double) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.hang:
	default:
		close(d.hang)
	}
}

// Requests returns what was asked so far, in order.
func (d *Double) Requests() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Request(nil), d.requests...)
}

// Count returns how many requests of a kind were seen.
func (d *Double) Count(kind string) int {
	n := 0
	for _, r := range d.Requests() {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

func (d *Double) note(kind, what string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, Request{kind, what, ok})
}

// CertURL is where a certificate is served.
func (d *Double) CertURL(c Certificate) string {
	return "https://" + d.Host() + certPath(c)
}

func certPath(c Certificate) string {
	return fmt.Sprintf("/SimpleNotificationService-%s%s.pem", "01020304050607080900aabbccddee", c)
}
