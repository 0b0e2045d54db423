package apiclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, h http.HandlerFunc) *apiclient.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := apiclient.New(apiclient.Options{Server: srv.URL + "/base/", Token: "tok", UserAgent: "strm/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestRequests: each method asks what it says it asks.
func TestRequests(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		want string
		do   func(*apiclient.Client) error
	}{
		{"GET /base/v1/info", func(c *apiclient.Client) error { _, err := c.Info(ctx); return err }},
		{"GET /base/v1/streams", func(c *apiclient.Client) error { _, err := c.Streams(ctx); return err }},
		{"GET /base/v1/streams/a%20b%2Fc", func(c *apiclient.Client) error { _, err := c.Stream(ctx, "a b/c"); return err }},
		{`POST /base/v1/streams {"name":"x"}`, func(c *apiclient.Client) error {
			_, err := c.CreateStream(ctx, apiv1.CreateStream{Name: "x"})
			return err
		}},
		{`PATCH /base/v1/streams/x {}`, func(c *apiclient.Client) error {
			_, err := c.UpdateStream(ctx, "x", apiv1.UpdateStream{})
			return err
		}},
		{"DELETE /base/v1/streams/x?recursive=true", func(c *apiclient.Client) error { return c.DeleteStream(ctx, "x", true) }},
		{"DELETE /base/v1/sinks/x", func(c *apiclient.Client) error { return c.DeleteSink(ctx, "x", false) }},
		{`PUT /base/v1/sinks/x {"bucket":"b"}`, func(c *apiclient.Client) error {
			_, err := c.PutSink(ctx, "x", apiv1.PutSink{Bucket: "b"})
			return err
		}},
		{"GET /base/v1/batch-exporters?stream=s", func(c *apiclient.Client) error { _, err := c.Exporters(ctx, "s"); return err }},
		{"GET /base/v1/batch-exporters/e?stream=s", func(c *apiclient.Client) error { _, err := c.Exporter(ctx, "s/e"); return err }},
		{"POST /base/v1/batch-exporters/e/pause", func(c *apiclient.Client) error { _, err := c.Pause(ctx, "e"); return err }},
		{"POST /base/v1/batch-exporters/e/flush?stream=s&until=t&wait=1m0s", func(c *apiclient.Client) error {
			_, err := c.Flush(ctx, "s/e", time.Minute, "t")
			return err
		}},
		{"GET /base/v1/batch-exporters/e/batches?before=7&limit=5&replay=r&state=done", func(c *apiclient.Client) error {
			_, err := c.Batches(ctx, "e", apiclient.BatchQuery{Limit: 5, Before: 7, State: "done", Replay: "r"})
			return err
		}},
		{"GET /base/v1/batches/b", func(c *apiclient.Client) error { _, err := c.Batch(ctx, "b"); return err }},
	} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got := r.Method + " " + r.URL.RequestURI()
			if len(body) > 0 {
				got += " " + string(body)
			}
			if got != tt.want || r.Header.Get("Authorization") != "Bearer tok" || r.Header.Get("User-Agent") != "strm/test" {
				t.Errorf("got %s (%v) want %s", got, r.Header, tt.want)
			}
			if _, err := io.WriteString(w, "{}"); err != nil {
				t.Error(err)
			}
		})
		if err := tt.do(c); err != nil {
			t.Errorf("%s: %v", tt.want, err)
		}
	}
}

// TestKinds: the kind is the server's word, else what the status means.
func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		kind   problem.Kind
		text   string
	}{
		{400, `{"detail":"d","kind":"too_large"}`, problem.TooLarge, "d"},
		{400, `{"title":"t"}`, problem.Invalid, "t"},
		{401, ``, problem.Unauthorized, "the server answered 401 Unauthorized"},
		{403, ``, problem.Forbidden, "the server answered 403 Forbidden"},
		{404, `plain`, problem.NotFound, "the server answered 404 Not Found: plain"},
		{409, ``, problem.Conflict, "the server answered 409 Conflict"},
		{413, ``, problem.TooLarge, "the server answered 413 Request Entity Too Large"},
		{418, ``, problem.Invalid, "the server answered 418 I'm a teapot"},
		{429, ``, problem.Busy, "the server answered 429 Too Many Requests"},
		{500, `{"detail":"d","kind":"corrupt"}`, problem.Corrupt, "d"},
		{500, ``, problem.Internal, "the server answered 500 Internal Server Error"},
		{503, ``, problem.Unavailable, "the server answered 503 Service Unavailable"},
		{301, ``, problem.Internal, "the server answered 301 Moved Permanently"},
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(tt.status)
			if _, err := io.WriteString(w, tt.body); err != nil {
				t.Error(err)
			}
		})
		_, err := c.Info(t.Context())
		var e *apiclient.Error
		if problem.KindOf(err) != tt.kind || err.Error() != tt.text || !errors.As(err, &e) || e.RetryAfter != 7*time.Second || e.Problem.Status != tt.status {
			t.Errorf("%d: %v (%v), %+v", tt.status, err, problem.KindOf(err), e)
		}
	}
}

func TestAppend(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h := r.Header
		if r.URL.Path != "/base/v1/streams/s/events" || string(b) != "{}\n" || h.Get("Authorization") != "Bearer wk" || h.Get("Idempotency-Key") != "k" || h.Get("Content-Encoding") != "zstd" {
			t.Errorf("%s %q %v", r.URL, b, h)
		}
		if _, err := io.WriteString(w, `{"accepted":3}`); err != nil {
			t.Error(err)
		}
	})
	n, err := c.Append(t.Context(), apiclient.Append{Stream: "s", WriteKey: "wk", IdempotencyKey: "k", Encoding: "zstd", Body: []byte("{}\n")})
	if n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestAppendNeedsACount: a success from something that is no strm server is no
// success.
func TestAppendNeedsACount(t *testing.T) {
	for _, answer := range []string{"", "{}", "null", `{"accepted":null}`, `{"accepted":"1"}`, "<html>"} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			if _, err := io.WriteString(w, answer); err != nil {
				t.Error(err)
			}
		})
		if n, err := c.Append(t.Context(), apiclient.Append{Stream: "s"}); err == nil || n != 0 {
			t.Errorf("%q: %d, %v", answer, n, err)
		}
	}
}

// TestAppendTimeout: the caller's time limit ends the wait for an answer, and
// the outcome is open.
func TestAppendTimeout(t *testing.T) {
	c := client(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server notices a gone client only once it has read the body
		<-r.Context().Done()
	})
	var u *apiclient.UnreachableError
	if _, err := c.Append(t.Context(), apiclient.Append{Stream: "s", Timeout: time.Millisecond}); !errors.As(err, &u) || !u.Timeout() {
		t.Errorf("got %v", err)
	}
}

// TestUnreachable: an answer that breaks off leaves the outcome open.
func TestUnreachable(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		if _, err := io.WriteString(w, `{"acc`); err != nil {
			t.Error(err)
		}
	})
	_, err := c.Append(t.Context(), apiclient.Append{Stream: "s", IdempotencyKey: "k"})
	var u *apiclient.UnreachableError
	if !errors.As(err, &u) || u.Refused() || u.Timeout() {
		t.Errorf("append: %v", err)
	}
	if _, err := c.Info(t.Context()); !errors.As(err, &u) {
		t.Errorf("info: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Info(ctx); !errors.Is(err, context.Canceled) || errors.As(err, &u) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNames(t *testing.T) {
	c := client(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) })
	for _, n := range []string{"", ".", ".."} {
		if _, err := c.Stream(t.Context(), n); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q: %v", n, err)
		}
	}
}

func TestParseServer(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1:1": "http://127.0.0.1:1", "https://h/x/": "https://h/x", "http://[::1]:5": "http://[::1]:5"} {
		if u, err := apiclient.ParseServer(in); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v", in, u, err)
		}
	}
	for _, in := range []string{"", "ftp://h", "http://", "http://h?q", "http://h#f", "http://u:secret@h"} {
		if _, err := apiclient.ParseServer(in); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", in, err)
		}
	}
	for in, want := range map[string]bool{"http://localhost": true, "http://127.9.9.9": true, "http://[::1]": true, "http://10.0.0.1": false, "http://example.com": false} {
		u, err := apiclient.ParseServer(in)
		if err != nil || apiclient.Loopback(u) != want {
			t.Errorf("%s: %v", in, err)
		}
	}
}
