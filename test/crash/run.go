package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/test/harness"
	"strm/test/s3double"
	"strm/test/traffic"
)

// config is one run.
type config struct {
	rounds int
	seed   uint64
	faults float64 // share of the S3 requests that go wrong
	dir    string  // its files; the caller decides whether they stay
	bin    string  // empty: build one
	out    io.Writer
}

// result is what the summary line tells.
type result struct {
	traffic.Counts
	kills, early, terms, meddled int64
	files                        filesVerdict
	faults                       string
	took                         time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%d kills (%d during recovery), %d graceful stops, %d events acknowledged in %d requests (%d retries, %d repeats, %d given up), "+
		"%d objects, %d pauses, resumes and flushes, S3 faults: %s; missing %d, duplicates %d, partial requests %d; %v; %v",
		r.kills, r.early, r.terms, r.Events, r.Requests, r.Retries, r.Repeats, r.GivenUp,
		r.Objects, r.meddled, r.faults, r.Missing, r.Duplicates, r.Halves, r.files, r.took.Round(time.Second))
}

// crashRun is a run in progress.
type crashRun struct {
	config
	traffic.Run
	faulty *s3double.Faults
	srv    *harness.Server
	chaos  *chaos
	files  *uploader
	result result
}

// run does one whole run. The error says everything that was not as it should be.
func run(ctx context.Context, cfg config) (result, error) {
	began := time.Now()
	r := &crashRun{config: cfg, Run: traffic.Run{Seed: cfg.seed, Streams: streams, Store: &s3double.Store{}}}
	err := r.all(ctx)
	r.result.Counts, r.result.took = r.Counts(), time.Since(began)
	if err != nil {
		err = errors.Join(err, r.Dump(r.dir))
	}
	return r.result, err
}

func (r *crashRun) say(format string, args ...any) {
	// The report is for people; a closed pipe must not end the run.
	_, _ = fmt.Fprintf(r.out, format+"\n", args...)
}

func (r *crashRun) all(ctx context.Context) (err error) {
	if r.bin == "" {
		if r.bin, err = harness.Build(ctx, r.dir); err != nil {
			return err
		}
	}
	double := &s3double.Server{Bucket: bucket, Region: region, AccessKey: accessKey, Store: r.Store}
	r.faulty = s3double.NewFaults(double, r.seed, r.faults)
	r.faulty.Off()
	s3, err := s3double.Listen(ctx, r.faulty)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s3.Close()) }()
	if r.srv, err = harness.NewServer(ctx, r.bin, r.dir, "--allow-short-intervals"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.srv.Close()) }()
	if err := r.srv.Run(ctx); err != nil {
		return err
	}
	if r.CLI, err = r.srv.CLI(); err != nil {
		return err
	}
	keys, err := r.SetUp(ctx, double, s3.URL, r.dir, exporters)
	if err != nil {
		return err
	}
	if err := r.setUpFiles(ctx); err != nil {
		return err
	}
	if err := r.storm(ctx, keys); err != nil {
		return fmt.Errorf("%w\nthe server's log ends:\n%s", err, r.srv.LogTail(8<<10))
	}
	if err := r.calm(ctx); err != nil {
		return fmt.Errorf("%w\nthe server's log ends:\n%s", err, r.srv.LogTail(8<<10))
	}
	return nil
}

// storm runs senders, meddling, faults and kills together, and returns when
// every batch is acknowledged or given up and the server is up.
func (r *crashRun) storm(ctx context.Context, keys map[string]string) error {
	stop := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	g, gctx := errgroup.WithContext(ctx)
	r.Send(gctx, g, traffic.Crowd{Client: client, Keys: keys, Stop: stop})
	mctx, endMeddling := context.WithCancel(gctx)
	g.Go(func() error {
		r.result.meddled = meddle(mctx, r.CLI, rand.New(rand.NewPCG(r.seed, 2)))
		return nil
	})
	r.files = &uploader{store: r.Store, rng: rand.New(rand.NewPCG(r.seed, 4))}
	r.chaos = &chaos{srv: r.srv, rng: rand.New(rand.NewPCG(r.seed, 3)), report: r.say, busy: r.busy}
	r.faulty.On()
	g.Go(func() error {
		defer endMeddling()
		defer close(stop)
		return r.allRounds(gctx)
	})
	err := g.Wait()
	r.faulty.Off()
	r.count()
	return err
}

func (r *crashRun) allRounds(ctx context.Context) error {
	for i := range r.rounds {
		if err := r.files.round(); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		if err := r.chaos.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		if (i+1)%20 == 0 {
			r.say("round %d of %d: %d kills, %d objects, faults %s", i+1, r.rounds, r.chaos.kills, r.Store.Puts(), r.faulty.Counts())
		}
	}
	return nil
}

func (r *crashRun) count() {
	r.result.kills, r.result.early, r.result.terms = int64(r.chaos.kills), int64(r.chaos.early), int64(r.chaos.terms)
	r.result.faults = r.faulty.Counts()
}

// calm delivers what is left without faults and asks the three judges: the
// oracle over the bucket, strm verify, and the ledger beside the bucket.
func (r *crashRun) calm(ctx context.Context) error {
	all := append(append([]traffic.Exporter(nil), exporters...), late)
	if err := late.Create(ctx, r.CLI); err != nil {
		return err
	}
	if err := traffic.Settle(ctx, r.CLI, all, settleWithin); err != nil {
		return err
	}
	if err := r.settleFiles(ctx); err != nil {
		return err
	}
	puts := r.Store.Puts()
	// An idle server that stops and starts has nothing to write.
	if err := r.srv.Process().Stop(ctx, stopWithin); err != nil {
		return err
	}
	if err := r.srv.Run(ctx); err != nil {
		return err
	}
	if err := traffic.Settle(ctx, r.CLI, all, settleWithin); err != nil {
		return err
	}
	errs := []error{r.Kept(puts)}
	for _, e := range all {
		_, err := r.Judge(ctx, e)
		errs = append(errs, err)
	}
	errs = append(errs, r.judgeFiles(ctx))
	return errors.Join(append(errs, r.srv.Process().Stop(ctx, stopWithin))...)
}
