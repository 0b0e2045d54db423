package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"strm/test/harness"
)

// aimStreams is the memory in bytes that many streams written at once may take.
const aimStreams = 512e6

// streamsSample is a sync of many streams whose records come in turn.
type streamsSample struct {
	format           string
	streams, records int
	cpu              time.Duration
	peak             int64
	objects          int64
}

var streamsFormats = []struct{ name, config string }{
	{"JSONL, gzip", `{"format_type":"JSONL"}`},
	{"CSV, flat, gzip", `{"format_type":"CSV","flattening":"Root level flattening"}`},
	{"Parquet, snappy", `{"format_type":"Parquet","compression_codec":"SNAPPY"}`},
}

// measureStreams runs `strm airbyte write` once for each format, with so many
// streams at once and rounds records in each.
func (c *config) measureStreams(ctx context.Context, sinkURL string, streams, rounds int) ([]streamsSample, error) {
	var out []streamsSample
	for i, f := range streamsFormats {
		before, err := stats(ctx, sinkURL)
		if err != nil {
			return nil, err
		}
		s, err := c.measureSync(ctx, sinkURL, fmt.Sprintf("streams-%d-%d", time.Now().UnixNano(), i), f.config, streams, rounds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		after, err := stats(ctx, sinkURL)
		if err != nil {
			return nil, err
		}
		s.format, s.objects = f.name, after.Objects-before.Objects
		if s.objects < int64(streams) {
			return nil, fmt.Errorf("%s: %d objects of %d streams", f.name, s.objects, streams)
		}
		out = append(out, s)
	}
	return out, nil
}

func (c *config) measureSync(ctx context.Context, sinkURL, path, format string, streams, rounds int) (s streamsSample, err error) {
	dir, err := os.MkdirTemp(c.dir, "sync-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	config := fmt.Sprintf(`{"s3_bucket_name":%q,"s3_bucket_path":%q,"s3_bucket_region":"us-east-1","s3_endpoint":%q,"access_key_id":"AKIABENCHBENCHBENCH0","secret_access_key":"bench-secret-bench-secret-bench-secret-00","format":%s}`,
		bucket, path, sinkURL, format)
	for name, text := range map[string]string{"config.json": config, "catalog.json": streamsCatalog(streams)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return s, err
		}
	}
	cmd := exec.CommandContext(ctx, c.bin, "airbyte", "write", "--config", filepath.Join(dir, "config.json"), "--catalog", filepath.Join(dir, "catalog.json"))
	cmd.Env = harness.Env("TMPDIR=" + dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return s, err
	}
	if err := cmd.Start(); err != nil {
		return s, err
	}
	fed := errors.Join(writeRecords(in, streams, rounds), in.Close())
	if err := cmd.Wait(); err != nil || fed != nil {
		return s, fmt.Errorf("%w\n%.4000s", errors.Join(err, fed), said.String())
	}
	s.streams, s.records = streams, streams*rounds
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = ru.Maxrss << 10
	}
	return s, nil
}

func streamsCatalog(streams int) string {
	var b strings.Builder
	b.WriteString(`{"streams":[`)
	for i := range streams {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"stream":{"name":"stream_%d","json_schema":{"type":"object","properties":{"id":{"type":"integer"},"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"number"},`+
			`"d":{"type":"array","items":{"type":"string"}},"at":{"type":"string","format":"date-time"}}}},"destination_sync_mode":"append","generation_id":0,"minimum_generation_id":0,"sync_id":1}`, i)
	}
	b.WriteString(`]}`)
	return b.String()
}

func writeRecords(w io.Writer, streams, rounds int) error {
	in := bufio.NewWriterSize(w, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for n := range rounds {
		for i := range streams {
			// The writer remembers its first error.
			_, _ = fmt.Fprintf(in, `{"type":"RECORD","record":{"stream":"stream_%d","emitted_at":1795132800000,"data":{"id":%d,"a":"%x","b":"%s","c":%g,"d":["u","v"],"at":"2026-01-02T03:04:05Z"}}}`+"\n",
				i, n, r.Uint64(), words[n%len(words)], r.Float64())
		}
	}
	for i := range streams {
		_, _ = fmt.Fprintf(in, `{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1795132800000,"stream_status":{"stream_descriptor":{"name":"stream_%d"},"status":"COMPLETE"}}}`+"\n", i)
	}
	return in.Flush()
}

func (s streamsSample) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "airbyte write, %s: %d streams at once, %d records, %d objects: %.2f CPU s per million records, peak %.0f MB\n",
		s.format, s.streams, s.records, s.objects, s.cpu.Seconds()/float64(s.records)*1e6, float64(s.peak)/1e6)
	return err
}

// missedStreams lists the syncs that took too much memory.
func missedStreams(samples []streamsSample) []string {
	var out []string
	for _, s := range samples {
		if float64(s.peak) > aimStreams {
			out = append(out, fmt.Sprintf("airbyte write, %s: peak memory %.0f MB with %d streams, at most %.0f is the aim", s.format, float64(s.peak)/1e6, s.streams, aimStreams/1e6))
		}
	}
	return out
}
