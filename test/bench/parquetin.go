package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"strm/internal/api/apiv1"
	"strm/test/harness"
)

// What makes the event files, and what others need for the same work: Parquet to
// JSON lines in a file.
//
//go:embed eventfiles.py
var eventFilesProgram []byte

const (
	eventsPrefix = "events/"
	eventFiles   = 4
)

// measureParquetIn measures event files in a bucket to stored events, which are
// compressed, and beside it the others on the same files on a disk, to compressed
// lines. The first sample is strm's, the last what DuckDB takes without compressing.
// There is none where pyarrow, which writes the files, is not installed.
func (c *config) measureParquetIn(ctx context.Context) (out []parquetSample, err error) {
	python, err := c.interpreter()
	if err != nil || python == "" {
		return nil, err
	}
	dir, err := os.MkdirTemp(c.dir, "parquet-in-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	files := make([]string, eventFiles)
	for i := range files {
		files[i] = filepath.Join(dir, fmt.Sprintf("part-%d.snappy.parquet", i))
	}
	if _, err := c.runPython(ctx, python, eventFilesProgram, append([]string{"make", strconv.Itoa(c.events)}, files...)...); err != nil {
		return nil, fmt.Errorf("make the files: %w", err)
	}
	bucket, err := startServing(ctx, append([]string{"files"}, files...)...)
	if err != nil {
		return nil, err
	}
	ours, err := c.importOfStrm(ctx, dir, bucket.url)
	if err := errors.Join(err, bucket.close()); err != nil {
		return nil, fmt.Errorf("strm: %w", err)
	}
	out = append(out, ours)
	for _, tool := range append(slices.Clone(parquetTools), "plain") {
		to := filepath.Join(dir, tool+".ndjson")
		s, err := c.runPython(ctx, python, eventFilesProgram, append([]string{tool, to}, files...)...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tool, err)
		}
		info, err := os.Stat(to)
		if err != nil {
			return nil, err
		}
		s.name, s.bytes = tool, info.Size()
		if tool == "plain" {
			s.name = "duckdb, plain"
		}
		if err := os.Remove(to); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// importOfStrm imports the files that a bucket has.
func (c *config) importOfStrm(ctx context.Context, dir, bucketURL string) (s parquetSample, err error) {
	srv, cli, err := newServer(ctx, c.bin, dir, bucketURL)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	if _, err := cli.Run(ctx, "create", "stream", "clicks", "--partitions", "1", "--strm-meta=false"); err != nil {
		return s, err
	}
	start, err := harness.UsageOf(srv.Process().Pid())
	if err != nil {
		return s, err
	}
	if _, err := cli.Run(ctx, "create", "batch-importer", "in", "--stream", "clicks", "--sink", "s3", "--prefix", eventsPrefix, "--include-existing-files",
		"--environment", "prod-0,prod-1,prod-2", "--status-folder", "statuses"); err != nil {
		return s, err
	}
	var rows int64
	err = harness.Poll(ctx, 10*time.Minute, 50*time.Millisecond, "the files to be imported", func(ctx context.Context) (bool, string, error) {
		var page struct {
			Imports []apiv1.Import `json:"imports"`
		}
		if err := cli.Call(ctx, http.MethodGet, "/v1/imports?importer=in", nil, &page); err != nil {
			return false, "", err
		}
		done, state := 0, ""
		rows = 0
		for _, i := range page.Imports {
			if i.State == "done" {
				done++
				rows += i.Accepted
			}
			state += fmt.Sprintf("%s %s %s; ", i.Key, i.State, i.Problem)
		}
		return done == eventFiles, state, nil
	})
	if err != nil {
		return s, fmt.Errorf("%w\nthe server's log ends:\n%s", err, srv.LogTail(4<<10))
	}
	end, err := harness.UsageOf(srv.Process().Pid())
	if err != nil {
		return s, err
	}
	if rows != int64(c.events) {
		return s, fmt.Errorf("%d rows imported of %d", rows, c.events)
	}
	s = parquetSample{name: "strm", rows: c.events, cpu: end.CPU - start.CPU, peak: end.PeakRSS}
	var st apiv1.Stream
	if err := cli.Call(ctx, http.MethodGet, "/v1/streams/clicks", nil, &st); err != nil {
		return s, err
	}
	var events int64
	for _, b := range st.Bounds {
		s.bytes += b.Bytes
		events += b.End - b.Floor
	}
	if events != int64(c.events) {
		return s, fmt.Errorf("the stream has %d events of %d", events, c.events)
	}
	return s, srv.Process().Stop(ctx, stopWithin)
}

func printParquetIn(w io.Writer, samples []parquetSample) error {
	if len(samples) == 0 {
		_, err := fmt.Fprintln(w, "parquet in: pyarrow, which writes the event files, and DuckDB are not installed (make integration installs them): not measured")
		return err
	}
	_, err := fmt.Fprintf(w, "parquet in: %d event files of snappy pages; strm: from a bucket, checked, to stored events; the others: from a disk to JSON lines in a file of zstd, or plain\n", eventFiles)
	return errors.Join(err, printSamples(w, samples))
}
