package upload

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/apiclient"
	"strm/internal/problem"
)

var errCrash = errors.New("the process died here")

// dying is a store whose process dies before removal number n (from 0).
func (f *fixture) dying(n int) store {
	return store{dir: f.options().StateDir, removeFile: func(path string) error {
		if n--; n < 0 {
			return errCrash
		}
		return os.Remove(path)
	}}
}

// TestSeveralFilesAreForgottenInOneStep: a crash at any point of the clean-up
// leaves a command that sends nothing again, or one that is done and sends
// everything again when it is given again, never a part.
func TestSeveralFilesAreForgottenInOneStep(t *testing.T) {
	for removals := range 5 {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			files := []string{f.file("a", `{"f":"a"}`), f.file("b", `{"f":"b"}`), f.file("c", `{"f":"c"}`)}
			reported := false
			o := f.options()
			o.Report = func(r Result) error {
				reported = r.Events == 3
				return nil
			}
			_, err := (&run{opts: o, store: f.dying(removals)}).all(t.Context(), files)
			if crashed := removals < 4; errors.Is(err, errCrash) != crashed || !crashed && err != nil {
				t.Fatalf("%d removals: %v", removals, err)
			}
			if !reported || len(f.srv.events) != 3 {
				t.Fatalf("%d removals: reported %v, %d events", removals, reported, len(f.srv.events))
			}
			want := 3
			if removals > 0 {
				want = 6 // the command was done, and is given again
			}
			if _, err := Run(t.Context(), f.options(), files); err != nil || len(f.srv.events) != want {
				t.Errorf("%d removals: %v; %d events, want %d", removals, err, len(f.srv.events), want)
			}
			if s := f.sessions(); len(s) != 0 {
				t.Errorf("%d removals: left behind %v", removals, s)
			}
		})
	}
}

// TestWhatWasReportedIsForgottenAfterwards: when the report fails, nothing is
// forgotten, so the same command reports it again and sends nothing.
func TestWhatWasReportedIsForgottenAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		path := f.file("a", strings.Join(lines(1500), "\n"))
		o := f.options()
		o.Report = func(Result) error { return os.ErrClosed }
		if _, err := Run(t.Context(), o, []string{path}); !errors.Is(err, os.ErrClosed) {
			t.Fatal(err)
		}
		time.Sleep(1000 * time.Hour) // nothing is behind the mark, so nothing ages
		got, err := Run(t.Context(), f.options(), []string{path})
		if err != nil || got.Events != 1500 || len(f.srv.events) != 1500 || len(f.states()) != 0 {
			t.Errorf("%v: told %d, has %d, states %v", err, got.Events, len(f.srv.events), f.states())
		}
	})
}

// TestFilesOfTwoCommandsCanBecomeOne: files that different commands left behind
// are in once each when a third command names them all.
func TestFilesOfTwoCommandsCanBecomeOne(t *testing.T) {
	for removals := range 5 {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			a, b, bad := f.file("a", `{"f":"a"}`), f.file("b", `{"f":"b"}`), f.file("bad", `{"f":"bad"}`)
			refuse := true
			f.srv.check = func(r apiclient.Append) error {
				if refuse && strings.Contains(string(r.Body), "bad") {
					return problem.New(problem.Forbidden, "no")
				}
				return nil
			}
			for _, first := range []string{a, b} {
				if _, err := Run(t.Context(), f.options(), []string{first, bad}); problem.KindOf(err) != problem.Forbidden {
					t.Fatal(err)
				}
			}
			refuse = false
			files := []string{a, b, bad}
			_, err := (&run{opts: f.options(), store: f.dying(removals)}).all(t.Context(), files)
			if errors.Is(err, errCrash) != (removals < 4) || len(f.srv.events) != 3 {
				t.Fatalf("%d removals: %v; %d events", removals, err, len(f.srv.events))
			}
			want := 3
			if removals > 0 {
				want = 6
			}
			if _, err := Run(t.Context(), f.options(), files); err != nil || len(f.srv.events) != want {
				t.Errorf("%d removals: %v; %d events, want %d", removals, err, len(f.srv.events), want)
			}
		})
	}
}

// TestLitterIsSweptAndWhatIsNeededStays covers every kind of file that a dead
// run can leave.
func TestLitterIsSweptAndWhatIsNeededStays(t *testing.T) {
	f := newFixture(t)
	now := time.Now()
	st := store{dir: filepath.Join(f.dir, "state")}
	if err := os.MkdirAll(st.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string, age time.Duration) {
		t.Helper()
		path := filepath.Join(st.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	same := f.file("same", "{}")
	fi, err := os.Stat(same)
	if err != nil {
		t.Fatal(err)
	}
	saved := func(name, path, group string, age time.Duration) {
		t.Helper()
		b, err := (&state{
			Version: stateVersion, Session: "s", Group: group,
			identity: identity{Target: "t", Path: path, Size: fi.Size(), MTime: fi.ModTime().UTC()},
		}).text()
		if err != nil {
			t.Fatal(err)
		}
		put(name, string(b), age)
	}
	const month = 31 * 24 * time.Hour
	put(".x.json.tmp1", "", 2*time.Hour)
	put("unused.group", "", 2*time.Hour)
	put("broken.json", "{", month)
	saved("gone-old.json", filepath.Join(f.dir, "gone"), "", month)
	saved("done.json", same, "no such group", 0)

	keep := []string{".y.json.tmp2", "asked.json", "broken-new.json", "gone-new.json", "new.group", "other.txt", "used.group", "waits.json"}
	put(".y.json.tmp2", "", time.Minute)
	saved("asked.json", same, "", month)
	put("broken-new.json", "{", time.Hour)
	saved("gone-new.json", filepath.Join(f.dir, "gone"), "", time.Hour)
	put("new.group", "", time.Minute)
	put("other.txt", "", month)
	put("used.group", "", month)
	saved("waits.json", same, "used", month)

	st.sweep(now)
	entries, err := os.ReadDir(st.dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if strings.Join(left, " ") != strings.Join(keep, " ") {
		t.Errorf("left %v, want %v", left, keep)
	}
}

// TestAChangedFileOfADoneCommandIsSent: a changed file whose command is
// done is simply another file.
func TestAChangedFileOfADoneCommandIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		files := []string{f.file("a", `{"f":"a"}`), f.file("b", `{"f":"b"}`)}
		// Dies when the group is gone and the states are not.
		if _, err := (&run{opts: f.options(), store: f.dying(1)}).all(t.Context(), files); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		f.file("a", `{"f":"a, changed"}`)
		if _, err := Run(t.Context(), f.options(), files[:1]); err != nil || len(f.srv.events) != 3 {
			t.Errorf("%v; %d events", err, len(f.srv.events))
		}
	})
}

// TestAnAnswerThatCountsOtherwiseIsNoSuccess: the state does not move past it.
func TestAnAnswerThatCountsOtherwiseIsNoSuccess(t *testing.T) {
	for _, n := range []int64{0, 2, 4} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			path := f.file("e", "{}\n{}\n\n{}\n")
			o := f.options()
			o.Append = func(context.Context, apiclient.Append) (int64, error) { return n, nil }
			got, err := Run(t.Context(), o, []string{path})
			if err == nil || got.Events != 0 || !strings.Contains(err.Error(), "lines 1 to 4") {
				t.Fatalf("%d: %+v, %v", n, got, err)
			}
			if _, err := Run(t.Context(), f.options(), []string{path}); err != nil || len(f.srv.events) != 3 {
				t.Errorf("%d: %v; %d events", n, err, len(f.srv.events))
			}
		})
	}
}

// TestAStreamMadeAnewIsAnotherOne: the session belongs to the target, and is
// neither resumed nor refused elsewhere.
func TestAStreamMadeAnewIsAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		want := lines(3000)
		path := f.file("e", strings.Join(want, "\n"))
		o := f.options()
		o.Append = stuck(f.srv)
		if _, err := Run(t.Context(), o, []string{path}); err == nil {
			t.Fatal("no error")
		}
		o = f.options()
		o.Target = func(context.Context) (Target, error) { return Target{ID: "installation/another"}, nil }
		other := &server{}
		o.Append = other.Append
		if _, err := Run(t.Context(), o, []string{path}); err != nil || !same(other.events, want) {
			t.Fatalf("%v; %d events", err, len(other.events))
		}
		if _, err := Run(t.Context(), f.options(), []string{path}); err != nil || !same(f.srv.events, want) {
			t.Fatalf("%v; %d events", err, len(f.srv.events))
		}
	})
}
