package control_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

func mustSource(t *testing.T, w *controltest.World, n control.NewSource) control.CreatedSource {
	t.Helper()
	out, err := w.CreateSource(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rawStream makes a stream that a segment source may have.
func rawStream(t *testing.T, w *controltest.World, name string) {
	t.Helper()
	mustStream(t, w, name, 2)
	if _, err := w.UpdateStream(t.Context(), name, control.StreamChange{StrmMeta: ptr(false)}); err != nil {
		t.Fatal(err)
	}
}

func TestASegmentSourceMakesItsStream(t *testing.T) {
	w := controltest.New(t)
	got := mustSource(t, w, control.NewSource{Name: "web", Kind: "segment"})
	if !got.MadeStream || got.Stream != "web" || got.Kind != stream.SourceSegment || got.DedupWindow != 24*time.Hour {
		t.Errorf("got %+v", got)
	}
	if !regexp.MustCompile(`^[0-9A-Za-z]{22}$`).MatchString(got.ID) || !strings.HasPrefix(got.WriteKey, control.KeyPrefix) {
		t.Errorf("id %q, key %q", got.ID, got.WriteKey)
	}
	s, _, err := w.Stream(t.Context(), "web")
	if err != nil || s.StrmMeta || s.Partitions != 1 {
		t.Errorf("stream %+v, %v", s, err)
	}
	if stored, err := w.DB.Source(t.Context(), "web"); err != nil || stored != got.Source {
		t.Errorf("stored %+v, %v", stored, err)
	}

	rawStream(t, w, "raw")
	got = mustSource(t, w, control.NewSource{Name: "own", Kind: "segment", Stream: "raw", ID: "4mKq7ZtRw2", WriteKey: "my-old-key~!", Dedup: ptr(time.Duration(0))})
	if got.MadeStream || got.ID != "4mKq7ZtRw2" || got.WriteKey != "my-old-key~!" || got.DedupWindow != 0 || got.KeyHash != control.KeyHash("my-old-key~!") {
		t.Errorf("got %+v", got)
	}
}

func TestASegmentSourceHasItsStreamToItself(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "meta", 1)
	rawStream(t, w, "busy")
	rawStream(t, w, "free")
	mustSource(t, w, control.NewSource{Name: "events", Stream: "busy"})
	mustSource(t, w, control.NewSource{Name: "web", Kind: "segment", ID: "taken-id", WriteKey: "taken-key"})
	for _, tt := range []struct {
		name string
		n    control.NewSource
		kind problem.Kind
		text string
	}{
		{"strmMeta", control.NewSource{Name: "x", Kind: "segment", Stream: "meta"}, problem.Conflict, "--strm-meta=false"},
		{"beside events", control.NewSource{Name: "x", Kind: "segment", Stream: "busy"}, problem.Conflict, "to itself"},
		{"beside segment", control.NewSource{Name: "x", Kind: "segment", Stream: "web"}, problem.Conflict, "to itself"},
		{"events beside segment", control.NewSource{Name: "x", Stream: "web"}, problem.Conflict, "to itself"},
		{"name", control.NewSource{Name: "events", Kind: "segment", Stream: "free"}, problem.Conflict, "already exists"},
		{"id", control.NewSource{Name: "x", Kind: "segment", ID: "taken-id"}, problem.Conflict, "taken-id"},
		{"key", control.NewSource{Name: "x", Kind: "segment", Stream: "free", WriteKey: "taken-key"}, problem.Conflict, "write key"},
		{"bad id", control.NewSource{Name: "x", Kind: "segment", ID: "a/b"}, problem.Invalid, "source id"},
		{"long id", control.NewSource{Name: "x", Kind: "segment", ID: strings.Repeat("a", 65)}, problem.Invalid, "source id"},
		{"short key", control.NewSource{Name: "x", Kind: "segment", WriteKey: "1234567"}, problem.Invalid, "8 to 255"},
		{"long key", control.NewSource{Name: "x", Kind: "segment", WriteKey: strings.Repeat("k", 256)}, problem.Invalid, "8 to 255"},
		{"key with a colon", control.NewSource{Name: "x", Kind: "segment", WriteKey: "abcd:efgh"}, problem.Invalid, "':'"},
		{"key with a space", control.NewSource{Name: "x", Kind: "segment", WriteKey: "abcd efgh"}, problem.Invalid, "visible ASCII"},
		{"window below a minute", control.NewSource{Name: "x", Kind: "segment", Dedup: ptr(time.Second)}, problem.Invalid, "dedup window"},
		{"window below zero", control.NewSource{Name: "x", Kind: "segment", Dedup: ptr(-time.Hour)}, problem.Invalid, "dedup window"},
		{"events with an id", control.NewSource{Name: "x", Stream: "free", ID: "abc"}, problem.Invalid, "kind segment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.CreateSource(t.Context(), tt.n)
			wantKind(t, err, tt.kind, tt.text)
			if strings.Contains(err.Error(), "abcd") {
				t.Errorf("the error shows the key: %v", err)
			}
			if _, _, err := w.Stream(t.Context(), "x"); problem.KindOf(err) != problem.NotFound {
				t.Errorf("a stream was made in vain: %v", err)
			}
		})
	}
	_, err := w.UpdateStream(t.Context(), "web", control.StreamChange{StrmMeta: ptr(true)})
	wantKind(t, err, problem.Conflict, "strmMeta")
}

// Stopped between stream and source, or with the answer lost, doing it again
// leads to one source and one stream.
func TestCreateSegmentSourceFaults(t *testing.T) {
	w := controltest.New(t)
	w.Faults.LoseRequest("CreateSource")
	_, err := w.CreateSource(t.Context(), control.NewSource{Name: "web", Kind: "segment"})
	wantInjected(t, err)
	w.Faults.Clear()
	if got := mustSource(t, w, control.NewSource{Name: "web", Kind: "segment"}); got.MadeStream || got.Stream != "web" {
		t.Errorf("got %+v", got)
	}
	w.Faults.LoseAnswer("CreateSource")
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "app", Kind: "segment"})
	wantInjected(t, err)
	w.Faults.Clear()
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "app", Kind: "segment"})
	wantKind(t, err, problem.Conflict, "already exists")
	if _, key, err := w.UpdateSource(t.Context(), "app", control.SourceChange{RotateKey: true}); err != nil || key == "" {
		t.Errorf("a new key: %v", err)
	}
}

func TestUpdateSource(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	events := mustSource(t, w, control.NewSource{Name: "events", Stream: "demo"})
	web := mustSource(t, w, control.NewSource{Name: "web", Kind: "segment"})
	lookup := func(key string) error {
		_, _, err := w.WriteKeys().Source(t.Context(), control.KeyHash(key))
		return err
	}
	for name, old := range map[string]string{"events": events.WriteKey, "web": web.WriteKey} {
		if err := lookup(old); err != nil {
			t.Fatal(err)
		}
		_, key, err := w.UpdateSource(t.Context(), name, control.SourceChange{RotateKey: true})
		if err != nil || key == old || lookup(key) != nil {
			t.Errorf("%s: rotated to %q: %v, %v", name, key, err, lookup(key))
		}
		wantKind(t, lookup(old), problem.NotFound, "unknown write key")
	}
	src, key, err := w.UpdateSource(t.Context(), "web", control.SourceChange{WriteKey: "brought-along", Dedup: ptr(48 * time.Hour)})
	if err != nil || key != "brought-along" || lookup(key) != nil || src.DedupWindow != 48*time.Hour || src.ID != web.ID {
		t.Errorf("got %+v, %q, %v", src, key, err)
	}
	src, key, err = w.UpdateSource(t.Context(), "web", control.SourceChange{Dedup: ptr(time.Duration(0))})
	if err != nil || key != "" || src.DedupWindow != 0 || lookup("brought-along") != nil {
		t.Errorf("got %+v, %q, %v", src, key, err)
	}
	for _, tt := range []struct {
		name, source string
		ch           control.SourceChange
		kind         problem.Kind
		text         string
	}{
		{"unknown", "nope", control.SourceChange{}, problem.NotFound, "nope"},
		{"window of events", "events", control.SourceChange{Dedup: ptr(time.Hour)}, problem.Invalid, "kind segment"},
		{"key of events", "events", control.SourceChange{WriteKey: "12345678"}, problem.Invalid, "kind segment"},
		{"both", "web", control.SourceChange{WriteKey: "12345678", RotateKey: true}, problem.Invalid, "not both"},
		{"bad key", "web", control.SourceChange{WriteKey: "1"}, problem.Invalid, "8 to 255"},
		{"window", "web", control.SourceChange{Dedup: ptr(time.Nanosecond)}, problem.Invalid, "dedup window"},
	} {
		_, _, err := w.UpdateSource(t.Context(), tt.source, tt.ch)
		wantKind(t, err, tt.kind, tt.text)
	}
	w.Faults.LoseAnswer("UpdateSource")
	_, _, err = w.UpdateSource(t.Context(), "web", control.SourceChange{WriteKey: "lost-answer"})
	wantInjected(t, err)
	w.Faults.Clear()
	if err := lookup("lost-answer"); err != nil {
		t.Errorf("the change happened, but the lookup says %v", err)
	}
}

func segmentWorld(t *testing.T) (*controltest.World, control.CreatedSource) {
	w := controltest.New(t)
	mustSink(t, w, "s3")
	mustStream(t, w, "demo", 1)
	return w, mustSource(t, w, control.NewSource{Name: "web", Kind: "segment", ID: "src"})
}

func TestAnExporterGetsTheLayoutsDefaults(t *testing.T) {
	w, _ := segmentWorld(t)
	segment := stream.Output{Layout: "segment"}
	done := stream.Output{Layout: "segment", Format: "jsonl", Compression: "gzip", Source: "src"}
	for name, tt := range map[string]struct {
		n    control.NewExporter
		cut  stream.Cut
		want stream.Output
	}{
		"segment":        {control.NewExporter{Stream: "web", Output: segment}, stream.Cut{Interval: time.Hour, Offset: 40 * time.Minute, MaxPacked: 100_000_000}, done},
		"own-interval":   {control.NewExporter{Stream: "web", Output: segment, Cut: stream.Cut{Interval: 2 * time.Hour}}, stream.Cut{Interval: 2 * time.Hour, Offset: 40 * time.Minute, MaxPacked: 100_000_000}, done},
		"short-interval": {control.NewExporter{Stream: "web", Output: segment, Cut: stream.Cut{Interval: 5 * time.Minute}}, stream.Cut{Interval: 5 * time.Minute, MaxPacked: 100_000_000}, done},
		"own-all": {control.NewExporter{Stream: "web", Output: segment, Cut: stream.Cut{Interval: 24 * time.Hour, MaxBytes: 9}, Offset: ptr(time.Duration(0)), MaxPacked: ptr(int64(0))},
			stream.Cut{Interval: 24 * time.Hour, MaxBytes: 9}, done},
		"tarsal": {control.NewExporter{Stream: "demo", Output: stream.Output{Layout: "tarsal", StreamPrefix: "old_"}}, stream.Cut{Interval: time.Minute},
			stream.Output{Layout: "tarsal", Format: "jsonl", Compression: "none", StreamPrefix: "old_", Envelope: stream.Envelope{Style: stream.EnvelopeTarsal}}},
		"strm":         {control.NewExporter{Stream: "web"}, stream.Cut{Interval: time.Minute}, stream.Output{Layout: "strm", Format: "jsonl", Compression: "none"}},
		"stranger":     {control.NewExporter{Stream: "demo", Output: stream.Output{Source: "bogus"}}, stream.Cut{Interval: time.Minute}, stream.Output{Layout: "strm", Format: "jsonl", Compression: "none"}},
		"own-template": {control.NewExporter{Stream: "web", Output: stream.Output{Layout: "{source}/{batch}.{ext}"}}, stream.Cut{Interval: time.Minute}, stream.Output{Layout: "{source}/{batch}.{ext}", Format: "jsonl", Compression: "none", Source: "src"}},
	} {
		tt.n.Name = name
		x := mustExporter(t, w, tt.n)
		if x.Cut != tt.cut || x.Output != tt.want {
			t.Errorf("%s: %+v %+v, want %+v %+v", name, x.Cut, x.Output, tt.cut, tt.want)
		}
		if stored, err := w.DB.Exporter(t.Context(), x.ID); err != nil || stored.Cut != tt.cut || stored.Output != tt.want {
			t.Errorf("%s: stored %+v %+v, %v", name, stored.Cut, stored.Output, err)
		}
	}
	for text, n := range map[string]control.NewExporter{
		"has none":               {Stream: "demo", Output: segment},
		"gzip JSON lines":        {Stream: "web", Output: stream.Output{Layout: "segment", Compression: "none"}},
		"below the interval":     {Stream: "web", Output: segment, Offset: ptr(time.Hour)},
		"at least 0":             {Stream: "web", Output: segment, Offset: ptr(-time.Minute)},
		"offset 1.5s must be":    {Stream: "web", Output: segment, Offset: ptr(1500 * time.Millisecond)},
		"max packed bytes":       {Stream: "web", Output: segment, MaxPacked: ptr(int64(-1))},
		"no place in it":         {Stream: "web", Output: stream.Output{Layout: "segment", StreamPrefix: "x"}},
		"not begin with a slash": {Stream: "web", Output: stream.Output{StreamPrefix: "/x"}},
		`layout "nope"`:          {Stream: "web", Output: stream.Output{Layout: "nope"}},
		"{source} of a template": {},
	} {
		if n.Stream == "" {
			n, text = control.NewExporter{Stream: "demo", Output: stream.Output{Layout: "{source}/{batch}.{ext}"}}, "has none"
		}
		n.Name = "refused"
		_, err := w.CreateExporter(t.Context(), n)
		wantKind(t, err, problem.Invalid, text)
	}
}

func TestAChangeOfLayoutBringsItsForm(t *testing.T) {
	w, _ := segmentWorld(t)
	mustExporter(t, w, control.NewExporter{Stream: "web", Name: "x"})
	mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "y"})
	change := func(ch control.ExporterChange) (control.Exporter, error) {
		return w.UpdateExporter(t.Context(), "web", "x", ch)
	}

	_, err := change(control.ExporterChange{Layout: ptr("segment"), Compression: ptr("zstd")})
	wantKind(t, err, problem.Invalid, "gzip JSON lines")
	x, err := change(control.ExporterChange{Layout: ptr("segment")})
	if err != nil || x.Output != (stream.Output{Layout: "segment", Format: "jsonl", Compression: "gzip", Source: "src"}) || x.Cut != (stream.Cut{Interval: time.Minute}) {
		t.Errorf("got %+v %+v, %v", x.Output, x.Cut, err)
	}
	_, err = change(control.ExporterChange{Compression: ptr("none")})
	wantKind(t, err, problem.Invalid, "gzip JSON lines")
	x, err = change(control.ExporterChange{Interval: ptr(time.Hour), Offset: ptr(40 * time.Minute), MaxPacked: ptr(int64(5))})
	if err != nil || x.Cut != (stream.Cut{Interval: time.Hour, Offset: 40 * time.Minute, MaxPacked: 5}) {
		t.Errorf("got %+v, %v", x.Cut, err)
	}
	_, err = change(control.ExporterChange{Interval: ptr(30 * time.Minute)})
	wantKind(t, err, problem.Invalid, "interval offset 40m0s must be at least 0 and below the interval")
	x, err = change(control.ExporterChange{Layout: ptr("strm")})
	if err != nil || x.Output != (stream.Output{Layout: "strm", Format: "jsonl", Compression: "gzip"}) {
		t.Errorf("got %+v, %v", x.Output, err)
	}
	_, err = w.UpdateExporter(t.Context(), "demo", "y", control.ExporterChange{Layout: ptr("segment")})
	wantKind(t, err, problem.Invalid, "has none")

	tarsal := stream.Output{Layout: "tarsal", Format: "jsonl", Compression: "none", StreamPrefix: "old_", Envelope: stream.Envelope{Style: stream.EnvelopeTarsal}}
	x, err = w.UpdateExporter(t.Context(), "demo", "y", control.ExporterChange{Layout: ptr("tarsal"), StreamPrefix: ptr("old_")})
	if err != nil || x.Output != tarsal {
		t.Errorf("got %+v, %v", x.Output, err)
	}
	x, created, err := w.PutExporter(t.Context(), control.NewExporter{Stream: "demo", Name: "y"}) // says nothing of it
	if err != nil || created || x.Output != tarsal {
		t.Errorf("got %+v, %v, %v", x.Output, created, err)
	}
	_, err = w.UpdateExporter(t.Context(), "demo", "y", control.ExporterChange{Layout: ptr("{batch}.{ext}")})
	wantKind(t, err, problem.Invalid, "no place in it")
	x, err = w.UpdateExporter(t.Context(), "demo", "y", control.ExporterChange{Layout: ptr("{batch}.{ext}"), StreamPrefix: ptr("")})
	tarsal.Layout, tarsal.StreamPrefix = "{batch}.{ext}", ""
	if err != nil || x.Output != tarsal { // what is around the events stays
		t.Errorf("got %+v, %v", x.Output, err)
	}
}

// Layout fme brings everything: format, schema and interval; and who changes to
// another layout does not keep what means nothing there.
func TestImpressionsNeedNothingButTheirLayout(t *testing.T) {
	w, _ := segmentWorld(t)
	x := mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "x", Output: stream.Output{Layout: "fme"}})
	if x.Cut != (stream.Cut{Interval: 30 * time.Minute}) || x.Output.Format != "parquet" || x.Output.Compression != "snappy" || x.Output.Table.Schema == "" {
		t.Errorf("got %+v %+v", x.Cut, x.Output)
	}
	impressions := x.Output
	change := func(ch control.ExporterChange) stream.Output {
		t.Helper()
		x, err := w.UpdateExporter(t.Context(), "demo", "y", ch)
		if err != nil {
			t.Fatal(err)
		}
		return x.Output
	}
	mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "y", Output: stream.Output{Flattening: stream.FlattenRoot, Format: "csv", Compression: "gzip", CSV: stream.CSV{Null: "x"}, Table: stream.Table{Schema: `{"properties":{"a":{}}}`}}})
	if got := change(control.ExporterChange{Layout: ptr("fme")}); got != impressions {
		t.Errorf("from csv: %+v, want %+v", got, impressions)
	}
	if got := change(control.ExporterChange{Compression: ptr("zstd")}); got.Compression != "zstd" || got.Table != impressions.Table {
		t.Errorf("another codec: %+v", got)
	}
	_, err := w.UpdateExporter(t.Context(), "demo", "y", control.ExporterChange{Compression: ptr("bzip2")})
	wantKind(t, err, problem.Invalid, "no codec of parquet")
	if got := change(control.ExporterChange{Layout: ptr("strm"), Format: ptr("jsonl")}); got != (stream.Output{Layout: "strm", Format: "jsonl", Compression: "none"}) {
		t.Errorf("back to JSON lines: %+v", got)
	}
}

// What a source sent stays deliverable after it was deleted; another source of
// the stream must not put its events into the old one's directories.
func TestAnExporterOutlivesItsSource(t *testing.T) {
	w, _ := segmentWorld(t)
	mustExporter(t, w, control.NewExporter{Stream: "web", Name: "x", Output: stream.Output{Layout: "segment"}})
	if err := w.DeleteSource(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	x, err := w.UpdateExporter(t.Context(), "web", "x", control.ExporterChange{PathPrefix: ptr("p")})
	if err != nil || x.Output.Source != "src" {
		t.Errorf("got %+v, %v", x.Output, err)
	}
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "web", Kind: "segment", ID: "other"})
	wantKind(t, err, problem.Conflict, "as source id src")
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "web", Stream: "web"})
	wantKind(t, err, problem.Conflict, "as source id src")
	_, err = w.OpenStream(t.Context(), "web")
	wantKind(t, err, problem.Conflict, "--source-id src")
	if _, err := w.UpdateExporter(t.Context(), "web", "x", control.ExporterChange{Layout: ptr("strm")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.OpenStream(t.Context(), "web"); err != nil {
		t.Errorf("nothing names the source any more: %v", err)
	}
	mustSource(t, w, control.NewSource{Name: "web", Kind: "segment", ID: "src"})
}

// The prefix of a sink is in every key of its exporters.
func TestThePrefixOfASinkMustLeaveRoomForItsExporters(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	put := func(prefix string) error {
		_, _, err := w.DB.PutSink(t.Context(), stream.Sink{Name: "s3", Type: stream.SinkDir, Bucket: "/b", Prefix: prefix})
		return err
	}
	if err := put(strings.Repeat("q", 900)); err != nil {
		t.Fatal(err)
	}
	_, err := w.CreateExporter(t.Context(), control.NewExporter{Stream: "demo", Output: stream.Output{PathPrefix: strings.Repeat("p", 100)}})
	wantKind(t, err, problem.Invalid, "bytes long")
	if err := put("q"); err != nil {
		t.Fatal(err)
	}
	mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "x", Output: stream.Output{PathPrefix: strings.Repeat("p", 800)}})
	if err := put(strings.Repeat("q", 200)); err != nil {
		t.Fatal(err)
	}
	_, err = w.UpdateExporter(t.Context(), "demo", "x", control.ExporterChange{Interval: ptr(2 * time.Minute)})
	wantKind(t, err, problem.Invalid, "bytes long")
}

func TestNobodySendsPastASegmentSource(t *testing.T) {
	w := controltest.New(t)
	mustSink(t, w, "s3")
	mustStream(t, w, "open", 1)
	if s, err := w.OpenStream(t.Context(), "open"); err != nil || s.Name != "open" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := w.OpenStream(t.Context(), "none"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("no such stream: %v", err)
	}
	mustSource(t, w, control.NewSource{Name: "web", Kind: "segment"})
	if _, err := w.OpenStream(t.Context(), "web"); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), `source "web"`) {
		t.Errorf("stream of a segment source: %v", err)
	}
	mustExporter(t, w, control.NewExporter{Stream: "web", Name: "x", Output: stream.Output{Layout: "segment"}})
	mustExporter(t, w, control.NewExporter{Stream: "web", Name: "y", Output: stream.Output{Layout: "segment"}})
	// Its files are still made of the stream: nothing else may come between them.
	for _, step := range []struct {
		remove func() error
		open   bool
	}{
		{func() error { return w.DeleteSource(t.Context(), "web") }, false},
		{func() error { return w.DeleteExporter(t.Context(), "web", "x") }, false},
		{func() error { return w.DeleteSink(t.Context(), "s3", true) }, true},
	} {
		if err := step.remove(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.OpenStream(t.Context(), "web"); (err == nil) != step.open {
			t.Errorf("open %v: %v", step.open, err)
		}
	}
}

func TestASegmentSourceJoinsNoStreamWithOthersEvents(t *testing.T) {
	w := controltest.New(t)
	rawStream(t, w, "used")
	w.Append("used", 1, 3, time.Now())
	_, err := w.CreateSource(t.Context(), control.NewSource{Name: "web", Stream: "used", Kind: "segment"})
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "none of this source's") {
		t.Errorf("a stream with events: %v", err)
	}
	// One that is gone may come back where an exporter delivers its calls.
	rawStream(t, w, "site")
	mustSource(t, w, control.NewSource{Name: "site", Stream: "site", Kind: "segment", ID: "src"})
	w.Append("site", 0, 3, time.Now())
	mustSink(t, w, "s3")
	if _, err := w.CreateExporter(t.Context(), control.NewExporter{Stream: "site", Sink: "s3", Output: stream.Output{Layout: "segment"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteSource(t.Context(), "site"); err != nil {
		t.Fatal(err)
	}
	mustSource(t, w, control.NewSource{Name: "site", Stream: "site", Kind: "segment", ID: "src"})
}
