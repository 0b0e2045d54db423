package catalogtest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

func testImporters(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("fme")
	b.reopen()
	if got := must(b.db.Importer(ctx, "fme"))(t); !reflect.DeepEqual(got, i) {
		t.Fatalf("got %+v, want %+v", got, i)
	}
	if got := must(b.db.ImporterByToken(ctx, "token-fme"))(t); !reflect.DeepEqual(got, i) {
		t.Fatalf("by token: got %+v, want %+v", got, i)
	}
	_, err := b.db.ImporterByToken(ctx, "secret")
	wantKind(t, err, problem.NotFound)
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the token is in %q", err)
	}
	for name, change := range map[string]func(*stream.Importer){
		"name":   func(i *stream.Importer) { i.ID, i.Token = "x", "x" },
		"id":     func(i *stream.Importer) { i.Name, i.Token = "x", "x" },
		"token":  func(i *stream.Importer) { i.Name, i.ID = "x", "x" },
		"stream": func(i *stream.Importer) { i.Name, i.ID, i.Token, i.Stream, i.StreamID = "x", "x", "x", "nope", "" },
		"sink":   func(i *stream.Importer) { i.Name, i.ID, i.Token, i.Sink = "x", "x", "x", "nope" },
		"bad":    func(i *stream.Importer) { i.Name, i.ID, i.Token = "a/b", "x", "x" },
		"no id":  func(i *stream.Importer) { i.Name, i.ID, i.Token = "x", "", "x" },
	} {
		other := i
		change(&other)
		kind := map[string]problem.Kind{"stream": problem.NotFound, "sink": problem.NotFound, "bad": problem.Invalid, "no id": problem.Invalid}[name]
		if kind == problem.Internal {
			kind = problem.Conflict
		}
		if err := b.db.CreateImporter(ctx, other); problem.KindOf(err) != kind {
			t.Errorf("%s: %v, want kind %v", name, err, kind)
		}
	}

	sub := stream.Subscription{State: stream.SubscriptionConfirmed, ARN: "arn:s", At: noon, TestedAt: noon.Add(time.Hour), TestBucket: "not for this call"}
	ok(t, b.db.SetTested(ctx, i.ID, noon, "b"))
	ok(t, b.db.SetTested(ctx, i.ID, noon.Add(-time.Hour), "an older one"))
	ok(t, b.db.SetSubscription(ctx, i.ID, sub))
	ok(t, b.db.SetImporterProblem(ctx, i.ID, "access denied"))
	ok(t, b.db.SetListed(ctx, i.ID, noon.Add(time.Hour)))
	i.Subscription, i.Problem, i.ListedAt = sub, "access denied", noon.Add(time.Hour)
	i.Subscription.TestedAt, i.Subscription.TestBucket = noon, "b"
	if got := must(b.db.Importers(ctx))(t); len(got) != 1 || !reflect.DeepEqual(got[0], i) {
		t.Fatalf("got %+v, want %+v", got, i)
	}

	_, _, err = b.db.PutSink(ctx, stream.Sink{Name: "other", Type: stream.SinkS3, Bucket: "other", UpdatedAt: noon})
	ok(t, err)
	i.Sink, i.Environments, i.Prefix, i.Suffixes, i.StatusPrefix = "other", []string{"e3"}, "", nil, "s2"
	i.QueueURL, i.ListEvery, i.ReportEvery, i.Paused, i.UpdatedAt = "", time.Minute, time.Hour, true, noon.Add(time.Hour)
	change := i
	change.Name, change.StreamID, change.Token, change.FromStart, change.CreatedAt, change.Problem = "x", "x", "x", false, noon.Add(2), ""
	change.Subscription = stream.Subscription{}
	ok(t, b.db.UpdateImporter(ctx, change))
	b.reopen()
	if got := must(b.db.Importer(ctx, "fme"))(t); !reflect.DeepEqual(got, i) {
		t.Fatalf("after the update: %+v, want %+v", got, i)
	}
	change.TopicARN = "arn:aws:sns:eu-west-1:1:u"
	ok(t, b.db.UpdateImporter(ctx, change))
	if got := must(b.db.Importer(ctx, "fme"))(t); got.Subscription != (stream.Subscription{}) || got.TopicARN != change.TopicARN {
		t.Errorf("another topic has the subscription of the one before: %+v", got)
	}
	change.Sink = "nope"
	wantKind(t, b.db.UpdateImporter(ctx, change), problem.NotFound)
	change.ID = "nope"
	wantKind(t, b.db.UpdateImporter(ctx, change), problem.NotFound)
	if got := must(b.db.ImportersOfStream(ctx, "id-fme"))(t); len(got) != 1 {
		t.Errorf("of the stream %+v", got)
	}
	if got := must(b.db.ImportersOfSink(ctx, "other"))(t); len(got) != 1 {
		t.Errorf("of the sink %+v", got)
	}
	if got := must(b.db.ImportersOfSink(ctx, "fme"))(t); len(got) != 0 {
		t.Errorf("of the sink before %+v", got)
	}
}

func testImporterDeletion(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("fme")
	ok(t, b.db.DeleteExporter(ctx, "e-fme"))
	f := b.note(i, "sns", file("in/a", "1", "t", noon))

	_, _, err := b.db.DeleteStream(ctx, "fme", false)
	wantKind(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "importers linked to it") {
		t.Errorf("message %q", err)
	}
	_, _, err = b.db.DeleteSink(ctx, "fme", false)
	wantKind(t, err, problem.Conflict)

	ok(t, b.db.DeleteImporter(ctx, i.ID))
	wantKind(t, b.db.DeleteImporter(ctx, i.ID), problem.NotFound)
	_, err = b.db.Importer(ctx, "fme")
	wantKind(t, err, problem.NotFound)
	_, err = b.db.ImporterByToken(ctx, i.Token)
	wantKind(t, err, problem.NotFound)
	_, err = b.db.Noticed(ctx, i.ID, "sns", noon, []notice.File{file("in/b", "1", "t", noon)})
	wantKind(t, err, problem.NotFound)
	wantKind(t, b.db.SetListed(ctx, i.ID, noon), problem.NotFound)
	wantKind(t, b.db.SetSubscription(ctx, i.ID, stream.Subscription{}), problem.NotFound)
	wantKind(t, b.db.SetTested(ctx, i.ID, noon, "b"), problem.NotFound)
	wantKind(t, b.db.SetImporterProblem(ctx, i.ID, ""), problem.NotFound)
	wantKind(t, b.db.UpdateImporter(ctx, i), problem.NotFound)
	again := i
	again.ID, again.Token = "i-2", "t-2"
	ok(t, b.db.CreateImporter(ctx, again))
	ok(t, b.db.DeleteImporter(ctx, again.ID)) // has no files

	// What it has noticed is imported and reported all the same.
	dead := must(b.db.DeletedImporters(ctx))(t)
	if len(dead) != 1 || dead[0].ID != i.ID || dead[0].DeletedAt.IsZero() || dead[0].Stream != "fme" {
		t.Fatalf("deleted importers %+v", dead)
	}
	due, _, err := b.db.DueImports(ctx, "", noon, 10)
	if ok(t, err); len(due) != 1 || due[0].ID != f.ID {
		t.Fatalf("due %+v", due)
	}
	_, _, err = b.db.DeleteSink(ctx, "fme", false)
	wantKind(t, err, problem.Conflict)
	b.done(f, noon, 1)
	if dead := must(b.db.DeletedImporters(ctx))(t); len(dead) != 0 {
		t.Errorf("deleted importers %+v", dead)
	}
	_, _, err = b.db.DeleteSink(ctx, "fme", false)
	wantKind(t, err, problem.Conflict)
	r, planned, err := b.db.PlanReport(ctx, noon.Add(time.Hour), 10)
	if ok(t, err); !planned || r.Sink != "fme" {
		t.Fatalf("report %+v", r)
	}
	_, _, err = b.db.DeleteSink(ctx, "fme", false)
	wantKind(t, err, problem.Conflict)
	r.State = stream.ReportDone
	ok(t, b.db.SaveReport(ctx, r))
	_, _, err = b.db.DeleteSink(ctx, "fme", false)
	ok(t, err)
	_, _, err = b.db.DeleteStream(ctx, "fme", false)
	ok(t, err)
}

// testImportsGivenUp: a sink that is deleted with all that uses it.
func testImportsGivenUp(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("fme")
	reported, waits, runs, gone := b.note(i, "sns", file("in/a", "1", "t", noon)), b.note(i, "sns", file("in/b", "1", "t", noon)),
		b.note(i, "sns", file("in/c", "1", "t", noon)), b.note(i, "sns", file("in/d", "1", "t", noon))
	b.done(reported, noon, 2)
	r, _, err := b.db.PlanReport(ctx, noon.Add(time.Hour), 10)
	ok(t, err)
	b.done(waits, noon, 1)
	runs.State, runs.Partition = stream.ImportRunning, 0
	ok(t, b.db.SaveImport(ctx, runs))

	s := must(b.db.Sink(ctx, "fme"))(t)
	s.Bucket = "elsewhere"
	_, _, err = b.db.PutSink(ctx, s)
	wantKind(t, err, problem.Conflict)
	_, _, err = b.db.PutSink(ctx, stream.Sink{Name: "twin", Type: stream.SinkS3, Bucket: "bucket-fme"})
	ok(t, err)
	_, _, err = b.db.PutSink(ctx, stream.Sink{Name: "far", Type: stream.SinkS3, Bucket: "far"})
	ok(t, err)
	i.Sink = "far"
	wantKind(t, b.db.UpdateImporter(ctx, i), problem.Conflict)
	i.Sink = "twin"
	ok(t, b.db.UpdateImporter(ctx, i))
	i.Sink = "fme"
	ok(t, b.db.UpdateImporter(ctx, i))

	_, _, err = b.db.DeleteSink(ctx, "fme", true)
	ok(t, err)
	b.reopen()
	if all := must(b.db.Importers(ctx))(t); len(all) != 0 {
		t.Errorf("importers %+v", all)
	}
	if all := must(b.db.DeletedImporters(ctx))(t); len(all) != 0 {
		t.Errorf("importers with files to do %+v", all)
	}
	for id, want := range map[int64]stream.ImportState{reported.ID: stream.ImportDone, waits.ID: stream.ImportDone, runs.ID: stream.ImportAbandoned, gone.ID: stream.ImportAbandoned} {
		if got := must(b.db.Import(ctx, id))(t); got.State != want || (got.Problem == "") != (want == stream.ImportDone) {
			t.Errorf("import %+v, want %s", got, want)
		}
	}
	if got := must(b.db.Entries(ctx, waits.ID))(t); len(got) != 1 || got[0].ReportID != -1 {
		t.Errorf("entries %+v", got)
	}
	if due, _, err := b.db.DueImports(ctx, "", noon, 10); err != nil || len(due) != 0 {
		t.Errorf("due %+v, %v", due, err)
	}
	if next := must(b.db.NextReport(ctx))(t); !next.IsZero() {
		t.Errorf("a report at %v", next)
	}
	if open := must(b.db.OpenReports(ctx))(t); len(open) != 0 {
		t.Errorf("open %+v", open)
	}
	// What runs comes too late.
	wantKind(t, b.db.SaveImport(ctx, runs), problem.Conflict)
	ok(t, b.db.FinishImport(ctx, runs, entries(runs.ID, 1)))
	if got := must(b.db.Entries(ctx, runs.ID))(t); len(got) != 0 {
		t.Errorf("entries %+v", got)
	}
	r.State = stream.ReportDone
	wantKind(t, b.db.SaveReport(ctx, r), problem.Conflict)
}
