//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestImpressionsAreReadByOthers delivers impressions by layout fme, which is
// all that is said, and lets pyarrow and DuckDB tell the schema and the rows.
func TestImpressionsAreReadByOthers(t *testing.T) {
	s := startStrm(t)
	bucket := filepath.Join(s.dir, "bucket")
	if err := os.Mkdir(bucket, 0o700); err != nil {
		t.Fatal(err)
	}
	s.run(t, "create", "sink", "disk", bucket, "--sink-type", "DIR")
	s.run(t, "create", "stream", "impressions", "--strm-meta=false")
	exporters := map[string]struct {
		flags       []string
		name, codec string // of the file and in the footer
	}{
		"plain":  {nil, "schema-v1/2*.snappy.parquet", "SNAPPY"},
		"gzip":   {[]string{"--compression", "gzip"}, "schema-v1/2*.gz.parquet", "GZIP"},
		"zstd":   {[]string{"--compression", "zstd"}, "schema-v1/2*.zstd.parquet", "ZSTD"},
		"none":   {[]string{"--compression", "none"}, "schema-v1/2*.parquet", "UNCOMPRESSED"},
		"lz4":    {[]string{"--compression", "lz4"}, "schema-v1/2*.lz4raw.parquet", "LZ4"},
		"brotli": {[]string{"--compression", "brotli"}, "schema-v1/2*.br.parquet", "BROTLI"},
		"root":   {[]string{"--layout", "fme-root"}, "2*.snappy.parquet", "SNAPPY"},
	}
	for name, x := range exporters {
		s.run(t, append([]string{"create", "batch-exporter", "impressions", "--sink", "disk", "--name", name, "--path-prefix", name, "--layout", "fme"}, x.flags...)...)
	}

	const rows = 5000
	var lines strings.Builder
	for i := range rows {
		e := map[string]any{
			"key": fmt.Sprintf("user-%d", i), "treatment": []string{"on", "off"}[i%2], "splitName": fmt.Sprintf("flag_%d", i%7), "splitVersion": 1700000000000 + int64(i),
			"environmentId": "env", "trafficTypeId": []string{"tt", ""}[i%2], "sdk": "nodejs", "sdkVersion": "11.11.2", "timestamp": 1795161717000 + int64(i), "receptionTimestamp": 1795161718000 + int64(i),
			"impressionsMode": "DEBUG",
		}
		if i%3 > 0 {
			e["label"], e["properties"] = "default rule", fmt.Sprintf(`{"page":"Zürich \"%d\"","n":3,"nil":null}`, i)
		}
		if i%5 > 0 {
			e["machineName"], e["machineIp"], e["bucketingKey"] = "host-1", "192.0.2.2", "bk"
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(b, '\n'))
	}
	events := filepath.Join(s.dir, "impressions.ndjson")
	write(t, events, lines.String())
	s.run(t, "send", "impressions", events)

	want := map[string]string{"machineName": "string", "machineIp": "string"}
	for _, c := range []string{"key", "label", "treatment", "splitName", "properties", "environmentId", "trafficTypeId", "sdk", "sdkVersion"} {
		want[c] = "string not null"
	}
	for _, c := range []string{"splitVersion", "timestamp", "receptionTimestamp"} {
		want[c] = "int64 not null"
	}
	for name, x := range exporters {
		s.flush(t, name)
		files, err := filepath.Glob(filepath.Join(bucket, name, x.name))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: files %v, %v", name, files, err)
		}
		var got struct {
			Codecs      []string
			Columns     []string
			Types       map[string]string
			Annotated   []string
			Rows        int
			Differences []string
		}
		client{dir: s.dir}.python(t, &got, "fme.py", files[0], events)
		if !slices.Equal(got.Codecs, []string{x.codec}) || got.Rows != rows || len(got.Differences) > 0 {
			t.Errorf("%s: codecs %v, %d rows, %s", name, got.Codecs, got.Rows, strings.Join(got.Differences, "\n"))
		}
		if order := strings.Join(got.Columns, " "); order != "key label treatment splitName splitVersion properties environmentId trafficTypeId sdk sdkVersion machineName machineIp timestamp receptionTimestamp" {
			t.Errorf("%s: columns %s", name, order)
		}
		for c, w := range want {
			if got.Types[c] != w {
				t.Errorf("%s: column %s is %q, want %q", name, c, got.Types[c], w)
			}
		}
		if len(got.Annotated) > 0 {
			t.Errorf("%s: whole numbers with a logical type: %v", name, got.Annotated)
		}
		if v := s.verify(t, name); !v.OK || v.Events != rows {
			t.Errorf("%s: verify: %+v", name, v)
		}
	}
}
