package harness

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func logFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// script starts a shell script; it has written "up" when script returns.
func script(t *testing.T, text string) *Process {
	t.Helper()
	log := logFile(t)
	p, err := StartProcess("script", Env(), log, "/bin/sh", "-c", text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	err = Poll(t.Context(), 2*time.Minute, time.Millisecond, "the script", func(context.Context) (bool, string, error) {
		b, err := os.ReadFile(log.Name())
		return strings.Contains(string(b), "up"), string(b), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStop(t *testing.T) {
	for name, tc := range map[string]struct {
		text, problem string
		limit         time.Duration
	}{
		"graceful": {`trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done`, "", 2 * time.Minute},
		"failing":  {`trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done`, "exit status 3", 2 * time.Minute},
		"deaf":     {`trap '' TERM; echo up; while :; do sleep 0.01; done`, "still running after SIGTERM", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := script(t, tc.text)
			err := p.Stop(t.Context(), tc.limit)
			if tc.problem == "" && err != nil || tc.problem != "" && (err == nil || !strings.Contains(err.Error(), tc.problem)) {
				t.Errorf("error %v, want %q", err, tc.problem)
			}
			select {
			case <-p.Gone():
			default:
				t.Error("the process is still there")
			}
		})
	}
}

func TestKill(t *testing.T) {
	p := script(t, `trap '' TERM; echo up; while :; do sleep 0.01; done`)
	if p.State() != nil {
		t.Error("a running process has a final state")
	}
	p.Kill()
	p.Kill()
	if st := p.State(); st == nil || st.Success() {
		t.Errorf("state %v after a kill", st)
	}
}

func TestReadySaysWhyAServerEnded(t *testing.T) {
	s, err := NewServer(t.Context(), "/bin/false", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("error %v, want the exit status", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestPollTellsTheLastState(t *testing.T) {
	err := Poll(t.Context(), 20*time.Millisecond, time.Millisecond, "godot", func(context.Context) (bool, string, error) {
		return false, "still on his way", nil
	})
	if err == nil || !strings.Contains(err.Error(), "godot") || !strings.Contains(err.Error(), "still on his way") {
		t.Errorf("error %v", err)
	}
	boom := errors.New("boom")
	if err := Poll(t.Context(), time.Minute, time.Millisecond, "x", func(context.Context) (bool, string, error) { return false, "", boom }); !errors.Is(err, boom) {
		t.Errorf("error %v, want boom", err)
	}
}

func TestEnvHidesAccounts(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "somebody's")
	t.Setenv("STRM_TOKEN", "somebody's")
	t.Setenv("HTTPS_PROXY", "somebody's")
	env := strings.Join(Env("STRM_TOKEN=ours"), "\n")
	if strings.Contains(env, "somebody's") || !strings.Contains(env, "STRM_TOKEN=ours") || !strings.Contains(env, "PATH=") {
		t.Errorf("environment:\n%s", env)
	}
}

func TestRootHoldsThisFile(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "test", "harness", "harness_test.go")); err != nil {
		t.Error(err)
	}
}

func TestPost(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || string(b) != "{}\n" || r.URL.Path != "/v1/streams/s/events" || r.Header.Get("Authorization") != "Bearer key" {
			t.Errorf("request %s %v %q: %v", r.URL.Path, r.Header, b, err)
		}
		switch r.Header.Get("Idempotency-Key") {
		case "good":
			_, err = io.WriteString(w, `{"accepted":1}`)
		case "busy":
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	in := &Intake{Server: srv.URL, Stream: "s", Key: "key", Client: srv.Client()}
	post := func(idem string) (Answer, error) {
		return in.Post(t.Context(), Request{Body: []byte("{}\n"), Idempotency: idem})
	}
	if a, err := post("good"); err != nil || !a.Acknowledged() || a.Accepted != 1 {
		t.Errorf("good: %+v %v", a, err)
	}
	if a, err := post("busy"); err != nil || a.Acknowledged() || a.Status != 429 {
		t.Errorf("busy: %+v %v", a, err)
	}
	if _, err := post("lost"); err == nil {
		t.Error("a lost answer must be an error")
	}
}
