package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/test/netfault"
	"strm/test/servers"
	"strm/test/traffic"
)

// chaos breaks things and mends them. Each way of breaking has a subject that
// nothing else breaks at the same time.
type chaos struct {
	w       *world
	brokers int
	rng     *rand.Rand
	done    map[string]int
}

func newChaos(seed uint64, w *world, brokers int) *chaos {
	return &chaos{w: w, brokers: brokers, rng: rand.New(rand.NewPCG(seed, 3)), done: map[string]int{}}
}

// breakage is one thing to break. do breaks it, mends it, and returns when what
// was broken answers again.
type breakage struct {
	name, subject string
	do            func(ctx context.Context) error
}

// draw picks something to break. All randomness is drawn here, so that what
// happens depends on the seed alone.
func (c *chaos) draw() breakage {
	i := c.rng.IntN(nodeCount)
	n, who := c.w.nodes[i], fmt.Sprintf("node %d", i+1)
	short := time.Duration(c.rng.IntN(1500)) * time.Millisecond
	long := c.w.lease + time.Duration(c.rng.IntN(3000))*time.Millisecond
	broker := c.rng.IntN(c.brokers)
	switch how := c.rng.IntN(20); {
	case how < 5:
		down := short
		if how == 0 {
			down = long // longer than others wait for it
		}
		return breakage{"kill -9 of a node", who, func(ctx context.Context) error {
			n.Kill()
			traffic.Wait(ctx, down)
			return n.Run(ctx)
		}}
	case how < 9:
		return breakage{"pause of a node past its lease", who, func(ctx context.Context) error {
			if err := syscall.Kill(n.Process().Pid(), syscall.SIGSTOP); err != nil {
				return err
			}
			traffic.Wait(ctx, long)
			if err := syscall.Kill(n.Process().Pid(), syscall.SIGCONT); err != nil {
				return err
			}
			return n.Ready(ctx)
		}}
	case how < 11:
		return breakage{"graceful stop of a node", who, func(ctx context.Context) error {
			if err := n.Process().Stop(ctx, stopWithin); err != nil {
				return err
			}
			traffic.Wait(ctx, short)
			return n.Run(ctx)
		}}
	case how < 13:
		return breakage{"kill -9 of a broker", "kafka", func(ctx context.Context) error {
			if err := c.w.kafka.InSync(ctx); err != nil {
				return err
			}
			c.w.kafka.Kill(broker)
			traffic.Wait(ctx, long)
			return c.w.kafka.Restart(ctx, broker)
		}}
	case how < 15:
		mode, name := servers.Fast, "fast restart of PostgreSQL"
		if how == 14 {
			mode, name = servers.Immediate, "immediate restart of PostgreSQL"
		}
		return breakage{name, "postgres", func(ctx context.Context) error {
			c.w.pg.Stop(mode)
			traffic.Wait(ctx, short)
			return c.w.pg.Start(ctx)
		}}
	default:
		fault := []netfault.Fault{netfault.Cut, netfault.Swallow, netfault.Delay}[c.rng.IntN(3)]
		name := map[netfault.Fault]string{netfault.Cut: "cut", netfault.Swallow: "silence", netfault.Delay: "delay"}[fault]
		return breakage{name + " between a node and S3", "s3 of " + who, func(ctx context.Context) error {
			n.toS3.Set(fault)
			traffic.Wait(ctx, long)
			n.toS3.Set(netfault.None)
			return nil
		}}
	}
}

// round lets the cluster work for a moment, then breaks one thing, or at times
// two at once, and waits until they are mended.
func (c *chaos) round(ctx context.Context) error {
	traffic.Wait(ctx, time.Duration(100+c.rng.IntN(900))*time.Millisecond)
	all := []breakage{c.draw()}
	if more := c.draw(); c.rng.IntN(3) == 0 && more.subject != all[0].subject {
		all = append(all, more)
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, b := range all {
		c.done[b.name]++
		g.Go(func() error {
			if err := b.do(gctx); err != nil {
				return fmt.Errorf("%s (%s): %w", b.name, b.subject, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// counts returns what was done, "kind=n".
func (c *chaos) counts() string {
	var parts []string
	for name, n := range c.done {
		parts = append(parts, fmt.Sprintf("%s=%d", name, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
