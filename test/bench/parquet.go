package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"strm/test/harness"
)

// What others need for the same work: compressed NDJSON to Parquet.
//
//go:embed parquet.py
var parquetProgram []byte

// parquetSample is one way to make Parquet of impressions.
type parquetSample struct {
	name  string
	rows  int
	bytes int64
	cpu   time.Duration
	peak  int64
}

// parquetTools are the other ways, by the names that the program knows.
var parquetTools = []string{"duckdb", "pyarrow"}

// measureParquet measures stored impressions to an object of layout fme, and
// beside it the others on the same impressions in one gzip file. The first
// sample is strm's; it stands alone where the others are not installed.
func (c *config) measureParquet(ctx context.Context, sinkURL string) (out []parquetSample, err error) {
	dir, err := os.MkdirTemp(c.dir, "parquet-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	plain, packed, err := impressionFiles(dir, c.events)
	if err != nil {
		return nil, err
	}
	ours, err := c.parquetOfStrm(ctx, dir, plain, sinkURL)
	if err != nil {
		return nil, fmt.Errorf("strm: %w", err)
	}
	out = append(out, ours)
	python, err := c.interpreter()
	if err != nil || python == "" {
		return out, err
	}
	for _, tool := range parquetTools {
		s, err := c.parquetOfTool(ctx, python, tool, packed, filepath.Join(dir, tool+".parquet"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tool, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// interpreter returns the Python that has the others, empty if there is none.
func (c *config) interpreter() (string, error) {
	if c.python != "" {
		return c.python, nil
	}
	root, err := harness.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".integration", "venv", "bin", "python")
	if _, err := os.Stat(path); err != nil {
		return "", nil //nolint:nilerr // not installed
	}
	return path, nil
}

func (c *config) parquetOfStrm(ctx context.Context, dir, file, sinkURL string) (s parquetSample, err error) {
	srv, cli, err := newServer(ctx, c.bin, dir, sinkURL)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	for _, args := range [][]string{
		{"create", "stream", "clicks", "--partitions", "1", "--strm-meta=false"},
		{"create", "batch-exporter", "clicks", "--sink", "s3", "--name", "out", "--path-prefix", "parquet", "--layout", "fme", "--compression", "zstd"},
		{"pause", "batch-exporter", "out"},
	} {
		if _, err := cli.Run(ctx, args...); err != nil {
			return s, err
		}
	}
	key, err := cli.Source(ctx, "shop", "clicks")
	if err != nil {
		return s, err
	}
	if _, err := c.sendAll(ctx, kase{}, file, srv.URL(), key); err != nil {
		return s, err
	}
	before, err := stats(ctx, sinkURL)
	if err != nil {
		return s, err
	}
	start, err := harness.UsageOf(srv.Process().Pid())
	if err != nil {
		return s, err
	}
	if _, err := cli.Run(ctx, "resume", "batch-exporter", "out"); err != nil {
		return s, err
	}
	if _, err := cli.Run(ctx, "flush", "out", "--wait"); err != nil {
		return s, fmt.Errorf("%w\nthe server's log ends:\n%s", err, srv.LogTail(4<<10))
	}
	end, err := harness.UsageOf(srv.Process().Pid())
	if err != nil {
		return s, err
	}
	if err := delivered(ctx, cli, int64(c.events)); err != nil {
		return s, err
	}
	after, err := stats(ctx, sinkURL)
	if err != nil {
		return s, err
	}
	s = parquetSample{name: "strm", rows: c.events, bytes: after.Bytes - before.Bytes, cpu: end.CPU - start.CPU, peak: end.PeakRSS}
	return s, srv.Process().Stop(ctx, stopWithin)
}

// parquetOfTool runs a process that does nothing else. The CPU time is that of
// the work, without the start of Python.
func (c *config) parquetOfTool(ctx context.Context, python, tool, from, to string) (parquetSample, error) {
	s, err := c.runPython(ctx, python, parquetProgram, tool, from, to)
	if err != nil {
		return s, err
	}
	info, err := os.Stat(to)
	if err != nil {
		return s, err
	}
	s.name, s.bytes = tool, info.Size()
	return s, nil
}

// runPython runs a program that prints what CPU time its work took, and how many
// rows it wrote.
func (c *config) runPython(ctx context.Context, python string, program []byte, args ...string) (parquetSample, error) {
	cmd := exec.CommandContext(ctx, python, append([]string{"-"}, args...)...)
	cmd.Env = harness.Env()
	cmd.Stdin = bytes.NewReader(program)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return parquetSample{}, fmt.Errorf("%w\n%s", err, errs.String())
	}
	var got struct {
		CPU  float64 `json:"cpu"`
		Rows int     `json:"rows"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return parquetSample{}, err
	}
	if got.Rows != c.events {
		return parquetSample{}, fmt.Errorf("it wrote %d rows of %d", got.Rows, c.events)
	}
	s := parquetSample{rows: got.Rows, cpu: time.Duration(got.CPU * float64(time.Second))}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = ru.Maxrss << 10
	}
	return s, nil
}

func printParquet(w io.Writer, samples []parquetSample) error {
	_, err := fmt.Fprintln(w, "parquet out: stored impressions, compressed, to one file of zstd pages")
	err = errors.Join(err, printSamples(w, samples))
	if len(samples) < 1+len(parquetTools) {
		_, perr := fmt.Fprintln(w, "  DuckDB and pyarrow are not installed (make integration installs them): nothing to compare with")
		err = errors.Join(err, perr)
	}
	return err
}

func printSamples(w io.Writer, samples []parquetSample) (err error) {
	for _, s := range samples {
		_, perr := fmt.Fprintf(w, "  %-13s %.0f thousand rows per CPU s (%.2f CPU s/M); peak %.0f MB; stored %.1f MB\n",
			s.name, float64(s.rows)/s.cpu.Seconds()/1e3, s.cpu.Seconds()/float64(s.rows)*1e6, float64(s.peak)/1e6, float64(s.bytes)/1e6)
		err = errors.Join(err, perr)
	}
	return err
}

// missedParquet says whether strm takes more CPU than the better of the others;
// what comes after these is for information.
// CPU time on a machine that does other things differs by some percent from
// one process to the next, hence the tolerance.
func missedParquet(what string, samples []parquetSample, asked bool, peak float64) []string {
	if !asked {
		return nil
	}
	if len(samples) < 1+len(parquetTools) {
		return []string{what + ": not compared with DuckDB and pyarrow, which are not installed"}
	}
	ours, best := samples[0], samples[1]
	for _, s := range samples[2 : 1+len(parquetTools)] {
		if s.cpu < best.cpu {
			best = s
		}
	}
	var out []string
	if x := ours.cpu.Seconds() / best.cpu.Seconds(); x > aimParquet {
		out = append(out, fmt.Sprintf("%s: %.2f x the CPU of %s, at most %.1f is the aim", what, x, best.name, aimParquet))
	}
	if float64(ours.peak) > peak {
		out = append(out, fmt.Sprintf("%s: peak memory %.0f MB, at most %.0f is the aim", what, float64(ours.peak)/1e6, peak/1e6))
	}
	return out
}
