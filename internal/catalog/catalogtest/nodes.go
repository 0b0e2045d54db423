package catalogtest

import (
	"context"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// beat says that a node lives, or with a lease that is over at once that it did.
func (b *bench) beat(id string, lease time.Duration) []string {
	b.t.Helper()
	live, err := b.db.Beat(b.t.Context(), stream.Node{ID: id, Name: "at " + id, Version: "v1"}, lease)
	ok(b.t, err)
	var ids []string
	for _, n := range live {
		if !n.Alive || n.Name != "at "+n.ID || n.Version != "v1" || n.StartedAt.IsZero() || !n.LeaseUntil.After(n.StartedAt) {
			b.t.Fatalf("node %+v", n)
		}
		ids = append(ids, n.ID)
	}
	return ids
}

// dies makes a node's lease end at once.
func (b *bench) dies(id string) {
	b.t.Helper()
	for slices.Contains(b.beat(id, time.Microsecond), id) { // the same microsecond
	}
}

const lease = time.Minute

func testNodes(t *testing.T, b *bench) {
	ctx := t.Context()
	expect := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Fatalf("alive %q, want %q", got, want)
		}
	}
	expect(b.beat("b", lease), "b")
	expect(b.beat("a", lease), "a", "b")
	b.reopen()
	node := func(id string) stream.Node {
		t.Helper()
		all := must(b.db.Nodes(ctx))(t)
		i := slices.IndexFunc(all, func(n stream.Node) bool { return n.ID == id })
		if len(all) != 2 || i < 0 {
			t.Fatalf("nodes %+v", all)
		}
		return all[i]
	}
	before := node("b")
	expect(b.beat("b", lease), "a", "b")
	if after := node("b"); !after.StartedAt.Equal(before.StartedAt) || after.LeaseUntil.Before(before.LeaseUntil) {
		t.Fatalf("%+v, before %+v", after, before)
	}
	b.dies("a")
	expect(b.beat("b", lease), "b")
	if a, b := node("a"), node("b"); a.Alive || !b.Alive {
		t.Fatalf("nodes %+v, %+v", a, b)
	}
	expect(b.beat("a", lease), "a", "b") // it was only slow
	for range 2 {
		ok(t, b.db.Leave(ctx, "a"))
	}
	expect(b.beat("b", lease), "b")
	if all := must(b.db.Nodes(ctx))(t); len(all) != 1 {
		t.Fatalf("nodes %+v", all)
	}
	for _, bad := range []time.Duration{0, -1, catalog.MaxLease + 1} {
		_, err := b.db.Beat(ctx, stream.Node{ID: "c"}, bad)
		wantKind(t, err, problem.Invalid)
	}
}

// testImportClaims: of two nodes one works on a file; it is taken over when its node
// dies, and what the first one still says is refused.
func testImportClaims(t *testing.T, b *bench) {
	ctx := t.Context()
	b.beat("a", lease)
	b.beat("b", lease)
	f := b.note(b.importer("fme"), "sqs", file("in/a", "v1", "t", noon))
	due := func(owner string) int {
		t.Helper()
		all, _, err := b.db.DueImports(ctx, owner, noon.Add(time.Hour), 10)
		ok(t, err)
		return len(all)
	}
	begin := func(i stream.Import, want bool) {
		t.Helper()
		if got := must(b.db.BeginImport(ctx, i))(t); got != want {
			t.Fatalf("%s has begun attempt %d: %t, want %t", i.Owner, i.Attempts, got, want)
		}
	}
	first := f
	first.Owner, first.Attempts, first.State, first.Environments = "a", 1, stream.ImportRunning, []string{"old"}
	begin(first, true)
	if due("a") != 1 || due("b") != 0 {
		t.Fatal("another's file is due, or its own is not")
	}
	second := first
	second.Owner, second.Attempts, second.Environments = "b", 2, []string{"new"}
	begin(second, false)
	wantKind(t, b.db.SaveImport(ctx, second), problem.Conflict)
	wantKind(t, b.db.FinishImport(ctx, second, nil), problem.Conflict)

	b.dies("a")
	if due("b") != 1 {
		t.Fatal("the file of a dead node is not due")
	}
	begin(second, true)
	b.beat("a", lease) // it was only paused
	third := first
	third.Attempts, third.Problem = 2, "from a past life"
	begin(third, false)
	for _, late := range []stream.Import{first, third} {
		wantKind(t, b.db.SaveImport(ctx, late), problem.Conflict)
		wantKind(t, b.db.FinishImport(ctx, late, entries(f.ID, 1)), problem.Conflict)
	}
	if got := must(b.db.Import(ctx, f.ID))(t); !reflect.DeepEqual(got, second) {
		t.Fatalf("import %+v, want %+v", got, second)
	}
	// A failure gives it up for all.
	second.Problem, second.NextTryAt = "500", noon
	ok(t, b.db.SaveImport(ctx, second))
	if due("a") != 1 || due("b") != 1 {
		t.Fatal("a file that nobody has is not due")
	}
	third.Attempts = 3
	begin(third, true)
	ok(t, b.db.Leave(ctx, "a")) // gives up all that it had
	second.Attempts = 4
	begin(second, true)
	ok(t, b.db.FinishImport(ctx, second, entries(f.ID, 1)))
	ok(t, b.db.FinishImport(ctx, third, entries(f.ID, 2)))
	if got := must(b.db.Entries(ctx, f.ID))(t); len(got) != 1 {
		t.Fatalf("entries %+v", got)
	}
	if got := must(b.db.Import(ctx, f.ID))(t); got.Owner != "" || !slices.Equal(got.Environments, second.Environments) {
		t.Fatalf("import %+v", got)
	}
}

// testReportClaims: a node that wakes up does not undo that a report may be stored.
func testReportClaims(t *testing.T, b *bench) {
	ctx := t.Context()
	b.beat("a", lease)
	b.beat("b", lease)
	b.done(b.note(b.importer("fme"), "sqs", file("in/a", "v1", "t", noon)), noon, 1)
	planned, there, err := b.db.PlanReport(ctx, noon.Add(24*time.Hour), 10)
	if ok(t, err); !there {
		t.Fatal("no report")
	}
	begin := func(owner string, r stream.Report, want bool) stream.Report {
		t.Helper()
		r.Owner = owner
		r.Attempts++
		begun, won, err := b.db.BeginReport(ctx, r)
		if ok(t, err); won != want || won && (begun.Owner != owner || begun.Attempts != r.Attempts) {
			t.Fatalf("%s has begun: %t, %+v; want %t", owner, won, begun, want)
		}
		return begun
	}
	first := begin("a", planned, true)
	begin("b", first, false)
	stale := planned
	stale.Attempts = 1 // as b has read it before a notes this:
	first.MaybeStored = true
	ok(t, b.db.SaveReport(ctx, first))
	b.dies("a")
	second := begin("b", stale, true)
	if !second.MaybeStored {
		t.Fatalf("what the first attempt noted is lost: %+v", second)
	}
	ok(t, b.db.SaveReport(ctx, second))
	b.beat("a", lease)
	first.MaybeStored, first.Problem = false, "refused"
	wantKind(t, b.db.SaveReport(ctx, first), problem.Conflict)
	begin("a", first, false)
	if got := must(b.db.Report(ctx, planned.ID))(t); !reflect.DeepEqual(got, second) {
		t.Fatalf("report %+v, want %+v", got, second)
	}
	second.NextTryAt = noon // the attempt is over
	ok(t, b.db.SaveReport(ctx, second))
	third := begin("a", second, true)
	third.State, third.DoneAt = stream.ReportDone, noon
	ok(t, b.db.SaveReport(ctx, third))
	if got := must(b.db.Report(ctx, planned.ID))(t); got.Owner != "" || got.State != stream.ReportDone {
		t.Fatalf("report %+v", got)
	}
	begin("a", third, false)
}

func testRevision(t *testing.T, b *bench) {
	ctx := t.Context()
	last := must(b.db.Revision(ctx))(t)
	rises := func(what string, err error) {
		t.Helper()
		ok(t, err)
		now := must(b.db.Revision(ctx))(t)
		if now <= last {
			t.Errorf("%s: revision %d after %d", what, now, last)
		}
		last = now
	}
	stays := func(what string, err error) {
		t.Helper()
		ok(t, err)
		if now := must(b.db.Revision(ctx))(t); now != last {
			t.Errorf("%s: revision %d after %d", what, now, last)
		}
	}
	s := stream.Stream{ID: "s", Name: "s", Partitions: 1}
	rises("create stream", b.db.CreateStream(ctx, s))
	rises("update stream", b.db.UpdateStream(ctx, s))
	src := stream.Source{Name: "src", Stream: "s", Kind: stream.SourceEvents, KeyHash: "k"}
	rises("create source", b.db.CreateSource(ctx, src))
	src.KeyHash = "l"
	rises("update source", b.db.UpdateSource(ctx, src))
	_, _, err := b.db.PutSink(ctx, stream.Sink{Name: "k", Type: stream.SinkS3, Bucket: "b"})
	rises("put sink", err)
	sink := must(b.db.Sink(ctx, "k"))(t)
	stays("health", b.db.SetSinkHealth(ctx, "k", sink.Revision, stream.Health{Status: stream.HealthOK, At: noon}))
	stays("found", b.db.SetSinkFound(ctx, "k", sink.Revision, "r", stream.SupportYes))
	e := stream.Exporter{ID: "e", Name: "e", Stream: "s", Sink: "k", Start: stream.Position{0}}
	rises("create exporter", b.db.CreateExporter(ctx, e))
	rises("update exporter", b.db.UpdateExporter(ctx, e))
	i := stream.Importer{ID: "i", Name: "i", Stream: "s", Sink: "k", StatusPrefix: "status", Token: "t", Suffixes: []string{".p"}}
	rises("create importer", b.db.CreateImporter(ctx, i))
	rises("update importer", b.db.UpdateImporter(ctx, i))
	stays("listed", b.db.SetListed(ctx, "i", noon))
	stays("a beat", func() error { _, err := b.db.Beat(ctx, stream.Node{ID: "n"}, lease); return err }())
	wantKind(t, b.db.CreateStream(ctx, s), problem.Conflict)
	stays("a refused change", nil)
	rises("delete importer", b.db.DeleteImporter(ctx, "i"))
	rises("delete exporter", b.db.DeleteExporter(ctx, "e"))
	rises("delete source", b.db.DeleteSource(ctx, "src"))
	_, _, err = b.db.DeleteSink(ctx, "k", false)
	rises("delete sink", err)
	_, _, err = b.db.DeleteStream(ctx, "s", false)
	rises("delete stream", err)
}

// testExclusive: one holder at a time, of each name.
func testExclusive(t *testing.T, b *bench) {
	var holders atomic.Int32
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			unlock, err := b.db.Exclusive(t.Context(), "one")
			if err != nil {
				return err
			}
			if n := holders.Add(1); n != 1 {
				t.Errorf("%d hold it", n)
			}
			holders.Add(-1)
			unlock()
			return nil
		})
	}
	ok(t, g.Wait())
	held, err := b.db.Exclusive(t.Context(), "one")
	ok(t, err)
	other, err := b.db.Exclusive(t.Context(), "another")
	ok(t, err)
	other()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := b.db.Exclusive(ctx, "one"); err == nil {
		t.Fatal("held twice")
	}
	held()
	again, err := b.db.Locker("one").Lock(t.Context())
	ok(t, err)
	again()
}
