package catalogtest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/internal/problem"
	"strm/internal/stream"
)

func wantLost(t *testing.T, err error) {
	t.Helper()
	var lost *stream.ClaimLostError
	if !errors.As(err, &lost) || problem.KindOf(err) != problem.Conflict {
		t.Fatalf("got %v, want a lost claim", err)
	}
}

// claimBatch claims a batch that must be free for owner.
func (b *bench) claimBatch(e stream.Exporter, seq int64, owner string) stream.Batch {
	b.t.Helper()
	got, may, err := b.db.Claim(b.t.Context(), e.ID, seq, owner)
	if err != nil || !may {
		b.t.Fatalf("%s cannot claim batch %d: %v", owner, seq, err)
	}
	return got
}

func (b *bench) refused(e stream.Exporter, seq int64, owner string) {
	b.t.Helper()
	if got, may, err := b.db.Claim(b.t.Context(), e.ID, seq, owner); err != nil || may || got.ID != "" {
		b.t.Fatalf("%s claims batch %d: %v, %v, %+v", owner, seq, may, err, got)
	}
}

func testClaims(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, 1, span(0, 0, 5))}, stream.Position{5}))
	b.beat("a", lease)
	b.beat("b", lease)

	b.refused(e, 9, "a")
	old := b.claimBatch(e, 1, "a")
	b.refused(e, 1, "b")
	if owners := must(b.db.Claimed(ctx, e.ID))(t); !slices.Equal(owners, []string{"a"}) {
		t.Fatalf("claimed by %q", owners)
	}
	again := b.claimBatch(e, 1, "a") // it lost the answer
	if again.Claim != old.Claim+1 {
		t.Fatalf("claims %d, %d", old.Claim, again.Claim)
	}
	wantLost(t, attempt(ctx, b.db, &old))
	ok(t, attempt(ctx, b.db, &again))
	b.refused(e, 1, "b") // the round goes on

	// a stands still past its lease; b takes over and sees that the object may be stored.
	b.dies("a")
	if owners := must(b.db.Claimed(ctx, e.ID))(t); len(owners) > 0 {
		t.Fatalf("claimed by the dead: %q", owners)
	}
	next := b.claimBatch(e, 1, "b")
	if !next.Objects[0].MaybeStored || next.Attempts != 1 {
		t.Fatalf("claimed %+v", next)
	}
	// a wakes up. The store had refused it, which b cannot know.
	again.Objects[0].MaybeStored = false
	wantLost(t, b.db.Save(ctx, &again))
	wantLost(t, b.db.Rekey(ctx, &again))
	b.beat("a", lease)
	b.refused(e, 1, "a")
	wantLost(t, b.db.Save(ctx, &again))
	if got := must(b.db.Batch(ctx, next.ID))(t); !got.Objects[0].MaybeStored || got.Claim != next.Claim {
		t.Fatalf("a node that was asleep changed the batch to %+v", got)
	}

	// A Save that ends a round gives the claim up; the number stays.
	next.Problem, next.NextRetryAt = "no answer", noon
	ok(t, b.db.Save(ctx, &next))
	again = b.claimBatch(e, 1, "a")
	if again.Claim != next.Claim+1 || again.Problem != "no answer" {
		t.Fatalf("claimed %+v after %+v", again, next)
	}
	// Releasing spares what is named.
	ok(t, b.db.Release(ctx, "a", []string{again.ID}))
	b.refused(e, 1, "b")
	ok(t, b.db.Release(ctx, "b", nil))
	b.refused(e, 1, "b")
	ok(t, b.db.Release(ctx, "a", []string{"other-000001"}))
	next = b.claimBatch(e, 1, "b")
	wantKind(t, b.db.Release(ctx, "a", []string{"other"}), problem.Internal)

	// Nothing of a paused or deleted exporter is claimed, and nothing that is finished.
	e.Paused = true
	ok(t, b.db.UpdateExporter(ctx, e))
	b.refused(e, 1, "b")
	e.Paused = false
	ok(t, b.db.UpdateExporter(ctx, e))
	next = b.claimBatch(e, 1, "b")
	ok(t, finish(ctx, b.db, &next))
	b.refused(e, 1, "b")
	wantLost(t, finish(ctx, b.db, &again))
	if sum := must(b.db.Totals(ctx, e.ID))(t); sum.Batches != 1 || sum.Events != 5 {
		t.Fatalf("totals %+v", sum)
	}
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, 2, span(0, 5, 6))}, stream.Position{6}))
	ok(t, b.db.DeleteExporter(ctx, e.ID))
	b.refused(e, 2, "b")
}

func testSpare(t *testing.T, b *bench) {
	ctx := t.Context()
	e, lone := b.plain("demo", 4), b.plain("lone", 1)
	var all []stream.Batch
	for p := range 4 {
		all = append(all, plan(e, int64(p+1), span(p, 0, 5)))
	}
	ok(t, b.db.Plan(ctx, all, stream.Position{5, 5, 5, 5}))
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(lone, 1, span(0, 0, 5))}, stream.Position{5}))
	for _, id := range []string{"b", "c", "d"} {
		b.beat(id, lease)
	}
	b.claimBatch(e, 4, "d")

	// Several that ask at once get different ones: none that d has, none of the
	// exporter with a single batch.
	var mu sync.Mutex
	got := map[string]string{}
	var g errgroup.Group
	for _, id := range []string{"b", "c"} {
		g.Go(func() error {
			for range 3 {
				spare, err := b.db.ClaimSpare(ctx, id, 1)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, s := range spare {
					if got[s.ID] != "" || s.ExporterID != e.ID || s.Seq == 4 || s.Claim != 1 || len(s.Objects) != 1 {
						t.Errorf("%s got %+v, %s had it", id, s, got[s.ID])
					}
					got[s.ID] = id
				}
				mu.Unlock()
			}
			return nil
		})
	}
	ok(t, g.Wait())
	if len(got) != 3 {
		t.Fatalf("claimed %v", got)
	}
	if spare := must(b.db.ClaimSpare(ctx, "c", 9))(t); len(spare) > 0 {
		t.Fatalf("claimed twice: %+v", spare)
	}

	// What a dead node had is spare, and what waits for its time is not.
	b.dies("d")
	spare := must(b.db.ClaimSpare(ctx, "c", 9))(t)
	if len(spare) != 1 || spare[0].Seq != 4 {
		t.Fatalf("of the dead node: %+v", spare)
	}
	late := spare[0]
	ok(t, attempt(ctx, b.db, &late))
	late.Problem, late.NextRetryAt = "no answer", time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	ok(t, b.db.Save(ctx, &late))
	if spare := must(b.db.ClaimSpare(ctx, "b", 9))(t); len(spare) > 0 {
		t.Fatalf("before its time: %+v", spare)
	}
	late = b.claimBatch(e, 4, "b") // by name it may be
	late.NextRetryAt = noon
	ok(t, b.db.Save(ctx, &late))
	e.Paused = true
	ok(t, b.db.UpdateExporter(ctx, e))
	if spare := must(b.db.ClaimSpare(ctx, "b", 9))(t); len(spare) > 0 {
		t.Fatalf("of a paused exporter: %+v", spare)
	}
}

func testEstimated(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	p := plan(e, 1, span(0, 0, 5))
	p.Objects = append(p.Objects, stream.Object{Key: "p/second.jsonl", Ranges: []stream.Range{span(0, 5, 9)}, Events: 4, Estimated: true})
	p.Objects[0].Estimated = true
	ok(t, b.db.Plan(ctx, []stream.Batch{p}, stream.Position{9}))
	b.reopen()
	if got := must(b.db.Batch(ctx, p.ID))(t); !got.Objects[0].Estimated || got.Events() != 9 {
		t.Fatalf("planned %+v", got)
	}
	refused := func(change func(o []stream.Object)) {
		t.Helper()
		next := p
		next.Objects = slices.Clone(p.Objects)
		change(next.Objects)
		wantKind(t, b.db.Save(ctx, &next), problem.Internal)
	}
	refused(func(o []stream.Object) { o[0].Events = 4 })                         // another estimate
	refused(func(o []stream.Object) { o[0].Events, o[0].Estimated = 6, false })  // more than there can be
	refused(func(o []stream.Object) { o[0].Events, o[0].Estimated = -1, false }) // or less

	p.Objects[0].Events, p.Objects[0].Estimated = 3, false
	ok(t, attempt(ctx, b.db, &p))
	b.reopen()
	if got := must(b.db.Batch(ctx, p.ID))(t); got.Objects[0].Estimated || got.Objects[0].Events != 3 || !got.Objects[1].Estimated || got.Events() != 7 {
		t.Fatalf("counted %+v", got)
	}
	refused(func(o []stream.Object) { o[0].Events = 2 })
	refused(func(o []stream.Object) { o[0].Estimated = true })
	early := p
	early.Objects = slices.Clone(p.Objects)
	wantKind(t, finish(ctx, b.db, &early), problem.Internal) // the second was not counted

	p.Objects[1].Events, p.Objects[1].Estimated, p.Objects[1].MaybeStored = 0, false, false
	ok(t, finish(ctx, b.db, &p))
	if got := must(b.db.Batch(ctx, p.ID))(t); !got.Objects[1].Empty() || got.Objects[0].Empty() {
		t.Fatalf("done %+v", got)
	}
	if sum := must(b.db.Totals(ctx, e.ID))(t); sum.Batches != 1 || sum.Events != 3 {
		t.Fatalf("totals %+v", sum)
	}
}

func testExporterStates(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 2)
	b.plain("other", 1)
	before := must(b.db.Revision(ctx))(t)
	ok(t, b.db.SetFlush(ctx, e.ID, stream.Position{7, 8}))
	ok(t, b.db.SetFlush(ctx, e.ID, nil)) // the position stays
	if after := must(b.db.Revision(ctx))(t); after != before+2 {
		t.Fatalf("the configuration's changes were %d and are %d", before, after)
	}
	ok(t, b.db.SetTrouble(ctx, e.ID, `{"problem":"no \u0000 entry"}`))
	ok(t, b.db.SetTrouble(ctx, "nope", "x"))
	ok(t, b.db.SetFlush(ctx, "nope", stream.Position{1}))
	p := plan(e, 1, span(0, 0, 5))
	ok(t, b.db.Plan(ctx, []stream.Batch{p}, stream.Position{5, 0}))
	ok(t, attempt(ctx, b.db, &p))
	ok(t, finish(ctx, b.db, &p))
	b.reopen()
	st := must(b.db.ExporterState(ctx, e.ID))(t)
	if !slices.Equal(st.FlushTo, stream.Position{7, 8}) || st.Trouble != `{"problem":"no \u0000 entry"}` || !st.LastDoneAt.Equal(p.DoneAt) || st.SinkRevision < 1 ||
		st.LastSeq != 1 || st.ID != e.ID || st.Sink != "demo" {
		t.Fatalf("state %+v", st)
	}
	all := must(b.db.ExporterStates(ctx))(t)
	if len(all) != 2 || all[0].Trouble != st.Trouble || all[1].FlushTo != nil || all[1].Trouble != "" || !all[1].LastDoneAt.IsZero() {
		t.Fatalf("states %+v", all)
	}
	_, _, err := b.db.PutSink(ctx, stream.Sink{Name: "demo", Type: stream.SinkS3, Bucket: "bucket-demo", UpdatedAt: noon})
	ok(t, err)
	if after := must(b.db.ExporterState(ctx, e.ID))(t); after.SinkRevision <= st.SinkRevision {
		t.Fatalf("the sink's revision was %d and is %d", st.SinkRevision, after.SinkRevision)
	}
	ok(t, b.db.DeleteExporter(ctx, e.ID))
	_, err = b.db.ExporterState(ctx, e.ID)
	wantKind(t, err, problem.NotFound)
}
