//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strm/internal/builtin"
	"strm/internal/format"
	"strm/internal/stream"
)

const tableSchema = `{"type":"object","properties":{
"id":{"type":"integer"},"name":{"type":["null","string"]},"few":{"type":"string"},"ratio":{"type":"number"},"on":{"type":"boolean"},
"day":{"type":"string","format":"date"},"at":{"type":"string","format":"date-time"},"clock":{"type":"string","format":"time"},
"address":{"type":"object","properties":{"street":{"type":"string"},"geo":{"type":"object","properties":{"lat":{"type":"number"},"lon":{"type":"number"}}},"tags":{"type":"array","items":{"type":"string"}}}},
"numbers":{"type":"array","items":{"type":"integer"}},"matrix":{"type":"array","items":{"type":"array","items":{"type":"number"}}},
"orders":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"},"qty":{"type":"integer"}}}},
"either":{"type":["integer","string"]},"free":{"type":"object"},"list":{"type":"array"},"what":{"type":"potato"},"labels":{"type":"object","strm_type":"map"},"nothing":{"type":"integer"}}}`

// person makes a random event; about one value of five is missing, null, or
// does not fit its column.
func person(r *rand.Rand, id int) map[string]any {
	word := func() string {
		return []string{"a", "Zürich", "日本語", "line\nbreak", `quo"te`, "comma, semi;", "tab\t", "", " lead", "ends ", "😀", `\N`, "null", strings.Repeat("long ", 60)}[r.IntN(14)]
	}
	some := func(n int, f func() any) []any {
		out := []any{}
		for range r.IntN(n) {
			out = append(out, f())
		}
		return out
	}
	e := map[string]any{
		"id": id, "name": word(), "few": []string{"red", "green", "blue"}[r.IntN(3)], "ratio": r.NormFloat64() * math.Pow10(r.IntN(30)-9), "on": r.IntN(2) == 0,
		"day": fmt.Sprintf("%04d-%02d-%02d", 1900+r.IntN(200), 1+r.IntN(12), 1+r.IntN(28)),
		"at": fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06d%s", 1900+r.IntN(200), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6),
			[]string{"Z", "+01:00", "-05:30", ""}[r.IntN(4)]),
		"clock":   fmt.Sprintf("%02d:%02d:%02d", r.IntN(24), r.IntN(60), r.IntN(60)),
		"address": map[string]any{"street": word(), "geo": map[string]any{"lat": r.Float64() * math.Pow10(-r.IntN(9)), "lon": r.IntN(90)}, "tags": some(4, func() any { return word() }), "undeclared": 1},
		"numbers": some(5, func() any { return r.Int64() }),
		"matrix":  some(3, func() any { return some(3, func() any { return r.Float64() }) }),
		"orders":  some(4, func() any { return map[string]any{"sku": word(), "qty": r.IntN(9)} }),
		"either":  []any{r.IntN(100), word()}[r.IntN(2)], "free": map[string]any{"x": word(), "y": []int{1, 2}}, "list": []any{1, "two", nil, map[string]any{"three": 3}},
		"what": word(), "labels": map[string]any{"k" + word(): word(), "n": 7}, "undeclared": word(),
	}
	for _, k := range slices.Sorted(maps.Keys(e)) {
		switch r.IntN(15) {
		case 0:
			delete(e, k)
		case 1:
			e[k] = nil
		case 2:
			// Of another type; what is a map stays one, as the judge expects.
			if k != "labels" && k != "at" {
				e[k] = []any{"wrong", map[string]any{"is": "wrong"}, true}[r.IntN(3)]
			}
		}
	}
	if id%97 == 0 {
		e["nothing"] = json.Number("99999999999999999999999999999999")
	}
	return e
}

// judged is what tables.py finds.
type judged struct {
	Rows        int      `json:"rows"`
	Columns     int      `json:"columns"`
	Codecs      []string `json:"codecs"`
	RowGroups   int      `json:"row_groups"`
	Differences []string `json:"differences"`
}

func judge(t *testing.T, dir, kind, file, events string) judged {
	t.Helper()
	var got judged
	client{dir: dir}.python(t, &got, "tables.py", kind, file, events, "schema.json")
	return got
}

// TestTablesAreReadByOthers writes the same events as Parquet with every codec
// and as CSV with every way to quote, and lets DuckDB and pyarrow read them.
func TestTablesAreReadByOthers(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 7))
	var events [][]byte
	for id := range 3000 {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(id%2 == 0) // escapes as well
		if err := enc.Encode(person(r, id)); err != nil {
			t.Fatal(err)
		}
		events = append(events, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	}
	write(t, filepath.Join(dir, "events.ndjson"), string(bytes.Join(events, []byte("\n")))+"\n")
	write(t, filepath.Join(dir, "schema.json"), tableSchema)

	for name, o := range map[string]stream.Output{
		"SNAPPY":       {Format: "parquet"},
		"UNCOMPRESSED": {Format: "parquet", Compression: "none", Parquet: stream.Parquet{NoDictionary: true}},
		"GZIP":         {Format: "parquet", Compression: "gzip", Parquet: stream.Parquet{RowGroupRows: 700, PageBytes: 4 << 10}},
		"ZSTD":         {Format: "parquet", Compression: "zstd", Parquet: stream.Parquet{RowGroupBytes: 300 << 10, DictionaryBytes: 1}},
		"LZ4":          {Format: "parquet", Compression: "lz4", Parquet: stream.Parquet{PageBytes: 1 << 10}},
		"BROTLI":       {Format: "parquet", Compression: "brotli", Parquet: stream.Parquet{RowGroupRows: 200}},
		"all":          {Format: "csv", CSV: stream.CSV{Quote: stream.QuoteAll}},
		"non-numeric":  {Format: "csv", CSV: stream.CSV{Quote: stream.QuoteNonNumeric}},
		"needed":       {Format: "csv"},
	} {
		t.Run(o.Format+" "+name, func(t *testing.T) {
			o.Table.Schema = tableSchema
			f, err := builtin.Format(o.Format)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name+"."+o.Format)
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			rows := events
			w, err := f.(format.RowFormat).Rows(file, o, format.Run{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range rows {
				if err := w.Append(format.Row{}, e); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			got := judge(t, dir, o.Format, path, "events.ndjson")
			t.Logf("%d rows of %d columns, codecs %v, %d row groups", got.Rows, got.Columns, got.Codecs, got.RowGroups)
			if got.Rows != len(rows) || len(got.Differences) > 0 {
				t.Errorf("%d rows; %s", got.Rows, strings.Join(got.Differences, "\n"))
			}
			if o.Format == "parquet" && (len(got.Codecs) != 1 || got.Codecs[0] != name) {
				t.Errorf("codecs %v", got.Codecs)
			}
			// The judge notices one letter, and one row.
			other := bytes.Join(events, []byte("\n"))
			write(t, filepath.Join(dir, "letter.ndjson"), string(bytes.Replace(other, []byte("Zürich"), []byte("Zurich"), 1)))
			write(t, filepath.Join(dir, "row.ndjson"), string(bytes.Join(events[:len(events)-1], []byte("\n"))))
			for _, events := range []string{"letter.ndjson", "row.ndjson"} {
				if got := judge(t, dir, o.Format, path, events); len(got.Differences) < 2 {
					t.Errorf("%s: %q", events, got.Differences)
				}
			}
		})
	}
}

// TestDatasetAsTables delivers a public data set as CSV and Parquet, with and
// without a schema, and lets DuckDB compare it with the original, row for row.
func TestDatasetAsTables(t *testing.T) {
	s := startStrm(t)
	original := filepath.Join(tools, "data", "flights-200k.json")
	file := filepath.Join(s.dir, "flights.ndjson")
	python := client{dir: s.dir}
	python.run(t, "python", filepath.Join(sources, "rows.py"), original, file)
	bucket := filepath.Join(s.dir, "bucket")
	if err := os.Mkdir(bucket, 0o700); err != nil {
		t.Fatal(err)
	}
	schema := filepath.Join(s.dir, "flight.json")
	write(t, schema, `{"type":"object","properties":{"delay":{"type":"integer"},"distance":{"type":"integer"},"time":{"type":"number"}}}`)
	s.run(t, "create", "sink", "disk", bucket, "--sink-type", "DIR")
	s.run(t, "create", "stream", "flights", "--partitions", "4", "--strm-meta=false")
	exporters := map[string][]string{
		"found":    {"--format", "parquet"},
		"declared": {"--format", "parquet", "--compression", "zstd", "--schema", schema, "--envelope", "airbyte-1.x", "--row-group-rows", "10000"},
		"rows":     {"--format", "csv", "--compression", "gzip"},
		"hours":    {"--format", "parquet", "--compression", "lz4", "--layout", "hive"},
	}
	for name, options := range exporters {
		s.run(t, append([]string{"create", "batch-exporter", "flights", "--sink", "disk", "--name", name, "--path-prefix", name, "--interval", "1s", "--max-bytes", "3000000"}, options...)...)
	}
	s.run(t, "send", "flights", file)
	for name, kind := range map[string]string{"found": "parquet", "declared": "parquet", "rows": "csv", "hours": "parquet"} {
		s.flush(t, name)
		var got struct {
			Want, Got, Missing, Extra int
			Types                     []string
		}
		glob := filepath.Join(bucket, name, map[string]string{"found": "2*.parquet", "declared": "2*.parquet", "rows": "2*.csv.gz", "hours": "flights/*/*/*.parquet"}[name])
		python.python(t, &got, "same.py", original, kind, glob, "delay", "distance", "time")
		t.Logf("%s: %+v", name, got)
		if got.Want < minRows || got.Got != got.Want || got.Missing != 0 || got.Extra != 0 {
			t.Errorf("%s: the delivered rows are not those of the file: %+v", name, got)
		}
		if v := s.verify(t, name); !v.OK || v.Read != v.Objects || v.Events != int64(got.Want) {
			t.Errorf("%s: verify: %+v", name, v)
		}
	}
}
