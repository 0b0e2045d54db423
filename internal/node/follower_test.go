package node

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestFollowerTellsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var revision, told atomic.Int64
		var away, hangs atomic.Bool
		revision.Store(7)
		f := &Follower{
			Revision: func(ctx context.Context) (int64, error) {
				if hangs.Load() {
					<-ctx.Done()
					return 0, ctx.Err()
				}
				if away.Load() {
					return 0, errors.New("away")
				}
				return revision.Load(), nil
			},
			Changed: func(context.Context) { told.Add(1) },
			Logger:  slog.New(slog.DiscardHandler),
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		expect := func(what string, after time.Duration, want int64) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := told.Load(); got != want {
				t.Errorf("%s: told %d times, want %d", what, got, want)
			}
		}
		expect("the start", 0, 1)
		expect("no change", time.Minute, 1)
		revision.Add(1)
		expect("a change", time.Second, 2)
		revision.Add(5)
		expect("several", time.Second, 3)
		away.Store(true)
		revision.Add(1)
		expect("away", time.Minute, 3)
		away.Store(false)
		expect("back", time.Second, 4)
		hangs.Store(true)
		revision.Add(1)
		expect("it hangs", 2*time.Second, 4)
		hangs.Store(false)
		expect("it hung", mostLook, 5)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
	})
}
