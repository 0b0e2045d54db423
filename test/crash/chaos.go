package main

import (
	"context"
	"math/rand/v2"
	"time"

	"strm/test/harness"
	"strm/test/traffic"
)

// chaos ends the server again and again and starts it on the same data.
type chaos struct {
	srv    *harness.Server
	rng    *rand.Rand
	report func(format string, args ...any)
	busy   func(ctx context.Context) // waits, not for long, until files are being imported

	kills, terms, early int
}

// stopWithin bounds a graceful stop while the S3 path is faulty.
const stopWithin = 45 * time.Second

// round lets the server work for a moment, ends it in one of several ways and
// brings it back. It returns once the server is ready again.
func (c *chaos) round(ctx context.Context) error {
	if pause := time.Duration(50+c.rng.IntN(750)) * time.Millisecond; c.rng.IntN(2) == 0 {
		traffic.Wait(ctx, pause)
	} else {
		c.busy(ctx)
		traffic.Wait(ctx, pause/10)
	}
	how, moment := c.rng.IntN(20), time.Duration(c.rng.IntN(150))*time.Millisecond
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case how < 2: // a graceful stop must end by itself, with status 0
		if err := c.srv.Process().Stop(ctx, stopWithin); err != nil {
			return err
		}
		c.terms++
	case how < 4: // killed in the middle of a graceful stop
		c.srv.Process().Terminate()
		traffic.Wait(ctx, moment)
		c.kill()
	case how < 7: // killed again while it recovers, once or several times
		c.kill()
		for range 1 + c.rng.IntN(3) {
			if err := c.srv.Start(); err != nil {
				return err
			}
			traffic.Wait(ctx, time.Duration(c.rng.IntN(150))*time.Millisecond)
			c.early++
			c.kill()
		}
	default:
		c.kill()
	}
	began := time.Now()
	if err := c.srv.Run(ctx); err != nil {
		return err
	}
	if took := time.Since(began); took > 5*time.Second {
		c.report("restart took %v", took.Round(time.Millisecond))
	}
	return nil
}

func (c *chaos) kill() {
	c.srv.Kill()
	c.kills++
}

// meddle pauses, resumes and flushes exporters at random until ctx ends. The
// commands may fail, the server being down half of the time; what they do must
// never cost or double an event. It returns how many succeeded.
func meddle(ctx context.Context, cli *harness.CLI, rng *rand.Rand) int64 {
	var done int64
	for ctx.Err() == nil {
		e := exporters[rng.IntN(len(exporters))].Name
		verb := []string{"pause", "resume", "flush", "resume", "flush"}[rng.IntN(5)]
		cctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		if _, err := cli.Run(cctx, verb, e); err == nil {
			done++
		}
		cancel()
		traffic.Wait(ctx, time.Duration(100+rng.IntN(900))*time.Millisecond)
	}
	return done
}

// settleWithin bounds the delivery of what is left once the faults are over:
// the longest back-off, and then the work itself.
const settleWithin = 4 * time.Minute
