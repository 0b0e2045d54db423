package stream_test

import (
	"testing"

	"strm/internal/stream"
)

func TestImporterWants(t *testing.T) {
	fme := stream.Importer{Prefix: "events/", Suffixes: []string{".parquet.gz", ".snappy.parquet"}, StatusPrefix: "events/status"}
	root := stream.Importer{}
	for _, tt := range []struct {
		importer *stream.Importer
		key      string
		want     bool
	}{
		{&fme, "events/a.snappy.parquet", true},
		{&fme, "events/deep/er/a.parquet.gz", true},
		{&fme, "events/.parquet.gz", true},
		{&fme, "events/a.parquet", false},
		{&fme, "events/a.snappy.parquet.tmp", false},
		{&fme, "events/A.SNAPPY.PARQUET", false},
		{&fme, "other/a.snappy.parquet", false},
		{&fme, "/events/a.snappy.parquet", false},
		{&fme, "events/status/a.snappy.parquet", false},
		{&fme, "events/status/2026-11-20/08-00-00.000.UTC_report.status", false},
		{&fme, "events/statuses/a.snappy.parquet", true}, // not below it
		{&fme, "events/", false},
		{&fme, "", false},
		{&root, "anything", true},
		{&root, "folder/", false},
		{&root, "2026-11-20/08-00-00.000.UTC_report.status", false},
		{&root, "", false},
	} {
		if got := tt.importer.Wants(tt.key); got != tt.want {
			t.Errorf("%q: %v", tt.key, got)
		}
	}
}
