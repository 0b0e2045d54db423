package catalogtest

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func testInstallation(t *testing.T, b *bench) {
	id := must(b.db.Installation(t.Context()))(t)
	if !regexp.MustCompile(`^strm[0-9]{10}$`).MatchString(id) {
		t.Fatalf("installation %q", id)
	}
	b.reopen()
	if again := must(b.db.Installation(t.Context()))(t); again != id {
		t.Fatalf("installation changed from %s to %s", id, again)
	}
}

func testStreams(t *testing.T, b *bench) {
	ctx := t.Context()
	s := stream.Stream{ID: "0123456789abcdef", Name: "demo", Partitions: 3, StrmMeta: true, Description: "d 'q' é",
		Tags: []string{"a", "b"}, Retention: stream.Retention{MaxAge: time.Hour + 1, MaxBytes: 1 << 40}, CreatedAt: noon}
	ok(t, b.db.CreateStream(ctx, s))
	b.reopen()
	if got := must(b.db.Stream(ctx, "demo"))(t); !reflect.DeepEqual(got, s) {
		t.Fatalf("got %+v, want %+v", got, s)
	}
	if got := must(b.db.StreamByID(ctx, s.ID))(t); !reflect.DeepEqual(got, s) {
		t.Fatalf("by id: got %+v, want %+v", got, s)
	}
	err := b.db.CreateStream(ctx, stream.Stream{ID: "other", Name: "demo", Partitions: 1})
	wantKind(t, err, problem.Conflict)
	if err.Error() != "stream demo already exists" {
		t.Fatalf("message %q", err)
	}
	ok(t, b.db.CreateStream(ctx, stream.Stream{ID: "other", Name: "Demo", Partitions: 1, CreatedAt: noon})) // names match exactly
	_, err = b.db.Stream(ctx, "dem_")
	wantKind(t, err, problem.NotFound)
	wantKind(t, b.db.CreateStream(ctx, stream.Stream{ID: "x", Name: "a/b", Partitions: 1}), problem.Invalid)

	s.StrmMeta, s.Description, s.Tags, s.Retention = false, "", nil, stream.Retention{}
	ok(t, b.db.UpdateStream(ctx, s))
	if got := must(b.db.Stream(ctx, "demo"))(t); !reflect.DeepEqual(got, s) {
		t.Fatalf("got %+v, want %+v", got, s)
	}
	s.Partitions = 4
	wantKind(t, b.db.UpdateStream(ctx, s), problem.Invalid)
	s.Partitions, s.ID = 3, "another"
	wantKind(t, b.db.UpdateStream(ctx, s), problem.NotFound)
	all := must(b.db.Streams(ctx))(t)
	if len(all) != 2 || all[0].Name != "Demo" || all[1].Name != "demo" {
		t.Fatalf("streams %+v", all)
	}
}

func testDropStream(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	ok(t, b.db.CreateSource(ctx, stream.Source{Name: "web", Stream: "demo", Kind: stream.SourceEvents, KeyHash: "h"}))
	_, _, err := b.db.DeleteStream(ctx, "demo", false)
	wantKind(t, err, problem.Conflict)
	if err.Error() != "Cannot delete stream with name demo, as it still has exporters linked to it. Delete those first before deleting this stream." {
		t.Fatalf("message %q", err)
	}
	wantKind(t, b.db.ForgetStream(ctx, "id-demo"), problem.Conflict)
	s, exporters, err := b.db.DeleteStream(ctx, "demo", true)
	ok(t, err)
	if s.ID != "id-demo" || len(exporters) != 1 || exporters[0].ID != e.ID {
		t.Fatalf("deleted %+v, %+v", s, exporters)
	}
	b.reopen() // the process died before the log was dropped
	if ids := must(b.db.DroppedStreams(ctx))(t); !slices.Equal(ids, []string{"id-demo"}) {
		t.Fatalf("dropped %v", ids)
	}
	_, err = b.db.Stream(ctx, "demo")
	wantKind(t, err, problem.NotFound)
	_, err = b.db.SourceByKeyHash(ctx, "h")
	wantKind(t, err, problem.NotFound)
	_, err = b.db.Exporter(ctx, e.ID)
	wantKind(t, err, problem.NotFound)
	ok(t, b.db.ForgetStream(ctx, "id-demo"))
	ok(t, b.db.ForgetStream(ctx, "id-demo"))
	if ids := must(b.db.DroppedStreams(ctx))(t); len(ids) != 0 {
		t.Fatalf("dropped %v after forgetting", ids)
	}
	// The name is free, the id is not.
	wantKind(t, b.db.CreateStream(ctx, stream.Stream{ID: "id-demo", Name: "demo", Partitions: 1}), problem.Conflict)
	ok(t, b.db.CreateStream(ctx, stream.Stream{ID: "id-2", Name: "demo", Partitions: 1}))
	_, _, err = b.db.DeleteStream(ctx, "nope", true)
	wantKind(t, err, problem.NotFound)
}

func testSources(t *testing.T, b *bench) {
	ctx := t.Context()
	b.plain("demo", 1)
	s := stream.Source{Name: "web", Stream: "demo", Kind: stream.SourceSegment, ID: "4mKq7ZtRw2", DedupWindow: 24 * time.Hour, KeyHash: "aa", CreatedAt: noon}
	ok(t, b.db.CreateSource(ctx, s))
	s.StreamID = "id-demo"
	if got := must(b.db.Source(ctx, "web"))(t); got != s {
		t.Fatalf("got %+v, want %+v", got, s)
	}
	if got := must(b.db.SourceByKeyHash(ctx, "aa"))(t); got != s {
		t.Fatalf("by key: got %+v, want %+v", got, s)
	}
	wantKind(t, b.db.CreateSource(ctx, stream.Source{Name: "web", Stream: "demo", KeyHash: "bb"}), problem.Conflict)
	err := b.db.CreateSource(ctx, stream.Source{Name: "app", Stream: "demo", KeyHash: "aa"})
	wantKind(t, err, problem.Conflict)
	if strings.Contains(err.Error(), "aa") {
		t.Fatalf("the hash is in the message %q", err)
	}
	wantKind(t, b.db.CreateSource(ctx, stream.Source{Name: "app", Stream: "nope", KeyHash: "cc"}), problem.NotFound)
	ok(t, b.db.CreateSource(ctx, stream.Source{Name: "app", StreamID: "id-demo", KeyHash: "cc"}))
	if all := must(b.db.Sources(ctx))(t); len(all) != 2 || all[0].Name != "app" || all[1] != s {
		t.Fatalf("sources %+v", all)
	}
	s.DedupWindow, s.KeyHash = 0, "dd"
	changed := s
	changed.ID, changed.Kind = "another", stream.SourceEvents // stay
	ok(t, b.db.UpdateSource(ctx, changed))
	if got := must(b.db.Source(ctx, "web"))(t); got != s {
		t.Errorf("after the update: %+v, want %+v", got, s)
	}
	_, err = b.db.SourceByKeyHash(ctx, "aa")
	wantKind(t, err, problem.NotFound)
	changed.KeyHash = "cc"
	wantKind(t, b.db.UpdateSource(ctx, changed), problem.Conflict)
	wantKind(t, b.db.UpdateSource(ctx, stream.Source{Name: "nope", KeyHash: "ee"}), problem.NotFound)
	wantKind(t, b.db.UpdateSource(ctx, stream.Source{Name: "web"}), problem.Invalid)
	ok(t, b.db.DeleteSource(ctx, "web"))
	wantKind(t, b.db.DeleteSource(ctx, "web"), problem.NotFound)
	_, err = b.db.SourceByKeyHash(ctx, "aa")
	wantKind(t, err, problem.NotFound)
}

func testSplitSources(t *testing.T, b *bench) {
	ctx := t.Context()
	for _, name := range []string{"i", "e", "c", "e2"} {
		ok(t, b.db.CreateStream(ctx, stream.Stream{ID: "id-" + name, Name: name, Partitions: 1}))
	}
	s := stream.Source{Name: "prod", Stream: "i", Kind: stream.SourceSplit, KeyHash: "aa", CreatedAt: noon, Split: &stream.Split{
		Environment: "env-1", Events: "e", Counts: "c", TrafficTypes: map[string]string{"user": "tt"}, Flags: map[string]string{"f": "user"},
		Served: stream.FlagSet{Version: 7, Flags: []byte(`[{"name":"<f>&"}]`), Segments: []byte(`[{"name":"s"}]`), Types: map[string]string{"f": "user"}, Gone: []string{"g"}, GoneSegments: []string{"h"}},
	}}
	ok(t, b.db.CreateSource(ctx, s))
	s.StreamID, s.Split.EventsID, s.Split.CountsID = "id-i", "id-e", "id-c"
	if got := must(b.db.Source(ctx, "prod"))(t); !reflect.DeepEqual(got, s) {
		t.Fatalf("got %+v %+v, want %+v", got, got.Split, s)
	}
	if all := must(b.db.Sources(ctx))(t); len(all) != 1 || !reflect.DeepEqual(all[0], s) {
		t.Fatalf("sources %+v", all)
	}
	// Maps and flags may be empty.
	bare := stream.Source{Name: "bare", Stream: "i", Kind: stream.SourceSplit, KeyHash: "bb", CreatedAt: noon, Split: &stream.Split{Environment: "env-2", Events: "e2"}}
	ok(t, b.db.CreateSource(ctx, bare))
	bare.StreamID, bare.Split.EventsID = "id-i", "id-e2"
	if got := must(b.db.Source(ctx, "bare"))(t); !reflect.DeepEqual(got, bare) {
		t.Fatalf("got %+v %+v", got, got.Split)
	}
	wantKind(t, b.db.CreateSource(ctx, stream.Source{Name: "x", Stream: "i", KeyHash: "cc", Split: &stream.Split{Events: "nope"}}), problem.NotFound)
	wantKind(t, b.db.CreateSource(ctx, stream.Source{Name: "x", Stream: "i", KeyHash: "cc", Split: &stream.Split{Events: "e", Counts: "nope"}}), problem.NotFound)
	_, err := b.db.Source(ctx, "x")
	wantKind(t, err, problem.NotFound) // nothing of it is left

	changed := *s.Split
	changed.Environment, changed.Events, changed.EventsID, changed.Counts, changed.CountsID, changed.Flags = "env-9", "e2", "id-e2", "", "", nil
	s.Split = &changed
	ok(t, b.db.UpdateSource(ctx, s))
	if got := must(b.db.SourceByKeyHash(ctx, "aa"))(t); !reflect.DeepEqual(got, s) {
		t.Fatalf("after the update: %+v %+v", got, got.Split)
	}
	kept := s
	kept.Split, kept.KeyHash = nil, "dd"
	ok(t, b.db.UpdateSource(ctx, kept))
	if got := must(b.db.Source(ctx, "prod"))(t); got.KeyHash != "dd" || !reflect.DeepEqual(got.Split, s.Split) {
		t.Fatalf("a new key alone: %+v %+v", got, got.Split)
	}

	// A stream that takes events of a source which writes elsewhere is not
	// deleted in passing; one that takes counts is, and the source drops them.
	_, _, err = b.db.DeleteStream(ctx, "e2", false)
	wantKind(t, err, problem.Conflict)
	changed.Counts, changed.CountsID = "c", "id-c"
	s.KeyHash = "dd"
	ok(t, b.db.UpdateSource(ctx, s))
	_, _, err = b.db.DeleteStream(ctx, "c", false)
	ok(t, err)
	if got := must(b.db.Source(ctx, "prod"))(t); got.Split.Counts != "" || got.Split.CountsID != "" {
		t.Fatalf("counts go to %q", got.Split.Counts)
	}
	_, _, err = b.db.DeleteStream(ctx, "e2", true)
	ok(t, err)
	if all := must(b.db.Sources(ctx))(t); len(all) != 0 {
		t.Fatalf("sources %+v", all)
	}
}

func testSinks(t *testing.T, b *bench) {
	ctx := t.Context()
	s := stream.Sink{Name: "s3", Type: stream.SinkS3, Bucket: "b", Prefix: "a/b", Region: "eu-west-1", PathStyle: true,
		Role:       stream.Role{ARN: "arn:aws:iam::1:role/r", ExternalID: "x", Endpoint: "http://sts"},
		Encryption: stream.EncryptSSEKMS, KMSKey: "key", Credentials: []byte{0, 255, 7},
		Shape: "aws-access-key", Principal: "AKIA", UpdatedAt: noon}
	got, created, err := b.db.PutSink(ctx, s)
	ok(t, err)
	s.Revision, s.CreatedAt = 1, noon
	if !created || !reflect.DeepEqual(got, s) {
		t.Fatalf("created %v, got %+v, want %+v", created, got, s)
	}
	ok(t, b.db.SetSinkFound(ctx, "s3", 1, "eu-central-1", stream.SupportYes))
	wantKind(t, b.db.SetSinkFound(ctx, "s3", 2, "x", stream.SupportNo), problem.Conflict)
	wantKind(t, b.db.SetSinkFound(ctx, "s4", 1, "x", stream.SupportNo), problem.NotFound)
	failing := stream.Health{Status: stream.HealthFailing, Step: stream.StepPut, Reason: "denied", At: noon}
	ok(t, b.db.SetSinkHealth(ctx, "s3", 1, failing))
	wantKind(t, b.db.SetSinkHealth(ctx, "s3", 2, stream.Health{Status: stream.HealthOK, At: noon}), problem.Conflict)
	wantKind(t, b.db.SetSinkHealth(ctx, "s4", 1, failing), problem.NotFound)
	if read := must(b.db.Sink(ctx, "s3"))(t); read.Health != failing || read.Revision != 1 {
		t.Fatalf("health %+v of revision %d", read.Health, read.Revision)
	}
	s.Health = failing // a caller that read before it wrote
	// Other credentials: what was found stays, health is unknown again.
	s.Credentials, s.CreatedAt, s.UpdatedAt = nil, noon.Add(time.Hour), noon.Add(time.Hour)
	got, created, err = b.db.PutSink(ctx, s)
	ok(t, err)
	if created || got.Revision != 2 || got.FoundRegion != "eu-central-1" || got.Conditional != stream.SupportYes ||
		got.Health != (stream.Health{}) || !got.CreatedAt.Equal(noon) || !got.UpdatedAt.Equal(noon.Add(time.Hour)) {
		t.Fatalf("created %v, got %+v", created, got)
	}
	if read := must(b.db.Sink(ctx, "s3"))(t); !reflect.DeepEqual(read, got) {
		t.Fatalf("read %+v, want %+v", read, got)
	}
	for i, change := range []func(*stream.Sink){
		func(s *stream.Sink) { s.Bucket = "c" },
		func(s *stream.Sink) { s.Endpoint = "http://localhost:9000" },
		func(s *stream.Sink) { s.Region = "" },
		func(s *stream.Sink) { s.Type = stream.SinkGCS },
	} {
		ok(t, b.db.SetSinkFound(ctx, "s3", got.Revision, "somewhere", stream.SupportNo))
		got.FoundRegion, got.Conditional = "somewhere", stream.SupportNo // a caller that read before it wrote
		change(&got)
		got, _, err = b.db.PutSink(ctx, got)
		ok(t, err)
		if got.FoundRegion != "" || got.Conditional != stream.SupportUnknown {
			t.Fatalf("change %d: what was found of the old place is kept: %+v", i, got)
		}
	}
	if all := must(b.db.Sinks(ctx))(t); len(all) != 1 || !reflect.DeepEqual(all[0], got) {
		t.Fatalf("sinks %+v", all)
	}
}

func testSinkInUse(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("s3sink", 1)
	_, _, err := b.db.DeleteSink(ctx, "s3sink", false)
	wantKind(t, err, problem.Conflict)
	if err.Error() != "Cannot delete sink with name s3sink, as it still has exporters linked to it. Delete those first before deleting this sink." {
		t.Fatalf("message %q", err)
	}
	_, _, err = b.db.PutSink(ctx, stream.Sink{Name: "elsewhere", Type: stream.SinkS3, Bucket: "elsewhere", UpdatedAt: noon})
	ok(t, err)
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, 1, span(0, 0, 5))}, stream.Position{5}))
	moved := must(b.db.Exporter(ctx, e.ID))(t)
	moved.Sink = "elsewhere"
	ok(t, b.db.UpdateExporter(ctx, moved))
	if _, _, err := b.db.DeleteSink(ctx, "s3sink", true); problem.KindOf(err) != problem.Conflict {
		t.Fatalf("deleting a sink that a batch was planned for: %v", err)
	}
	moved.Sink = "s3sink"
	ok(t, b.db.UpdateExporter(ctx, moved))
	s, exporters, err := b.db.DeleteSink(ctx, "s3sink", true)
	ok(t, err)
	if s.Name != "s3sink" || len(exporters) != 1 || exporters[0].ID != e.ID {
		t.Fatalf("deleted %+v, %+v", s, exporters)
	}
	_, err = b.db.Sink(ctx, "s3sink")
	wantKind(t, err, problem.NotFound)
	_, _, err = b.db.DeleteSink(ctx, "s3sink", false)
	wantKind(t, err, problem.NotFound)
}

func testExporters(t *testing.T, b *bench) {
	ctx := t.Context()
	first := b.plain("demo", 2)
	e := stream.Exporter{ID: "aabbccdd", Name: "x", Stream: "demo", Sink: "demo", Cut: stream.Cut{Interval: 90 * time.Second, Offset: 40 * time.Second, MaxBytes: 1, MaxPacked: 3, MaxEvents: 2},
		Output: stream.Output{PathPrefix: "a/b", Layout: "{time}", Format: "jsonl", Compression: "gzip"}, Paused: true, TestID: "u",
		Start: stream.Position{4, 9}, FromStart: true, CreatedAt: noon, UpdatedAt: noon}
	ok(t, b.db.CreateExporter(ctx, e))
	b.reopen()
	want := e
	want.StreamID, want.Next = "id-demo", e.Start
	if got := must(b.db.Exporter(ctx, e.ID))(t); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for name, change := range map[problem.Kind]func(*stream.Exporter){
		problem.Conflict: func(*stream.Exporter) {},
		problem.NotFound: func(e *stream.Exporter) { e.Sink = "nope" },
		problem.Invalid:  func(e *stream.Exporter) { e.Start = stream.Position{1} },
	} {
		bad := e
		bad.ID = "other"
		change(&bad)
		wantKind(t, b.db.CreateExporter(ctx, bad), name)
	}
	bad := e
	bad.ID, bad.Stream = "other", "nope"
	wantKind(t, b.db.CreateExporter(ctx, bad), problem.NotFound)
	for name, all := range map[string][]stream.Exporter{
		"all":       must(b.db.Exporters(ctx))(t),
		"of stream": must(b.db.ExportersOfStream(ctx, "id-demo"))(t),
		"of sink":   must(b.db.ExportersOfSink(ctx, "demo"))(t),
	} {
		if len(all) != 2 || all[0].ID != first.ID || all[1].ID != e.ID {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

func testExporterNamed(t *testing.T, b *bench) {
	ctx := t.Context()
	b.plain("a", 1)
	b.plain("b", 1)
	b.exporter("e1", "only", "a", "a", 1)
	b.exporter("e2", "both", "a", "a", 1)
	b.exporter("e3", "both", "b", "b", 1)
	for _, c := range []struct{ of, name, want string }{
		{"", "only", "e1"}, {"a", "only", "e1"}, {"", "a/only", "e1"}, {"a", "a/only", "e1"},
		{"a", "both", "e2"}, {"", "b/both", "e3"},
	} {
		if got := must(b.db.ExporterNamed(ctx, c.of, c.name))(t); got.ID != c.want {
			t.Errorf("%q %q: got %s, want %s", c.of, c.name, got.ID, c.want)
		}
	}
	_, err := b.db.ExporterNamed(ctx, "", "both")
	wantKind(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "a/both") {
		t.Errorf("no example in %q", err)
	}
	_, err = b.db.ExporterNamed(ctx, "b", "only")
	wantKind(t, err, problem.NotFound)
	_, err = b.db.ExporterNamed(ctx, "b", "a/only")
	wantKind(t, err, problem.Invalid)
	_, err = b.db.ExporterNamed(ctx, "", "ONLY")
	wantKind(t, err, problem.NotFound)
}

func testExporterUpdate(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, 1, span(0, 0, 5))}, stream.Position{5}))
	change := e // read before the plan: its position is old
	change.Paused, change.Cut, change.Output.PathPrefix = true, stream.Cut{Interval: time.Hour, Offset: time.Minute, MaxPacked: 4, MaxEvents: 3}, "other"
	change.Start, change.Next, change.LastSeq, change.Name = stream.Position{7}, stream.Position{9}, 9, "renamed"
	change.UpdatedAt = noon.Add(time.Hour)
	ok(t, b.db.UpdateExporter(ctx, change))
	want := e
	want.Paused, want.Cut, want.Output.PathPrefix, want.UpdatedAt = true, change.Cut, "other", change.UpdatedAt
	want.Next, want.LastSeq = stream.Position{5}, 1
	if got := must(b.db.Exporter(ctx, e.ID))(t); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if got := must(b.db.Batch(ctx, "e-demo-000001"))(t); got.Output.PathPrefix != "p" {
		t.Fatalf("the plan's settings changed: %+v", got.Output)
	}
	change.Sink = "nope"
	wantKind(t, b.db.UpdateExporter(ctx, change), problem.NotFound)
	change.Sink, change.ID = "demo", "nope"
	wantKind(t, b.db.UpdateExporter(ctx, change), problem.NotFound)
}

func testExporterDeletion(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	one, two := plan(e, 1, span(0, 0, 5)), plan(e, 2, span(0, 5, 8))
	ok(t, b.db.Plan(ctx, []stream.Batch{one, two}, stream.Position{8}))
	ok(t, finish(ctx, b.db, &one))
	ok(t, attempt(ctx, b.db, &two))
	ok(t, b.db.DeleteExporter(ctx, e.ID))
	wantKind(t, b.db.DeleteExporter(ctx, e.ID), problem.NotFound)
	wantKind(t, finish(ctx, b.db, &two), problem.Conflict)
	wantKind(t, b.db.Plan(ctx, []stream.Batch{plan(e, 3, span(0, 8, 9))}, stream.Position{9}), problem.Conflict)
	if left := must(b.db.Unfinished(ctx, e.ID))(t); len(left) != 0 {
		t.Fatalf("unfinished %+v", left)
	}
	history := must(b.db.Batches(ctx, e.ID, catalog.BatchQuery{}))(t)
	if len(history) != 2 || history[0].State != stream.BatchAbandoned || history[1].State != stream.BatchDone {
		t.Fatalf("history %+v", history)
	}
	if _, held, err := b.db.Held(ctx, "id-demo"); err != nil || held {
		t.Fatalf("held %v, %v", held, err)
	}
	// The name is free again, and so is the abandoned key, but not the done one.
	again := b.exporter("e2", e.Name, "demo", "demo", 1)
	taken := plan(again, 1, span(0, 0, 1))
	taken.Objects[0].Key = one.Objects[0].Key
	wantKind(t, b.db.Plan(ctx, []stream.Batch{taken}, stream.Position{1}), problem.Conflict)
	taken.Objects[0].Key = two.Objects[0].Key
	ok(t, b.db.Plan(ctx, []stream.Batch{taken}, stream.Position{1}))
}
