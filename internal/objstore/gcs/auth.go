package gcs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/storage"
)

func newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // one request per connection: it was written or was not
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true,
		Protocols:             protocols,
	}
}

// detect finds the credentials: a service account's key, or what the server's
// environment has. Other kinds of file could name commands to run or hosts to
// ask, so they are accepted from the environment alone.
func detect(key []byte, client *http.Client) (*auth.Credentials, error) {
	o := &credentials.DetectOptions{
		Scopes:              []string{storage.ScopeReadWrite},
		DisableAsyncRefresh: true, // no goroutine outlives its caller
		Client:              client,
	}
	if len(key) == 0 {
		creds, err := credentials.DetectDefault(o)
		if err != nil {
			return nil, fmt.Errorf("gcs: the environment of the server gives no Google Cloud credentials: %w", err)
		}
		return creds, nil
	}
	creds, err := credentials.NewCredentialsFromJSON(credentials.ServiceAccount, key, o)
	if err != nil {
		// The library's words are left out: they may quote the key.
		return nil, errors.New("gcs: the credentials are no usable key of a service account")
	}
	return creds, nil
}

// progress tells how far the request of one call got.
type progress struct{ connected atomic.Bool }

type progressKey struct{}

func withProgress(ctx context.Context) (context.Context, *progress) {
	p := new(progress)
	return context.WithValue(ctx, progressKey{}, p), p
}

// tokenError is the failure to get a token: nothing was sent to the store.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// authorizing adds the token to requests and notes their progress.
type authorizing struct {
	creds *auth.Credentials
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a *authorizing) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := a.creds.Token(r.Context())
	if err != nil {
		if r.Body != nil {
			err = errors.Join(err, r.Body.Close()) // a RoundTripper owes it
		}
		return nil, &tokenError{err}
	}
	ctx := r.Context()
	if p, ok := ctx.Value(progressKey{}).(*progress); ok {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { p.connected.Store(true) },
		})
	}
	r = r.Clone(ctx)
	r.Header.Set("Authorization", "Bearer "+token.Value)
	if r.URL.Query().Get("alt") == "media" && r.Method == http.MethodGet {
		// Stored bytes as they are: the service unpacks gzip for who does not
		// ask for it. The library's own option refuses its own header.
		r.Header.Set("Accept-Encoding", "gzip")
	}
	return a.next.RoundTrip(r)
}
