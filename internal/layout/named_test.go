package layout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/layout"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The day in a key is that of receipt, as Unix milliseconds: seen in the wild
// as 1432684800000, 1441065600000 and 1566086400000.
func TestSegmentNamesTheDayOfReceiptInMilliseconds(t *testing.T) {
	l, err := layout.Parse("segment")
	if err != nil {
		t.Fatal(err)
	}
	for received, want := range map[string]string{
		"2015-05-27T00:00:00Z":      "1432684800000",
		"2015-09-01T12:00:00Z":      "1441065600000",
		"2019-08-18T23:59:59.999Z":  "1566086400000",
		"2026-11-20T00:00:00Z":      "1795132800000",
		"2026-11-21T01:00:00+02:00": "1795132800000",
	} {
		at, err := time.Parse(time.RFC3339, received)
		if err != nil {
			t.Fatal(err)
		}
		f := facts()
		f.Prefix, f.Received, f.CutAt = "path/prefix", l.Division().Start(at), time.Date(2026, 11, 21, 0, 40, 0, 0, time.UTC)
		if got := l.Key(f); got != "path/prefix/segment-logs/4mKq7ZtRw2VbXc9LsPdE1f/"+want+"/2026-11-21T00-40-00Z-1a2b3c4d-000042.gz" {
			t.Errorf("%s: got %s", received, got)
		}
	}
}

func TestSegmentSaysWhatItsObjectsAre(t *testing.T) {
	l, err := layout.Parse("segment")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Form(), (layout.Form{Ext: "gz", ContentType: "text/plain", Encoding: "gzip", Encrypt: true}); got != want {
		t.Errorf("form %+v, want %+v", got, want)
	}
	want := layout.Settings{Format: "jsonl", Compression: "gzip", Cut: stream.Cut{Interval: time.Hour, Offset: 40 * time.Minute, MaxPacked: 100_000_000}}
	if got := l.Defaults(); got != want {
		t.Errorf("defaults %+v, want %+v", got, want)
	}
	if !l.Fixed() || !l.NeedsSource() || l.Division() != layout.ByDay {
		t.Errorf("fixed %v, source %v, division %v", l.Fixed(), l.NeedsSource(), l.Division())
	}
	if err := l.CheckForm("jsonl", "gzip"); err != nil {
		t.Error(err)
	}
	for _, bad := range [][2]string{{"jsonl", "none"}, {"jsonl", "zstd"}, {"csv", "gzip"}, {"jsonl", ""}} {
		if err := l.CheckForm(bad[0], bad[1]); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "gzip JSON lines") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestImpressionsNameTheirCodec(t *testing.T) {
	for _, name := range []string{"fme", "fme-root"} {
		l, err := layout.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		folder := map[string]string{"fme": "schema-v1/", "fme-root": ""}[name]
		for codec, ext := range map[string]string{
			"snappy": "snappy.parquet", "gzip": "gz.parquet", "zstd": "zstd.parquet", "lzo": "lzo.parquet",
			"lz4": "lz4raw.parquet", "brotli": "br.parquet", "none": "parquet",
		} {
			f := facts()
			f.Ext, f.Compression = "parquet", codec
			if got, want := l.Key(f), "events/"+folder+"2021-03-26T09-56-30Z-1a2b3c4d-000042."+ext; got != want {
				t.Errorf("%s, %s: key %s, want %s", name, codec, got, want)
			}
			if got, want := l.TestKey(f, "u"), "events/"+folder+".strm_test_u."+ext; got != want {
				t.Errorf("%s, %s: validation object %s, want %s", name, codec, got, want)
			}
			if got := l.Ext(codec, "parquet"); got != ext {
				t.Errorf("%s, %s: ends in %s, want %s", name, codec, got, ext)
			}
			if err := l.CheckForm("parquet", codec); err != nil {
				t.Errorf("%s, %s: %v", name, codec, err)
			}
		}
		if err := l.CheckForm("jsonl", "gzip"); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "impressions in parquet") {
			t.Errorf("%s as JSON lines: %v", name, err)
		}
		if d := l.Defaults(); d.Format != "parquet" || d.Cut != (stream.Cut{Interval: 30 * time.Minute}) || d.Schema == "" || !l.Fixed() || l.Division() != layout.Whole {
			t.Errorf("%s: defaults %+v", name, d)
		}
	}
}

func TestOtherLayoutsTakeAnyForm(t *testing.T) {
	for _, text := range []string{"", "strm", "hive", "{day_ms}/{batch}.{ext}"} {
		l, err := layout.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if l.Form() != (layout.Form{}) || l.Fixed() || l.CheckForm("csv", "zstd") != nil || l.NeedsSource() {
			t.Errorf("%q: form %+v, fixed %v, source %v", text, l.Form(), l.Fixed(), l.NeedsSource())
		}
		if got := l.Defaults(); got.Cut != (stream.Cut{Interval: time.Minute}) || got.Format != "jsonl" {
			t.Errorf("%q: defaults %+v", text, got)
		}
	}
	if got := layout.Names(); !slices.Equal(got, []string{"airbyte", "fme", "fme-root", "hive", "segment", "strm", "tarsal"}) {
		t.Errorf("names %v", got)
	}
}

func TestConstantDirectoriesAndTheDepthOfTheDay(t *testing.T) {
	for text, want := range map[string]struct {
		constant string
		depth    int
	}{
		"strm":                                  {"", 0},
		"hive":                                  {"", 2},
		"segment":                               {"segment-logs/", 3},
		"tarsal":                                {"", 0}, // its date is not of receipt
		"airbyte":                               {"", 0},
		"ns/{stream}/{cut_date}_{cut_ms}.{ext}": {"ns/", 0},
		"a/b/c-{batch}.{ext}":                   {"a/b/", 0},
		"{prefix}/logs/{date}/{batch}.{ext}":    {"logs/", 2},
		"{year}/{month}/{day}/{batch}.{ext}":    {"", 3},
		"a/{year}/{month}-{day}-{batch}.{ext}":  {"a/", 2},
		"{date}-{batch}.{ext}":                  {"", 0},
		"x{date}/h/{hour}/{batch}.{ext}":        {"", 1},
		"fme":                                   {"schema-v1/", 0},
		"fme-root":                              {"", 0},
	} {
		l, err := layout.Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := l.Constant(); got != want.constant {
			t.Errorf("%q: constant %q, want %q", text, got, want.constant)
		}
		if got := l.DayDepth(); got != want.depth {
			t.Errorf("%q: depth %d, want %d", text, got, want.depth)
		}
	}
}

func TestTheValidationObjectIsWhereAPolicyForTheLayoutAllowsIt(t *testing.T) {
	for text, want := range map[string]string{
		"strm":                          "p/.strm_test_u.jsonl",
		"hive":                          "p/.strm_test_u.jsonl",
		"segment":                       "p/segment-logs/.strm_test_u.gz",
		"tarsal":                        "p/.strm_test_u.jsonl",
		"airbyte":                       "p/.strm_test_u.jsonl",
		"fme":                           "p/schema-v1/.strm_test_u.jsonl",
		"raw/logs/{date}/{batch}.{ext}": "p/raw/logs/.strm_test_u.jsonl",
	} {
		l, err := layout.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.TestKey(layout.Facts{Prefix: "p", Ext: "jsonl"}, "u"); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	l, err := layout.Parse("{batch}.{ext}")
	if err != nil {
		t.Fatal(err)
	}
	f := layout.Facts{Prefix: strings.Repeat("p", 980), Ext: "jsonl"}
	if err := l.CheckLength(f, 1); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a prefix of 980 bytes leaves room for a key of %d, but none for the validation object: %v", 1024-len(f.Prefix)-1, err)
	}
}
