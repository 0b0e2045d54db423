package cli

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/apiclient"
	"strm/internal/cli/upload"
	"strm/internal/simulate"
)

// intake is an intake over real HTTP that counts by idempotency key and
// misbehaves as told.
type intake struct {
	t     *testing.T
	mu    sync.Mutex
	keys  map[string]int
	total int
	calls int
	token string
	admin string // token of the control plane; "admin" when empty
	id    string // of the stream; "1" when empty
	// bad is called with the number of the call after the request was counted
	// (or before, if early). It returns true when it has taken the answer over.
	bad   func(n int, w http.ResponseWriter) bool
	early bool
}

// describe answers what a sender asks before it sends.
func (s *intake) describe(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := `{"installation":"demo8542234275","version":"1.0.0","idempotencyWindow":"24h0m0s"}`
	switch {
	case r.Header.Get("Authorization") != "Bearer "+cmp.Or(s.admin, "admin"):
		w.WriteHeader(http.StatusUnauthorized)
		return
	case r.URL.Path == "/v1/streams/demo":
		answer = `{"name":"demo","id":"` + cmp.Or(s.id, "1") + `"}`
	case r.URL.Path != "/v1/info":
		s.t.Errorf("asked %s", r.URL)
	}
	if _, err := io.WriteString(w, answer); err != nil {
		s.t.Log(err)
	}
}

func (s *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		s.describe(w, r)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/streams/demo/events" || r.Header.Get("Content-Type") != "application/x-ndjson" {
		s.t.Errorf("%s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	if got := r.Header.Get("Authorization"); got != "Bearer "+s.token {
		s.t.Errorf("authorization %q", got)
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			s.t.Error(err)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return // the client has gone
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		s.t.Error("no idempotency key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.early && s.bad != nil && s.bad(s.calls, w) {
		return
	}
	n := bytes.Count(b, []byte("\n"))
	if _, ok := s.keys[key]; !ok {
		s.keys[key] = n
		s.total += n
	}
	if !s.early && s.bad != nil && s.bad(s.calls, w) {
		return
	}
	if _, err := fmt.Fprintf(w, `{"accepted":%d}`, n); err != nil {
		s.t.Log(err)
	}
}

func startIntake(t *testing.T, s *intake) *fake {
	t.Helper()
	s.t, s.keys = t, map[string]int{}
	if s.token == "" {
		s.token = "admin"
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	f := newFake(t)
	f.env = []string{"STRM_SERVER=" + srv.URL}
	return f
}

func events(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"n\":%d}\n", i)
	}
	return b.String()
}

// cut breaks the connection without an answer.
func cut(w http.ResponseWriter) bool {
	c, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = c.Close()
	}
	return err == nil
}

// TestSendLostAnswers: each third answer is lost after the events were
// counted; every event counts once all the same.
func TestSendLostAnswers(t *testing.T) {
	in := &intake{bad: func(n int, w http.ResponseWriter) bool { return n%3 == 1 && cut(w) }}
	f := startIntake(t, in)
	path := f.file("e.ndjson", events(5500))
	got := f.run("send demo " + path)
	want := fmt.Sprintf("sent 5500 events (%d bytes) to demo\n", len(events(5500)))
	if got.code != 0 || got.out != want {
		t.Errorf("%+v", got)
	}
	if in.total != 5500 || len(in.keys) != 6 || in.calls <= 6 {
		t.Errorf("%d events under %d keys in %d calls", in.total, len(in.keys), in.calls)
	}
}

// TestSendResumes: the server refuses for good in the middle; the same command
// later sends the rest, and nothing twice.
func TestSendResumes(t *testing.T) {
	refusing := true
	in := &intake{early: true, bad: func(n int, w http.ResponseWriter) bool {
		if refusing && n > 2 {
			w.WriteHeader(http.StatusForbidden)
		}
		return refusing && n > 2
	}}
	f := startIntake(t, in)
	path := f.file("e.ndjson", events(9999))
	got := f.run("send demo --parallel 1 --compress gzip " + path)
	if got.code != exitFailure || got.out != "" || !strings.Contains(got.err, "2000 events") {
		t.Errorf("%+v", got)
	}
	refusing = false
	got = f.run("send demo " + path)
	if got.code != 0 || !strings.Contains(got.err, "resuming "+path+" at 19 %") || !strings.HasPrefix(got.out, "sent 9999 events") || in.total != 9999 {
		t.Errorf("%+v; %d events", got, in.total)
	}
	if left, err := os.ReadDir(filepath.Join(f.home, ".local/state/strm/send")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSendBusy(t *testing.T) {
	in := &intake{early: true, bad: func(n int, w http.ResponseWriter) bool {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n == 1
	}}
	f := startIntake(t, in)
	f.stdin = events(3)
	start := time.Now()
	got := f.run("send demo")
	if got.code != 0 || in.total != 3 || time.Since(start) < time.Second || !strings.Contains(got.err, "trying again in 1") {
		t.Errorf("%+v; %d events after %v", got, in.total, time.Since(start))
	}
}

func TestSendBadEvent(t *testing.T) {
	in := &intake{early: true, bad: func(_ int, w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		_, err := io.WriteString(w, `{"kind":"invalid","status":400,"detail":"line 2: not an object","line":2,"reason":"not an object"}`)
		return err == nil
	}}
	f := startIntake(t, in)
	path := f.file("e.ndjson", "{}\n\n\nbad\n")
	if got := f.run("send demo " + path); got.code != exitUsage || got.err != "Error: "+path+", line 4: not an object\n" {
		t.Errorf("%+v", got)
	}
}

func TestSendWriteKey(t *testing.T) {
	in := &intake{token: "wk-1"}
	f := startIntake(t, in)
	f.stdin = "{}\n"
	if got := f.run("send demo - --write-key wk-1"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	f.env = append(f.env, "STRM_WRITE_KEY=wk-1", "STRM_TOKEN=")
	if got := f.run("send demo"); got.code != 0 || in.total != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSendUsage(t *testing.T) {
	f := newFake(t)
	for _, line := range []string{"send", "send demo --parallel 0", "send demo --compress lzma", "send demo --retry-for 13h", "send demo /does/not/exist", "send demo " + f.home} {
		if got := f.run(line); got.code != exitUsage {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// TestSendInterrupted: an interrupt ends the wait on standard input.
func TestSendInterrupted(t *testing.T) {
	r, w := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	in := &interruptible{ctx: ctx, r: r}
	stop()
	if _, err := in.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := w.Close(); err != nil { // lets the abandoned read end
		t.Error(err)
	}
	in = &interruptible{ctx: t.Context(), r: strings.NewReader("hello")}
	if b, err := io.ReadAll(iotestSmall{in}); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
}

// iotestSmall reads two bytes at a time.
type iotestSmall struct{ r io.Reader }

func (s iotestSmall) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 2)]) }

func TestBarLine(t *testing.T) {
	u := upload.Progress{File: "e", Read: 512, Size: 1024, Events: 100, Fresh: 100}
	if got, want := barLine(u, 2*time.Second), "e  [##########..........]  50 %  512 B of 1.0 KiB  50 events/s  2s left"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
	if got, want := barLine(upload.Progress{File: "standard input", Read: 10, Events: 4, Fresh: 4}, time.Second), "standard input  4 events  10 B  4 events/s"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
}

// TestSimulation: the rate holds, the count is exact, the report comes every 5
// seconds, and the same seed gives the same events.
func TestSimulation(t *testing.T) {
	bodies := map[int]string{}
	for i, rate := range []float64{0.5, 3, 100, 5000} {
		synctest.Test(t, func(t *testing.T) {
			var told []int64
			var body strings.Builder
			keys := map[string]bool{}
			start := time.Now()
			s := simulation{
				stream: "demo", session: "s", rate: rate, count: int64(rate * 12), events: simulate.New(7, simulate.Options{}),
				append: func(_ context.Context, a apiclient.Append) (int64, error) {
					if keys[a.IdempotencyKey] {
						t.Errorf("key %s twice", a.IdempotencyKey)
					}
					keys[a.IdempotencyKey] = true
					body.Write(a.Body)
					return 0, nil
				},
				tell: func(n int64) error { told = append(told, n); return nil },
				warn: func(s string) { t.Error(s) },
			}
			if err := s.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start).Seconds()
			if want := (rate*12 - 1) / rate; took < want-0.1 || took > want+5.1 {
				t.Errorf("rate %v: took %v s, want %v", rate, took, want)
			}
			if got := strings.Count(body.String(), "\n"); got != int(rate*12) || told[len(told)-1] != int64(got) {
				t.Errorf("rate %v: %d events, told %v", rate, got, told)
			}
			if want := int(took/5) + 1; len(told) != want && len(told) != want-1 {
				t.Errorf("rate %v: told %v", rate, told)
			}
			bodies[i] = body.String()
		})
	}
	if !strings.HasPrefix(bodies[2], bodies[1]) || !strings.HasPrefix(bodies[3], bodies[2]) {
		t.Error("the events depend on the rate")
	}
}

func TestSimulationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 7*time.Second)
		defer stop()
		var told []int64
		s := simulation{
			rate: 1, events: simulate.New(7, simulate.Options{}), warn: func(string) {},
			append: func(context.Context, apiclient.Append) (int64, error) { return 1, nil },
			tell:   func(n int64) error { told = append(told, n); return nil },
		}
		if err := s.run(ctx); err != nil || told[len(told)-1] < 6 {
			t.Errorf("%v, told %v", err, told)
		}
		s.duration = 3 * time.Second
		start := time.Now()
		if err := s.run(t.Context()); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestSimulateCommand(t *testing.T) {
	in := &intake{}
	f := startIntake(t, in)
	if got := f.run("simulate demo --rate 100000 --count 2500 --seed 1"); got.code != 0 || got.out != "Sent 2500 events\n" || in.total != 2500 {
		t.Errorf("%+v; %d", got, in.total)
	}
	if got := f.run("simulate random-events demo --interval 1 --count 3"); got.code != 0 || got.out != "Sent 3 events\n" || in.total != 2503 {
		t.Errorf("%+v; %d", got, in.total)
	}
}
