package upload

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/problem"
)

// server counts requests as the real one does: the same key counts once, for a
// time that begins when it first came, and with another body it is refused.
type server struct {
	mu     sync.Mutex
	byKey  map[string]known
	window time.Duration // 0 means DefaultKeyWindow
	events []string
	calls  int
	fault  func(call int) fault
	check  func(apiclient.Append) error // refuses a request for good
	stop   func(call int)
}

type known struct {
	body string
	at   time.Time
}

type fault int

const (
	fine fault = iota
	requestLost
	answerLost
	busy
	unavailable
)

func (s *server) Append(ctx context.Context, a apiclient.Append) (int64, error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	body, err := decode(a)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	f := fine
	if s.fault != nil {
		f = s.fault(s.calls)
	}
	lost := &apiclient.UnreachableError{Server: "http://fake", Err: errors.New("connection reset")}
	switch f {
	case requestLost:
		return 0, lost
	case busy:
		return 0, &problem.Error{Kind: problem.Busy, Err: &apiclient.Error{Problem: apiv1.Problem{Detail: "full"}, RetryAfter: 3 * time.Second}}
	case unavailable:
		return 0, problem.New(problem.Unavailable, "stopping")
	case fine, answerLost:
	}
	if s.check != nil {
		if err := s.check(a); err != nil {
			return 0, err
		}
	}
	n, err := s.store(a.IdempotencyKey, body)
	if s.stop != nil {
		s.stop(s.calls)
	}
	if f == answerLost {
		return 0, lost
	}
	return n, err
}

func (s *server) store(key, body string) (int64, error) {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	window := s.window
	if window == 0 {
		window = DefaultKeyWindow
	}
	if old, ok := s.byKey[key]; ok && time.Since(old.at) < window {
		if old.body != body {
			return 0, problem.New(problem.Conflict, "key %s was used for other events", key)
		}
		return int64(len(lines)), nil
	}
	if s.byKey == nil {
		s.byKey = map[string]known{}
	}
	s.byKey[key] = known{body, time.Now()}
	s.events = append(s.events, lines...)
	return int64(len(lines)), nil
}

func decode(a apiclient.Append) (string, error) {
	var b bytes.Buffer
	switch a.Encoding {
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(a.Body))
		if err != nil {
			return "", err
		}
		_, err = b.ReadFrom(r)
		return b.String(), err
	case "zstd":
		r, err := zstd.NewReader(bytes.NewReader(a.Body), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return "", err
		}
		defer r.Close()
		_, err = b.ReadFrom(r)
		return b.String(), err
	}
	return string(a.Body), nil
}

// lines makes n different events.
func lines(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("p", i%700))
	}
	return out
}

type fixture struct {
	t    *testing.T
	dir  string
	srv  *server
	said []string
}

func newFixture(t *testing.T) *fixture {
	return &fixture{t: t, dir: t.TempDir(), srv: &server{}}
}

func (f *fixture) file(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func (f *fixture) options() Options {
	return Options{
		Stream: "demo", Parallel: 4, RetryFor: 5 * time.Minute, StateDir: filepath.Join(f.dir, "state"),
		Stdin: strings.NewReader(""), Target: f.target, Append: f.srv.Append, Say: func(s string) { f.said = append(f.said, s) },
	}
}

// target is where the options point.
func (f *fixture) target(context.Context) (Target, error) {
	return Target{ID: "installation/stream", KeyWindow: f.srv.window}, nil
}

func (f *fixture) states() []string {
	f.t.Helper()
	names, err := filepath.Glob(filepath.Join(f.dir, "state", "*"))
	if err != nil {
		f.t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(f.dir, "state", ".*"))
	if err != nil {
		f.t.Fatal(err)
	}
	return append(names, hidden...)
}

// sessions are the states alone.
func (f *fixture) sessions() []string {
	return slices.DeleteFunc(f.states(), func(n string) bool { return filepath.Ext(n) != ".json" })
}

// disk is what a process killed now leaves behind.
func (f *fixture) disk() map[string][]byte {
	f.t.Helper()
	out := map[string][]byte{}
	for _, n := range f.states() {
		if b, err := os.ReadFile(n); err == nil && !strings.HasPrefix(filepath.Base(n), ".") {
			out[n] = b
		}
	}
	return out
}

// restore puts the state directory back to what it was.
func (f *fixture) restore(disk map[string][]byte) {
	f.t.Helper()
	for _, n := range f.states() {
		if err := os.Remove(n); err != nil {
			f.t.Error(err)
		}
	}
	for n, b := range disk {
		if err := os.WriteFile(n, b, 0o600); err != nil {
			f.t.Error(err)
		}
	}
}

// same compares as multisets.
func same(got, want []string) bool {
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}
