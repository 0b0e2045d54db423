package awsauth

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// Progress tells how far the request of one call got. It is the difference
// between "never reached the service" and "may have happened".
type Progress struct {
	Tried     atomic.Bool // handed to the HTTP client: signed, so credentials were there
	Connected atomic.Bool // got a connection: from here on bytes may have arrived
}

type progressKey struct{}

// WithProgress returns a context whose requests through a Client are noted.
func WithProgress(ctx context.Context) (context.Context, *Progress) {
	p := new(Progress)
	return context.WithValue(ctx, progressKey{}, p), p
}

// Client notes the progress of requests. It is only for calls of services:
// requests for ambient credentials run under the same context and must not count.
type Client struct{ next *http.Client }

// Do implements the HTTPClient of the SDK's clients.
func (t *Client) Do(r *http.Request) (*http.Response, error) {
	if p, ok := r.Context().Value(progressKey{}).(*Progress); ok {
		p.Tried.Store(true)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { p.Connected.Store(true) },
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
