package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Poll calls ask until it answers true, fails, or the time limit passes. The
// error at the limit carries what was waited for and the last word of ask.
func Poll(ctx context.Context, limit, every time.Duration, what string, ask func(context.Context) (done bool, state string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := "nothing yet"
	for {
		done, state, err := ask(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if done && err == nil {
			return nil
		}
		if state != "" && err == nil { // what was cut off by the limit says nothing
			last = state
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("wait for %s: not within %v; last seen: %s", what, limit, last)
			}
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}
