// Package apiclient is the HTTP client of the control API: one method per
// request, bodies from apiv1, errors with a problem.Kind.
//
// It never retries by itself: only the caller knows what may be sent twice.
package apiclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"strm/internal/problem"
)

// Options say where the server is and who asks.
type Options struct {
	Server    string // base URL, http or https
	Token     string // bearer token; empty sends none
	CACert    string // PEM file of the authority that signed the server's certificate; empty uses the system's
	UserAgent string
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	agent string
	http  *http.Client
}

// callTimeout bounds an ordinary request. It is long because creating an
// exporter makes the server try the bucket first.
const callTimeout = 2 * time.Minute

// maxAnswer bounds what is read of one JSON answer.
const maxAnswer = 64 << 20

// New returns a client. Nothing is sent yet. Call Close when done.
func New(o Options) (*Client, error) {
	base, err := ParseServer(o.Server)
	if err != nil {
		return nil, err
	}
	tr := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    false,
	}
	if o.CACert != "" {
		pool, err := certPool(o.CACert)
		if err != nil {
			return nil, err
		}
		tr.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return &Client{
		base:  base,
		token: o.Token,
		agent: o.UserAgent,
		http: &http.Client{
			Transport: tr,
			// A redirected POST would become a GET, and the token could go astray.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close drops the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Server returns the base URL in use.
func (c *Client) Server() string { return c.base.String() }

// ParseServer checks a base URL: http or https, a host, no query.
func ParseServer(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, problem.New(problem.Invalid, "server address %q is not a URL (an example: http://127.0.0.1:7766)", s)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, problem.New(problem.Invalid, "server address %q: use http://HOST:PORT or https://HOST:PORT", u.Redacted())
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, problem.New(problem.Invalid, "server address %q: leave out user, query and fragment", u.Redacted())
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// Loopback reports whether the URL's host is this machine by name or address.
func Loopback(u *url.URL) bool {
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

func certPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, problem.New(problem.Invalid, "CA certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, problem.New(problem.Invalid, "CA certificate %s: no PEM certificate in it", file)
	}
	return pool, nil
}

// request describes one call.
type request struct {
	method string
	path   []string // segments, escaped here
	query  url.Values
	body   any           // encoded as JSON when not nil
	out    any           // decoded from JSON when not nil
	limit  time.Duration // 0 means callTimeout, negative none
}

// call sends r and decodes the answer. A non-2xx answer is an *Error.
func (c *Client) call(ctx context.Context, r request) error {
	if r.limit >= 0 {
		limit := r.limit
		if limit == 0 {
			limit = callTimeout
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	var body io.Reader
	header := http.Header{"Accept": {"application/json, application/problem+json"}}
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("encode %s request: %w", r.method, err)
		}
		body = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	res, err := c.send(ctx, r, body, header)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // nothing is lost: the answer has been read or is of no use
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return &UnreachableError{Server: c.Server(), Err: err}
	}
	if r.out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, r.out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what a strm server sends: %w", r.method, "/"+strings.Join(r.path, "/"), err)
	}
	return nil
}

// send does the round trip. On success the caller closes the body; answers
// other than 2xx are turned into errors here.
func (c *Client) send(ctx context.Context, r request, body io.Reader, header http.Header) (*http.Response, error) {
	for _, s := range r.path {
		if s == "" || s == "." || s == ".." {
			return nil, problem.New(problem.Invalid, "%q is not a name", s)
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.url(r.path, r.query), body)
	if err != nil {
		return nil, problem.New(problem.Invalid, "request: %w", err)
	}
	req.Header = header
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	if c.token != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(ctx, c.Server(), err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close() //nolint:errcheck // an error answer, read below
	return nil, errorOf(res)
}

func (c *Client) url(path []string, query url.Values) string {
	u := *c.base
	raw := u.EscapedPath()
	for _, s := range path {
		raw += "/" + url.PathEscape(s)
	}
	u.Path, _ = url.PathUnescape(raw) // cannot fail: every segment was escaped above
	u.RawPath = raw
	u.RawQuery = query.Encode()
	return u.String()
}
