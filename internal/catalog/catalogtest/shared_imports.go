package catalogtest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

func fileNames(keys ...string) []notice.File {
	var out []notice.File
	for _, k := range keys {
		out = append(out, file(k, "1", "t", noon))
	}
	return out
}

// The same files are heard of everywhere at once, some without their version
// id, as a listing tells them: each is known once.
func testNotices(t *testing.T, c *cluster) {
	ctx := t.Context()
	i := c.importer("fme")
	const rounds, files = 10, 5
	var added atomic.Int64
	c.all(func(n int, db *catalog.DB) error {
		for round := range rounds {
			var told []notice.File
			for k := range files {
				// Half of the nodes tell them backwards, and by their ETags alone.
				if n%2 == 0 {
					told = append(told, file(fmt.Sprintf("in/%d-%d", round, k), "1", "t", noon))
				} else {
					told = append(told, file(fmt.Sprintf("in/%d-%d", round, files-1-k), "", "t", noon))
				}
			}
			got, err := db.Noticed(ctx, i.ID, "sns", noon, told)
			added.Add(int64(got))
			if err != nil {
				return err
			}
		}
		return nil
	})
	seen := map[string]bool{}
	ids := map[int64]bool{}
	for _, f := range must(c.db.Imports(ctx, catalog.ImportQuery{Limit: 1000}))(t) {
		if seen[f.Key] || ids[f.ID] {
			t.Errorf("file %s is known twice, or its number %d", f.Key, f.ID)
		}
		seen[f.Key], ids[f.ID] = true, true
	}
	if len(seen) != rounds*files || added.Load() != rounds*files {
		t.Errorf("%d files are known, %d were said to be new, want %d", len(seen), added.Load(), rounds*files)
	}
}

// Everybody plans reports while imports are finished: each entry is in one.
func testRacingReports(t *testing.T, c *cluster) {
	ctx := t.Context()
	i := c.importer("fme")
	twin := someImporter("fme")
	_, _, err := c.db.PutSink(ctx, stream.Sink{Name: "twin", Type: stream.SinkS3, Bucket: "bucket-fme", UpdatedAt: noon})
	ok(t, err)
	twin.ID, twin.Name, twin.Token, twin.Sink = "i-twin", "twin", "token-twin", "twin"
	ok(t, c.db.CreateImporter(ctx, twin))
	const files = 24
	var left atomic.Int64
	left.Store(nodes * files)
	late := noon.Add(240 * time.Hour)
	c.all(func(n int, db *catalog.DB) error {
		of := []stream.Importer{i, twin}[n%2]
		for k := range files {
			key := fmt.Sprintf("in/%d-%d", n, k)
			if _, err := db.Noticed(ctx, of.ID, "sns", noon, fileNames(key)); err != nil {
				return err
			}
			found, err := db.Imports(ctx, catalog.ImportQuery{ImporterID: of.ID, KeyPrefix: key, State: stream.ImportNoticed})
			if err != nil {
				return err
			}
			for _, f := range found {
				if f.Key != key {
					continue
				}
				f.State, f.Attempts = stream.ImportRunning, 1
				began, err := db.BeginImport(ctx, f)
				if err != nil || !began {
					return fmt.Errorf("begin %s: %v, %w", key, began, err)
				}
				f.DoneAt = noon
				if err := db.FinishImport(ctx, f, entries(f.ID, 1)); err != nil {
					return err
				}
			}
			if err := report(t, db, late, &left); err != nil {
				return err
			}
		}
		for left.Load() > 0 {
			if err := report(t, db, late, &left); err != nil {
				return err
			}
		}
		return nil
	})
	if left.Load() != 0 {
		t.Errorf("%d entries more than there were were reported", -left.Load())
	}
	in := map[int64]bool{}
	for _, r := range must(c.db.Reports(ctx, catalog.ReportQuery{Limit: 10_000}))(t) {
		for _, e := range must(c.db.ReportEntries(ctx, r.ID))(t) {
			if in[e.Entry.ImportID] {
				t.Errorf("import %d is in two reports", e.Entry.ImportID)
			}
			in[e.Entry.ImportID] = true
		}
	}
	if len(in) != nodes*files {
		t.Errorf("%d of %d imports are in reports", len(in), nodes*files)
	}
}

// report plans a report and stores it.
func report(t *testing.T, db *catalog.DB, at time.Time, left *atomic.Int64) error {
	ctx := t.Context()
	r, planned, err := db.PlanReport(ctx, at, 3)
	if err != nil || !planned {
		return err
	}
	open, err := db.OpenReports(ctx)
	if err != nil {
		return err
	}
	for _, o := range open {
		if o.ID != r.ID && o.Sink == r.Sink && o.StatusPrefix == r.StatusPrefix {
			return fmt.Errorf("reports %d and %d are open by sink %s", o.ID, r.ID, r.Sink)
		}
	}
	in, err := db.ReportEntries(ctx, r.ID)
	left.Add(-int64(len(in)))
	r.State, r.DoneAt = stream.ReportDone, at
	return errors.Join(err, db.SaveReport(ctx, r))
}

// Imports of one key and millisecond end everywhere at once: readers of reports
// tell their entries apart by number.
func testRacingEntries(t *testing.T, c *cluster) {
	ctx := t.Context()
	i := c.importer("fme")
	for round := range 8 {
		key := fmt.Sprintf("in/%d", round)
		var versions []notice.File
		for n := range nodes {
			versions = append(versions, file(key, fmt.Sprint(n), fmt.Sprint(n), noon.Add(time.Duration(n)*time.Microsecond)))
		}
		must(c.db.Noticed(ctx, i.ID, "sns", noon, versions))(t)
		all := must(c.db.Imports(ctx, catalog.ImportQuery{KeyPrefix: key, State: stream.ImportNoticed}))(t)
		if len(all) != nodes {
			t.Fatalf("%d imports of %s", len(all), key)
		}
		c.all(func(n int, db *catalog.DB) error {
			f := all[n]
			f.State, f.Attempts, f.DoneAt = stream.ImportRunning, 1, noon
			return errors.Join(db.SaveImport(ctx, f), db.FinishImport(ctx, f, entries(f.ID, 2)))
		})
		numbers := map[int]bool{}
		for _, f := range all {
			for _, e := range must(c.db.Entries(ctx, f.ID))(t) {
				if numbers[e.EntryID] {
					t.Errorf("%s has two entries %d", key, e.EntryID)
				}
				numbers[e.EntryID] = true
			}
		}
		if len(numbers) != 2*nodes {
			t.Errorf("%d entries of %s", len(numbers), key)
		}
	}
	if sum := must(c.db.ImporterTotals(ctx, i.ID))(t); sum.Files != 8*nodes || sum.Open != 0 {
		t.Errorf("totals %+v", sum)
	}
}

// A sink is deleted with everything while files are noticed, finished and
// reported: nothing is left waiting at a sink that is gone.
func testSinksGivenUp(t *testing.T, c *cluster) {
	ctx := t.Context()
	for round := range 6 {
		name := fmt.Sprintf("fme%d", round)
		i := c.importer(name)
		gone := make(chan struct{})
		var noticed atomic.Int64
		c.all(func(n int, db *catalog.DB) error {
			if n == 0 {
				defer close(gone)
				for noticed.Load() < 8 {
					if _, err := db.ImporterTotals(ctx, i.ID); err != nil {
						return err
					}
				}
				_, _, err := db.DeleteSink(ctx, name, true)
				return err
			}
			for k := 0; ; k++ {
				select {
				case <-gone:
					return nil
				default:
				}
				key := fmt.Sprintf("in/%d-%d", n, k)
				_, err := db.Noticed(ctx, i.ID, "sns", noon, fileNames(key))
				noticed.Add(1)
				if lost(err) != nil {
					return err
				}
				found, err := db.Imports(ctx, catalog.ImportQuery{ImporterID: i.ID, State: stream.ImportNoticed, Limit: 2})
				if err != nil {
					return err
				}
				for _, f := range found {
					f.State, f.Attempts, f.DoneAt = stream.ImportRunning, 1, noon
					if err := lost(db.SaveImport(ctx, f)); err != nil {
						return err
					}
					if err := lost(db.FinishImport(ctx, f, entries(f.ID, 1))); err != nil {
						return err
					}
				}
				if _, _, err := db.PlanReport(ctx, noon.Add(240*time.Hour), 2); err != nil {
					return err
				}
			}
		})
		if sum := must(c.db.ImporterTotals(ctx, i.ID))(t); sum.Open != 0 || sum.Unreported != 0 {
			t.Errorf("left waiting: %+v", sum)
		}
		if open := must(c.db.OpenReports(ctx))(t); len(open) != 0 {
			t.Errorf("open reports: %+v", open)
		}
		if _, err := c.db.Importer(ctx, name); problem.KindOf(err) != problem.NotFound {
			t.Errorf("the importer: %v", err)
		}
	}
}
