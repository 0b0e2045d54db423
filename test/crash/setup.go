package main

import "strm/test/traffic"

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

var exporters = []traffic.Exporter{
	{Name: "one-plain", Stream: "one", Flags: []string{"--interval", "1s"}},
	{Name: "one-small", Stream: "one", Flags: []string{"--interval", "1s", "--max-bytes", "20000", "--compression", "gzip"}},
	{Name: "four-plain", Stream: "four", Flags: []string{"--interval", "1s", "--max-bytes", "60000"}},
	{Name: "four-hive", Stream: "four", Flags: []string{"--interval", "2s", "--layout", "hive", "--compression", "gzip"}},
	{Name: "bare-gzip", Stream: "bare", Flags: []string{"--interval", "1s", "--compression", "gzip"}},
	{Name: "web-logs", Stream: "web", Flags: []string{"--layout", "segment", "--interval", "1s", "--interval-offset", "0s"}},
}

// imported is the importer of the run, and its stream.
const imported = "imported"

// ofFiles is the exporter of what was imported, created when all of it is in.
var ofFiles = traffic.Exporter{Name: "imported", Stream: imported, Flags: []string{"--interval", "1s", "--include-existing-events", "--compression", "gzip"}}

// late is created after all events are in, to be filled from the log.
var late = traffic.Exporter{Name: "one-late", Stream: "one", Flags: []string{"--interval", "1s", "--include-existing-events"}}
