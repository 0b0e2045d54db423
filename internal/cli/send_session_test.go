package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/internal/apiclient"
)

// TestSendKilledAgainAndAgainCountsEveryEventOnce kills the process (SIGKILL) at
// a random request, before or after its events are counted, or at a random
// moment, and runs the same command until it says that all was sent.
func TestSendKilledAgainAndAgainCountsEveryEventOnce(t *testing.T) {
	const kills, files = 12, 10 // of 5 requests each
	in := &intake{early: true}
	f := startIntake(t, in)
	args := []string{"send", "demo"}
	for i := range files {
		args = append(args, f.file(fmt.Sprintf("%d.ndjson", i), events(4500)))
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	killed, out := 0, ""
	for out == "" {
		child := f.command(t, args)
		if err := in.start(child, rng, killed < kills); err != nil {
			t.Fatal(err)
		}
		if killed < kills && rng.IntN(3) == 0 {
			timer := time.AfterFunc(time.Duration(rng.IntN(60))*time.Millisecond, func() { _ = child.Process.Kill() }) // an error says that it has ended
			defer timer.Stop()
		}
		err := child.Wait()
		out = fmt.Sprint(child.Stdout)
		if err != nil && child.ProcessState.ExitCode() != -1 {
			t.Fatalf("%v: %s", err, child.Stderr)
		}
		if err != nil {
			killed++
		}
	}
	if killed < 3 {
		t.Errorf("killed %d times only: this proves little", killed)
	}
	t.Logf("killed %d times", killed)
	if want := "sent 45000 events"; !strings.HasPrefix(out, want) {
		t.Errorf("got %q, want %s", out, want)
	}
	sessions := map[string]bool{}
	for key := range in.keys {
		name, _, _ := strings.Cut(key, "-")
		sessions[name] = true
	}
	if in.total != 45000 || len(sessions) != files {
		t.Errorf("%d events in %d sessions", in.total, len(sessions))
	}
}

// command is the command line as a process of its own.
func (f *fake) command(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append([]string{beCommand + "=1", "HOME=" + f.home, "STRM_TOKEN=admin"}, f.env...)
	c.Stdout, c.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return c
}

// start starts the process. With kill the intake kills it at one of its next
// requests, and never answers that one.
func (s *intake) start(child *exec.Cmd, rng *rand.Rand, kill bool) error {
	s.mu.Lock() // no request is served before it is known what happens to it
	defer s.mu.Unlock()
	s.bad = nil
	if kill {
		left := 1 + rng.IntN(9)
		s.early = rng.IntN(2) == 0
		s.bad = func(_ int, w http.ResponseWriter) bool {
			if left--; left != 0 {
				return false
			}
			return child.Process.Kill() == nil && cut(w)
		}
	}
	return child.Start()
}

// TestASessionBelongsToTheStreamAndNotToTheAddress: the same stream under
// another address of the server is resumed; a stream made anew is not.
func TestASessionBelongsToTheStreamAndNotToTheAddress(t *testing.T) {
	refusing := true
	in := &intake{early: true, bad: func(n int, w http.ResponseWriter) bool {
		if refusing && n > 2 {
			w.WriteHeader(http.StatusForbidden)
		}
		return refusing && n > 2
	}}
	f := startIntake(t, in)
	path := f.file("e.ndjson", events(9999))
	if got := f.run("send demo --parallel 1 " + path); got.code != exitFailure || in.total != 2000 {
		t.Fatalf("%+v; %d events", got, in.total)
	}
	refusing = false
	in.id = "2"
	if got := f.run("send demo " + path); got.code != 0 || in.total != 2000+9999 {
		t.Errorf("made anew: %+v; %d events", got, in.total)
	}
	in.id = "1"
	f.env[0] = strings.Replace(f.env[0], "127.0.0.1", "localhost", 1)
	if got := f.run("send demo " + path); got.code != 0 || in.total != 2*9999 || !strings.Contains(got.err, "resuming") {
		t.Errorf("other address: %+v; %d events", got, in.total)
	}
}

// TestSendResumesWithAWriteKeyAlone: also if a token comes or goes meanwhile,
// and whether or not the token is this server's.
func TestSendResumesWithAWriteKeyAlone(t *testing.T) {
	allowed := 1
	in := &intake{token: "wk-1", early: true}
	in.bad = func(n int, w http.ResponseWriter) bool {
		if n > allowed {
			w.WriteHeader(http.StatusForbidden)
		}
		return n > allowed
	}
	f := startIntake(t, in)
	path := f.file("e.ndjson", events(3500))
	env := f.env
	for i, token := range []string{"admin", "", "another-server's"} {
		allowed = in.calls + 1
		f.env = append(env[:1:1], "STRM_TOKEN="+token)
		if got := f.run("send demo --parallel 1 --write-key wk-1 " + path); got.code != exitFailure || in.total != 1000*(i+1) {
			t.Fatalf("token %q: %+v; %d events", token, got, in.total)
		}
	}
	allowed = 1000
	if got := f.run("send demo --write-key wk-1 " + path); got.code != 0 || in.total != 3500 {
		t.Errorf("%+v; %d events", got, in.total)
	}
	if left, err := filepath.Glob(filepath.Join(f.home, ".local/state/strm/send/*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestTheServerSaysHowLongItRemembersKeys: and what is no such word is not
// guessed at.
func TestTheServerSaysHowLongItRemembersKeys(t *testing.T) {
	for said, want := range map[string]time.Duration{"": 0, "1m0s": time.Minute, "240h": 240 * time.Hour} {
		if got, err := keyWindow(apiclient.Info{IdempotencyWindow: said}); err != nil || got != want {
			t.Errorf("%q: %s, %v", said, got, err)
		}
	}
	for _, said := range []string{"soon", "0s", "-1h", "24"} {
		if got, err := keyWindow(apiclient.Info{IdempotencyWindow: said}); err == nil {
			t.Errorf("%q: %s", said, got)
		}
	}
}

// TestWhatIsNoStrmServerGetsNoEvents: an answer without ids is not one.
func TestWhatIsNoStrmServerGetsNoEvents(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("got %s %s", r.Method, r.URL)
		}
		_, _ = w.Write([]byte("{}"))
	}))
	defer srv.Close()
	f := newFake(t)
	f.env = []string{"STRM_SERVER=" + srv.URL}
	if got := f.run("send demo " + f.file("e.ndjson", events(3))); got.code != exitFailure || !strings.Contains(got.err, "does not answer as a strm server") {
		t.Errorf("%+v", got)
	}
}

// TestServeRefusesAWindowTooShort: before anything is opened.
func TestServeRefusesAWindowTooShort(t *testing.T) {
	f := newFake(t)
	for _, w := range []string{"0s", "-1h", "59s"} {
		got := f.run("serve --data " + f.home + "/data --idempotency-window " + w)
		if got.code != exitUsage || !strings.Contains(got.err, "--idempotency-window") || !strings.Contains(got.err, "use 1m0s or more") {
			t.Errorf("%s: %+v", w, got)
		}
	}
	if _, err := os.Stat(f.home + "/data"); !os.IsNotExist(err) {
		t.Errorf("the data directory: %v", err)
	}
}
