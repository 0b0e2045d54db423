package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// beCommand in the environment makes the test's own binary the command line, so
// that a test can kill it.
const beCommand = "STRM_TEST_IS_THE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(beCommand) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// call is a request that the fake server expects next, and its answer. JSON
// bodies are compared as values, unknown fields included.
type call struct {
	on     string // "METHOD /path?query"
	body   string // "" for none
	token  string // "admin" when empty
	status int    // 200 when 0
	answer string
	header map[string]string
}

// fake is a server that expects exactly the calls of a test, in order. GET
// /v1/info is always allowed.
type fake struct {
	t     *testing.T
	srv   *httptest.Server
	calls []call
	home  string
	stdin string
	env   []string
}

func newFake(t *testing.T, calls ...call) *fake {
	t.Helper()
	f := &fake{t: t, calls: calls, home: t.TempDir()}
	f.srv = httptest.NewServer(f)
	t.Cleanup(func() {
		f.srv.Close()
		for _, c := range f.calls {
			t.Errorf("was not asked: %s", c.on)
		}
	})
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	if r.Method == http.MethodGet && r.URL.Path == "/v1/info" {
		f.answer(w, call{answer: `{"installation":"demo8542234275","version":"1.0.0"}`})
		return
	}
	if len(f.calls) == 0 {
		f.t.Errorf("asked for more: %s %s", r.Method, r.URL)
		http.Error(w, "unexpected", http.StatusTeapot)
		return
	}
	c := f.calls[0]
	f.calls = f.calls[1:]
	if got := r.Method + " " + r.URL.RequestURI(); got != c.on {
		f.t.Errorf("asked %s, want %s", got, c.on)
	}
	if !sameJSON(f.t, string(body), c.body) {
		f.t.Errorf("%s: body %s, want %s", c.on, body, c.body)
	}
	token := c.token
	if token == "" {
		token = "admin"
	}
	if got := r.Header.Get("Authorization"); got != "Bearer "+token {
		f.t.Errorf("%s: authorization %q, want token %s", c.on, got, token)
	}
	f.answer(w, c)
}

func (f *fake) answer(w http.ResponseWriter, c call) {
	for k, v := range c.header {
		w.Header().Set(k, v)
	}
	if c.status == 0 {
		c.status = http.StatusOK
	}
	w.WriteHeader(c.status)
	if _, err := io.WriteString(w, c.answer); err != nil {
		f.t.Error(err)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// result is what a command left.
type result struct {
	out, err string
	code     int
}

// run executes a command line, divided at blanks, against the fake.
func (f *fake) run(line string) result {
	f.t.Helper()
	return f.runContext(f.t.Context(), strings.Fields(line)...)
}

func (f *fake) runContext(ctx context.Context, args ...string) result {
	f.t.Helper()
	var out, errs bytes.Buffer
	env := append([]string{"HOME=" + f.home, "STRM_SERVER=" + f.srv.URL, "STRM_TOKEN=admin"}, f.env...)
	code := run(ctx, Deps{Stdin: strings.NewReader(f.stdin), Stdout: &out, Stderr: &errs, Env: env, Version: "1.0.0"}, args)
	return result{out.String(), errs.String(), code}
}

func (f *fake) file(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}
