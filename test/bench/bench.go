package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"strm/test/harness"
)

// bench runs every case and prints the table.
func bench(ctx context.Context, c config) (err error) {
	if c.runs < 1 || c.events < 1 || c.batch < 1 || c.conns < 1 {
		return errors.New("-runs, -events, -batch and -conns must be at least 1")
	}
	file, err := dataFile(c.events, c.size)
	if err != nil {
		return fmt.Errorf("make the events: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "strm-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
	}
	if c.bin == "" {
		if c.bin, err = harness.Build(ctx, c.dir); err != nil {
			return err
		}
	}
	sink, err := startSink(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.close()) }()
	fmt.Printf("%d events, mean %d bytes, %.0f MB; ", c.events, info.Size()/int64(c.events), float64(info.Size())/1e6)
	if !c.scale {
		fmt.Printf("batches of %d, %d connections, %d partition(s); ", c.batch, c.conns, c.partitions)
	}
	fmt.Printf("objects of %.0f MB raw; %s\n", float64(c.maxBytes)/1e6, ran(c.runs))
	fmt.Printf("%s/%s, %d CPUs, load %s, %s; data below %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load(), runtime.Version(), c.dir)
	if c.scale {
		m, err := c.measureScale(ctx, file, sink.url)
		if err != nil {
			return fmt.Errorf("scale: %w", err)
		}
		return c.verdict(m)
	}
	samples := make([][]sample, len(cases))
	for run := range c.runs {
		for i, k := range cases {
			if !k.floor && !strings.Contains(k.name, c.only) {
				continue
			}
			s, err := c.measure(ctx, k, file, sink.url, run)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "run %d: %-26s %.2f CPU s, %.1f s, peak %.0f MB\n", run+1, k.name, s.cpu.Seconds(), s.took.Seconds(), float64(s.peak)/1e6)
			samples[i] = append(samples[i], s)
		}
	}
	rows := make([]row, 0, len(cases))
	for i, k := range cases {
		r := row{kase: k}
		if len(samples[i]) > 0 {
			r = makeRow(k, c.events, samples[i])
		}
		rows = append(rows, r)
	}
	if err := printTable(os.Stdout, rows); err != nil {
		return err
	}
	export, err := c.measureExport(ctx, file, sink.url)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := export.print(os.Stdout); err != nil {
		return err
	}
	var parquets, imports []parquetSample
	if c.parquet {
		if parquets, err = c.measureParquet(ctx, sink.url); err != nil {
			return fmt.Errorf("parquet out: %w", err)
		}
		if err := printParquet(os.Stdout, parquets); err != nil {
			return err
		}
		if imports, err = c.measureParquetIn(ctx); err != nil {
			return fmt.Errorf("parquet in: %w", err)
		}
		if err := printParquetIn(os.Stdout, imports); err != nil {
			return err
		}
	}
	var syncs []streamsSample
	if c.streams > 0 {
		if syncs, err = c.measureStreams(ctx, sink.url, c.streams, max(c.events/c.streams/4, 1)); err != nil {
			return fmt.Errorf("many streams: %w", err)
		}
		for _, s := range syncs {
			if err := s.print(os.Stdout); err != nil {
				return err
			}
		}
	}
	var idle *idleSample
	if c.idle > 0 {
		s, err := c.measureIdle(ctx, sink.url)
		if err != nil {
			return fmt.Errorf("idle exporters: %w", err)
		}
		if err := s.print(os.Stdout, c.idleFor); err != nil {
			return err
		}
		idle = &s
	}
	return c.verdict(slices.Concat(missed(rows, idle, c.idleFor), missedParquet("parquet out", parquets, c.parquet, aimPeak), missedParquet("parquet in", imports, c.parquet, aimImportPeak), missedStreams(syncs)))
}

// ran says how often everything was measured.
func ran(times int) string {
	if times == 1 {
		return "one run"
	}
	return fmt.Sprintf("medians of %d runs", times)
}

// verdict prints the aims that were missed; with -check they are an error.
func (c *config) verdict(missed []string) error {
	if len(missed) == 0 {
		fmt.Println("all aims reached")
		return nil
	}
	fmt.Println("aims missed:\n  " + strings.Join(missed, "\n  "))
	if c.check {
		return fmt.Errorf("%d aims missed", len(missed))
	}
	return nil
}

// load returns the machine's load averages: what else runs disturbs CPU time
// too, by way of the caches.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 3 {
		return "unknown"
	}
	return strings.Join(f[:3], " ")
}
