package main

import "strm/test/traffic"

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
