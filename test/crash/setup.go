package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"strm/test/harness"
	"strm/test/traffic"
)

const (
	bucket    = "crash-bucket"
	region    = "us-east-1"
	accessKey = "AKIACRASHCRASHCRASH0"
)

var streams = []traffic.Stream{
	{Name: "one", Partitions: 1, Meta: true, Senders: 2},
	{Name: "four", Partitions: 4, Meta: true, Senders: 3},
	{Name: "bare", Partitions: 1, Senders: 1},
	{Name: "web", Partitions: 2, Segment: true, Senders: 2},
}

// exporterSpec is an exporter of the run. Its prefix is its name.
type exporterSpec struct {
	name   string
	stream string
	flags  []string
}

var exporters = []exporterSpec{
	{"one-plain", "one", []string{"--interval", "1s"}},
	{"one-small", "one", []string{"--interval", "1s", "--max-bytes", "20000", "--compression", "gzip"}},
	{"four-plain", "four", []string{"--interval", "1s", "--max-bytes", "60000"}},
	{"four-hive", "four", []string{"--interval", "2s", "--layout", "hive", "--compression", "gzip"}},
	{"bare-gzip", "bare", []string{"--interval", "1s", "--compression", "gzip"}},
	{"web-logs", "web", []string{"--layout", "segment", "--interval", "1s", "--interval-offset", "0s"}},
}

// imported is the importer of the run, and its stream.
const imported = "imported"

// ofFiles is the exporter of what was imported, created when all of it is in.
var ofFiles = exporterSpec{"imported", imported, []string{"--interval", "1s", "--include-existing-events", "--compression", "gzip"}}

// late is created after all events are in, to be filled from the log.
var late = exporterSpec{"one-late", "one", []string{"--interval", "1s", "--include-existing-events"}}

func (e exporterSpec) create(ctx context.Context, cli *harness.CLI) error {
	args := append([]string{"create", "batch-exporter", e.stream, "--sink", "s3", "--name", e.name, "--path-prefix", e.name}, e.flags...)
	_, err := cli.Run(ctx, args...)
	return err
}

// of returns the exporter's stream.
func (e exporterSpec) of() traffic.Stream {
	for _, s := range streams {
		if s.Name == e.stream {
			return s
		}
	}
	return traffic.Stream{}
}

// setUp makes streams, sources, the sink and the exporters, and returns the
// write key of each stream.
func setUp(ctx context.Context, cli *harness.CLI, dir, endpoint string) (map[string]string, error) {
	creds := filepath.Join(dir, "s3.json")
	doc, err := json.Marshal(map[string]any{"AccessKey": map[string]string{
		"UserName": "crash", "AccessKeyId": accessKey, "Status": "Active",
		"SecretAccessKey": "crash-test-secret-crash-test-secret-0000", "CreateDate": "2026-01-01T00:00:00+00:00",
	}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(creds, doc, 0o600); err != nil {
		return nil, err
	}
	if _, err := cli.Run(ctx, "create", "sink", "s3", bucket, "--credentials-file", creds,
		"--endpoint", endpoint, "--region", region, "--path-style"); err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, s := range streams {
		args := []string{"create", "stream", s.Name, "--partitions", strconv.Itoa(s.Partitions)}
		if !s.Meta {
			args = append(args, "--strm-meta=false")
		}
		if _, err := cli.Run(ctx, args...); err != nil {
			return nil, err
		}
		var flags []string
		if s.Segment {
			flags = []string{"--kind", "segment"}
		}
		if keys[s.Name], err = cli.Source(ctx, s.Name+"-in", s.Name, flags...); err != nil {
			return nil, err
		}
	}
	for _, e := range exporters {
		if err := e.create(ctx, cli); err != nil {
			return nil, fmt.Errorf("set up: %w", err)
		}
	}
	_, err = cli.Run(ctx, "create", "batch-importer", imported, "--sink", "s3", "--environment", environment, "--prefix", filesPrefix,
		"--status-folder", statusFolder, "--list-every", "1s", "--report-every", "1s")
	return keys, err
}
