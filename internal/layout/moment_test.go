package layout_test

import (
	"regexp"
	"testing"
	"time"

	"strm/internal/layout"
	"strm/internal/stream"
)

func key(t *testing.T, text string, f layout.Facts) string {
	t.Helper()
	l, err := layout.Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return l.Key(f)
}

// Keys that were published for Tarsal's and Airbyte's S3 destinations. Where
// those had a namespace, it is the end of the path prefix here.
func TestKeysOfTheVendors(t *testing.T) {
	for _, tt := range []struct {
		text, prefix, streamPrefix, stream string
		ms                                 int64
		ext, want                          string
	}{
		{"tarsal", "data_output_path", "", "users", 1609541171643, "csv", "data_output_path/users/2021_01_01_1609541171643_0.csv"},
		{"tarsal", "data_output_path", "prefix_", "users", 1609541171643, "jsonl", "data_output_path/prefix_users/2021_01_01_1609541171643_0.jsonl"},
		{"tarsal", "fake-bucketPath/fake_namespace", "", "fake-stream", 1639077474000, "csv", "fake-bucketPath/fake_namespace/fake_stream/2021_12_09_1639077474000_0.csv"},
		{"tarsal", "", "my-", "a.b-c", 1639077474000, "jsonl.gz", "my_a.b_c/2021_12_09_1639077474000_0.jsonl.gz"},
		{"airbyte", "airbyte_data_sync/github", "", "github_projects", 1637770542844, "csv", "airbyte_data_sync/github/github_projects/2021_11_24_1637770542844_0.csv"},
		{"airbyte", "data_output_path/public", "", "users", 1577934245678, "csv.gz", "data_output_path/public/users/2020_01_02_1577934245678_0.csv.gz"},
		{"airbyte", "p", "stream_with:spécial:", "characters-1", 1577934245678, "parquet", "p/stream_with:special:characters-1/2020_01_02_1577934245678_0.parquet"},
		{"airbyte", "p", "_spøcial", "1", 1577934245678, "x", "p/_sp_cial1/2020_01_02_1577934245678_0.x"},
		{"airbyte", "p", "team/", "users", 1577934245678, "x", "p/team/users/2020_01_02_1577934245678_0.x"},
	} {
		f := layout.Facts{Prefix: tt.prefix, Stream: tt.streamPrefix + tt.stream, CutAt: time.UnixMilli(tt.ms), Ext: tt.ext}
		if got := key(t, tt.text, f); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// Airbyte's own vectors, written in the variables of a layout: a sync at
// 2020-01-02T03:04:05.6789Z. What its pattern takes from the clock when it names
// the file is the moment of the cut here too.
func TestVectorsOfAirbyteAsTemplates(t *testing.T) {
	const path = "{stream}/{cut_year}/{cut_month}/{cut_day}/{cut_hour}/{cut_minute}/{cut_second}/{cut_millisecond}/{cut_ms}"
	const file = "{cut_date}-{cut_year}_{cut_month}-{cut_ms}-{part}-{seq}.{ext}"
	const at = "2020/01/02/03/04/05/0678/1577934245678"
	f := layout.Facts{
		Prefix: "prefix", Stream: "name", Ext: "jsonl.gz", Batch: "1a2b3c4d-000042", Seq: 42, Part: 173,
		CutAt: time.Date(2020, 1, 2, 4, 4, 5, 678900000, time.FixedZone("", 3600)), // names are UTC
	}
	for text, want := range map[string]string{
		"ns/" + path + "/" + file:       "prefix/ns/name/" + at + "/2020_01_02-2020_01-1577934245678-173-42.jsonl.gz",
		"{seq}/ns/" + path + "/" + file: "prefix/42/ns/name/" + at + "/2020_01_02-2020_01-1577934245678-173-42.jsonl.gz",
		"ns/" + path + "_" + file:       "prefix/ns/name/" + at + "_2020_01_02-2020_01-1577934245678-173-42.jsonl.gz",
		path + "/" + file:               "prefix/name/" + at + "/2020_01_02-2020_01-1577934245678-173-42.jsonl.gz",
	} {
		if got := key(t, text, f); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestUUIDsAreOfTheObject(t *testing.T) {
	f := facts()
	first := key(t, "{uuid}.{ext}", f)
	if !regexp.MustCompile(`^events/[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.jsonl$`).MatchString(first) {
		t.Errorf("got %s", first)
	}
	if again := key(t, "{uuid}.{ext}", f); again != first {
		t.Errorf("a retry has %s, the first attempt %s", again, first)
	}
	other := f
	other.Part = 1
	if key(t, "{uuid}.{ext}", other) == first {
		t.Error("two objects of a batch share a UUID")
	}
	other = f
	other.Batch = "1a2b3c4d-000043"
	if key(t, "{uuid}.{ext}", other) == first {
		t.Error("two batches share a UUID")
	}
}

func TestLayoutsKnowWhetherTheirKeysAreTheirOwn(t *testing.T) {
	for text, want := range map[string]bool{
		"strm": false, "hive": false, "segment": false, "tarsal": true, "airbyte": true,
		"{cut_ms}.{ext}": true, "{cut_ms}-{batch}.{ext}": false, "{cut_ms}-{uuid}.{ext}": false, "{date}/{cut_ms}_{part}.{ext}": true,
	} {
		l, err := layout.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if l.ByMoment() != want {
			t.Errorf("%s: %v", text, l.ByMoment())
		}
	}
}

func TestTheVendorsLayoutsHaveTheirForm(t *testing.T) {
	cut := stream.Cut{Interval: time.Minute}
	for name, want := range map[string]layout.Settings{
		"tarsal":  {Format: "jsonl", Compression: "none", Envelope: stream.EnvelopeTarsal, Cut: cut},
		"airbyte": {Format: "jsonl", Compression: "gzip", Envelope: stream.EnvelopeAirbyte1, Cut: cut},
	} {
		l, err := layout.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if l.Defaults() != want || l.Fixed() || l.CheckForm("csv", "gzip") != nil || l.NeedsSource() || !l.NamesStream() || l.Division() != layout.Whole {
			t.Errorf("%s: %+v", name, l.Defaults())
		}
	}
}
