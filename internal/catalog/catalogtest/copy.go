package catalogtest

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// all is what a catalog holds, as its methods tell it.
func all(ctx context.Context, t fataler, db *catalog.DB) []any {
	t.Helper()
	out := []any{
		must(db.Installation(ctx))(t), must(db.Streams(ctx))(t), must(db.DroppedStreams(ctx))(t), must(db.Sources(ctx))(t),
		must(db.Sinks(ctx))(t), must(db.Exporters(ctx))(t), must(db.Importers(ctx))(t),
	}
	for _, e := range must(db.Exporters(ctx))(t) {
		out = append(out, must(db.Batches(ctx, e.ID, catalog.BatchQuery{Limit: 100}))(t), must(db.Totals(ctx, e.ID))(t))
	}
	for _, i := range must(db.Importers(ctx))(t) {
		for _, f := range must(db.Imports(ctx, catalog.ImportQuery{ImporterID: i.ID, Limit: 100}))(t) {
			out = append(out, f, must(db.Entries(ctx, f.ID))(t))
		}
	}
	return out
}

// testCopy moves a catalog into another database.
func testCopy(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("files")
	b.done(b.note(i, "sns", file("a", "v1", "e", noon)), noon, 3)
	b.note(i, "list", file("b", "v2", "e", noon))
	e := b.plain("demo", 2)
	ok(t, b.db.CreateStream(ctx, stream.Stream{ID: "gone", Name: "gone", Partitions: 1, CreatedAt: noon}))
	_, _, err := b.db.DeleteStream(ctx, "gone", false)
	ok(t, err)
	ok(t, b.db.CreateSource(ctx, stream.Source{Name: "src", Stream: "demo", StreamID: e.StreamID, Kind: stream.SourceEvents, KeyHash: "h", CreatedAt: noon}))
	_, _, err = b.db.PutSink(ctx, stream.Sink{Name: "sealed", Type: stream.SinkS3, Bucket: "x", Credentials: []byte{0, 1, 0xff, 0}, UpdatedAt: noon})
	ok(t, err)
	for seq := range 30 {
		ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, int64(seq+1), span(0, 5*seq, 5*seq+5))}, stream.Position{stream.Offset(5*seq + 5), 0}))
		p := must(b.db.Unfinished(ctx, e.ID))(t)
		if seq < 28 {
			ok(t, attempt(ctx, b.db, &p[0]))
			ok(t, finish(ctx, b.db, &p[0]))
		} else if seq == 28 {
			ok(t, attempt(ctx, b.db, &p[0]))
		}
	}
	to := must(b.open(ctx, t.TempDir()))(t)
	defer func() { ok(t, to.Close()) }()
	told := func(string, int64) {}
	wantKind(t, to.CopyFrom(ctx, b.db, told), problem.Internal)
	m := catalog.Migration{From: "there", Topics: map[string]stream.Topic{"id-demo": {Name: "t", Values: stream.ValuesJSON, Base: stream.Position{7, 0}}}}
	want := all(ctx, t, b.db)
	for range 2 { // again: an earlier try may have been broken off
		ok(t, to.BeginMigration(ctx, b.db, m))
		if got := must(to.Migration(ctx))(t); got.Done || got.Began.IsZero() || !reflect.DeepEqual(got.Topics, m.Topics) {
			t.Fatalf("migration %+v", got)
		}
		ok(t, to.CopyFrom(ctx, b.db, told))
		if got := must(to.TopicStream(ctx, "id-demo"))(t).Topic; !reflect.DeepEqual(got, m.Topics["id-demo"]) {
			t.Fatalf("topic %+v", got)
		}
		got := all(ctx, t, to)
		streams := got[1].([]stream.Stream)
		for i := range streams {
			streams[i].Topic = stream.Topic{}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("copied\n%+v, want\n%+v", got, want)
		}
	}
	until := time.Now().Add(time.Hour)
	for range 2 {
		ok(t, to.CarryKeys(ctx, "id-demo", []catalog.CarriedKey{{Key: "k", Digest: 1<<64 - 3, Range: span(1, 7, 9), Until: until}, {Key: "over", Until: time.Now().Add(-time.Hour)}}))
		ok(t, to.CarryIDs(ctx, "id-demo", []catalog.CarriedID{{ID: eventlog.NewID([]byte("a")), Until: until}}))
		ok(t, to.CarryMark(ctx, "id-demo", "m", 5))
	}
	entries := []eventlog.ClaimEntry{
		{StreamID: "id-demo", Key: "k", Digest: 1<<64 - 3, Events: 2, Until: until},
		{StreamID: "id-demo", Key: "over", Events: 1, Until: until},
		{StreamID: "id-demo", IDs: []eventlog.ID{eventlog.NewID([]byte("a")), eventlog.NewID([]byte("b"))}, Events: 2, Until: until},
		{StreamID: "id-demo", Mark: "m", MarkAt: 5, Events: 1},
	}
	n := must(to.ClaimNumbers(ctx, 1))(t)
	verdicts := must(to.ClaimNames(ctx, eventlog.Claim{ID: n, Node: "n", Producer: "p"}, entries, time.Now()))(t)
	if v := verdicts[0]; v.Take || !v.First.Duplicate || v.First.Events != 2 || v.First.Range != span(1, 7, 9) {
		t.Fatalf("a carried key: %+v", v)
	}
	if !verdicts[1].Take || !verdicts[2].Take || !reflect.DeepEqual(verdicts[2].Repeated, []bool{true, false}) || verdicts[3].Take || !verdicts[3].First.Duplicate {
		t.Fatalf("verdicts %+v", verdicts)
	}
	ok(t, to.CompleteMigration(ctx))
	wantKind(t, to.BeginMigration(ctx, b.db, m), problem.Conflict)
	wantKind(t, to.CopyFrom(ctx, b.db, told), problem.Internal)
	// What was moved is worked on.
	p := must(to.Unfinished(ctx, e.ID))(t)
	if len(p) != 2 {
		t.Fatalf("%d unfinished", len(p))
	}
	ok(t, finish(ctx, to, &p[0]))
	// A catalog in use is not overwritten, nor one of another installation.
	wantKind(t, b.db.BeginMigration(ctx, to, m), problem.Conflict)
	wantKind(t, b.db.CompleteMigration(ctx), problem.Conflict)
}

// testSecrets compares fingerprints of nodes.
func testSecrets(t *testing.T, b *bench) {
	ctx := t.Context()
	ok(t, b.db.AgreeOnKeys(ctx, []string{"1:a"}))
	ok(t, b.db.AgreeOnKeys(ctx, []string{"1:a"}))
	err := b.db.AgreeOnKeys(ctx, []string{"2:b"})
	wantKind(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "lacks the key 1") {
		t.Fatalf("%v", err)
	}
	ok(t, b.db.AgreeOnKeys(ctx, []string{"2:b", "1:a"})) // a rotation
	wantKind(t, b.db.AgreeOnKeys(ctx, []string{"1:a"}), problem.Conflict)

	ok(t, b.db.AgreeOnToken(ctx, "n1", "x"))
	must(b.db.Beat(ctx, stream.Node{ID: "n1", Name: "one"}, 30*time.Second))(t)
	ok(t, b.db.AgreeOnToken(ctx, "n2", "x"))
	wantKind(t, b.db.AgreeOnToken(ctx, "n2", "y"), problem.Conflict)
	wantKind(t, b.db.BeginMigration(ctx, b.db, catalog.Migration{}), problem.Conflict) // a node lives
	ok(t, b.db.AgreeOnToken(ctx, "n1", "y"))                                           // nobody else lives
	wantKind(t, b.db.AgreeOnToken(ctx, "n2", "x"), problem.Conflict)
	ok(t, b.db.Leave(ctx, "n1"))
	ok(t, b.db.AgreeOnToken(ctx, "n2", "x"))
}
