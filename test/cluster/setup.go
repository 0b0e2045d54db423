package main

import (
	"context"
	"fmt"

	"strm/test/harness"
	"strm/test/s3double"
	"strm/test/traffic"
)

// The bucket of the run. Its host exists nowhere: each node reaches it through a
// proxy of its own, so that one node can be cut off alone.
const (
	bucket    = "cluster-bucket"
	region    = "us-east-1"
	accessKey = "AKIACLUSTERCLUSTER00"
	endpoint  = "http://s3.cluster.test"
)

var streams = []traffic.Stream{
	{Name: "one", Partitions: 1, Meta: true, Senders: 2, Plain: 1},
	{Name: "eight", Partitions: 8, Meta: true, Senders: 2, Plain: 2},
	{Name: "wide", Partitions: 64, Senders: 2},
	{Name: "web", Partitions: 4, Segment: true, Senders: 2},
}

var exporters = []traffic.Exporter{
	{Name: "one-gzip", Stream: "one", Flags: []string{"--interval", "1s", "--compression", "gzip"}},
	{Name: "one-small", Stream: "one", Flags: []string{"--interval", "1s", "--max-bytes", "20000"}},
	{Name: "eight-plain", Stream: "eight", Flags: []string{"--interval", "1s"}},
	{Name: "eight-parquet", Stream: "eight", Flags: []string{"--interval", "2s", "--format", "parquet"}},
	{Name: "eight-hive", Stream: "eight", Flags: []string{"--interval", "2s", "--layout", "hive", "--compression", "gzip"}},
	{Name: "wide-gzip", Stream: "wide", Flags: []string{"--interval", "2s", "--compression", "gzip"}},
	{Name: "web-logs", Stream: "web", Flags: []string{"--layout", "segment", "--interval", "1s", "--interval-offset", "0s"}},
}

// late is created after all events are in, to be filled from the log.
var late = traffic.Exporter{Name: "eight-late", Stream: "eight", Flags: []string{"--interval", "1s", "--include-existing-events", "--compression", "gzip"}}

// of returns the exporter's stream.
func of(e traffic.Exporter) traffic.Stream {
	for _, s := range streams {
		if s.Name == e.Stream {
			return s
		}
	}
	return traffic.Stream{}
}

// setUp makes streams, sources, the sink and the exporters, and returns the
// write key of each stream.
func setUp(ctx context.Context, cli *harness.CLI, s3 *s3double.Server, dir string) (map[string]string, error) {
	if err := traffic.CreateSink(ctx, cli, s3, endpoint, dir); err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, s := range streams {
		var err error
		if keys[s.Name], err = s.Create(ctx, cli); err != nil {
			return nil, err
		}
	}
	for _, e := range exporters {
		if err := e.Create(ctx, cli); err != nil {
			return nil, fmt.Errorf("set up: %w", err)
		}
	}
	return keys, nil
}
