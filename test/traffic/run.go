package traffic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/test/harness"
	"strm/test/s3double"
)

// Run is what a run sends, and what is found of it.
type Run struct {
	Seed    uint64
	Streams []Stream
	Store   *s3double.Store // what is delivered
	CLI     *harness.CLI    // of the server that is sent to

	Tally Tally
	logs  []*Log // one per sender, which writes it
	found Counts
}

// Counts is what a run did with events.
type Counts struct {
	Events, Requests, Retries, Repeats, GivenUp int64 // acknowledged events; see Tally
	Objects, Missing, Duplicates, Halves        int64 // of all exporters that were judged; see Verdict
}

// Crowd says how the senders of a run behave. Zero values are those of Sender.
type Crowd struct {
	Client   *http.Client
	Keys     map[string]string // write keys of the streams
	Patience time.Duration
	Pause    time.Duration
	Stop     <-chan struct{}
}

// Send starts the senders of every stream in g.
func (r *Run) Send(ctx context.Context, g *errgroup.Group, c Crowd) {
	for _, s := range r.Streams {
		for i := range s.Senders + s.Plain {
			n := len(r.logs)
			l := &Log{Sender: n, Stream: s.Name}
			r.logs = append(r.logs, l)
			snd := &Sender{
				In:  &harness.Intake{Server: r.CLI.Server, Stream: s.Name, Key: c.Keys[s.Name], Client: c.Client, Segment: s.Segment},
				Rng: rand.New(rand.NewPCG(r.Seed, 1000+uint64(n))), Log: l, Stop: c.Stop, Tally: &r.Tally,
				Plain: i >= s.Senders, Patience: c.Patience, Pause: c.Pause,
			}
			g.Go(func() error { return snd.Run(ctx) })
		}
	}
}

// Counts adds up what was sent and found. The senders must have ended.
func (r *Run) Counts() Counts {
	c := r.found
	c.Requests, c.Retries = r.Tally.Requests.Load(), r.Tally.Retries.Load()
	c.Repeats, c.GivenUp = r.Tally.Repeats.Load(), r.Tally.GivenUp.Load()
	for _, l := range r.logs {
		c.Events += l.Acked()
	}
	return c
}

// Judge compares one exporter's objects with what was sent, and with what strm
// itself says of them.
func (r *Run) Judge(ctx context.Context, e Exporter) (*Verdict, error) {
	objects := r.Store.List(e.Name + "/")
	var of Stream
	for _, s := range r.Streams {
		if s.Name == e.Stream {
			of = s
		}
	}
	var sent []*Log
	for _, l := range r.logs {
		if l.Stream == e.Stream {
			sent = append(sent, l)
		}
	}
	v := judge(objects, sent, of)
	r.found.Objects += int64(v.Objects)
	r.found.Missing += v.Missing
	r.found.Duplicates += v.Duplicate
	r.found.Halves += v.Halves
	var errs []error
	for _, p := range v.Problems {
		errs = append(errs, fmt.Errorf("%s: %s", e.Name, p))
	}
	return v, errors.Join(append(errs, r.Account(ctx, e.Name, objects, v.Events))...)
}

// Account asks strm verify, and compares an exporter's objects, which hold so
// many events, with its ledger.
func (r *Run) Account(ctx context.Context, exporter string, objects []*s3double.Object, events int64) error {
	_, verify := r.CLI.Run(ctx, "verify", "batch-exporter", exporter)
	batches, err := r.CLI.Batches(ctx, exporter)
	if err != nil {
		return errors.Join(verify, err)
	}
	return errors.Join(verify, compareLedger(exporter, batches, objects, events))
}

// Kept says whether the bucket's rules were kept at all times, and whether a
// restart with nothing to deliver left as many PUTs as there were before.
func (r *Run) Kept(before int64) error {
	var errs []error
	if now := r.Store.Puts(); now != before {
		errs = append(errs, fmt.Errorf("a restart with nothing to deliver wrote %d objects", now-before))
	}
	breaches := r.Store.Breaches()
	for _, b := range breaches[:min(len(breaches), MaxProblems)] {
		errs = append(errs, fmt.Errorf("breach: %s", b))
	}
	if more := len(breaches) - MaxProblems; more > 0 {
		errs = append(errs, fmt.Errorf("and %d more breaches", more))
	}
	return errors.Join(errs...)
}

// Dump writes the bucket below dir, to look at afterwards.
func (r *Run) Dump(dir string) error {
	for _, o := range r.Store.List("") {
		name := filepath.Join(dir, "bucket", filepath.FromSlash(o.Key))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, o.Body, 0o600); err != nil {
			return err
		}
	}
	return nil
}
