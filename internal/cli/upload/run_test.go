package upload

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/problem"
)

func TestMain(m *testing.M) {
	// Before the flags are parsed, so that the command line has the last word.
	if err := flag.Set("rapid.checks", rapidChecks); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// TestExactlyOnce sends under seeded faults and kills the run again and again;
// the file's lines are counted once each.
func TestExactlyOnce(t *testing.T) {
	for seed := range uint64(exactSeeds) {
		for _, ext := range []string{"", ".gz", ".zst"} {
			t.Run(fmt.Sprintf("seed %d%s", seed, ext), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { exactlyOnce(t, seed, ext) })
			})
		}
	}
}

func exactlyOnce(t *testing.T, seed uint64, ext string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	f := newFixture(t)
	want := lines(8000)
	path := f.file("events.ndjson"+ext, string(pack(t, ext, strings.Join(want, "\r\n\n"))))
	f.srv.fault = func(int) fault {
		if rng.IntN(3) > 0 {
			return fine
		}
		return fault(rng.IntN(5))
	}
	kills := 0
	for {
		ctx, kill := context.WithCancel(t.Context())
		left := 1 + rng.IntN(6)
		// A killed process leaves the state as it was on disk just then, not as
		// an orderly end writes it.
		var onDisk map[string][]byte
		hard := rng.IntN(2) == 0
		f.srv.stop = func(int) {
			if left--; left == 0 && kills < 6 {
				kills++
				onDisk = f.disk()
				kill()
			}
		}
		o := f.options()
		o.Encoding = []string{"", "gzip", "zstd"}[rng.IntN(3)]
		o.Parallel = 1 + rng.IntN(6)
		got, err := Run(ctx, o, []string{path})
		kill()
		if err == nil {
			if got.Events != int64(len(want)) {
				t.Errorf("told %d events, want %d", got.Events, len(want))
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if hard && onDisk != nil {
			f.restore(onDisk)
		}
	}
	if kills == 0 {
		t.Error("the run was never killed, so this proves little")
	}
	if !same(f.srv.events, want) {
		t.Errorf("the server has %d events, want %d once each", len(f.srv.events), len(want))
	}
	if s := f.states(); len(s) != 0 {
		t.Errorf("left behind: %v", s)
	}
}

func pack(t *testing.T, ext, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch ext {
	case ".gz":
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	default:
		b.WriteString(text)
	}
	return b.Bytes()
}

// TestBadLine: the error names the line in the file, and the lines before it
// are in; once the file is mended, nothing is sent without asking.
func TestBadLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		text := "\n" + strings.Join(lines(1500), "\n\n") + "\nBAD\n" + strings.Join(lines(10), "\n")
		path := f.file("e.ndjson", text)
		f.srv.check = func(a apiclient.Append) error {
			for i, l := range strings.Split(string(a.Body), "\n") {
				if l == "BAD" {
					return &problem.Error{Kind: problem.Invalid, Err: &apiclient.Error{Problem: apiv1.Problem{Status: 400, Line: i + 1, Reason: "not a JSON object", Detail: "line x: not a JSON object"}}}
				}
			}
			return nil
		}
		o := f.options()
		o.Parallel = 1 // the request before is sent first
		_, err := Run(t.Context(), o, []string{path})
		want := fmt.Sprintf("%s, line %d: not a JSON object", path, strings.Count(text[:strings.Index(text, "BAD")], "\n")+1)
		if err == nil || err.Error() != want || problem.KindOf(err) != problem.Invalid {
			t.Fatalf("got %v want %s", err, want)
		}
		if len(f.srv.events) != 1000 {
			t.Fatalf("%d events in, want those of the request before", len(f.srv.events))
		}
		f.file("e.ndjson", strings.Replace(text, "BAD\n", "", 1))
		_, err = Run(t.Context(), f.options(), []string{path})
		if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "its lines 1-2000 accepted") || !strings.Contains(err.Error(), "sed -n '2001,$p'") {
			t.Fatalf("got %v", err)
		}
		o = f.options()
		o.Restart = true
		if _, err := Run(t.Context(), o, []string{path}); err != nil {
			t.Fatal(err)
		}
		if len(f.srv.events) != 1000+1510 || len(f.states()) != 0 {
			t.Errorf("%d events, states %v", len(f.srv.events), f.states())
		}
	})
}

// TestKeyWindow: after a day the server may have forgotten the keys.
func TestKeyWindow(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		fails bool
	}{{DefaultKeyWindow - 2*time.Hour, false}, {DefaultKeyWindow + time.Hour, true}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			want := lines(6000)
			path := f.file("e.ndjson", strings.Join(want, "\n"))
			ctx, kill := context.WithCancel(t.Context())
			f.srv.stop = func(call int) {
				if call == 3 {
					kill()
				}
			}
			f.srv.fault = func(call int) fault {
				if call == 3 {
					return answerLost // so that something is in doubt
				}
				return fine
			}
			o := f.options()
			o.Parallel = 1 // the first chunks are in before the third call, so there is a mark to resume at
			if _, err := Run(ctx, o, []string{path}); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			time.Sleep(tt.after)
			_, err := Run(t.Context(), f.options(), []string{path})
			if tt.fails {
				if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "--restart") {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || !same(f.srv.events, want) {
				t.Fatalf("%v; %d events", err, len(f.srv.events))
			}
			if len(f.said) == 0 || !strings.Contains(f.said[len(f.said)-1], "resuming "+path+" at ") {
				t.Errorf("said %q", f.said)
			}
		})
	}
}

// TestSeveralFiles: a command that failed at its second file does not send the
// first again.
func TestSeveralFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a, b := f.file("a.ndjson", strings.Join(lines(5), "\n")), f.file("b.ndjson", `{"b":1}`+"\n")
		fail := true
		f.srv.check = func(r apiclient.Append) error {
			if fail && strings.Contains(string(r.Body), `"b"`) {
				return problem.New(problem.Forbidden, "no")
			}
			return nil
		}
		if _, err := Run(t.Context(), f.options(), []string{a, b}); problem.KindOf(err) != problem.Forbidden {
			t.Fatal(err)
		}
		fail = false
		got, err := Run(t.Context(), f.options(), []string{a, b})
		if err != nil || got.Events != 6 || len(f.srv.events) != 6 || len(f.sessions()) != 0 {
			t.Fatalf("%v: told %d, has %d, states %v", err, got.Events, len(f.srv.events), f.states())
		}
		// A complete command sends again when it is given again.
		if _, err := Run(t.Context(), f.options(), []string{a}); err != nil || len(f.srv.events) != 11 {
			t.Fatalf("%v: has %d", err, len(f.srv.events))
		}
		if _, err := Run(t.Context(), f.options(), []string{a, a}); problem.KindOf(err) != problem.Invalid {
			t.Fatalf("named twice: %v", err)
		}
	})
}

func TestStdin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		o := f.options()
		o.Stdin = strings.NewReader("{}\n\n{\"a\":1}")
		got, err := Run(t.Context(), o, []string{Stdin})
		if err != nil || got != (Result{2, 11}) || len(f.states()) != 0 {
			t.Fatalf("%+v, %v, %v", got, err, f.states())
		}
	})
}

func TestEmptyFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		files := []string{f.file("a", ""), f.file("b.gz", ""), f.file("c.zst", ""), f.file("d", "\n\r\n  \n"), f.file("e.gz", string(pack(t, ".gz", "")))}
		got, err := Run(t.Context(), f.options(), files)
		if err != nil || got.Events != 0 || f.srv.calls != 0 || len(f.states()) != 0 {
			t.Fatalf("%+v, %v, %d calls, %v", got, err, f.srv.calls, f.states())
		}
	})
}

// TestTroubles: what is tried again, what is not, and for how long.
func TestTroubles(t *testing.T) {
	refused := &apiclient.UnreachableError{Server: "http://fake", Err: syscall.ECONNREFUSED}
	for _, tt := range []struct {
		name  string
		err   error
		once  bool // a first success, then the error for ever
		calls func(int) bool
		took  func(time.Duration) bool
	}{
		{"refused at once", refused, false, func(n int) bool { return n == 1 }, func(d time.Duration) bool { return d == 0 }},
		{"refused later", refused, true, func(n int) bool { return n > 10 }, func(d time.Duration) bool { return d > 4*time.Minute && d <= 5*time.Minute }},
		{"busy", &problem.Error{Kind: problem.Busy, Err: &apiclient.Error{RetryAfter: time.Minute}}, false, func(n int) bool { return n == 5 }, func(d time.Duration) bool { return d >= 4*time.Minute && d < 5*time.Minute }},
		{"unauthorized", problem.New(problem.Unauthorized, "no"), false, func(n int) bool { return n == 1 }, func(d time.Duration) bool { return d == 0 }},
		{"status 500", &problem.Error{Kind: problem.Internal, Err: &apiclient.Error{Problem: apiv1.Problem{Status: 500}}}, false, func(n int) bool { return n > 10 }, func(d time.Duration) bool { return d > 4*time.Minute && d <= 5*time.Minute }},
		{"not the server's", problem.New(problem.Internal, "no"), false, func(n int) bool { return n == 1 }, func(d time.Duration) bool { return d == 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				o := f.options()
				o.Parallel = 1
				calls, skipped := 0, !tt.once
				o.Append = func(ctx context.Context, a apiclient.Append) (int64, error) {
					if !skipped {
						skipped = true
						return f.srv.Append(ctx, a)
					}
					calls++
					return 0, tt.err
				}
				start := time.Now()
				_, err := Run(t.Context(), o, []string{f.file("e", strings.Join(lines(1001), "\n"))})
				if !errors.Is(err, tt.err) {
					t.Fatalf("got %v", err)
				}
				if d := time.Since(start); !tt.calls(calls) || !tt.took(d) {
					t.Errorf("%d calls in %v", calls, d)
				}
				if len(f.states()) != 1 {
					t.Errorf("states: %v", f.states())
				}
			})
		})
	}
}

// TestStateFile: private, and on disk before anything is sent.
func TestStateFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		path := f.file("e", "{}\n")
		f.srv.check = func(a apiclient.Append) error {
			s := f.states()
			if len(s) != 1 {
				return problem.New(problem.Internal, "states at the first request: %v", s)
			}
			st, err := os.Stat(s[0])
			if err != nil || st.Mode().Perm() != 0o600 {
				return problem.New(problem.Internal, "mode %v, %w", st.Mode(), err)
			}
			saved, err := store{}.read(s[0])
			if err != nil || !strings.HasPrefix(a.IdempotencyKey, saved.Session+"-") {
				return problem.New(problem.Internal, "key %s, session %+v, %w", a.IdempotencyKey, saved, err)
			}
			return nil
		}
		if _, err := Run(t.Context(), f.options(), []string{path}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTwoRunsShareASession: also where there are no hard links.
func TestTwoRunsShareASession(t *testing.T) {
	twoRuns(t, store{dir: t.TempDir()})
	twoRuns(t, store{dir: t.TempDir(), createFile: func(path string, _ []byte, _ os.FileMode) error {
		return &os.LinkError{Op: "link", Old: path, New: path, Err: syscall.EPERM}
	}})
}

func twoRuns(t *testing.T, st store) {
	t.Helper()
	id := identity{Target: "s/d", Path: "/f", Size: 1}
	a, err := st.create(&state{Version: stateVersion, Session: "a", identity: id})
	if err != nil || a.Session != "a" {
		t.Fatal(a, err)
	}
	b, err := st.create(&state{Version: stateVersion, Session: "b", identity: id})
	if err != nil || b.Session != "a" {
		t.Fatal(b, err)
	}
	if c, err := st.load(id); err != nil || c.Session != "a" {
		t.Fatal(c, err)
	}
	if names, err := filepath.Glob(filepath.Join(st.dir, ".*")); err != nil || len(names) != 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// TestAStateThatCannotBeReadIsRefused: also the empty one of a run that died as
// it began, without hard links.
func TestAStateThatCannotBeReadIsRefused(t *testing.T) {
	for _, text := range []string{"", "{", `{"version":1,"session":"s"}`} {
		brokenState(t, text)
	}
}

func brokenState(t *testing.T, text string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		path := f.file("e", "{}\n")
		o := f.options()
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		id := identity{Target: "installation/stream", Path: path, Size: st.Size(), MTime: st.ModTime().UTC()}
		if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.StateDir, id.fileName()), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), o, []string{path}); err == nil || !strings.Contains(err.Error(), "--restart") {
			t.Fatalf("got %v", err)
		}
		o.Restart = true
		if _, err := Run(t.Context(), o, []string{path}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBackOff(t *testing.T) {
	err := errors.New("x")
	for n, want := range map[int]time.Duration{0: 200 * time.Millisecond, 3: 1600 * time.Millisecond, 20: 15 * time.Second, 1000: 15 * time.Second} {
		if lo, hi := backOff(n, err, func() float64 { return 0 }), backOff(n, err, func() float64 { return 1 }); lo != want/2 || hi != want {
			t.Errorf("failure %d: %v to %v, want %v to %v", n, lo, hi, want/2, want)
		}
	}
	asked := &apiclient.Error{RetryAfter: 7 * time.Second}
	if d := backOff(0, asked, func() float64 { return 0.5 }); d < 7*time.Second || d > 8*time.Second {
		t.Errorf("asked for 7 s, waits %v", d)
	}
}
