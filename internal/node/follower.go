package node

import (
	"context"
	"log/slog"
	"time"
)

// Follower tells when the configuration was changed, on whichever node.
type Follower struct {
	// Revision returns a number that rises with every change.
	Revision func(ctx context.Context) (int64, error)
	// Changed is called when it has risen, and once at first. What it reads then, or later, is no
	// older than that change. It blocks the next look, not the change.
	Changed func(ctx context.Context)
	Logger  *slog.Logger
	Every   time.Duration // DefaultEvery if 0
}

// DefaultEvery is how often a Follower looks. With what a look takes, it bounds how long a
// node goes by a configuration that is old.
const DefaultEvery = time.Second

// mostLook bounds one look: a connection that is dead must not be waited for.
const mostLook = 5 * time.Second

// Run looks until ctx ends. While the revision cannot be read, what is remembered
// of the configuration stays in force.
func (f *Follower) Run(ctx context.Context) error {
	every := f.Every
	if every <= 0 {
		every = DefaultEvery
	}
	t := time.NewTicker(every)
	defer t.Stop()
	known, last, failing := false, int64(0), false
	for {
		lctx, cancel := context.WithTimeout(ctx, mostLook)
		n, err := f.Revision(lctx)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if !failing {
				f.Logger.Warn("changes of the configuration by other nodes cannot be seen", slog.Any("error", err))
			}
		case !known || n != last:
			known, last = true, n
			f.Changed(ctx)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}
