package sns

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"strm/internal/problem"
)

// Limits on what is asked of SNS.
const (
	requestTimeout = 5 * time.Second
	maxAnswer      = 64 << 10
	keepKey        = 24 * time.Hour // and never beyond the certificate's end
	keepFailure    = time.Minute
	maxEntries     = 32 // certificates known; SNS uses one or two
	maxFetches     = 4  // at one moment
)

// snsName is what a certificate of SNS is for: sns.amazonaws.com, or in some
// regions sns-signing.REGION.amazonaws.com, sns-REGION.amazonaws.com.cn and the like.
var snsName = regexp.MustCompile(`^sns(-[a-z0-9-]+)?(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?$`)

// certificates keeps the keys in certificates by URL. Whoever needs one first
// fetches it, the others wait for it, each as long as its context. A failure is
// kept for a while too, so that many messages cost SNS one request.
type certificates struct {
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex // guards what follows; never held while SNS is asked
	entries map[string]*entry
}

// entry is one certificate. What it holds may be read once done is closed.
type entry struct {
	done  chan struct{}
	key   *rsa.PublicKey
	err   error
	until time.Time // guarded by certificates.mu; zero while it is fetched
}

// key returns the public key of the certificate at a URL that passed checkCertURL.
func (c *certificates) key(ctx context.Context, url string) (*rsa.PublicKey, error) {
	e, mine, err := c.entry(url)
	if err != nil {
		return nil, err
	}
	if mine {
		// Others wait for it, so it goes on if this caller gives up.
		c.fill(context.WithoutCancel(ctx), e, url)
		return e.key, e.err
	}
	select {
	case <-e.done:
		return e.key, e.err
	case <-ctx.Done():
		return nil, problem.New(problem.Unavailable, "wait for the signing certificate: %w", context.Cause(ctx))
	}
}

// entry returns the entry of a URL, and whether the caller must fill it.
func (c *certificates) entry(url string) (e *entry, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, fetching := c.now(), 0
	for u, e := range c.entries {
		switch {
		case e.until.IsZero():
			fetching++
		case !now.Before(e.until):
			delete(c.entries, u)
		}
	}
	if e := c.entries[url]; e != nil {
		return e, false, nil
	}
	if fetching >= maxFetches {
		return nil, false, problem.New(problem.Unavailable, "too many signing certificates are being fetched at once")
	}
	if len(c.entries) >= maxEntries {
		c.evict()
	}
	e = &entry{done: make(chan struct{})}
	c.entries[url] = e
	return e, true, nil
}

// evict drops the entry that ends first: failures before keys.
func (c *certificates) evict() {
	var first string
	for u, e := range c.entries {
		if !e.until.IsZero() && (first == "" || e.until.Before(c.entries[first].until)) {
			first = u
		}
	}
	delete(c.entries, first)
}

func (c *certificates) fill(ctx context.Context, e *entry, url string) {
	until := c.now().Add(keepFailure)
	e.err = problem.New(problem.Unavailable, "the signing certificate was not fetched") // should what follows panic
	defer func() {
		c.mu.Lock()
		e.until = until
		c.mu.Unlock()
		close(e.done)
	}()
	cert, err := c.fetch(ctx, url)
	if err != nil {
		e.err = err
		return
	}
	key, err := c.check(cert)
	if err != nil {
		e.err = err
		return
	}
	until = c.now().Add(keepKey)
	if cert.NotAfter.Before(until) {
		until = cert.NotAfter
	}
	e.key, e.err = key, nil
}

func (c *certificates) fetch(ctx context.Context, url string) (*x509.Certificate, error) {
	status, body, err := get(ctx, c.client, url)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "fetch the signing certificate: %w", err)
	}
	if status != http.StatusOK {
		return nil, problem.New(problem.Unavailable, "fetch the signing certificate: SNS answers with status %d", status)
	}
	block, _ := pem.Decode(body)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, problem.New(problem.Unavailable, "fetch the signing certificate: the answer is none")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "fetch the signing certificate: %w", err)
	}
	return cert, nil
}

// check returns the key of a certificate that may vouch for messages. A wrong
// date can mend itself, by a new certificate or a right clock; the rest cannot.
func (c *certificates) check(cert *x509.Certificate) (*rsa.PublicKey, error) {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok:
		return nil, problem.New(problem.Forbidden, "the signing certificate has no RSA key")
	case bytes.Equal(cert.RawIssuer, cert.RawSubject):
		return nil, problem.New(problem.Forbidden, "the signing certificate is signed by nobody but itself")
	case !ofSNS(cert):
		return nil, problem.New(problem.Forbidden, "the signing certificate is not for SNS")
	case c.now().Before(cert.NotBefore):
		return nil, problem.New(problem.Unavailable, "the signing certificate is not valid before %s: is the clock of this machine right?", cert.NotBefore.Format(time.RFC3339))
	case !c.now().Before(cert.NotAfter):
		return nil, problem.New(problem.Unavailable, "the signing certificate ended at %s", cert.NotAfter.Format(time.RFC3339))
	}
	return key, nil
}

func ofSNS(cert *x509.Certificate) bool {
	for _, name := range append([]string{cert.Subject.CommonName}, cert.DNSNames...) {
		if snsName.MatchString(name) {
			return true
		}
	}
	return false
}

// get asks SNS. The answer is bounded in time and size. Errors do not repeat the
// URL, which can hold a token.
func get(ctx context.Context, client *http.Client, address string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no answer within %s", requestTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, errors.New("the URL cannot be asked")
	}
	req.Header.Set("User-Agent", "strm")
	res, err := client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return 0, nil, cause
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return 0, nil, context.Cause(ctx)
	case err != nil:
		return 0, nil, fmt.Errorf("the answer breaks off: %w", err)
	case len(body) > maxAnswer:
		return 0, nil, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return res.StatusCode, body, nil
}
