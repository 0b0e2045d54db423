package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/test/harness"
	"strm/test/traffic"
)

// config is one run.
type config struct {
	rounds  int
	seed    uint64
	faults  float64 // share of the S3 requests that go wrong by themselves
	lease   time.Duration
	stall   time.Duration // longest time without a delivery that passes
	migrate bool
	dir     string // its files; the caller decides whether they stay
	bin     string // empty: build one
	out     io.Writer
}

// result is what the summary line tells.
type result struct {
	traffic.Counts
	again    int64 // events delivered more than once, as without keys they may be
	broken   string
	faults   string
	stalls   string
	stalled  time.Duration // longest without a delivery
	answered time.Duration // longest until an acknowledgement
	moved    time.Duration // of strm migrate
	took     time.Duration
}

func (r result) String() string {
	s := fmt.Sprintf("%s; %d events acknowledged in %d requests (%d retries, %d repeats, %d given up), longest until acknowledged %v; "+
		"%d objects, S3 faults: %s; longest without a delivery %v (%s); missing %d, duplicates %d, partial requests %d; without keys %d events more than once, as allowed; %v",
		r.broken, r.Events, r.Requests, r.Retries, r.Repeats, r.GivenUp, r.answered.Round(100*time.Millisecond),
		r.Objects, r.faults, r.stalled.Round(100*time.Millisecond), r.stalls, r.Missing, r.Duplicates, r.Halves, r.again, r.took.Round(time.Second))
	if r.moved > 0 {
		s += fmt.Sprintf("; strm migrate took %v", r.moved.Round(100*time.Millisecond))
	}
	return s
}

// clusterRun is a run in progress.
type clusterRun struct {
	*world
	traffic.Run
	chaos  *chaos
	watch  *watch
	result result
}

// run does one whole run. The error says everything that was not as it should be.
func run(ctx context.Context, cfg config) (_ result, err error) {
	began := time.Now()
	w, err := newWorld(ctx, cfg)
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r := &clusterRun{world: w, Run: traffic.Run{Seed: cfg.seed, Streams: streams, Store: w.double.Store}}
	r.watch = newWatch(func(prefix string) int { return len(r.Store.List(prefix)) })
	r.chaos = newChaos(w.seed, w, w.kafka.Size())
	err = r.all(ctx)
	r.result.Counts, r.result.took = r.Counts(), time.Since(began)
	if err != nil {
		err = errors.Join(fmt.Errorf("%w\n%s", err, w.logTails()), r.Dump(w.dir))
	}
	return r.result, err
}

func (r *clusterRun) say(format string, args ...any) {
	// The report is for people; a closed pipe must not end the run.
	_, _ = fmt.Fprintf(r.out, format+"\n", args...)
}

func (r *clusterRun) all(ctx context.Context) (err error) {
	if r.single != nil {
		err = r.single.Run(ctx)
	} else {
		err = r.startNodes(ctx)
	}
	if err != nil {
		return err
	}
	if r.CLI, err = r.cli(); err != nil {
		return err
	}
	keys, err := r.SetUp(ctx, r.double, endpoint, r.dir, exporters)
	if err != nil {
		return err
	}
	if err := r.storm(ctx, keys); err != nil {
		return err
	}
	return r.calm(ctx)
}

// storm runs senders and breakages together, and returns when every batch is
// acknowledged or given up and everything is up.
func (r *clusterRun) storm(ctx context.Context, keys map[string]string) error {
	stop := make(chan struct{})
	// Connections are not kept: each request takes its turn at the load balancer.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	g, gctx := errgroup.WithContext(ctx)
	r.Send(gctx, g, traffic.Crowd{Client: client, Keys: keys, Stop: stop, Patience: 5 * time.Second, Pause: 600 * time.Millisecond})
	wctx, endWatch := context.WithCancel(gctx)
	g.Go(func() error {
		r.watch.run(wctx, exporters)
		return nil
	})
	r.faulty.On()
	g.Go(func() error {
		defer endWatch()
		defer close(stop)
		return r.allRounds(gctx)
	})
	err := g.Wait()
	r.faulty.Off()
	r.count()
	return err
}

func (r *clusterRun) allRounds(ctx context.Context) error {
	if r.single != nil {
		if err := r.move(ctx); err != nil {
			return err
		}
	}
	for i := range r.rounds {
		if err := r.chaos.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		if (i+1)%10 == 0 {
			name, worst := r.watch.worst()
			r.say("round %d of %d: %d objects, S3 faults %s, longest without a delivery %v (%s), longest until acknowledged %v; %s",
				i+1, r.rounds, r.Store.Puts(), r.faulty.Counts(), worst.Round(100*time.Millisecond), name,
				time.Duration(r.Tally.Longest.Load()).Round(100*time.Millisecond), r.chaos.counts())
		}
	}
	// What is stalled by the last breakage must go on by itself too.
	traffic.Wait(ctx, 2*r.lease)
	return nil
}

// move stops the single node in the middle of its work, migrates it and starts
// the cluster.
func (r *clusterRun) move(ctx context.Context) error {
	traffic.Wait(ctx, 10*time.Second)
	if r.seed%2 == 0 {
		r.single.Kill()
	} else if err := r.single.Process().Stop(ctx, stopWithin); err != nil {
		return err
	}
	began := time.Now()
	args := append([]string{"migrate", "--data", r.single.Dir}, r.home()...)
	out, err := r.CLI.Run(ctx, args...)
	if err != nil {
		return err
	}
	r.result.moved = time.Since(began)
	r.say("strm migrate took %v:\n%s", r.result.moved.Round(100*time.Millisecond), out)
	// Whoever starts the old node by mistake must not send anything twice.
	if err := r.single.Start(); err != nil {
		return err
	}
	select {
	case <-r.single.Process().Gone():
		if r.single.Process().State().Success() {
			return errors.New("the old node ended without complaint after it was migrated")
		}
	case <-time.After(harness.ReadyWithin):
		return errors.New("the old node runs after it was migrated")
	}
	if err := r.startNodes(ctx); err != nil {
		return err
	}
	var addrs []string
	for _, n := range r.nodes {
		addrs = append(addrs, n.Addr)
	}
	r.front.Targets(addrs...)
	return nil
}

func (r *clusterRun) count() {
	r.result.broken = r.chaos.counts()
	r.result.answered = time.Duration(r.Tally.Longest.Load())
	r.result.faults = r.faulty.Counts()
	_, r.result.stalled = r.watch.worst()
	r.result.stalls = r.watch.String()
}
