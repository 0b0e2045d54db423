package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"strm/internal/api/apiv1"
	"strm/test/harness"
)

// idleSample is what a server without work to speak of used.
type idleSample struct {
	exporters int
	none      time.Duration // CPU in the window before any exporter was made
	quiet     time.Duration // with the exporters, no events at all
	trickle   time.Duration // the same with one event a second into another stream
	peak      int64
	made      time.Duration // to create the exporters
}

// measureIdle watches a server with many exporters that have nothing to do.
func (c *config) measureIdle(ctx context.Context, sinkURL string) (s idleSample, err error) {
	dir, err := os.MkdirTemp(c.dir, "strm-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	srv, cli, err := newServer(ctx, c.bin, dir, sinkURL)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	for _, name := range []string{"quiet", "busy"} {
		if _, err := cli.Run(ctx, "create", "stream", name); err != nil {
			return s, err
		}
	}
	key, err := cli.Source(ctx, "busy-in", "busy")
	if err != nil {
		return s, err
	}
	pid := srv.Process().Pid()
	if s.none, err = c.window(ctx, pid, nil); err != nil {
		return s, err
	}
	began := time.Now()
	if err := createIdle(ctx, cli, c.idle, "quiet"); err != nil {
		return s, err
	}
	s.made, s.exporters = time.Since(began), c.idle
	if s.quiet, err = c.window(ctx, pid, nil); err != nil {
		return s, err
	}
	in := &harness.Intake{Server: srv.URL(), Stream: "busy", Key: key, Client: http.DefaultClient}
	if s.trickle, err = c.window(ctx, pid, in); err != nil {
		return s, err
	}
	u, err := harness.UsageOf(pid)
	if err != nil {
		return s, err
	}
	s.peak = u.PeakRSS
	return s, srv.Process().Stop(ctx, stopWithin)
}

// createIdle makes n exporters of a stream.
func createIdle(ctx context.Context, cli *harness.CLI, n int, stream string) error {
	for i := range n {
		body := apiv1.CreateExporter{Name: fmt.Sprintf("idle-%04d", i), Stream: stream, Sink: "s3", PathPrefix: fmt.Sprintf("idle/%04d", i)}
		if err := cli.Call(ctx, http.MethodPost, "/v1/batch-exporters", body, nil); err != nil {
			return err
		}
	}
	return nil
}

// window returns the CPU time that a process used in the next idleFor, while
// one event a second goes into in, if given.
func (c *config) window(ctx context.Context, pid int, in *harness.Intake) (time.Duration, error) {
	// What was begun before the window (validation, log compaction) shall not
	// count: wait until a second passes with next to no work, but not for ever.
	if err := settle(ctx, pid); err != nil {
		return 0, err
	}
	before, err := harness.UsageOf(pid)
	if err != nil {
		return 0, err
	}
	end := time.NewTimer(c.idleFor)
	defer end.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-tick.C:
			if in == nil {
				continue
			}
			n++
			a, err := in.Post(ctx, harness.Request{Body: fmt.Appendf(nil, `{"n":%d}`, n)})
			if err != nil {
				return 0, err
			}
			if !a.Acknowledged() {
				return 0, fmt.Errorf("trickle: HTTP %d: %s", a.Status, a.Body)
			}
		case <-end.C:
			after, err := harness.UsageOf(pid)
			return after.CPU - before.CPU, err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// settle waits, up to 15 s, for a second in which the process uses at most 20 ms.
func settle(ctx context.Context, pid int) error {
	last, err := harness.UsageOf(pid)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 15 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := harness.UsageOf(pid)
		if err != nil {
			return err
		}
		if now.CPU-last.CPU <= 20*time.Millisecond {
			return nil
		}
		last = now
	}
	return nil
}
