package segment_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/collect/segment"
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

func basic(user string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user))
}

// sources knows the source web with several keys, and the key of another kind.
type sources struct {
	stream stream.Stream
	window time.Duration
	err    error
}

// keys are those of the captures, and the tests' own.
var keys = []string{"right", "WK_browser_batch", "WK_browser_std", "WK_429hidden", "WK_go_v3", "WK_node_new", "WK_legacy"}

func (s *sources) Source(_ context.Context, keyHash string) (stream.Source, stream.Stream, error) {
	if s.err != nil {
		return stream.Source{}, stream.Stream{}, s.err
	}
	src := stream.Source{Name: "web", Kind: stream.SourceSegment, ID: "4mKq7ZtRw2VbXc9LsPdE1f", KeyHash: keyHash, Stream: "web", StreamID: "s1", DedupWindow: s.window}
	for _, k := range keys {
		if keyHash == hash(k) {
			return src, s.stream, nil
		}
	}
	switch keyHash {
	case hash("events"):
		src.Kind, src.Name = stream.SourceEvents, "other"
		return src, s.stream, nil
	case hash("mismatch"):
		src.KeyHash = hash("right")
		return src, s.stream, nil
	}
	return stream.Source{}, stream.Stream{}, problem.New(problem.NotFound, "no such key")
}

// counter notes what observers are told.
type counter struct {
	mu   sync.Mutex
	told []string
}

func (c *counter) tell(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, fmt.Sprintf(format, args...))
}

func (c *counter) Accepted(s string, n int, _ int64) { c.tell("accepted %s %d", s, n) }
func (c *counter) Duplicate(s string, n int)         { c.tell("duplicate %s %d", s, n) }
func (c *counter) Refused(s string, k problem.Kind)  { c.tell("refused %s %s", s, k) }
func (c *counter) Answered(s, outcome string)        { c.tell("answered %s %s", s, outcome) }
func (c *counter) Rejected(s, reason string, n int)  { c.tell("rejected %s %s %d", s, reason, n) }
func (c *counter) Repeated(s string, n int)          { c.tell("repeated %s %d", s, n) }

// take returns what was told since the last time, sorted.
func (c *counter) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.told)
	out := strings.Join(c.told, "; ")
	c.told = nil
	return out
}

type rig struct {
	t    testing.TB
	log  *ingesttest.Log
	src  *sources
	h    http.Handler
	seen *counter
	said *bytes.Buffer // the operator's log
	now  time.Time
}

// received is when requests arrive in tests.
var received = time.Date(2026, 11, 20, 8, 0, 20, 203e6, time.UTC)

func newRig(t testing.TB, d segment.Deps, opts ingest.Options) *rig {
	t.Helper()
	r := &rig{t: t, log: &ingesttest.Log{}, src: &sources{stream: stream.Stream{ID: "s1", Name: "web", Partitions: 1}}, seen: &counter{}, said: &bytes.Buffer{}, now: received}
	if err := r.log.Create(t.Context(), "s1", 1); err != nil {
		t.Fatal(err)
	}
	opts.Observer = r.seen
	d.Ingester, d.Sources, d.Observer = ingest.New(r.log, opts), r.src, r.seen
	d.Now = func() time.Time { return r.now }
	d.Logger = slog.New(slog.NewTextHandler(r.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.h = segment.New(d).Wrap(http.NotFoundHandler())
	return r
}

// send makes a request with the right key; head overrides, with "" to remove.
func (r *rig) send(method, path, body string, head ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.t.Context(), method, "http://h.example/", strings.NewReader(body))
	req.URL.Path, req.URL.RawQuery, _ = strings.Cut(path, "?")
	req.RemoteAddr = "203.0.113.9:4711"
	req.Header.Set("Authorization", basic("right:"))
	for i := 0; i < len(head); i += 2 {
		req.Header.Del(head[i])
		if head[i+1] != "" {
			req.Header.Set(head[i], head[i+1])
		}
	}
	w := httptest.NewRecorder()
	r.h.ServeHTTP(w, req)
	return w
}

func (r *rig) post(path, body string, head ...string) *httptest.ResponseRecorder {
	return r.send(http.MethodPost, path, body, head...)
}

func (r *rig) stored() string {
	s, err := r.log.Text("s1")
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// lines returns what is stored, parsed.
func (r *rig) lines() []map[string]any {
	var out []map[string]any
	for line := range strings.Lines(r.stored()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		out = append(out, m)
	}
	return out
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // a bytes.Buffer does not fail
	_ = z.Close()
	return b.String()
}

// wellAnswered checks what every answer to an SDK must have.
func wellAnswered(t *testing.T, w *httptest.ResponseRecorder, origin string) {
	t.Helper()
	head := w.Header()
	if origin == "" {
		origin = "*"
	}
	if w.Code >= 300 && w.Code < 400 || head.Get("Access-Control-Allow-Origin") != origin ||
		head.Get("Access-Control-Expose-Headers") != "Retry-After, X-RateLimit-Reset" || !strings.Contains(strings.Join(head.Values("Vary"), ","), "Origin") {
		t.Errorf("%d %v", w.Code, head)
	}
	if head.Get("Content-Type") != "application/json" || strings.HasPrefix(w.Body.String(), `{"integrations"`) {
		return
	}
	var a struct {
		Success              *bool
		Code, Message, Error string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Success == nil || *a.Success != (w.Code == 200) || !*a.Success && (a.Code == "" || a.Message == "" || a.Error == "") {
		t.Errorf("%d %q: %v", w.Code, w.Body, err)
	}
	if (w.Code == 429) != (head.Get("Retry-After") != "" && w.Code != 503) || head.Get("Retry-After") != head.Get("X-RateLimit-Reset") {
		t.Errorf("%d, Retry-After %q, X-RateLimit-Reset %q", w.Code, head.Get("Retry-After"), head.Get("X-RateLimit-Reset"))
	}
}

func codeOf(w *httptest.ResponseRecorder) string {
	var a struct{ Code string }
	if json.Unmarshal(w.Body.Bytes(), &a) != nil {
		return "not JSON"
	}
	return a.Code
}
