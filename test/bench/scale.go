package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"strm/test/harness"
	"strm/test/servers"
)

// scaleCase is one way to carry a topic of events to the sink.
type scaleCase struct {
	name       string
	nodes      int
	partitions int
	flags      []string // of the exporter
	idle       int      // exporters without events beside it
}

var (
	gzipped = []string{"--compression", "gzip"}
	columns = []string{"--format", "parquet", "--compression", "zstd"}
)

var scaleCases = []scaleCase{
	{"strm .jsonl.gz", 1, 1, gzipped, 0},
	{"strm .jsonl.gz", 1, 64, gzipped, 0},
	{"strm .jsonl.gz", 2, 64, gzipped, 0},
	{"strm .jsonl.gz", 3, 64, gzipped, 0},
	{"strm .jsonl.gz, beside idle ones", 1, 64, gzipped, 999},
	{"strm .jsonl.gz, beside idle ones", 3, 64, gzipped, 999},
	{"strm parquet", 1, 1, columns, 0},
	{"strm parquet", 1, 64, columns, 0},
	{"strm parquet", 2, 64, columns, 0},
	{"strm parquet", 3, 64, columns, 0},
}

// scaleSample is what it cost: of strm the sum over its nodes, and the largest
// node's memory.
type scaleSample struct {
	scaleCase
	cpu, took time.Duration
	peak      int64
	objects   int64
	out       int64
	quiet     time.Duration // CPU of all nodes in idleFor, before the delivery
}

// scale measures nodes on Kafka and PostgreSQL: events of filled topics to the
// sink, and nothing else at the same time.
type scale struct {
	*config
	dir, sink, secrets string
	kafka              *servers.Kafka
	pg                 *servers.PostgreSQL
	floors             map[int]scaleSample // by partitions
	samples            []scaleSample
}

// topicOf names the topic with as many partitions.
func topicOf(partitions int) string { return "filled-" + strconv.Itoa(partitions) }

func (c *config) measureScale(ctx context.Context, file, sinkURL string) (_ []string, err error) {
	s := &scale{config: c, dir: filepath.Join(c.dir, "scale"), sink: sinkURL, floors: map[int]scaleSample{}}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	s.secrets = filepath.Join(s.dir, "secrets")
	if s.kafka, err = servers.StartKafka(ctx, filepath.Join(s.dir, "kafka"), servers.KafkaOptions{Heap: "512m"}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.kafka.Close()) }()
	if s.pg, err = servers.StartPostgres(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.pg.Close()) }()
	if _, err := (&harness.CLI{Bin: c.bin}).Run(ctx, "init", "--secrets", s.secrets); err != nil {
		return nil, err
	}
	for _, n := range []int{1, 64} {
		if err := fill(ctx, s.kafka, topicOf(n), int32(n), file); err != nil {
			return nil, err
		}
	}
	if err := s.runAll(ctx); err != nil {
		return nil, err
	}
	return s.missed(), s.print(os.Stdout)
}

// runAll measures floors and cases, all of them once before any of them again, and keeps
// of each the median.
func (s *scale) runAll(ctx context.Context) error {
	floors, cases := map[int][]scaleSample{}, make([][]scaleSample, len(scaleCases))
	for run := range s.runs {
		for _, n := range []int{1, 64} {
			floor, err := s.floor(ctx, n)
			if err != nil {
				return err
			}
			s.tell(floor)
			floors[n] = append(floors[n], floor)
		}
		for i, k := range scaleCases {
			if !strings.Contains(k.String(), s.only) {
				continue
			}
			sample, err := s.measure(ctx, run*len(scaleCases)+i, k)
			if err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			s.tell(sample)
			cases[i] = append(cases[i], sample)
		}
	}
	for n, of := range floors {
		s.floors[n] = medianOf(of)
	}
	for _, of := range cases {
		if len(of) > 0 {
			s.samples = append(s.samples, medianOf(of))
		}
	}
	return nil
}

// medianOf returns the medians of what runs of one case cost, each for itself, and the most
// memory that any of them took.
func medianOf(runs []scaleSample) scaleSample {
	m := runs[0]
	m.cpu = median(runs, func(r scaleSample) time.Duration { return r.cpu })
	m.took = median(runs, func(r scaleSample) time.Duration { return r.took })
	m.quiet = median(runs, func(r scaleSample) time.Duration { return r.quiet })
	m.objects = median(runs, func(r scaleSample) int64 { return r.objects })
	m.out = median(runs, func(r scaleSample) int64 { return r.out })
	for _, r := range runs {
		m.peak = max(m.peak, r.peak)
	}
	return m
}

// String names a case; -only is compared with it.
func (k scaleCase) String() string {
	return fmt.Sprintf("%s, %d nodes, %d partitions", k.name, k.nodes, k.partitions)
}

func (s *scale) tell(m scaleSample) {
	fmt.Fprintf(os.Stderr, "scale: %s: %.2f CPU s, %.1f s, peak %.0f MB, %d objects, idle before %.2f CPU s in %v\n",
		m.scaleCase, m.cpu.Seconds(), m.took.Seconds(), float64(m.peak)/1e6, m.objects, m.quiet.Seconds(), s.idleFor)
}

func (s *scale) floor(ctx context.Context, partitions int) (scaleSample, error) {
	began := time.Now()
	out, u, err := self(ctx, nil, "consume", "-brokers", s.kafka.Bootstrap(), "-topic", topicOf(partitions), "-events", strconv.Itoa(s.events))
	if err != nil {
		return scaleSample{}, err
	}
	var n int
	if err := json.Unmarshal(out, &n); err != nil || n != s.events {
		return scaleSample{}, fmt.Errorf("the floor read %q records of %d", out, s.events)
	}
	return scaleSample{scaleCase: scaleCase{name: "floor: consumer, gzip", partitions: partitions}, cpu: u.CPU, took: time.Since(began), peak: u.PeakRSS}, nil
}

// measure runs one case on nodes and a database of its own.
func (s *scale) measure(ctx context.Context, n int, k scaleCase) (m scaleSample, err error) {
	m.scaleCase = k
	db := "scale" + strconv.Itoa(n)
	if err := s.pg.Exec(ctx, "CREATE DATABASE "+db); err != nil {
		return m, err
	}
	addrs, err := harness.FreeAddrs(ctx, k.nodes)
	if err != nil {
		return m, err
	}
	nodes := make([]*harness.Server, k.nodes)
	for i := range nodes {
		dir := filepath.Join(s.dir, db, strconv.Itoa(i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return m, err
		}
		if nodes[i], err = harness.NewServer(ctx, s.bin, dir, "--secrets", s.secrets, "--log", "kafka://"+s.kafka.Bootstrap(), "--catalog", s.pg.Database(db)); err != nil {
			return m, err
		}
		nodes[i].Addr = addrs[i]
		defer func() { err = errors.Join(err, nodes[i].Close()) }()
		if err := nodes[i].Run(ctx); err != nil {
			return m, err
		}
	}
	token, err := harness.AdminToken(s.secrets)
	if err != nil {
		return m, err
	}
	cli := &harness.CLI{Bin: s.bin, Server: nodes[0].URL(), Token: token}
	if err := s.create(ctx, cli, k); err != nil {
		return m, err
	}
	if m.quiet, err = quietly(ctx, s.idleFor, nodes); err != nil {
		return m, err
	}
	before, err := stats(ctx, s.sink)
	if err != nil {
		return m, err
	}
	start, err := usage(nodes)
	if err != nil {
		return m, err
	}
	began := time.Now()
	if _, err := cli.Run(ctx, append([]string{"create", "batch-exporter", "filled", "--sink", "s3", "--name", "out", "--interval", "1h", "--include-existing-events",
		"--max-bytes", strconv.FormatInt(s.maxBytes, 10), "--path-prefix", fmt.Sprintf("scale-%d", n)}, k.flags...)...); err != nil {
		return m, err
	}
	if _, err := cli.Run(ctx, "flush", "out", "--wait"); err != nil {
		return m, fmt.Errorf("%w\na node's log ends:\n%s", err, nodes[0].LogTail(4<<10))
	}
	m.took = time.Since(began)
	end, err := usage(nodes)
	if err != nil {
		return m, err
	}
	after, err := stats(ctx, s.sink)
	if err != nil {
		return m, err
	}
	m.cpu, m.peak, m.objects, m.out = end.CPU-start.CPU, end.PeakRSS, after.Objects-before.Objects, after.Bytes-before.Bytes
	if err := delivered(ctx, cli, int64(s.events)); err != nil {
		return m, err
	}
	for _, n := range nodes {
		if err := n.Process().Stop(ctx, stopWithin); err != nil {
			return m, err
		}
	}
	return m, nil
}

// create makes the sink, the stream on the filled topic, and exporters of another
// stream, which have nothing to do.
func (s *scale) create(ctx context.Context, cli *harness.CLI, k scaleCase) error {
	if err := createSink(ctx, cli, s.dir, s.sink); err != nil {
		return err
	}
	quiet := fmt.Sprintf("quiet-%d", time.Now().UnixNano()) // a topic, and its name is taken from then on
	for _, args := range [][]string{
		{"create", "stream", "filled", "--topic", topicOf(k.partitions), "--strm-meta=false"},
		{"create", "stream", quiet},
	} {
		if _, err := cli.Run(ctx, args...); err != nil {
			return err
		}
	}
	return createIdle(ctx, cli, k.idle, quiet)
}

// usage returns the CPU time of all nodes and the memory of the largest.
func usage(nodes []*harness.Server) (sum harness.Usage, err error) {
	for _, n := range nodes {
		u, err := harness.UsageOf(n.Process().Pid())
		if err != nil {
			return sum, err
		}
		sum.CPU += u.CPU
		sum.PeakRSS = max(sum.PeakRSS, u.PeakRSS)
	}
	return sum, nil
}

// quietly returns the CPU time of all nodes in a time in which nothing happens.
func quietly(ctx context.Context, window time.Duration, nodes []*harness.Server) (time.Duration, error) {
	for _, n := range nodes {
		if err := settle(ctx, n.Process().Pid()); err != nil {
			return 0, err
		}
	}
	before, err := usage(nodes)
	if err != nil {
		return 0, err
	}
	t := time.NewTimer(window)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := usage(nodes)
	return after.CPU - before.CPU, err
}

func (s *scale) print(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, "Kafka to S3\tnodes\tpartitions\tidle exporters\tCPU s/M events\tx floor\tevents/s\tpeak MB\tobjects\tMB out\tidle: cores\t")
	rows := append([]scaleSample{s.floors[1], s.floors[64]}, s.samples...)
	for _, m := range rows {
		per := m.cpu.Seconds() / float64(s.events) * 1e6
		fmt.Fprintf(&b, "%s\t%d\t%d\t%d\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t%.1f\t%.3f\t\n", m.name, m.nodes, m.partitions, m.idle, per,
			m.cpu.Seconds()/s.floors[m.partitions].cpu.Seconds(), float64(s.events)/m.took.Seconds(), float64(m.peak)/1e6, m.objects, float64(m.out)/1e6,
			m.quiet.Seconds()/s.idleFor.Seconds())
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	_, err := tw.Write(b.Bytes())
	return errors.Join(err, tw.Flush())
}

// missed lists where the cost per event is not flat.
func (s *scale) missed() []string {
	find := func(name string, nodes, partitions int) (scaleSample, bool) {
		i := slices.IndexFunc(s.samples, func(m scaleSample) bool {
			return m.name == name && m.nodes == nodes && m.partitions == partitions
		})
		if i < 0 {
			return scaleSample{}, false
		}
		return s.samples[i], true
	}
	var out []string
	flat := func(what string, a, b scaleSample, both bool) {
		if r := b.cpu.Seconds() / a.cpu.Seconds(); both && r > aimFlat {
			out = append(out, fmt.Sprintf("scale: %s: %.2f x the CPU per event, at most %.1f is the aim", what, r, aimFlat))
		}
	}
	for _, name := range []string{"strm .jsonl.gz", "strm parquet"} {
		one, ok1 := find(name, 1, 1)
		many, ok2 := find(name, 1, 64)
		flat(name+", 64 partitions beside 1", one, many, ok1 && ok2)
		three, ok3 := find(name, 3, 64)
		flat(name+", 3 nodes beside 1", many, three, ok2 && ok3)
	}
	alone, ok1 := find("strm .jsonl.gz", 1, 64)
	beside, ok2 := find("strm .jsonl.gz, beside idle ones", 1, 64)
	flat("1,000 exporters beside 1", alone, beside, ok1 && ok2)
	return out
}
