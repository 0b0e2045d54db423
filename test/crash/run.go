package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
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
	kills, early, terms, events, objects, meddled int64
	requests, retries, repeats, givenUp           int64
	missing, duplicates, halves                   int64
	files                                         filesVerdict
	faults                                        string
	took                                          time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%d kills (%d during recovery), %d graceful stops, %d events acknowledged in %d requests (%d retries, %d repeats, %d given up), "+
		"%d objects, %d pauses, resumes and flushes, S3 faults: %s; missing %d, duplicates %d, partial requests %d; %v; %v",
		r.kills, r.early, r.terms, r.events, r.requests, r.retries, r.repeats, r.givenUp,
		r.objects, r.meddled, r.faults, r.missing, r.duplicates, r.halves, r.files, r.took.Round(time.Second))
}

// crashRun is a run in progress.
type crashRun struct {
	config
	store  *s3double.Store
	faulty *s3double.Faults
	srv    *harness.Server
	cli    *harness.CLI
	tally  traffic.Tally
	sent   []*traffic.Log
	chaos  *chaos
	files  *uploader
	result result
}

// run does one whole run. The error says everything that was not as it should be.
func run(ctx context.Context, cfg config) (result, error) {
	began := time.Now()
	r := &crashRun{config: cfg, store: &s3double.Store{}}
	err := r.all(ctx)
	r.result.took = time.Since(began)
	if err != nil {
		err = errors.Join(err, r.dump())
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
	double := &s3double.Server{Bucket: bucket, Region: region, AccessKey: accessKey, Store: r.store}
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
	if r.cli, err = r.srv.CLI(); err != nil {
		return err
	}
	keys, err := setUp(ctx, r.cli, double, r.dir, s3.URL)
	if err != nil {
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
	for _, s := range streams {
		for range s.Senders {
			n := len(r.sent)
			l := &traffic.Log{Sender: n, Stream: s.Name}
			r.sent = append(r.sent, l)
			snd := &traffic.Sender{
				In:  &harness.Intake{Server: r.srv.URL(), Stream: s.Name, Key: keys[s.Name], Client: client, Segment: s.Segment},
				Rng: rand.New(rand.NewPCG(r.seed, 1000+uint64(n))), Log: l, Stop: stop, Tally: &r.tally,
			}
			g.Go(func() error { return snd.Run(gctx) })
		}
	}
	mctx, endMeddling := context.WithCancel(gctx)
	g.Go(func() error {
		r.result.meddled = meddle(mctx, r.cli, rand.New(rand.NewPCG(r.seed, 2)))
		return nil
	})
	r.files = &uploader{store: r.store, rng: rand.New(rand.NewPCG(r.seed, 4))}
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
			r.say("round %d of %d: %d kills, %d objects, faults %s", i+1, r.rounds, r.chaos.kills, r.store.Puts(), r.faulty.Counts())
		}
	}
	return nil
}

func (r *crashRun) count() {
	r.result.kills, r.result.early, r.result.terms = int64(r.chaos.kills), int64(r.chaos.early), int64(r.chaos.terms)
	r.result.requests, r.result.retries = r.tally.Requests.Load(), r.tally.Retries.Load()
	r.result.repeats, r.result.givenUp = r.tally.Repeats.Load(), r.tally.GivenUp.Load()
	r.result.faults = r.faulty.Counts()
	for _, l := range r.sent {
		r.result.events += l.Acked()
	}
}

// calm delivers what is left without faults and asks the three judges: the
// oracle over the bucket, strm verify, and the ledger beside the bucket.
func (r *crashRun) calm(ctx context.Context) error {
	all := append(append([]traffic.Exporter(nil), exporters...), late)
	if err := late.Create(ctx, r.cli); err != nil {
		return err
	}
	if err := traffic.Settle(ctx, r.cli, all, settleWithin); err != nil {
		return err
	}
	if err := r.settleFiles(ctx); err != nil {
		return err
	}
	puts := r.store.Puts()
	// An idle server that stops and starts has nothing to write.
	if err := r.srv.Process().Stop(ctx, stopWithin); err != nil {
		return err
	}
	if err := r.srv.Run(ctx); err != nil {
		return err
	}
	if err := traffic.Settle(ctx, r.cli, all, settleWithin); err != nil {
		return err
	}
	var errs []error
	if again := r.store.Puts(); again != puts {
		errs = append(errs, fmt.Errorf("a restart with nothing to deliver wrote %d objects", again-puts))
	}
	breaches := r.store.Breaches()
	for _, b := range breaches[:min(len(breaches), traffic.MaxProblems)] {
		errs = append(errs, fmt.Errorf("breach: %s", b))
	}
	if more := len(breaches) - traffic.MaxProblems; more > 0 {
		errs = append(errs, fmt.Errorf("and %d more breaches", more))
	}
	for _, e := range all {
		errs = append(errs, r.judge(ctx, e))
	}
	errs = append(errs, r.judgeFiles(ctx))
	return errors.Join(append(errs, r.srv.Process().Stop(ctx, stopWithin))...)
}

// judge compares one exporter's objects with what was sent and with its ledger.
func (r *crashRun) judge(ctx context.Context, e traffic.Exporter) error {
	objects := r.store.List(e.Name + "/")
	var sent []*traffic.Log
	for _, l := range r.sent {
		if l.Stream == e.Stream {
			sent = append(sent, l)
		}
	}
	v := traffic.Judge(objects, sent, of(e))
	r.result.objects += int64(v.Objects)
	r.result.missing += v.Missing
	r.result.duplicates += v.Duplicate
	r.result.halves += v.Halves
	var errs []error
	for _, p := range v.Problems {
		errs = append(errs, fmt.Errorf("%s: %s", e.Name, p))
	}
	if _, err := r.cli.Run(ctx, "verify", "batch-exporter", e.Name); err != nil {
		errs = append(errs, err)
	}
	batches, err := r.cli.Batches(ctx, e.Name)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, traffic.CompareLedger(e.Name, batches, objects, v.Events))...)
}

// dump writes the bucket below the run's directory, to look at afterwards.
func (r *crashRun) dump() error {
	for _, o := range r.store.List("") {
		name := filepath.Join(r.dir, "bucket", filepath.FromSlash(o.Key))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, o.Body, 0o600); err != nil {
			return err
		}
	}
	return nil
}
