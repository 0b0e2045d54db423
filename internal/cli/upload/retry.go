package upload

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"strm/internal/apiclient"
	"strm/internal/problem"
)

// retryable reports whether the same request may succeed later. Its key makes
// sending it again safe whatever became of it.
func retryable(err error) bool {
	var final *finalError
	if errors.As(err, &final) {
		return false
	}
	var u *apiclient.UnreachableError
	if errors.As(err, &u) {
		return true
	}
	var e *apiclient.Error
	if errors.As(err, &e) && e.Problem.Status >= http.StatusInternalServerError {
		return true // nobody knows what became of it
	}
	k := problem.KindOf(err)
	return k == problem.Busy || k == problem.Unavailable
}

// The bounds of the back-off.
const (
	firstWait = 200 * time.Millisecond
	maxWait   = 15 * time.Second
)

// backOff returns how long to wait after failure number n (from 0): as long as
// the server asked for, else a random time up to a doubling bound. Random, as
// clients that failed together should not come back together.
func backOff(n int, err error, random func() float64) time.Duration {
	bound := min(firstWait<<min(n, 10), maxWait)
	wait := bound/2 + time.Duration(random()*float64(bound/2))
	var e *apiclient.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		// A little later than asked, by a random part, for the same reason.
		return e.RetryAfter + time.Duration(random()*float64(min(e.RetryAfter, time.Second)/2))
	}
	return wait
}

// Retry calls try until it succeeds, fails for good, or limit has passed since
// the first failure. say is told each wait; the last error is returned, or that
// of ctx.
func Retry(ctx context.Context, limit time.Duration, say func(err error, wait time.Duration), try func(context.Context) error) error {
	var since time.Time
	for n := 0; ; n++ {
		err := try(ctx)
		if err == nil || !retryable(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now := time.Now()
		if since.IsZero() {
			since = now
		}
		wait := backOff(n, err, rand.Float64)
		if now.Add(wait).Sub(since) > limit {
			return err
		}
		say(err, wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
