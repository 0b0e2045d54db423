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
		r = askFirst(r)
	}
	return t.next.Do(r)
}

// askFirst makes net/http wait for the store's word before it sends a large
// body, which is what the header announces. The SDK's requests carry no protocol
// version, so net/http takes them for HTTP/1.0 and sends the body at once. And
// if the store answers first, say with 412, net/http sends the body all the
// same to keep the connection, unless the connection is for this request alone.
// Either way a store that has hung up turns a clear answer into a reset.
func askFirst(r *http.Request) *http.Request {
	r = r.WithContext(r.Context())
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Close = true
	return r
}
