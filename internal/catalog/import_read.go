package catalog

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"strm/internal/problem"
	"strm/internal/stream"
)

// ImportQuery chooses imports. The zero value chooses all.
type ImportQuery struct {
	ImporterID string             // of one importer, also a deleted one
	State      stream.ImportState // in this state
	KeyPrefix  string             // of files whose keys begin with it
	BeforeID   int64              // older than this one: the next page
	Limit      int                // at most; 100 if not positive
}

const (
	sqlImporterIDs = `SELECT id FROM importer WHERE $1 = '' OR id = $1`
	sqlImportPage  = selectImport + ` WHERE f.importer_id = $1 AND f.state = $2 AND (CAST($3 AS BIGINT) = 0 OR f.id < $3) ORDER BY f.id DESC LIMIT $4`
	// The ids come out of the index alone, so that only a page of rows is read.
	sqlImportKeys = selectImport + ` WHERE f.id IN (SELECT id FROM import_file WHERE importer_id = $1 AND object_key >= $2 AND object_key < $3
		AND (CAST($4 AS BIGINT) = 0 OR id < $4) ORDER BY id DESC LIMIT $5) ORDER BY f.id DESC`
	// With a state, where most files do not match: the few in it are looked through.
	sqlImportKeysIn = selectImport + ` WHERE f.id IN (SELECT id FROM import_file WHERE importer_id = $1 AND object_key >= $2 AND object_key < $3
		AND (CAST($4 AS BIGINT) = 0 OR id < $4) AND state = $6 ORDER BY id DESC LIMIT $5) ORDER BY f.id DESC`
)

var importStates = []stream.ImportState{stream.ImportNoticed, stream.ImportRunning, stream.ImportDone, stream.ImportAbandoned}

// Imports returns the imports that the query chooses, newest first.
func (db *DB) Imports(ctx context.Context, q ImportQuery) ([]stream.Import, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var all []stream.Import
	err := db.snapshot(ctx, func(r querier) error {
		ids, err := list(ctx, r, scanText, sqlImporterIDs, q.ImporterID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			page, err := q.page(ctx, r, id)
			if err != nil {
				return err
			}
			all = append(all, page...)
		}
		return nil
	})
	if err != nil {
		return nil, db.fault(ctx, err, "list imports")
	}
	slices.SortFunc(all, func(a, b stream.Import) int { return cmp.Compare(b.ID, a.ID) })
	if len(all) > q.Limit {
		all = all[:q.Limit]
	}
	return all, nil
}

// page returns the newest of one importer, by indexes in which nothing else is read.
func (q *ImportQuery) page(ctx context.Context, r querier, importerID string) ([]stream.Import, error) {
	if q.KeyPrefix != "" {
		args := []any{importerID, q.KeyPrefix, q.KeyPrefix + string(utf8.MaxRune), q.BeforeID, q.Limit}
		if q.State == "" {
			return list(ctx, r, scanImport, sqlImportKeys, args...)
		}
		return list(ctx, r, scanImport, sqlImportKeysIn, append(args, string(q.State))...)
	}
	states := importStates
	if q.State != "" {
		states = []stream.ImportState{q.State}
	}
	var out []stream.Import
	for _, s := range states {
		page, err := list(ctx, r, scanImport, sqlImportPage, importerID, string(s), q.BeforeID, q.Limit)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
	}
	return out, nil
}

// Import returns the import with this id.
func (db *DB) Import(ctx context.Context, id int64) (stream.Import, error) {
	i, ok, err := one(ctx, db.read, scanImport, selectImport+` WHERE f.id = $1`, id)
	if err != nil {
		return i, db.fault(ctx, err, "read an import")
	}
	if !ok {
		return i, noImport(id)
	}
	return i, nil
}

const (
	selectEntry = `SELECT e.import_id, e.entry_id, e.valid, e.row_count, e.errors, e.details, e.warnings, f.report_id, f.object_key, f.object_at
	FROM import_file f CROSS JOIN status_entry e`
	sqlEntries       = selectEntry + ` WHERE f.id = $1 AND e.import_id = f.id ORDER BY e.entry_id`
	sqlReportEntries = selectEntry + ` WHERE f.report_id = $1 AND f.report_id > 0 AND e.import_id = f.id ORDER BY f.object_key, f.object_at, f.id, e.entry_id`
)

func scanEntry(row scanner) (stream.ReportEntry, error) {
	var r stream.ReportEntry
	var errors, details, warnings string
	var at int64
	e := &r.Entry
	err := row.Scan(&e.ImportID, &e.EntryID, &e.Valid, &e.Rows, &errors, &details, &warnings, &e.ReportID, &r.Key, &at)
	if err != nil {
		return r, err
	}
	r.ObjectAt = instant(at)
	codes, err := decodeTexts("errors", errors)
	if err != nil {
		return r, err
	}
	for _, c := range codes {
		e.Errors = append(e.Errors, stream.RowError(c))
	}
	if e.Details, err = decodeTexts("details", details); err != nil {
		return r, err
	}
	e.Warnings, err = decodeTexts("warnings", warnings)
	return r, err
}

// Entries returns the status entries of an import, by their numbers; none
// before it is done.
func (db *DB) Entries(ctx context.Context, importID int64) ([]stream.StatusEntry, error) {
	all, err := list(ctx, db.read, scanEntry, sqlEntries, importID)
	if err != nil {
		return nil, db.fault(ctx, err, "read the entries of an import")
	}
	out := make([]stream.StatusEntry, len(all))
	for n := range all {
		out[n] = all[n].Entry
	}
	return out, nil
}

// ImporterTotals is what an importer has done and what waits.
type ImporterTotals struct {
	Files      int64 // done
	Rows       int64 // read in them
	Accepted   int64 // of those, became events
	LastDoneAt time.Time
	Open       int64 // files noticed and not done
	Unreported int64 // files done and not in a report
}

const sqlImporterTotals = `SELECT done_files, done_rows, done_accepted, last_done_at,
	(SELECT count(*) FROM import_file WHERE importer_id = $1 AND state IN ('noticed', 'running')),
	(SELECT count(*) FROM import_file WHERE importer_id = $1 AND state = 'done' AND report_id = 0)
	FROM importer WHERE id = $1`

// ImporterTotals returns an importer's totals, also of a deleted one. Its cost
// does not depend on the number of files that are done and reported.
func (db *DB) ImporterTotals(ctx context.Context, importerID string) (ImporterTotals, error) {
	sum, ok, err := one(ctx, db.read, func(row scanner) (ImporterTotals, error) {
		var s ImporterTotals
		var last int64
		err := row.Scan(&s.Files, &s.Rows, &s.Accepted, &last, &s.Open, &s.Unreported)
		s.LastDoneAt = instant(last)
		return s, err
	}, sqlImporterTotals, importerID)
	if err != nil {
		return sum, db.fault(ctx, err, "read the totals of batch importer "+importerID)
	}
	if !ok {
		return sum, problem.New(problem.NotFound, `there is no batch importer with id %s; see "strm list batch-importers"`, importerID)
	}
	return sum, nil
}
