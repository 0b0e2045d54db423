package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"strm/internal/api/apiv1"
	"strm/test/harness"
)

// config is what the flags say.
type config struct {
	events, size, conns, batch, partitions, runs, idle, streams int
	maxBytes                                                    int64
	idleFor                                                     time.Duration
	check, parquet, scale                                       bool
	dir, bin, only, python                                      string
}

// sample is one measurement of one case.
type sample struct {
	took    time.Duration // first send until everything is delivered
	acked   time.Duration // first send until everything is acknowledged
	cpu     time.Duration
	peak    int64 // bytes
	objects int64
	out     int64 // bytes at the sink
	client  sentReport
}

// kase is one way to run strm, or the floor.
type kase struct {
	name        string
	floor       bool
	compression string // of the exporter; empty for no exporter at all
	meta        bool
	keys        bool   // each request has an Idempotency-Key
	segment     string // sent as Segment calls, with this --dedup-window; empty for no
	again       bool   // everything is sent a second time, which is what is measured
	beside      int    // index of the floor to compare with; -1 for none
}

var cases = []kase{
	{name: "floor .jsonl.gz", floor: true, compression: "gzip", beside: -1},
	{name: "strm  .jsonl.gz", compression: "gzip", beside: 0},
	{name: "strm  .jsonl.gz, keys", compression: "gzip", keys: true, beside: 0},
	{name: "strm  .jsonl.gz, strmMeta", compression: "gzip", meta: true, beside: 0},
	{name: "floor .jsonl", floor: true, compression: "none", beside: -1},
	{name: "strm  .jsonl", compression: "none", beside: 4},
	{name: "strm  intake alone", beside: -1},
	{name: "strm  segment", compression: "gzip", segment: "24h", beside: 0},
	{name: "strm  segment, no dedup", compression: "gzip", segment: "0", beside: 0},
	{name: "strm  segment, repeats", segment: "24h", again: true, beside: -1},
}

// measure runs one case once.
func (c *config) measure(ctx context.Context, k kase, file, sinkURL string, run int) (sample, error) {
	before, err := stats(ctx, sinkURL)
	if err != nil {
		return sample{}, err
	}
	var s sample
	if k.floor {
		s, err = c.measureFloor(ctx, k, file, fmt.Sprintf("%s/%s/floor-%s-%d", sinkURL, bucket, k.compression, run))
	} else {
		s, err = c.measureStrm(ctx, k, file, sinkURL, run)
	}
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", k.name, err)
	}
	after, err := stats(ctx, sinkURL)
	if err != nil {
		return sample{}, err
	}
	s.objects, s.out = after.Objects-before.Objects, after.Bytes-before.Bytes
	if (s.objects > 0) != (k.compression != "") {
		return sample{}, fmt.Errorf("%s: %d objects arrived at the sink", k.name, s.objects)
	}
	return s, nil
}

func (c *config) measureFloor(ctx context.Context, k kase, file, url string) (sample, error) {
	began := time.Now()
	out, u, err := self(ctx, nil, "floor", "-file", file, "-url", url,
		"-gzip="+strconv.FormatBool(k.compression == "gzip"), "-max-bytes", strconv.FormatInt(c.maxBytes, 10))
	if err != nil {
		return sample{}, err
	}
	var n int
	if err := json.Unmarshal(out, &n); err != nil || n != c.events {
		return sample{}, fmt.Errorf("it delivered %q events of %d", out, c.events)
	}
	return sample{took: time.Since(began), cpu: u.CPU, peak: u.PeakRSS}, nil
}

func (c *config) measureStrm(ctx context.Context, k kase, file, sinkURL string, run int) (s sample, err error) {
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
	key, err := c.create(ctx, k, cli, run)
	if err != nil {
		return s, err
	}
	pid := srv.Process().Pid()
	start, err := harness.UsageOf(pid)
	if err != nil {
		return s, err
	}
	if k.again {
		if _, err = c.sendAll(ctx, k, file, srv.URL(), key); err == nil {
			start, err = harness.UsageOf(pid)
		}
		if err != nil {
			return s, err
		}
	}
	began := time.Now()
	if s.client, err = c.sendAll(ctx, k, file, srv.URL(), key); err != nil {
		return s, fmt.Errorf("%w\nthe server's log ends:\n%s", err, srv.LogTail(4<<10))
	}
	s.acked = s.client.Took
	if k.compression != "" {
		if _, err := cli.Run(ctx, "flush", "out", "--wait"); err != nil {
			return s, fmt.Errorf("%w\nthe server's log ends:\n%s", err, srv.LogTail(4<<10))
		}
	}
	s.took = time.Since(began)
	end, err := harness.UsageOf(pid)
	if err != nil {
		return s, err
	}
	s.cpu, s.peak = end.CPU-start.CPU, end.PeakRSS
	if k.compression != "" {
		if err := delivered(ctx, cli, int64(c.events)); err != nil {
			return s, err
		}
	}
	return s, srv.Process().Stop(ctx, stopWithin)
}

// create makes the stream, its source and the exporter, and returns the write key.
func (c *config) create(ctx context.Context, k kase, cli *harness.CLI, run int) (string, error) {
	var flags []string
	layout := "strm"
	if k.segment != "" {
		flags, layout = []string{"--kind", "segment", "--dedup-window", k.segment}, "segment"
	}
	if _, err := cli.Run(ctx, "create", "stream", "clicks", "--partitions", strconv.Itoa(c.partitions), "--strm-meta="+strconv.FormatBool(k.meta)); err != nil {
		return "", err
	}
	key, err := cli.Source(ctx, "shop", "clicks", flags...)
	if err != nil || k.compression == "" {
		return key, err
	}
	_, err = cli.Run(ctx, "create", "batch-exporter", "clicks", "--sink", "s3", "--name", "out", "--path-prefix", fmt.Sprintf("%s-%v-%d", k.compression, k.meta, run),
		"--interval", "60s", "--interval-offset", "0s", "--max-bytes", strconv.FormatInt(c.maxBytes, 10), "--layout", layout, "--compression", k.compression)
	return key, err
}

// sendAll runs the client process.
func (c *config) sendAll(ctx context.Context, k kase, file, url, key string) (sentReport, error) {
	args := []string{"client", "-file", file, "-url", url, "-stream", "clicks", "-conns", strconv.Itoa(c.conns), "-batch", strconv.Itoa(c.batch),
		"-segment=" + strconv.FormatBool(k.segment != "")}
	if k.keys {
		args = append(args, "-idempotency", "bench")
	}
	out, _, err := self(ctx, []string{keyEnv + "=" + key}, args...)
	if err != nil {
		return sentReport{}, err
	}
	var rep sentReport
	if err := json.Unmarshal(out, &rep); err != nil {
		return rep, fmt.Errorf("client process: %w", err)
	}
	if rep.Events != c.events {
		return rep, fmt.Errorf("client process: %d events acknowledged of %d", rep.Events, c.events)
	}
	return rep, nil
}

// delivered checks the ledger: a fast figure for lost events is worth nothing.
func delivered(ctx context.Context, cli *harness.CLI, want int64) error {
	batches, err := cli.Batches(ctx, "out")
	if err != nil {
		return err
	}
	var n int64
	for _, b := range batches {
		if b.State != "done" {
			return fmt.Errorf("batch %s is %s after the flush", b.ID, b.State)
		}
		n += eventsOf(b)
	}
	if n != want {
		return fmt.Errorf("%d events delivered of %d", n, want)
	}
	return nil
}

func eventsOf(b apiv1.Batch) int64 {
	var n int64
	for _, o := range b.Objects {
		n += o.Events
	}
	return n
}
