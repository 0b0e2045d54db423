package layout_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"strm/internal/layout"
	"strm/internal/stream"
)

func facts() layout.Facts {
	return layout.Facts{
		Prefix: "events", Stream: "demo", Source: "4mKq7ZtRw2VbXc9LsPdE1f", Batch: "1a2b3c4d-000042", Seq: 42, Ext: "jsonl",
		CutAt:      time.Date(2021, 3, 26, 9, 56, 30, 0, time.UTC),
		Received:   time.Date(2021, 3, 26, 9, 0, 0, 0, time.UTC),
		Partitions: []stream.Partition{0, 1, 2, 3, 4},
	}
}

func TestKeysOfTheNamedLayoutsAreGolden(t *testing.T) {
	for name, want := range map[string]string{
		"":        "events/2021-03-26T09-56-30Z-demo-1a2b3c4d-000042---0-1-2-3-4.jsonl",
		"strm":    "events/2021-03-26T09-56-30Z-demo-1a2b3c4d-000042---0-1-2-3-4.jsonl",
		"hive":    "events/demo/dt=2021-03-26/hour=09/2021-03-26T09-56-30Z-1a2b3c4d-000042.jsonl",
		"segment": "events/segment-logs/4mKq7ZtRw2VbXc9LsPdE1f/1616716800000/2021-03-26T09-56-30Z-1a2b3c4d-000042.gz",
		"fme":     "events/schema-v1/2021-03-26T09-56-30Z-1a2b3c4d-000042.jsonl", // of a codec it knows nothing of
		"tarsal":  "events/demo/2021_03_26_1616752590000_0.jsonl",
		"airbyte": "events/demo/2021_03_26_1616752590000_0.jsonl",
		"{prefix}/{year}/{month}/{day}/{batch}.{ext}":                                                 "events/2021/03/26/1a2b3c4d-000042.jsonl",
		"{cut_year}{cut_month}{cut_day}-{cut_hour}{cut_minute}{cut_second}/{seq}-{part}-{uuid}.{ext}": "events/20210326-095630/42-0-58f1f5ea-327b-537b-a387-9019f60bfebb.jsonl",
		"logs/{source}/{day_ms}-{hour}/{batch}.{ext}":                                                 "events/logs/4mKq7ZtRw2VbXc9LsPdE1f/1616716800000-09/1a2b3c4d-000042.jsonl",
	} {
		l, err := layout.Parse(name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if got := l.Key(facts()); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestKeyWithoutPrefixHasNoLeadingSlash(t *testing.T) {
	l, _ := layout.Parse("strm")
	f := facts()
	f.Prefix = ""
	if got := l.Key(f); strings.HasPrefix(got, "/") {
		t.Errorf("got %q", got)
	}
}

// At the longest prefix that is accepted, the longest key that any batch of the
// exporter can have is exactly as long as S3 takes; one more byte is refused.
func TestNoKeyOfAnAcceptedPrefixIsTooLong(t *testing.T) {
	for _, text := range []string{"strm", "hive", "segment", "fme", "fme-root", "tarsal", "airbyte", "{partitions}/{stream}/{partitions}/{batch}.{ext}",
		"{date}/{part}/{seq}-{uuid}.{ext}", "{part}/{stream_underscored}{cut_hour}{cut_millisecond}-{cut_ms}.{ext}"} {
		l, err := layout.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, partitions := range []int{1, 2, 32, 33, 34, 100, 101, 256} {
			name, source := strings.Repeat("s", stream.MaxName), strings.Repeat("i", stream.MaxSourceID)
			fits := func(n int) bool {
				return l.CheckLength(layout.Facts{Prefix: strings.Repeat("p", n), Stream: name, Source: source, Ext: "jsonl.zst"}, partitions) == nil
			}
			prefix := 0
			for fits(prefix + 1) {
				prefix++
			}
			if fits(prefix + 2) {
				t.Errorf("%s, %d partitions: %d bytes are refused and %d accepted", text, partitions, prefix+1, prefix+2)
			}
			longest := 0
			for first := range partitions { // every run of neighbours that may be listed, so every length and width of number
				for last := first; last < min(partitions, first+40); last++ {
					f := facts()
					f.Source = source
					f.Seq = math.MaxInt64
					if l.Division() != layout.Whole {
						f.Part = layout.MaxParts - 1
					}
					f.Prefix, f.Stream, f.Batch, f.Ext, f.Partitions = strings.Repeat("p", prefix), name, stream.BatchID("1a2b3c4d", math.MaxInt64), "jsonl.zst", nil
					for p := first; p <= last; p++ {
						f.Partitions = append(f.Partitions, stream.Partition(p))
					}
					longest = max(longest, len(l.Key(f)))
				}
			}
			if longest != 1024 {
				t.Errorf("%s, %d partitions: the longest key has %d bytes, want 1,024", text, partitions, longest)
			}
		}
	}
}

func TestLayoutsThatCouldLoseOrHideObjectsAreRefused(t *testing.T) {
	for text, word := range map[string]string{
		"nope":                        "not known",
		"{time}.{ext}":                "{batch}",
		"{stream}/{seq}-{part}.{ext}": "{cut_ms}",
		"{cut_date}_{cut_hour}{cut_minute}{cut_second}{cut_millisecond}.{ext}": "{cut_ms}",
		"{EPOCH}{batch}.{ext}":       "known are {batch} {cut_date}",
		"{batch}":                    ".{ext}",
		"{batch}.{exit}":             "unknown variable",
		"{batch.{ext}":               "unknown variable",
		"{hour}/{batch}.{ext}":       "whole day",
		"{month}/{batch}.{ext}":      "whole day",
		"/{batch}.{ext}":             "slash",
		"../{batch}.{ext}":           "..",
		"a//{batch}.{ext}":           "slash",
		"a\\{batch}.{ext}":           "backslash",
		"}{batch}.{ext}":             "'}'",
		"{batch}.{ext":               "'{'",
		"a\x00{batch}.{ext}":         "control",
		"{stream}/{batch}/x{ext}":    ".{ext}",
		"{hour}{date}/{batch}{ext}":  ".{ext}",
		"{date}/{batch}.{ext}/{ext}": ".{ext}",
	} {
		if _, err := layout.Parse(text); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: got %v, want an error with %q", text, err, word)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"strm", "hive", "segment", "tarsal", "airbyte", "{uuid}.{ext}", "{cut_ms}{part}.{ext}", "{day_ms}/{source}-{batch}.{ext}", "{batch}.{ext}", "{date}/{hour}/{batch}.{ext}", "{", "}", "{}{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := layout.Parse(text)
		if err != nil {
			return
		}
		a, b := facts(), facts()
		b.Batch = "1a2b3c4d-000043"
		if l.ByMoment() {
			b.CutAt = b.CutAt.Add(time.Millisecond)
		}
		ka, kb := l.Key(a), l.Key(b)
		if ka == kb {
			t.Fatalf("%q: two batches share the key %q", text, ka)
		}
		if !strings.HasPrefix(ka, "events/") || !strings.HasSuffix(ka, ".jsonl") && l.Form().Ext == "" || !strings.HasPrefix(ka, "events/"+l.Constant()) || strings.Contains(ka, "//") || strings.Contains(ka, "/../") {
			t.Fatalf("%q makes the key %q", text, ka)
		}
		c := facts()
		c.Received = c.Received.Add(26 * time.Hour)
		if l.Division() != layout.Whole && l.Key(c) == ka {
			t.Fatalf("%q: two divisions share the key %q", text, ka)
		}
	})
}
