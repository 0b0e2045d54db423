package upload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/apiclient"
	"strm/internal/problem"
)

// stuck is a server that loses requests for the file's first chunk, so that
// chunks are accepted behind the mark.
func stuck(srv *server) func(context.Context, apiclient.Append) (int64, error) {
	return func(ctx context.Context, a apiclient.Append) (int64, error) {
		if strings.HasSuffix(a.IdempotencyKey, "-0") {
			return 0, &apiclient.UnreachableError{Server: "http://fake", Err: context.DeadlineExceeded}
		}
		return srv.Append(ctx, a)
	}
}

func away(context.Context, apiclient.Append) (int64, error) {
	return 0, &apiclient.UnreachableError{Server: "http://fake", Err: context.DeadlineExceeded}
}

// TestChunksOfAnEarlierRunKeepTheirAge: a run in between, which sends nothing or
// only a part, does not make them younger.
func TestChunksOfAnEarlierRunKeepTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		want := lines(6000)
		path := f.file("e.ndjson", strings.Join(want, "\n"))
		o := f.options()
		o.Append = stuck(f.srv)
		if _, err := Run(t.Context(), o, []string{path}); err == nil || len(f.srv.events) == 0 {
			t.Fatalf("%v; %d events", err, len(f.srv.events))
		}
		time.Sleep(20 * time.Hour)
		o.Append = away
		if _, err := Run(t.Context(), o, []string{path}); problem.KindOf(err) == problem.Conflict || err == nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Hour)
		_, err := Run(t.Context(), f.options(), []string{path})
		if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "--restart") {
			t.Errorf("got %v", err)
		}
		onceAtMost(t, f.srv.events)
	})
}

// TestAgeIsThatOfWhatMayBeSentAgain: once the mark has passed what earlier runs
// sent, the time counts anew, and where nothing is behind the mark it does not
// count at all.
func TestAgeIsThatOfWhatMayBeSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		want := lines(8000)
		path := f.file("e.ndjson", strings.Join(want, "\n"))
		o := f.options()
		o.Parallel = 1
		for day := range 6 {
			allowed := f.srv.calls + 1
			f.srv.check = func(apiclient.Append) error {
				if f.srv.calls > allowed {
					return problem.New(problem.Forbidden, "no")
				}
				return nil
			}
			if _, err := Run(t.Context(), o, []string{path}); problem.KindOf(err) != problem.Forbidden {
				t.Fatalf("after %d times 20 hours: %v", day, err)
			}
			time.Sleep(20 * time.Hour)
		}
		f.srv.check = nil
		if _, err := Run(t.Context(), o, []string{path}); err != nil || !same(f.srv.events, want) {
			t.Fatalf("%v; %d events", err, len(f.srv.events))
		}
	})
}

// TestNothingIsSentAgainPastTheWindow: a run that began in time stops when the
// time is over, also on a server with a short memory.
func TestNothingIsSentAgainPastTheWindow(t *testing.T) {
	for _, window := range []time.Duration{0, time.Minute, time.Hour, 240 * time.Hour} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.srv.window = window
				if window == 0 {
					window = DefaultKeyWindow
				}
				path := f.file("e.ndjson", strings.Join(slices.Repeat([]string{"{}"}, 50_000), "\n"))
				o := f.options()
				o.RetryFor = window / 8
				o.Append = stuck(f.srv)
				if _, err := Run(t.Context(), o, []string{path}); err == nil || len(f.srv.events) != 49_000 {
					t.Fatalf("%v; %d events", err, len(f.srv.events))
				}
				stored := len(f.srv.events)
				time.Sleep(window / 3)
				o.Parallel = 1
				o.Append = func(ctx context.Context, a apiclient.Append) (int64, error) {
					time.Sleep(window / 60) // so that all together take longer than is left
					return f.srv.Append(ctx, a)
				}
				_, err := Run(t.Context(), o, []string{path})
				if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "--restart") {
					t.Errorf("got %v", err)
				}
				if got := len(f.srv.events); got != stored+1000 { // the stuck chunk was new
					t.Errorf("%d events, want %d", got, stored+1000)
				}
			})
		})
	}
}

// TestALongerWindowDoesNotBringBackWhatWasForgotten: the server forgot while its
// window was short, and then came back with a long one.
func TestALongerWindowDoesNotBringBackWhatWasForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.srv.window = time.Hour
		path := f.file("e.ndjson", strings.Join(lines(3000), "\n"))
		o := f.options()
		o.Append = stuck(f.srv)
		if _, err := Run(t.Context(), o, []string{path}); err == nil || len(f.srv.events) == 0 {
			t.Fatalf("%v; %d events", err, len(f.srv.events))
		}
		time.Sleep(2 * time.Hour)
		f.srv.byKey, f.srv.window = nil, DefaultKeyWindow
		if _, err := Run(t.Context(), f.options(), []string{path}); problem.KindOf(err) != problem.Conflict {
			t.Errorf("got %v", err)
		}
		onceAtMost(t, f.srv.events)
	})
}

// TestRetriesEndWithinTheWindow: a chunk whose answer was lost is not sent again
// when the server may have forgotten it, whatever was asked for.
func TestRetriesEndWithinTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.srv.window = time.Minute
		o := f.options()
		o.RetryFor = 12 * time.Hour
		var first, last time.Time
		o.Append = func(_ context.Context, a apiclient.Append) (int64, error) {
			if first.IsZero() {
				first = time.Now()
			}
			last = time.Now()
			time.Sleep(a.Timeout)
			return away(t.Context(), a)
		}
		o.Stdin = strings.NewReader("{}\n")
		if _, err := Run(t.Context(), o, []string{Stdin}); err == nil {
			t.Fatal("no error")
		}
		if took := last.Sub(first); took == 0 || took >= time.Minute {
			t.Errorf("tried again after %s", took)
		}
	})
}

// TestAResumedSendHasTimeToTryAgain: it is refused before anything is sent if
// there is not.
func TestAResumedSendHasTimeToTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		path := f.file("e.ndjson", strings.Join(lines(3000), "\n"))
		o := f.options()
		o.RetryFor = time.Second
		o.Append = stuck(f.srv)
		if _, err := Run(t.Context(), o, []string{path}); err == nil {
			t.Fatal("no error")
		}
		calls := f.srv.calls
		w := keyWindow(DefaultKeyWindow)
		time.Sleep(DefaultKeyWindow - w.margin() - w.timeout() - 2*time.Minute)
		o = f.options() // tries for 5 minutes
		if _, err := Run(t.Context(), o, []string{path}); problem.KindOf(err) != problem.Conflict || f.srv.calls != calls {
			t.Errorf("%v after %d calls", err, f.srv.calls-calls)
		}
		o.RetryFor = time.Minute
		if _, err := Run(t.Context(), o, []string{path}); err != nil || len(f.srv.events) != 3000 {
			t.Errorf("%v; %d events", err, len(f.srv.events))
		}
	})
}

// TestAClockSetBackTellsNothing: a send from the future is not resumed.
func TestAClockSetBackTellsNothing(t *testing.T) {
	w, now := keyWindow(DefaultKeyWindow), time.Now()
	for ahead, want := range map[time.Duration]bool{0: true, time.Minute: true, 2 * time.Hour: false, 1000 * time.Hour: false} {
		if got := w.safe(now.Add(ahead), now, 0); got != want {
			t.Errorf("%s ahead: %v", ahead, got)
		}
	}
}

// TestOnceAtMostOverDays interrupts runs at random, hard and in order, with
// hours and days between them. Nothing ever counts twice; a send that is not
// refused ends with every event counted.
func TestOnceAtMostOverDays(t *testing.T) {
	ended, refused := 0, 0
	for seed := range uint64(overDaysSeeds) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			f := newFixture(t)
			want := lines(8000)
			path := f.file("e.ndjson", strings.Join(want, "\n"))
			for range 40 {
				err := f.interrupted(rng, path)
				if err == nil {
					ended++
					if !same(f.srv.events, want) {
						t.Errorf("seed %d: %d events, want %d", seed, len(f.srv.events), len(want))
					}
					return
				}
				if problem.KindOf(err) == problem.Conflict {
					refused++
					break
				}
				time.Sleep(time.Duration(rng.Int64N(int64(16 * time.Hour))))
			}
			onceAtMost(t, f.srv.events)
		})
	}
	if ended == 0 || refused == 0 {
		t.Errorf("%d runs ended and %d were refused: this proves little", ended, refused)
	}
}

// interrupted is one run that may be cut off after some requests, with faults.
func (f *fixture) interrupted(rng *rand.Rand, path string) error {
	ctx, kill := context.WithCancel(f.t.Context())
	defer kill()
	left, hard := rng.IntN(8), rng.IntN(2) == 0
	f.srv.fault = func(int) fault { return fault(max(rng.IntN(6)-2, 0)) }
	var disk map[string][]byte
	f.srv.stop = func(int) {
		if left--; left == 0 {
			disk = f.disk()
			kill()
		}
	}
	o := f.options()
	o.Parallel = 1 + rng.IntN(8)
	_, err := Run(ctx, o, []string{path})
	if errors.Is(err, context.Canceled) && hard && disk != nil {
		f.restore(disk)
	}
	return err
}

func onceAtMost(t *testing.T, events []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range events {
		if seen[e] {
			t.Fatalf("counted twice: %.40s", e)
		}
		seen[e] = true
	}
}
