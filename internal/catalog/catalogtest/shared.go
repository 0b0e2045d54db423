package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// nodes is how many processes' worth of handles share a database.
const nodes = 4

// RunShared runs the suite of several nodes on one database. apart says that
// they are processes of their own, each with a handle, where a database is for
// several; otherwise they are parts of one process.
func RunShared(t *testing.T, open Opener, apart bool) {
	if apart {
		t.Run("start together", func(t *testing.T) { testStartTogether(t, open) })
	}
	for name, test := range map[string]func(*testing.T, *cluster){
		"planners":           testPlanners,
		"exports":            testExports,
		"deletions of plans": testDeletionsOfPlans,
		"moving sink":        testMovingSink,
		"configuration":      testConfiguration,
		"one sink":           testOneSink,
		"notices":            testNotices,
		"racing reports":     testRacingReports,
		"racing entries":     testRacingEntries,
		"sinks given up":     testSinksGivenUp,
	} {
		t.Run(name, func(t *testing.T) {
			c := &cluster{bench: &bench{t: t, open: open, place: t.TempDir()}}
			c.reopen()
			t.Cleanup(c.close)
			c.dbs = []*catalog.DB{c.db}
			for range nodes - 1 {
				if !apart {
					c.dbs = append(c.dbs, c.db)
					continue
				}
				db := must(open(t.Context(), c.place))(t)
				t.Cleanup(func() { ok(t, db.Close()) })
				c.dbs = append(c.dbs, db)
			}
			test(t, c)
		})
	}
}

// cluster is one test's database with a handle for each node.
type cluster struct {
	*bench
	dbs []*catalog.DB
}

// race runs f once per node, all at once, and returns their errors.
func (c *cluster) race(f func(n int, db *catalog.DB) error) []error {
	errs := make([]error, len(c.dbs))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for n, db := range c.dbs {
		wg.Go(func() {
			<-start
			errs[n] = f(n, db)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// all is race where nobody may fail.
func (c *cluster) all(f func(n int, db *catalog.DB) error) {
	c.t.Helper()
	ok(c.t, errors.Join(c.race(f)...))
}

// lost is nil for an error that says that another was first.
func lost(err error) error {
	if k := problem.KindOf(err); k == problem.Conflict || k == problem.NotFound {
		return nil
	}
	return err
}

func testStartTogether(t *testing.T, open Opener) {
	place := t.TempDir()
	const starts = 8
	ids, errs := make([]string, starts), make([]error, starts)
	var wg sync.WaitGroup
	for n := range starts {
		wg.Go(func() {
			db, err := open(t.Context(), place)
			if err != nil {
				errs[n] = err
				return
			}
			ids[n], err = db.Installation(t.Context())
			errs[n] = errors.Join(err, db.Close())
		})
	}
	wg.Wait()
	ok(t, errors.Join(errs...))
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[starts-1] {
		t.Errorf("installations %q", ids)
	}
}

// Of planners that read the same state one wins.
func testPlanners(t *testing.T, c *cluster) {
	ctx := t.Context()
	e := c.plain("demo", 1)
	for range 15 {
		now := must(c.db.Exporter(ctx, e.ID))(t)
		errs := c.race(func(n int, db *catalog.DB) error {
			to := now.Next[0] + stream.Offset(n+1)
			p := plan(now, now.LastSeq+1, stream.Range{Start: now.Next[0], End: to})
			p.Encoder = fmt.Sprint(n)
			return db.Plan(ctx, []stream.Batch{p}, stream.Position{to})
		})
		winner := slices.Index(errs, nil)
		for n, err := range errs {
			if n != winner {
				wantKind(t, err, problem.Conflict)
			}
		}
		if winner < 0 {
			t.Fatal("nobody won")
		}
		if b := must(c.db.Batch(ctx, stream.BatchID(e.ID, now.LastSeq+1)))(t); b.Encoder != fmt.Sprint(winner) || len(b.Objects) != 1 {
			t.Fatalf("%d won, stored is %+v", winner, b)
		}
	}
	checkTiling(ctx, t, c.db, must(c.db.Exporter(ctx, e.ID))(t))
}

// Everybody plans and finishes batches of the same exporters.
func testExports(t *testing.T, c *cluster) {
	ctx := t.Context()
	first := c.plain("demo", 1)
	second := c.exporter("e-2", "second", "demo", "demo", 1)
	const batches = 15
	c.all(func(n int, db *catalog.DB) error {
		ids := []string{first.ID, second.ID}
		return errors.Join(export(ctx, db, ids[n%2], batches), export(ctx, db, ids[1-n%2], batches))
	})
	for _, id := range []string{first.ID, second.ID} {
		e := must(c.db.Exporter(ctx, id))(t)
		checkTiling(ctx, t, c.db, e)
		sum := must(c.db.Totals(ctx, id))(t)
		if sum.Batches != e.LastSeq || sum.Events != int64(e.Next[0]) || sum.UnfinishedBatches != 0 || e.LastSeq < batches {
			t.Errorf("exporter %s at %d, %v has totals %+v", id, e.LastSeq, e.Next, sum)
		}
	}
}

// An exporter is deleted while others plan and finish its batches: each is done
// and keeps its key, or is abandoned and its key is free.
func testDeletionsOfPlans(t *testing.T, c *cluster) {
	ctx := t.Context()
	c.plain("demo", 1)
	other := c.exporter("other", "other", "demo", "demo", 1)
	for round := range 6 {
		id := fmt.Sprintf("gone-%d", round)
		c.exporter(id, id, "demo", "demo", 1)
		deleted := make(chan struct{})
		c.all(func(n int, db *catalog.DB) error {
			if n == 0 {
				defer close(deleted)
				for {
					now, err := db.Exporter(ctx, id)
					if err != nil || now.LastSeq >= 5 {
						return errors.Join(err, db.DeleteExporter(ctx, id))
					}
				}
			}
			for {
				if err := export(ctx, db, id, 1<<40); lost(err) != nil {
					return err
				}
				select {
				case <-deleted:
					return nil
				default:
				}
			}
		})
		if open := must(c.db.Unfinished(ctx, id))(t); len(open) != 0 {
			t.Fatalf("left unfinished: %+v", open)
		}
		var done int64
		ok(t, c.db.EachBatch(ctx, id, func(b *stream.Batch) error {
			now, err := c.db.Exporter(ctx, other.ID)
			if err != nil {
				return err
			}
			p := plan(now, now.LastSeq+1, stream.Range{Start: now.Next[0], End: now.Next[0] + 1})
			p.Objects[0].Key = b.Objects[0].Key
			err = c.db.Plan(ctx, []stream.Batch{p}, stream.Position{now.Next[0] + 1})
			var taken *stream.KeyTakenError
			switch {
			case b.State == stream.BatchDone && !errors.As(err, &taken):
				return fmt.Errorf("batch %s is done, and its key was given away: %w", b.ID, err)
			case b.State == stream.BatchDone:
				done++
				return nil
			}
			return err
		}))
		if sum := must(c.db.Totals(ctx, id))(t); sum.Batches != done {
			t.Fatalf("%d batches are done, the totals say %+v", done, sum)
		}
	}
	checkTiling(ctx, t, c.db, must(c.db.Exporter(ctx, other.ID))(t))
}

// A sink is pointed elsewhere while exporters plan for it: what is unfinished
// is where it was planned for.
func testMovingSink(t *testing.T, c *cluster) {
	ctx := t.Context()
	e := c.plain("demo", 1)
	i := c.importer("fme")
	stop := make(chan struct{})
	moved := 0
	c.all(func(n int, db *catalog.DB) error {
		if n > 0 {
			return deliver(ctx, db, e.ID, i.ID, n, stop)
		}
		defer close(stop)
		began := time.Now()
		// It may be moved only between two batches: at least one such moment is waited for.
		for try := 0; moved < 6 && (try < 400 || moved == 0 && time.Since(began) < time.Minute); try++ {
			for _, name := range []string{"fme", "demo"} {
				s, _, err := db.PutSink(ctx, stream.Sink{Name: name, Type: stream.SinkS3, Bucket: fmt.Sprint(try)})
				if lost(err) != nil {
					return err
				}
				if err != nil || name != "demo" {
					continue
				}
				moved++
				open, err := db.Unfinished(ctx, e.ID)
				if err != nil {
					return err
				}
				for _, b := range open { // nobody else moves it
					if b.Place != s.Place() {
						return fmt.Errorf("batch %s waits for %s, its sink has moved to %s", b.ID, b.Place, s.Place())
					}
				}
			}
		}
		return nil
	})
	if moved == 0 {
		t.Error("the sink was never moved, so nothing was tried")
	}
	s := must(c.db.Sink(ctx, "fme"))(t)
	for _, f := range must(c.db.Imports(ctx, catalog.ImportQuery{Limit: 1000}))(t) {
		if f.Place != s.Place() { // none was ever imported
			t.Errorf("file %s is in %s, its sink is at %s", f.Key, f.Place, s.Place())
		}
	}
	checkTiling(ctx, t, c.db, must(c.db.Exporter(ctx, e.ID))(t))
}

// deliver plans and finishes batches, and notices a few files, until stop.
func deliver(ctx context.Context, db *catalog.DB, exporter, importer string, n int, stop <-chan struct{}) error {
	for k := 0; ; k++ {
		select {
		case <-stop:
			return nil
		default:
		}
		open, err := db.Unfinished(ctx, exporter)
		if err != nil {
			return err
		}
		for i := range open {
			if err := lost(attempt(ctx, db, &open[i])); err != nil {
				return err
			}
			if err := lost(finish(ctx, db, &open[i])); err != nil {
				return err
			}
		}
		if err := lost(step(ctx, db, exporter)); err != nil {
			return err
		}
		if k < 3 {
			if _, err := db.Noticed(ctx, importer, "sns", noon, fileNames(fmt.Sprintf("in/%d-%d", n, k))); err != nil {
				return err
			}
		}
	}
}

// Streams and sinks come and go under exporters that are made and moved: none
// is left without the two.
func testConfiguration(t *testing.T, c *cluster) {
	ctx := t.Context()
	c.all(func(n int, db *catalog.DB) error {
		for k := range 12 {
			name := fmt.Sprintf("s%d", k%3)
			id := fmt.Sprintf("%d-%d", n, k)
			for _, err := range []error{
				db.CreateStream(ctx, stream.Stream{ID: "id" + id, Name: name, Partitions: 1}),
				put(ctx, db, name), put(ctx, db, "s0"),
				db.CreateSource(ctx, stream.Source{Name: name, Stream: name, Kind: "events", KeyHash: "hash" + name}),
				db.CreateExporter(ctx, stream.Exporter{ID: "e" + id, Name: "e", Stream: name, Sink: name, Start: stream.Position{0}}),
				moveTo(ctx, db, "e"+id, "s0"),
				step(ctx, db, "e"+id),
				remove(ctx, db, name, k),
			} {
				if lost(err) != nil {
					return err
				}
			}
		}
		return nil
	})
	sinks := map[string]bool{}
	for _, s := range must(c.db.Sinks(ctx))(t) {
		sinks[s.Name] = true
	}
	for _, e := range must(c.db.Exporters(ctx))(t) {
		if _, err := c.db.StreamByID(ctx, e.StreamID); err != nil || !sinks[e.Sink] {
			t.Errorf("exporter %s of %s into %s: %v", e.ID, e.Stream, e.Sink, err)
		}
		for _, b := range must(c.db.Unfinished(ctx, e.ID))(t) {
			if !sinks[b.Sink] {
				t.Errorf("batch %s waits for sink %s, which is gone", b.ID, b.Sink)
			}
		}
		checkTiling(ctx, t, c.db, e)
	}
	for _, s := range must(c.db.Sources(ctx))(t) {
		if _, err := c.db.StreamByID(ctx, s.StreamID); err != nil {
			t.Errorf("source %s: %v", s.Name, err)
		}
	}
}

func put(ctx context.Context, db *catalog.DB, name string) error {
	_, _, err := db.PutSink(ctx, stream.Sink{Name: name, Type: stream.SinkS3, Bucket: "b"})
	return err
}

func moveTo(ctx context.Context, db *catalog.DB, exporter, sink string) error {
	e, err := db.Exporter(ctx, exporter)
	if err != nil {
		return err
	}
	e.Sink = sink
	return db.UpdateExporter(ctx, e)
}

// step plans a batch of an exporter.
func step(ctx context.Context, db *catalog.DB, exporter string) error {
	e, err := db.Exporter(ctx, exporter)
	if err != nil {
		return err
	}
	return db.Plan(ctx, []stream.Batch{plan(e, e.LastSeq+1, stream.Range{Start: e.Next[0], End: e.Next[0] + 1})}, stream.Position{e.Next[0] + 1})
}

func remove(ctx context.Context, db *catalog.DB, name string, k int) error {
	var err error
	switch k % 4 {
	case 0:
		_, _, err = db.DeleteStream(ctx, name, k%8 == 0)
	case 1:
		_, _, err = db.DeleteSink(ctx, name, true)
	case 2:
		_, _, err = db.DeleteSink(ctx, name, false)
	}
	return err
}

// Changes of one sink follow each other.
func testOneSink(t *testing.T, c *cluster) {
	const times = 10
	var made sync.Map
	c.all(func(n int, db *catalog.DB) error {
		for range times {
			s, created, err := db.PutSink(t.Context(), stream.Sink{Name: "one", Type: stream.SinkS3, Bucket: fmt.Sprint(n)})
			if err != nil {
				return err
			}
			if _, again := made.LoadOrStore(s.Revision, n); again || created != (s.Revision == 1) {
				return fmt.Errorf("revision %d: made twice: %v, created: %v", s.Revision, again, created)
			}
		}
		return nil
	})
	if s := must(c.db.Sink(t.Context(), "one"))(t); s.Revision != nodes*times {
		t.Errorf("revision %d after %d changes", s.Revision, nodes*times)
	}
}
