package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"strm/test/harness"
)

// exportSample is what it costs to deliver a stored stream, with nothing else
// going on, beside a program that only PUTs as many bytes from a file.
type exportSample struct {
	bytes      int64 // delivered
	cpu, plain time.Duration
	peak       int64
}

// measureExport fills a stream while its exporter is paused, and then measures
// the export alone. The layout is segment: stored blocks, one after the other.
func (c *config) measureExport(ctx context.Context, file, sinkURL string) (s exportSample, err error) {
	dir, err := os.MkdirTemp(c.dir, "export-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	srv, cli, err := newServer(ctx, c.bin, dir, sinkURL)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	k := kase{compression: "gzip", segment: "0"}
	key, err := c.create(ctx, k, cli, -1)
	if err != nil {
		return s, err
	}
	if _, err := cli.Run(ctx, "pause", "batch-exporter", "out"); err != nil {
		return s, err
	}
	if _, err := c.sendAll(ctx, k, file, srv.URL(), key); err != nil {
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
	after, err := stats(ctx, sinkURL)
	if err != nil {
		return s, err
	}
	if err := delivered(ctx, cli, int64(c.events)); err != nil {
		return s, err
	}
	s.bytes, s.cpu, s.peak = after.Bytes-before.Bytes, end.CPU-start.CPU, end.PeakRSS
	if s.plain, err = c.measurePut(ctx, file, sinkURL, s.bytes, after.Objects-before.Objects); err != nil {
		return s, err
	}
	return s, srv.Process().Stop(ctx, stopWithin)
}

// measurePut runs the program that only PUTs.
func (c *config) measurePut(ctx context.Context, file, sinkURL string, bytes, objects int64) (time.Duration, error) {
	out, u, err := self(ctx, nil, "put", "-file", file, "-url", fmt.Sprintf("%s/%s/plain-put-%d", sinkURL, bucket, time.Now().UnixNano()),
		"-bytes", strconv.FormatInt(bytes, 10), "-objects", strconv.FormatInt(objects, 10))
	if err != nil {
		return 0, err
	}
	var n int64
	if err := json.Unmarshal(out, &n); err != nil || n != bytes {
		return 0, fmt.Errorf("plain PUT: it sent %q bytes of %d", out, bytes)
	}
	return u.CPU, nil
}

// putMain PUTs the first bytes of a file, divided into objects, and prints how many.
func putMain(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("put", flag.ExitOnError)
	file := fs.String("file", "", "file to read")
	url := fs.String("url", "", "URL that the objects' numbers are put behind")
	total := fs.Int64("bytes", 0, "bytes to PUT")
	objects := fs.Int64("objects", 1, "objects to make of them")
	if err := fs.Parse(args); err != nil {
		return err
	}
	f, err := os.Open(*file)
	if err != nil {
		return err
	}
	var sent int64
	for i := range *objects {
		size := (*total - sent) / (*objects - i)
		if err := putObject(ctx, fmt.Sprintf("%s-%d", *url, i), io.NewSectionReader(f, sent, size), size); err != nil {
			return errors.Join(err, f.Close())
		}
		sent += size
	}
	if err := f.Close(); err != nil {
		return err
	}
	_, err = fmt.Println(sent)
	return err
}

func (s exportSample) print(w io.Writer) error {
	gb := float64(s.bytes) / 1e9
	_, err := fmt.Fprintf(w, "export of %.0f MB of stored blocks, layout segment: %.2f CPU s/GB; plain PUT of as many bytes from a file: %.2f CPU s/GB (x %.2f); peak %.0f MB\n",
		gb*1e3, s.cpu.Seconds()/gb, s.plain.Seconds()/gb, s.cpu.Seconds()/s.plain.Seconds(), float64(s.peak)/1e6)
	return err
}
