package s3

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// progress tells how far the request of one call got. It is the difference
// between "never reached the store" and "may have happened".
type progress struct {
	tried     atomic.Bool // handed to the HTTP client: signed, so credentials were there
	connected atomic.Bool // got a connection: from here on bytes may have arrived
}

type progressKey struct{}

func withProgress(ctx context.Context) (context.Context, *progress) {
	p := new(progress)
	return context.WithValue(ctx, progressKey{}, p), p
}

// tracing notes the progress of requests. It wraps only the client of S3 calls:
// requests for ambient credentials run under the same context and must not count.
type tracing struct{ next *http.Client }

// Do implements awss3.HTTPClient.
func (t *tracing) Do(r *http.Request) (*http.Response, error) {
	if p, ok := r.Context().Value(progressKey{}).(*progress); ok {
		p.tried.Store(true)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { p.connected.Store(true) },
		}))
	}
	if r.Header.Get("Expect") == "100-continue" {
		// The SDK asks before it sends a large body. If the store answers at
		// once, say with 412, net/http still sends the body to keep the
		// connection, and a store that has hung up turns the clear answer into
		// a reset. On a connection for this request alone it does not.
		r.Close = true
	}
	return t.next.Do(r)
}
