package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// checkTiling checks that the export ranges of an exporter, whatever became of
// them, lead from its start to its position, and that batches are numbered
// without a gap up to its newest.
func checkTiling(ctx context.Context, t fataler, db *catalog.DB, e stream.Exporter) {
	t.Helper()
	at, seq := e.Start, int64(0)
	ok(t, db.EachBatch(ctx, e.ID, func(b *stream.Batch) error {
		if seq++; b.Seq != seq {
			return fmt.Errorf("batch %d at place %d", b.Seq, seq)
		}
		if b.Replay != "" {
			return nil
		}
		var err error
		at, err = at.Advance(b.Ranges())
		return err
	}))
	if seq != e.LastSeq || !slices.Equal(at, e.Next) {
		t.Fatalf("exporter %s: %d batches lead to %v; it is at batch %d and %v", e.ID, seq, at, e.LastSeq, e.Next)
	}
}

// testTwoPlanners lets planners of one exporter race: each number goes to one.
func testTwoPlanners(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 2)
	const planners, rounds = 4, 25
	for round := range rounds {
		now := must(b.db.Exporter(ctx, e.ID))(t)
		errs := make([]error, planners)
		var wg sync.WaitGroup
		for i := range planners {
			wg.Go(func() {
				p := plan(now, now.LastSeq+1, stream.Range{Start: now.Next[0], End: now.Next[0] + stream.Offset(i+1)})
				p.Encoder = fmt.Sprint(i)
				p.Objects[0].Key = fmt.Sprintf("%d-%d", round, i)
				errs[i] = b.db.Plan(ctx, []stream.Batch{p}, stream.Position{now.Next[0] + stream.Offset(i+1), now.Next[1]})
			})
		}
		wg.Wait()
		winner := slices.Index(errs, nil)
		for i, err := range errs {
			if i != winner {
				wantKind(t, err, problem.Conflict)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		got := must(b.db.Batch(ctx, stream.BatchID(e.ID, now.LastSeq+1)))(t)
		if got.Encoder != fmt.Sprint(winner) || len(got.Objects) != 1 {
			t.Fatalf("round %d: %d won, stored is %+v", round, winner, got)
		}
	}
	checkTiling(ctx, t, b.db, must(b.db.Exporter(ctx, e.ID))(t))
}

// testTwoExporters runs exporters of one stream into one bucket side by side,
// two workers on each; whoever comes second to a batch is told so.
func testTwoExporters(t *testing.T, b *bench) {
	ctx := t.Context()
	first := b.plain("demo", 1)
	second := b.exporter("e-2", "second", "demo", "demo", 1)
	const batches = 20
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for _, e := range []stream.Exporter{first, second} {
		for range 2 {
			wg.Go(func() { errs <- export(ctx, b.db, e.ID, batches) })
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		ok(t, err)
	}
	for _, id := range []string{first.ID, second.ID} {
		e := must(b.db.Exporter(ctx, id))(t)
		checkTiling(ctx, t, b.db, e)
		sum := must(b.db.Totals(ctx, id))(t)
		if sum.Batches != e.LastSeq || sum.Events != int64(e.Next[0]) || sum.UnfinishedBatches != 0 || e.LastSeq < batches {
			t.Fatalf("exporter %s at %d, %v has totals %+v", id, e.LastSeq, e.Next, sum)
		}
	}
}

// export plans and finishes until the exporter has so many batches, taking
// Conflict for "someone else did it".
func export(ctx context.Context, db *catalog.DB, id string, batches int64) error {
	lost := func(err error) error {
		if problem.KindOf(err) == problem.Conflict {
			return nil
		}
		return err
	}
	for {
		e, err := db.Exporter(ctx, id)
		if err != nil {
			return err
		}
		if e.LastSeq < batches {
			p := plan(e, e.LastSeq+1, stream.Range{Start: e.Next[0], End: e.Next[0] + 3})
			if err := lost(db.Plan(ctx, []stream.Batch{p}, stream.Position{e.Next[0] + 3})); err != nil {
				return err
			}
		}
		open, err := db.Unfinished(ctx, id)
		if err != nil {
			return err
		}
		if len(open) == 0 && e.LastSeq >= batches {
			return nil
		}
		for i := range open {
			if err := lost(attempt(ctx, db, &open[i])); err != nil {
				return err
			}
			if err := lost(finish(ctx, db, &open[i])); err != nil {
				return err
			}
		}
	}
}

// testCancelled calls with contexts that are over, or end at some moment: an
// error of the context means that nothing happened, and the database goes on.
func testCancelled(t *testing.T, b *bench) {
	e := b.plain("demo", 1)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p := plan(e, 1, span(0, 0, 1))
	_, unfinished := b.db.Unfinished(over, e.ID)
	_, _, held := b.db.Held(over, "id-demo")
	_, _, put := b.db.PutSink(over, stream.Sink{Name: "x", Type: stream.SinkS3})
	for i, err := range []error{b.db.Plan(over, []stream.Batch{p}, stream.Position{1}), b.db.DeleteExporter(over, e.ID), unfinished, held, put} {
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("call %d: error %v", i, err)
		}
	}
	for range 50 {
		now := must(b.db.Exporter(t.Context(), e.ID))(t)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(cancel)
		err := b.db.Plan(ctx, []stream.Batch{plan(now, now.LastSeq+1, stream.Range{Start: now.Next[0], End: now.Next[0] + 1})}, stream.Position{now.Next[0] + 1})
		wg.Wait()
		after := must(b.db.Exporter(t.Context(), e.ID))(t)
		switch {
		case err == nil && after.LastSeq == now.LastSeq+1:
		case errors.Is(err, context.Canceled) && after.LastSeq == now.LastSeq:
		default:
			t.Fatalf("error %v, batch %d after %d", err, after.LastSeq, now.LastSeq)
		}
	}
	checkTiling(t.Context(), t, b.db, must(b.db.Exporter(t.Context(), e.ID))(t))
}
