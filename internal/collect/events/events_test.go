package events_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"strm/internal/api/apiv1"
	"strm/internal/collect/events"
	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/ingest/ingesttest"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// sources knows three keys: "right" and "segment" for stream demo, "wild" for stream other.
type sources struct {
	demo stream.Stream
	err  error
}

func (s *sources) Source(_ context.Context, keyHash string) (stream.Source, stream.Stream, error) {
	if s.err != nil {
		return stream.Source{}, stream.Stream{}, s.err
	}
	src := stream.Source{Kind: stream.SourceEvents, KeyHash: keyHash, Stream: "demo", StreamID: "s1"}
	switch keyHash {
	case hash("right"):
		return src, s.demo, nil
	case hash("segment"):
		src.Kind = "segment"
		return src, s.demo, nil
	case hash("wild"):
		return src, stream.Stream{ID: "s2", Name: "other", Partitions: 1}, nil
	case hash("mismatch"):
		src.KeyHash = hash("right")
		return src, s.demo, nil
	}
	return stream.Source{}, stream.Stream{}, problem.New(problem.NotFound, "no such key")
}

type rig struct {
	t    *testing.T
	log  *ingesttest.Log
	src  *sources
	mux  *http.ServeMux
	seen *counter
	said *bytes.Buffer // the operator's log, all levels
}

type counter struct {
	mu      sync.Mutex
	refused []string
}

func (*counter) Accepted(string, int, int64) {}
func (*counter) Duplicate(string, int)       {}
func (c *counter) Refused(s string, k problem.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, s+"/"+k.String())
}

func newRig(t *testing.T, lim events.Limits, opts ingest.Options) *rig {
	t.Helper()
	r := &rig{t: t, log: &ingesttest.Log{}, src: &sources{demo: stream.Stream{ID: "s1", Name: "demo", Partitions: 1}}, mux: http.NewServeMux(), seen: &counter{}, said: &bytes.Buffer{}}
	if err := r.log.Create(t.Context(), "s1", 1); err != nil {
		t.Fatal(err)
	}
	opts.Observer = r.seen
	events.New(events.Deps{Ingester: ingest.New(r.log, opts), Sources: r.src, Limits: lim, Observer: r.seen,
		Logger: slog.New(slog.NewTextHandler(r.said, &slog.HandlerOptions{Level: slog.LevelDebug}))}).Register(r.mux)
	return r
}

// do sends a POST with the right key; head overrides, with "" to remove.
func (r *rig) do(path, body string, head ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer right")
	for i := 0; i < len(head); i += 2 {
		req.Header.Del(head[i])
		if head[i+1] != "" {
			req.Header.Set(head[i], head[i+1])
		}
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w
}

func (r *rig) stored() string {
	s, err := r.log.Text("s1")
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

const path = "/v1/streams/demo/events"

func problemOf(t *testing.T, w *httptest.ResponseRecorder) apiv1.Problem {
	t.Helper()
	var p apiv1.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" || p.Status != w.Code || p.Title != http.StatusText(w.Code) || p.Type != "about:blank" {
		t.Fatalf("%d, %s, %+v", w.Code, ct, p)
	}
	return p
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

func zstded(t *testing.T, s string, opts ...zstd.EOption) string {
	t.Helper()
	z, err := zstd.NewWriter(nil, append(opts, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	return string(z.EncodeAll([]byte(s), nil))
}

func TestAccepted(t *testing.T) {
	const want = "{\"a\":1}\n{\"b\":2}\n"
	for _, c := range []struct {
		name, body string
		head       []string
	}{
		{"lines", want, nil},
		{"crlf", "{\"a\":1}\r\n{\"b\":2}\r\n", nil},
		{"array", `[{"a":1},{"b":2}]`, []string{"Content-Type", "application/json"}},
		{"pretty", "{\n  \"a\": 1\n}\n{\n  \"b\": 2\n}\n", nil},
		{"ndjson type", want, []string{"Content-Type", "application/x-ndjson; charset=utf-8"}},
		{"odd type", want, []string{"Content-Type", ";;;"}},
		{"identity", want, []string{"Content-Encoding", "identity"}},
		{"gzip", gzipped(want), []string{"Content-Encoding", "gzip"}},
		{"x-gzip", gzipped(want), []string{"Content-Encoding", "X-GZIP"}},
		{"two gzip members", gzipped("{\"a\":1}\n{\"b") + gzipped("\":2}"), []string{"Content-Encoding", "gzip"}},
		{"zstd", zstded(t, want), []string{"Content-Encoding", "zstd"}},
		{"two zstd frames", zstded(t, "{\"a\":1}\n{\"b") + zstded(t, "\":2}"), []string{"Content-Encoding", "zstd"}},
		{"basic", want, []string{"Authorization", "Basic cmlnaHQ6"}},
		{"basic with password", want, []string{"Authorization", "Basic cmlnaHQ6eA=="}},
		{"bearer in small letters", want, []string{"Authorization", "bearer right"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, events.Limits{}, ingest.Options{})
			for n := 1; n <= 3; n++ { // pooled decoders and buffers are used again
				w := r.do(path, c.body, c.head...)
				if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"accepted":2}` || w.Header().Get("Content-Type") != "application/json" {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				if got := r.stored(); got != strings.Repeat(want, n) {
					t.Fatalf("stored %q", got)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	bomb := strings.Repeat(" ", 5<<20)
	for _, c := range []struct {
		name, body string
		head       []string
		code, line int
		kind       string
		detail     string // is contained
	}{
		{"bad line", "{}\n{\"a\":}\n", nil, 400, 2, "invalid", "line 2: invalid character '}' at byte 6"},
		{"bad element", "[{},{},5]", nil, 400, 3, "invalid", "element 3: an event must be a JSON object, this is a number"},
		{"empty", "", nil, 400, 0, "invalid", "no events"},
		{"empty array", "[]", nil, 400, 0, "invalid", "no events"},
		{"ten thousand brackets", strings.Repeat("[", 10_000), nil, 400, 1, "invalid", "this is an array"},
		{"ten thousand brackets within", `{"a":` + strings.Repeat("[", 10_000), nil, 400, 1, "invalid", "nested too deep"},
		{"utf-8", "{\"a\":\"\xff\"}", nil, 400, 1, "invalid", "invalid UTF-8"},
		{"large event", `{"a":"` + strings.Repeat("x", 2000) + `"}`, nil, 413, 1, "too_large", "limit of 1000 bytes for one event"},
		{"large body", strings.Repeat("{}\n", 1<<20), nil, 413, 0, "too_large", "limit of 1048576 bytes"},
		{"gzip bomb", gzipped(bomb), []string{"Content-Encoding", "gzip"}, 413, 0, "too_large", "when decompressed"},
		{"zstd bomb", zstded(t, bomb), []string{"Content-Encoding", "zstd"}, 413, 0, "too_large", "when decompressed"},
		{"zstd window", zstded(t, bomb+bomb+bomb+bomb, zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false)), []string{"Content-Encoding", "zstd"}, 413, 0, "too_large", "larger window"},
		{"not gzip", "{}", []string{"Content-Encoding", "gzip"}, 400, 0, "invalid", "gzip"},
		{"gzip cut", gzipped("{}\n{}\n")[:20], []string{"Content-Encoding", "gzip"}, 400, 0, "invalid", "ends early"},
		{"gzip with rubbish", gzipped("{}") + "rubbish rubbish", []string{"Content-Encoding", "gzip"}, 400, 0, "invalid", "not valid gzip"},
		{"gzip empty", "", []string{"Content-Encoding", "gzip"}, 400, 0, "invalid", "empty"},
		{"not zstd", "{}{}{}{}", []string{"Content-Encoding", "zstd"}, 400, 0, "invalid", "zstd"},
		{"zstd empty", "", []string{"Content-Encoding", "zstd"}, 400, 0, "invalid", ""},
		{"brotli", "{}", []string{"Content-Encoding", "br"}, 415, 0, "invalid", `"br" is not supported`},
		{"twice encoded", "{}", []string{"Content-Encoding", "gzip, gzip"}, 415, 0, "invalid", "not supported"},
		{"no key", "{}", []string{"Authorization", ""}, 401, 0, "unauthorized", "write key is needed"},
		{"empty key", "{}", []string{"Authorization", "Bearer "}, 401, 0, "unauthorized", "write key is needed"},
		{"empty basic", "{}", []string{"Authorization", "Basic Og=="}, 401, 0, "unauthorized", "write key is needed"},
		{"wrong key", "{}", []string{"Authorization", "Bearer secret-of-mine"}, 401, 0, "unauthorized", "unknown write key"},
		{"lookup gave another", "{}", []string{"Authorization", "Bearer mismatch"}, 401, 0, "unauthorized", "unknown write key"},
		{"other kind", "{}", []string{"Authorization", "Bearer segment"}, 403, 0, "forbidden", "another kind (segment)"},
		{"key of another stream", "{}", []string{"Authorization", "Bearer wild"}, 403, 0, "forbidden", `not for stream "demo"`},
		{"idempotency key empty", "{}", []string{"Idempotency-Key", `""`}, 400, 0, "invalid", "Idempotency-Key"},
		{"idempotency key long", "{}", []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, 0, "invalid", "256 bytes"},
		{"idempotency key with space", "{}", []string{"Idempotency-Key", "a b"}, 400, 0, "invalid", "visible ASCII"},
		{"idempotency key not ASCII", "{}", []string{"Idempotency-Key", "é"}, 400, 0, "invalid", "visible ASCII"},
		{"idempotency key not closed", "{}", []string{"Idempotency-Key", `"a`}, 400, 0, "invalid", "not closed"},
		{"idempotency key with parameters", "{}", []string{"Idempotency-Key", `"a";b=1`}, 400, 0, "invalid", "not closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, events.Limits{MaxBody: 1 << 20}, ingest.Options{MaxEventBytes: 1000})
			w := r.do(path, c.body, c.head...)
			p := problemOf(t, w)
			if w.Code != c.code || p.Line != c.line || p.Kind != c.kind || !strings.Contains(p.Detail, c.detail) || (p.Reason != "") != (c.line > 0) {
				t.Fatalf("%d %+v, want %d, line %d, kind %s, %q", w.Code, p, c.code, c.line, c.kind, c.detail)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the key is in the answer: %s", w.Body)
			}
			if (w.Header().Get("WWW-Authenticate") != "") != (c.code == 401) || (w.Header().Get("Accept-Encoding") != "") != (c.code == 415) {
				t.Errorf("headers %v", w.Header())
			}
			who := "demo/"
			if c.code == 401 || c.code == 403 {
				who = "/"
			}
			if !slices.Equal(r.seen.refused, []string{who + c.kind}) {
				t.Errorf("counted %q", r.seen.refused)
			}
			if got := r.stored(); got != "" {
				t.Fatalf("stored %q", got)
			}
			// The server goes on working after it.
			if w := r.do(path, "{}"); w.Code != http.StatusOK {
				t.Fatalf("afterwards %d %s", w.Code, w.Body)
			}
		})
	}
}

// A sender with a key learns nothing about streams it has no key for.
func TestUnknownStreamLooksLikeForeign(t *testing.T) {
	r := newRig(t, events.Limits{}, ingest.Options{})
	a, b := r.do("/v1/streams/other/events", "{}"), r.do("/v1/streams/nobody/events", "{}")
	if a.Code != 403 || b.Code != 403 || strings.ReplaceAll(a.Body.String(), "other", "nobody") != b.Body.String() {
		t.Fatalf("%d %s, %d %s", a.Code, a.Body, b.Code, b.Body)
	}
}

func TestMethods(t *testing.T) {
	r := newRig(t, events.Limits{}, ingest.Options{})
	for _, p := range []string{path, "/event"} {
		for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
			w := httptest.NewRecorder()
			r.mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), m, p, nil))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
				t.Errorf("%s %s: %d, Allow %q", m, p, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

func TestContentLengthIsRefusedUnread(t *testing.T) {
	r := newRig(t, events.Limits{MaxBody: 100, MaxWire: 50}, ingest.Options{})
	for _, enc := range []string{"", "gzip"} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, unread{t})
		req.ContentLength = 51
		req.Header.Set("Authorization", "Bearer right")
		req.Header.Set("Content-Encoding", enc)
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, req)
		if p := problemOf(t, w); w.Code != 413 || !strings.Contains(p.Detail, "51 bytes as sent, more than the limit of 50") {
			t.Fatalf("%d %+v", w.Code, p)
		}
	}
	// Without a declared length the limit holds as well.
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, io.MultiReader(strings.NewReader(strings.Repeat("{}\n", 17))))
	req.Header.Set("Authorization", "Bearer right")
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	if p := problemOf(t, w); w.Code != 413 || !strings.Contains(p.Detail, "as sent") {
		t.Fatalf("%d %+v", w.Code, p)
	}
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestBodySizes(t *testing.T) {
	r := newRig(t, events.Limits{MaxBody: 300_000}, ingest.Options{})
	pad := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	for _, n := range []int{8, 65535, 65536, 65537, 131072, 262143, 262144, 262145, 299_999, 300_000, 300_001} {
		for _, enc := range []string{"", "gzip", "zstd"} {
			body := pad(n)
			switch enc {
			case "gzip":
				body = gzipped(body)
			case "zstd":
				body = zstded(t, body)
			}
			want := http.StatusOK
			if n > 300_000 {
				want = http.StatusRequestEntityTooLarge
			}
			before := len(r.stored())
			if w := r.do(path, body, "Content-Encoding", enc); w.Code != want {
				t.Fatalf("%d bytes, %q: %d %s", n, enc, w.Code, w.Body)
			}
			if got := len(r.stored()) - before; want == http.StatusOK && got != n+1 {
				t.Fatalf("%d bytes, %q: stored %d", n, enc, got)
			}
		}
	}
}

func TestIdempotency(t *testing.T) {
	r := newRig(t, events.Limits{}, ingest.Options{})
	r.src.demo.StrmMeta = true
	for n, key := range []string{"k-1", `"k-1"`, "k-1"} {
		w := r.do(path, "{}\n{}", "Idempotency-Key", key)
		if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"accepted":2}` || (w.Header().Get("Idempotent-Replayed") == "true") != (n > 0) {
			t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
		}
	}
	// The content counts, not how it was compressed.
	if w := r.do(path, gzipped("{}\n{}"), "Idempotency-Key", "k-1", "Content-Encoding", "gzip"); w.Header().Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := r.do(path, "{}", "Idempotency-Key", "k-1")
	if p := problemOf(t, w); w.Code != http.StatusUnprocessableEntity || p.Kind != "conflict" || !strings.Contains(p.Detail, "other content") {
		t.Fatalf("%d %+v", w.Code, p)
	}
	if w := r.do(path, "{}", "Idempotency-Key", `"q\"\\"`); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := r.do(path, "{}", "Idempotency-Key", `q"\`); w.Header().Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if w := r.do("/event", "{}", "Idempotency-Key", "c"); w.Code != http.StatusNoContent {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if got := strings.Count(r.stored(), "\n"); got != 4 {
		t.Fatalf("%d events stored, want 4", got)
	}
}

func TestBackPressureAndFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		code   int
		kind   string
		detail string
	}{
		{"full", eventlog.ErrFull, 429, "busy", "log is full"},
		{"gone", eventlog.ErrNoStream, 404, "not_found", "stream is gone"},
		{"closed", eventlog.ErrClosed, 503, "unavailable", "nothing was stored"},
		{"fault", errors.New("secret disk"), 503, "unavailable", "may or may not have been stored; send it again with the same Idempotency-Key"},
	} {
		r := newRig(t, events.Limits{}, ingest.Options{})
		r.log.Before = func(eventlog.Entry) error { return c.err }
		w := r.do(path, "{}")
		p := problemOf(t, w)
		if w.Code != c.code || p.Kind != c.kind || !strings.Contains(p.Detail, c.detail) || strings.Contains(p.Detail, "secret") {
			t.Errorf("%s: %d %+v", c.name, w.Code, p)
		}
		if (w.Header().Get("Retry-After") != "") != (c.code == 429 || c.code == 503) {
			t.Errorf("%s: Retry-After %q", c.name, w.Header().Get("Retry-After"))
		}
		if w := r.do("/event", "{}"); w.Code != c.code {
			t.Errorf("%s: /event %d %s", c.name, w.Code, w.Body)
		}
	}
	r := newRig(t, events.Limits{}, ingest.Options{})
	r.src.demo.Retention.MaxBytes = 1
	if w := r.do(path, "{}"); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	r.log.MaxPacked = 1
	if w := r.do(path, "{}"); w.Code != 429 || w.Header().Get("Retry-After") != "5" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	r.src.err = errors.New("database is gone")
	if w := r.do(path, "{}"); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "database") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// A client that goes away is no fault of ours; a fault stays one, whoever is
// there to hear of it.
func TestFaultsAreLogged(t *testing.T) {
	for _, c := range []struct {
		name string
		gone bool
		err  error
		want string
	}{
		{"client gone", true, fmt.Errorf("append: %w", context.Canceled), `level=DEBUG msg="the client went away" path=/`},
		{"fault", false, errors.New("bad disk"), `level=ERROR msg="intake failed" path=/`},
		{"fault, and nobody to hear of it", true, errors.New("bad disk"), `level=ERROR msg="intake failed" path=/`},
		{"cancelled by ourselves", false, context.Canceled, `level=ERROR msg="intake failed" path=/`},
		{"no fault", false, eventlog.ErrFull, ""},
	} {
		for _, p := range []string{path, "/event"} {
			r := newRig(t, events.Limits{}, ingest.Options{})
			ctx, leave := context.WithCancel(t.Context())
			r.log.Before = func(eventlog.Entry) error {
				if c.gone {
					leave()
				}
				return c.err
			}
			req := httptest.NewRequestWithContext(ctx, http.MethodPost, p, strings.NewReader("{}"))
			req.Header.Set("Authorization", "Bearer right")
			r.mux.ServeHTTP(httptest.NewRecorder(), req)
			leave()
			said := r.said.String()
			if !strings.Contains(said, c.want) || strings.Count(said, "\n") != min(1, len(c.want)) {
				t.Errorf("%s, %s: logged %q, want one line with %q", c.name, p, said, c.want)
			}
		}
	}
}

func TestTooMuchInWork(t *testing.T) {
	r := newRig(t, events.Limits{}, ingest.Options{MaxInFlightBytes: 1000, InFlightWait: time.Millisecond})
	inside, out := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.log.Before = func(eventlog.Entry) error {
		once.Do(func() { close(inside); <-out })
		return nil
	}
	first := make(chan int)
	go func() { first <- r.do(path, `{"a":"`+strings.Repeat("x", 900)+`"}`).Code }()
	<-inside
	w := r.do(path, `{"a":"`+strings.Repeat("x", 200)+`"}`)
	if p := problemOf(t, w); w.Code != 429 || w.Header().Get("Retry-After") != "1" || !strings.Contains(p.Detail, "taken in at once") {
		t.Errorf("%d %+v", w.Code, p)
	}
	close(out)
	if code := <-first; code != 200 {
		t.Errorf("first %d", code)
	}
	if w := r.do(path, "{}"); w.Code != 200 {
		t.Errorf("afterwards %d %s", w.Code, w.Body)
	}
}

func TestEvent(t *testing.T) {
	r := newRig(t, events.Limits{MaxBody: 1000}, ingest.Options{})
	r.src.demo.StrmMeta = true
	w := r.do("/event", "{\n\"url\": \"u\"\n}", "Strm-Schema-Id", "clickstream", "Content-Type", "application/octet-stream")
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
	if w := r.do("/event", `{"url":"u"}`, "Strm-Schema-Ref", "h/n/1", "Strm-Serialization-Type", "application/x-avro-json"); w.Code != http.StatusNoContent {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
	lines := strings.Split(r.stored(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], `{"strmMeta":{"schemaId":"clickstream","nonce":`) || !strings.HasSuffix(lines[0], `"consentLevels":[]},"url":"u"}`) ||
		!strings.HasPrefix(lines[1], `{"strmMeta":{"eventContractRef":"h/n/1","nonce":`) {
		t.Fatalf("stored %q", lines)
	}
	for _, c := range []struct {
		body string
		head []string
		code int
		text string
	}{
		{`{"a":}`, nil, 400, "invalid character '}' at byte 6 of the event: expected a value\n"},
		{"{}\n{}", nil, 400, "a second event: send one event per request here\n"},
		{"[{}]", nil, 400, "an event must be a JSON object, this is an array\n"},
		{"", nil, 400, "no events: the body is empty\n"},
		{`{"strmMeta":{"consentLevels":"x"}}`, nil, 400, "strmMeta.consentLevels must be an array of integers\n"},
		{strings.Repeat(" ", 1001), nil, 413, ""},
		{"{}", []string{"Strm-Serialization-Type", "application/x-avro-binary"}, 415, "Avro binary"},
		{"{}", []string{"Strm-Serialization-Type", "application/protobuf"}, 415, "not supported"},
		{"\x16clickstream\x00", nil, 415, "Avro binary"},
		{"{}", []string{"Authorization", ""}, 401, `{"error":"`},
		{"{}", []string{"Authorization", "Bearer no"}, 401, `{"error":"unknown write key`},
		{"{}", []string{"Authorization", "Bearer segment"}, 403, "another kind"},
	} {
		w := r.do("/event", c.body, c.head...)
		want := "text/plain; charset=utf-8"
		if c.code == 401 {
			want = "application/json"
		}
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.text) || w.Header().Get("Content-Type") != want {
			t.Errorf("%q %q: %d %s %q", c.body, c.head, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

func TestPartitionKey(t *testing.T) {
	r := newRig(t, events.Limits{}, ingest.Options{})
	if err := r.log.Create(t.Context(), "s4", 4); err != nil {
		t.Fatal(err)
	}
	r.src.demo = stream.Stream{ID: "s4", Name: "demo", Partitions: 4}
	for range 8 {
		if w := r.do(path, "{}", "Strm-Partition-Key", "customer-1"); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	bounds, err := r.log.Bounds(t.Context(), "s4")
	if err != nil {
		t.Fatal(err)
	}
	var ends []stream.Offset
	for _, b := range bounds {
		ends = append(ends, b.End)
	}
	slices.Sort(ends)
	if !slices.Equal(ends, []stream.Offset{0, 0, 0, 8}) {
		t.Errorf("ends %v", ends)
	}
}

// Over a real connection: a body that does not come is given up, and one that
// ends early stores nothing.
func TestConnection(t *testing.T) {
	impatient := newRig(t, events.Limits{ReadTimeout: 50 * time.Millisecond}, ingest.Options{})
	patient := newRig(t, events.Limits{ReadTimeout: 10 * time.Minute}, ingest.Options{})
	talk := func(r *rig, text string, half bool) string {
		t.Helper()
		srv := httptest.NewServer(r.mux)
		defer srv.Close()
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if half {
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	head := "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer right\r\n"
	if got := talk(impatient, head+"Content-Length: 10\r\n\r\n{}\n", false); !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "did not arrive within 0.05 seconds") {
		t.Errorf("slow body: %q", got)
	}
	if got := talk(patient, head+"Content-Length: 10\r\n\r\n{}\n", true); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "ended early") {
		t.Errorf("cut body: %q", got)
	}
	if got := talk(patient, head+"Transfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n", true); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("cut chunks: %q", got)
	}
	if got := impatient.stored() + patient.stored(); got != "" {
		t.Fatalf("stored %q", got)
	}
}

// deadlines notes the read deadlines that a handler sets.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.last = t
	return nil
}

// The deadline of the body must be gone before the append, which may take
// longer; after a refusal it stays, as the server still reads the rest.
func TestDeadlineEndsWithBody(t *testing.T) {
	r := newRig(t, events.Limits{}, ingest.Options{})
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r.log.Before = func(eventlog.Entry) error {
		if !d.last.IsZero() {
			t.Errorf("during the append the deadline is %v", d.last)
		}
		return nil
	}
	for _, c := range []struct {
		key  string
		code int
	}{{"right", 200}, {"wrong", 401}} {
		d.ResponseRecorder, d.last = httptest.NewRecorder(), time.Unix(1, 0)
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}"))
		req.Header.Set("Authorization", "Bearer "+c.key)
		r.mux.ServeHTTP(d, req)
		if d.Code != c.code || d.last.IsZero() != (c.code == 200) || d.last.Equal(time.Unix(1, 0)) {
			t.Errorf("%s: %d, deadline %v", c.key, d.Code, d.last)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add("Bearer right", `"k"`, "gzip", "{}")
	f.Add("Basic cmlnaHQ6", "k", "", "[]")
	f.Add("Bearer right", `"\`, "zstd", "\x28\xb5\x2f\xfd")
	f.Fuzz(func(t *testing.T, auth, key, enc, body string) {
		r := newRig(t, events.Limits{MaxBody: 1 << 16}, ingest.Options{})
		for _, p := range []string{path, "/event"} {
			w := r.do(p, body, "Authorization", auth, "Idempotency-Key", key, "Content-Encoding", enc)
			if w.Code >= 500 || w.Code != 200 && w.Code != 204 && w.Body.Len() == 0 {
				t.Fatal(fmt.Sprint(w.Code, " ", w.Body))
			}
		}
	})
}
