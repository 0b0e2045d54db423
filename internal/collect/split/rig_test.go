package split_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
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

	"strm/internal/collect/split"
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

// sources knows the source prod with several keys, and the key of another kind.
type sources struct {
	split   stream.Split
	streams stream.SplitStreams
	err     error
}

// keys are those of the captures, and the tests' own.
var keys = []string{"right", "sdkkey-browser", "sdkkey-go-debug", "sdkkey-node-DEBUG", "sdkkey-node-OPTIMIZED"}

func (s *sources) SplitSource(_ context.Context, keyHash string) (stream.Source, stream.SplitStreams, error) {
	if s.err != nil {
		return stream.Source{}, stream.SplitStreams{}, s.err
	}
	src := stream.Source{Name: "prod", Kind: stream.SourceSplit, KeyHash: keyHash, Stream: "i", StreamID: "si", Split: &s.split}
	for _, k := range keys {
		if keyHash == hash(k) {
			return src, s.streams, nil
		}
	}
	switch keyHash {
	case hash("events"):
		return stream.Source{Name: "other", Kind: stream.SourceEvents, KeyHash: keyHash}, stream.SplitStreams{}, nil
	case hash("mismatch"):
		src.KeyHash = hash("right")
		return src, s.streams, nil
	}
	return stream.Source{}, stream.SplitStreams{}, problem.New(problem.NotFound, "no such key")
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
func (c *counter) Discarded(s, what string, n int)   { c.tell("discarded %s %s %d", s, what, n) }

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
	t      testing.TB
	log    *ingesttest.Log
	src    *sources
	h      http.Handler
	seen   *counter
	unseen *split.Unseen
	said   *bytes.Buffer // the operator's log
	now    time.Time
}

// received is when requests arrive in tests.
var received = time.UnixMilli(1795161900123)

func newRig(t testing.TB, d split.Deps, opts ingest.Options) *rig {
	t.Helper()
	r := &rig{t: t, log: &ingesttest.Log{}, seen: &counter{}, said: &bytes.Buffer{}, now: received, unseen: new(split.Unseen)}
	r.src = &sources{
		split:   stream.Split{Environment: "env-1", TrafficTypes: map[string]string{"user": "tt-user"}, Flags: map[string]string{"checkout_v2": "user"}},
		streams: stream.SplitStreams{Impressions: stream.Stream{ID: "si", Name: "i", Partitions: 1}, Events: stream.Stream{ID: "se", Name: "e", Partitions: 1}},
	}
	for _, id := range []string{"si", "se", "sc"} {
		if err := r.log.Create(t.Context(), id, 1); err != nil {
			t.Fatal(err)
		}
	}
	opts.Observer = r.seen
	d.Ingester, d.Sources, d.Observer, d.Unseen = ingest.New(r.log, opts), r.src, r.seen, r.unseen
	d.Now = func() time.Time { return r.now }
	d.Logger = slog.New(slog.NewTextHandler(r.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.h = split.New(d).Wrap(http.NotFoundHandler())
	return r
}

// counts gives the source a stream for counts.
func (r *rig) counts() { r.src.streams.Counts = stream.Stream{ID: "sc", Name: "c", Partitions: 1} }

// send makes a request with the right key; head overrides, with "" to remove.
func (r *rig) send(method, path, body string, head ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.t.Context(), method, "http://h.example/", strings.NewReader(body))
	req.URL.Path, req.URL.RawQuery, _ = strings.Cut(path, "?")
	req.Header.Set("Authorization", "Bearer right")
	req.Header.Set("SplitSDKVersion", "nodejs-11.11.2")
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

func (r *rig) stored(id string) string {
	s, err := r.log.Text(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// lines returns what a stream holds, parsed.
func (r *rig) lines(id string) []map[string]any {
	var out []map[string]any
	for line := range strings.Lines(r.stored(id)) {
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

func codeOf(w *httptest.ResponseRecorder) string {
	var a struct{ Code string }
	if json.Unmarshal(w.Body.Bytes(), &a) != nil {
		return "not JSON"
	}
	return a.Code
}

// Bodies with one good entry.
const (
	impression  = `{"k":"u","t":"on","m":1795161717142,"c":1700000000000,"r":"default rule"}`
	impressions = `[{"f":"checkout_v2","i":[` + impression + `]}]`
	event       = `{"key":"u","trafficTypeName":"user","eventTypeId":"buy","timestamp":1795161717150}`
	events      = `[` + event + `]`
	counted     = `{"pf":[{"f":"checkout_v2","m":1795161600000,"rc":2}]}`
	unique      = `{"keys":[{"f":"checkout_v2","ks":["a","b"]}]}`
)
