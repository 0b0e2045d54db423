//go:build integration

package integration

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
)

// eventRow is a row of an event file; nil is null.
type eventRow struct {
	EnvironmentID *string           `json:"environmentId"`
	TrafficTypeID *string           `json:"trafficTypeId"`
	EventTypeID   *string           `json:"eventTypeId"`
	Key           *string           `json:"key"`
	Timestamp     *int64            `json:"timestamp"`
	Value         *float64          `json:"value"`
	Properties    map[string]string `json:"properties"`
}

// eventFile is a file to write and what must be said of it.
type eventFile struct {
	name    string
	writer  string // pyarrow, duckdb, java
	codec   string
	version string
	wrap    string // gzip, bz2, snappy
	strict  bool   // columns that may not be null are declared so
	rows    []eventRow
	valid   int
	invalid map[string]int // by codes
}

// variants are the ways to write a file; 1,000 files go round them.
var variants = []eventFile{
	{writer: "pyarrow", codec: "snappy", strict: true}, {writer: "pyarrow", codec: "gzip"}, {writer: "pyarrow", codec: "zstd", version: "2.0"},
	{writer: "pyarrow", codec: "lz4"}, {writer: "pyarrow", codec: "brotli"}, {writer: "pyarrow", codec: "none"},
	{writer: "pyarrow", codec: "none", wrap: "gzip"}, {writer: "pyarrow", codec: "none", wrap: "bz2"}, {writer: "pyarrow", codec: "snappy", wrap: "snappy", version: "2.0"},
	{writer: "duckdb", codec: "snappy"}, {writer: "duckdb", codec: "gzip"}, {writer: "duckdb", codec: "zstd"}, {writer: "duckdb", codec: "uncompressed", wrap: "gzip"},
	{writer: "java", codec: "SNAPPY", version: "PARQUET_1_0"}, {writer: "java", codec: "GZIP", version: "PARQUET_2_0"}, {writer: "java", codec: "ZSTD", version: "PARQUET_1_0"},
	{writer: "java", codec: "LZO", version: "PARQUET_1_0"}, {writer: "java", codec: "LZO", version: "PARQUET_2_0"}, {writer: "java", codec: "LZ4_RAW", version: "PARQUET_2_0"},
	{writer: "java", codec: "UNCOMPRESSED", version: "PARQUET_1_0", wrap: "bz2"},
}

// suffix is what such files are called by.
func (f *eventFile) suffix() string {
	return ".parquet" + map[string]string{"gzip": ".gz", "bz2": ".bz2", "snappy": ".snappy"}[f.wrap]
}

const importedEnvironment = "env-imported"

// makeEventFile makes rows, of which about one in a hundred is bad.
func makeEventFile(r *rand.Rand, n, rows int) eventFile {
	f := variants[n%len(variants)]
	f.name = fmt.Sprintf("part %03d+%d%s", n, n%7, f.suffix())
	f.invalid = map[string]int{}
	of := func(s string) *string { return &s }
	for i := range rows {
		at, value := 1795161463647+int64(i), r.NormFloat64()*100
		row := eventRow{of(importedEnvironment), of("tt-user"), of([]string{"page.load", "checkout", "error"}[i%3]), of(fmt.Sprintf("%d-%d", n, i)), &at, &value, nil}
		if i%4 == 0 {
			row.Value = nil
		}
		if i%3 == 0 {
			row.Properties = map[string]string{"browser": "firefox", "text": `één → "日本" \ ` + fmt.Sprint(i)}
		}
		codes := ""
		if r.IntN(100) == 0 {
			seconds := at / 1000
			switch k := r.IntN(4); {
			case k == 0:
				row.EnvironmentID, codes = of("env-unknown"), "INVALID_ENVIRONMENT_ID"
			case k == 1 && !f.strict:
				row.Key, codes = nil, "REQUIRED_FIELDS_NULL"
			case k == 2:
				row.EnvironmentID, row.Timestamp, codes = of("env-unknown"), &seconds, "INVALID_ENVIRONMENT_ID,INVALID_TIMESTAMP"
			default:
				row.Timestamp, codes = &seconds, "INVALID_TIMESTAMP"
			}
		}
		if f.rows = append(f.rows, row); codes == "" {
			f.valid++
		} else {
			f.invalid[codes]++
		}
	}
	return f
}

// writeEventFiles has the writers write them into dir.
func writeEventFiles(t *testing.T, dir string, files []eventFile) {
	t.Helper()
	var python, java bytes.Buffer
	for _, f := range files {
		head, to := map[string]any{"file": f.name, "codec": f.codec}, &java
		if f.version != "" {
			head["version"] = f.version
		}
		if f.writer == "java" {
			if f.wrap != "" {
				head["file"] = f.name + ".plain"
			}
		} else {
			to = &python
			head["writer"], head["strict"] = f.writer, f.strict
			if f.wrap != "snappy" {
				head["wrap"] = f.wrap
			}
		}
		enc := json.NewEncoder(to)
		if err := enc.Encode(head); err != nil {
			t.Fatal(err)
		}
		for _, row := range f.rows {
			if err := enc.Encode(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	if java.Len() > 0 {
		parquetJava(t, java.Bytes(), "write", dir)
	}
	cmd := client{dir: dir}.command(t.Context(), "python", filepath.Join(sources, "eventfiles.py"), dir)
	cmd.Stdin = &python
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("eventfiles.py: %v\n%.3000s", err, out)
	}
	for _, f := range files {
		if f.writer == "java" && f.wrap != "" || f.wrap == "snappy" {
			wrap(t, filepath.Join(dir, f.name), f)
		}
	}
}

// wrap puts a file that a writer left plain into its wrapper.
func wrap(t *testing.T, path string, f eventFile) {
	t.Helper()
	from := path
	if f.writer == "java" {
		from = path + ".plain"
	}
	plain, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	switch f.wrap {
	case "gzip":
		w := gzip.NewWriter(&out)
		_, err = w.Write(plain)
		err = firstOf(err, w.Close())
	case "snappy":
		w := snappy.NewBufferedWriter(&out)
		_, err = w.Write(plain)
		err = firstOf(err, w.Close())
	case "bz2": // Go reads it only
		cmd := client{}.command(t.Context(), "python", "-c", "import bz2, sys; sys.stdout.buffer.write(bz2.compress(sys.stdin.buffer.read()))")
		cmd.Stdin, cmd.Stdout = bytes.NewReader(plain), &out
		err = cmd.Run()
	}
	if err != nil {
		t.Fatal(err)
	}
	if from != path {
		if err := os.Remove(from); err != nil {
			t.Fatal(err)
		}
	}
	write(t, path, out.String())
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// accepted are the rows that must become events, as JSON text with sorted members.
func accepted(files []eventFile) (out []string) {
	for _, f := range files {
		for _, r := range f.rows {
			bad := r.Key == nil || *r.EnvironmentID != importedEnvironment || *r.Timestamp < 1e11
			if !bad {
				out = append(out, canonical(r))
			}
		}
	}
	slices.Sort(out)
	return out
}

func canonical(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return err.Error()
	}
	text, err = json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// statuses is what the reports say of each file.
type statuses struct {
	Reports, Repeated int
	Files             map[string]struct {
		Valid   int
		Invalid map[string]int
	}
	Wrong []string
}

// accounts compares the reports with the files, row by row.
func (s statuses) accounts(t *testing.T, prefix string, files []eventFile) {
	t.Helper()
	if len(s.Wrong) > 0 {
		t.Errorf("reports: %s", strings.Join(s.Wrong, "\n"))
	}
	if len(s.Files) != len(files) {
		t.Errorf("reports on %d files, want %d", len(s.Files), len(files))
	}
	for _, f := range files {
		got := s.Files[prefix+f.name]
		same := got.Valid == f.valid && len(got.Invalid) == len(f.invalid)
		for codes, n := range f.invalid {
			same = same && got.Invalid[codes] == n
		}
		if !same {
			t.Errorf("%s (%s, %s): %d rows, %d valid, %v: the reports say %+v", f.name, f.writer, f.codec, len(f.rows), f.valid, f.invalid, got)
		}
	}
}

// zeros is a gzip file of so many zero bytes.
func zeros(t *testing.T, n int64) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	block := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(block)) {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
