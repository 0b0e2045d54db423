package catalog

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

const selectImport = `SELECT f.id, f.importer_id, i.name, i.stream_id, f.place, f.object_key, f.version, f.etag, f.bytes, f.object_at, f.via, f.noticed_at,
	f.state, f.environments, f.part, f.rows_read, f.rows_accepted, f.attempts, f.problem, f.next_try_at, f.started_at, f.done_at, f.owner
	FROM import_file f JOIN importer i ON i.id = f.importer_id`

func scanImport(row scanner) (stream.Import, error) {
	var i stream.Import
	var environments string
	var object, noticed, next, started, done int64
	err := row.Scan(&i.ID, &i.ImporterID, &i.Importer, &i.StreamID, &i.Place, &i.Key, &i.Version, &i.ETag, &i.Size, &object, &i.Via, &noticed,
		&i.State, &environments, &i.Partition, &i.Rows, &i.Accepted, &i.Attempts, &i.Problem, &next, &started, &done, &i.Owner)
	if err != nil {
		return i, err
	}
	i.ObjectAt, i.NoticedAt, i.NextTryAt = instant(object), instant(noticed), instant(next)
	i.StartedAt, i.DoneAt = instant(started), instant(done)
	i.Environments, err = decodeTexts("environments", environments)
	return i, err
}

const (
	sqlNoticing = `UPDATE importer SET noticed_at = CASE WHEN $2 = 'list' OR noticed_at > $3 THEN noticed_at ELSE $3 END
		WHERE id = $1 AND deleted_at = 0 RETURNING sink`
	sqlKnownVersion = `SELECT id FROM import_file WHERE importer_id = $1 AND object_key = $2 AND version = $3`
	// Those of one second: a file that is written again and again has many.
	sqlKnownTime = `SELECT version FROM import_file WHERE importer_id = $1 AND object_key = $2 AND object_at >= $3 AND object_at < $4 AND etag = $5`
	sqlKnown     = `SELECT EXISTS (` + sqlKnownVersion + `) OR EXISTS (SELECT 1 FROM import_file WHERE importer_id = $1 AND object_key = $2 AND object_at >= $4 AND object_at < $5 AND etag = $6)`
	sqlCount     = `UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value`
	sqlNotice    = `INSERT INTO import_file (id, importer_id, place, object_key, version, etag, bytes, object_at, via, noticed_at, state,
			environments, part, rows_read, rows_accepted, attempts, problem, next_try_at, started_at, done_at, report_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'noticed', '[]', 0, 0, 0, 0, '', 0, 0, 0, 0)`
)

// Noticed records files that the importer has no import of, and unless they
// were listed, the time of the notice. It returns how many were new. A file is
// known by its version; where it or the import has no version id, also by key,
// ETag and time to the second, as a listing tells them. Repeating it adds
// nothing. Kind NotFound if the importer does not live.
func (db *DB) Noticed(ctx context.Context, importerID, via string, at time.Time, files []notice.File) (int, error) {
	var added int
	err := db.change(ctx, "record files of batch importer "+importerID, func(ctx context.Context, t tx) error {
		added = 0
		// The update locks the row: notices of one importer follow each other.
		sink, ok, err := one(ctx, t, scanText, sqlNoticing, importerID, via, micros(at))
		if err != nil {
			return err
		}
		if !ok {
			return noImporter(importerID)
		}
		// The sink itself is not locked: who points it elsewhere waits for its importers.
		place, ok, err := one(ctx, t, scanPlace, sqlPlace, sink)
		if err != nil {
			return err
		}
		if !ok {
			return noSink(sink)
		}
		for n := range files {
			f := &files[n]
			known, err := t.knownImport(ctx, importerID, f)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			id, _, err := one(ctx, t, scanInt, sqlCount, "import")
			if err != nil {
				return err
			}
			_, err = t.exec(ctx, sqlNotice, id, importerID, place, f.Key, f.Version(), f.ETag, f.Size, micros(f.At), via, micros(at))
			if err != nil {
				return err
			}
			added++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

// bare reports whether a version is no version id.
func bare(version string) bool { return len(version) > 1 && version[0] == 'e' }

// knownImport reports whether an importer has an import of the file: of its
// version, or where one of the two has no version id, of its ETag and second.
func (t tx) knownImport(ctx context.Context, importerID string, f *notice.File) (bool, error) {
	version := f.Version()
	_, ok, err := one(ctx, t, scanInt, sqlKnownVersion, importerID, f.Key, version)
	if err != nil || ok {
		return ok, err
	}
	second := f.At.Truncate(time.Second)
	versions, err := list(ctx, t, scanText, sqlKnownTime, importerID, f.Key, micros(second), micros(second.Add(time.Second)), f.ETag)
	return slices.ContainsFunc(versions, func(v string) bool { return bare(v) || bare(version) }), err
}

// UnknownFiles returns those of the files that the importer has no import of:
// none of the same version, nor of the same key, ETag and time to the second.
func (db *DB) UnknownFiles(ctx context.Context, importerID string, files []notice.File) ([]notice.File, error) {
	var out []notice.File
	// A listing asks for every file of the bucket, again and again: the statement is parsed once a page.
	s, err := db.read.PrepareContext(ctx, sqlKnown)
	if err != nil {
		return nil, db.fault(ctx, err, "look up files of batch importer "+importerID)
	}
	defer func() { _ = s.Close() }() // nothing was written
	for n := range files {
		f := &files[n]
		second := f.At.Truncate(time.Second)
		var known bool
		err := s.QueryRowContext(ctx, importerID, f.Key, f.Version(), micros(second), micros(second.Add(time.Second)), f.ETag).Scan(&known)
		if err != nil {
			return nil, db.fault(ctx, err, "look up files of batch importer "+importerID)
		}
		if !known {
			out = append(out, *f)
		}
	}
	return out, nil
}

// Of each importer alone, so that files that wait are never sorted, nor those
// of a paused importer read.
var (
	sqlDueNew   = selectImport + ` WHERE f.importer_id = $1 AND f.state IN ('noticed', 'running') AND f.next_try_at = 0 AND ` + notOthers("f.owner", "$3") + ` ORDER BY f.id LIMIT $2`
	sqlDueAgain = selectImport + ` WHERE f.importer_id = $1 AND f.state IN ('noticed', 'running') AND f.next_try_at > 0 AND f.next_try_at <= $2 AND ` + notOthers("f.owner", "$4") + ` ORDER BY f.next_try_at, f.id LIMIT $3`
)

const (
	sqlWorking   = `SELECT id FROM importer i WHERE (NOT paused OR deleted_at <> 0) AND EXISTS (SELECT 1 FROM import_file f WHERE f.importer_id = i.id AND f.state IN ('noticed', 'running'))`
	sqlDueLater  = `SELECT next_try_at FROM import_file WHERE importer_id = $1 AND state IN ('noticed', 'running') AND next_try_at > $2 ORDER BY next_try_at LIMIT 1`
	maxDueImport = 10_000
)

// DueImports returns the imports whose time has come, those in work included unless
// a live node other than owner works on them, of importers that are not paused (a
// deleted one counts as not paused): at most limit, oldest first, where files that are to be tried again come in the order of
// their times. next is when the next will be due after now, zero if none waits for a time.
func (db *DB) DueImports(ctx context.Context, owner string, now time.Time, limit int) (due []stream.Import, next time.Time, err error) {
	limit = min(max(limit, 0), maxDueImport)
	var later int64
	err = db.snapshot(ctx, func(q querier) error {
		ids, err := list(ctx, q, scanText, sqlWorking)
		if err != nil {
			return err
		}
		for _, id := range ids {
			fresh, err := list(ctx, q, scanImport, db.text(sqlDueNew), id, limit, owner)
			if err != nil {
				return err
			}
			again, err := list(ctx, q, scanImport, db.text(sqlDueAgain), id, micros(now), limit, owner)
			if err != nil {
				return err
			}
			due = append(append(due, fresh...), again...)
			at, ok, err := one(ctx, q, scanInt, sqlDueLater, id, micros(now))
			if err != nil {
				return err
			}
			if ok && (later == 0 || at < later) {
				later = at
			}
		}
		return nil
	})
	if err != nil {
		return nil, time.Time{}, db.fault(ctx, err, "read what is to be imported")
	}
	slices.SortFunc(due, func(a, b stream.Import) int { return cmp.Compare(a.ID, b.ID) })
	if len(due) > limit {
		due = due[:limit]
	}
	return due, instant(later), nil
}

// Each attempt has a number of its own: whoever speaks of an earlier one than the
// newest has been overtaken, by another node as a rule, and is refused.
var (
	// An import that runs does not become merely noticed again.
	sqlSaveImport = sqlSetImport + `, owner = '' WHERE ` + sqlMayImport + ` AND attempts <= $5 AND ` + notOthers("owner", "$9")
	// BeginImport makes an owner, all else gives it up.
	sqlBeginImport  = sqlSetImport + `, owner = $9 WHERE ` + sqlMayImport + ` AND attempts = $5 - 1 AND ` + notOthers("owner", "$9")
	sqlFinishImport = `UPDATE import_file SET state = 'done', environments = $2, part = $3, rows_read = $4, rows_accepted = $5, attempts = $6,
		problem = '', next_try_at = 0, started_at = $7, done_at = $8, report_id = $9, owner = ''
		WHERE id = $1 AND state IN ('noticed', 'running') AND attempts <= $6 AND ` + notOthers("owner", "$10") + ` RETURNING importer_id`
	sqlOvertaken = `SELECT EXISTS (SELECT 1 FROM import_file WHERE id = $1 AND state IN ('noticed', 'running') AND (attempts > $2 OR NOT ` + notOthers("owner", "$3") + `))`
)

const (
	sqlSetImport = `UPDATE import_file SET state = $2, environments = $3, part = $4, attempts = $5, problem = $6, next_try_at = $7, started_at = $8`
	sqlMayImport = `id = $1 AND (state = 'noticed' OR state = 'running' AND $2 = 'running')`
	// Readers of reports know an entry by file name, time in milliseconds and number.
	// The order of the tables is the order in which they are to be looked into.
	sqlTakenEntries = `SELECT coalesce(max(e.entry_id), 0) FROM import_file me CROSS JOIN importer i CROSS JOIN import_file f CROSS JOIN status_entry e
		WHERE me.id = $1 AND f.importer_id = i.id AND f.object_key = me.object_key AND f.object_at >= me.object_at - me.object_at % 1000
			AND f.object_at < me.object_at - me.object_at % 1000 + 1000 AND f.place = me.place AND f.id <> me.id AND e.import_id = f.id`
	// Where writers run side by side, those are kept that would give out the same numbers.
	sqlSameEntries = `SELECT f.id FROM import_file me CROSS JOIN importer i CROSS JOIN import_file f
		WHERE me.id = $1 AND f.importer_id = i.id AND f.object_key = me.object_key AND f.object_at >= me.object_at - me.object_at % 1000
			AND f.object_at < me.object_at - me.object_at % 1000 + 1000 AND f.place = me.place ORDER BY f.id`
	sqlInsertEntry = `INSERT INTO status_entry (import_id, entry_id, valid, row_count, errors, details, warnings) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	sqlDoneImport  = `UPDATE importer SET done_files = done_files + 1, done_rows = done_rows + $2, done_accepted = done_accepted + $3,
		last_done_at = CASE WHEN last_done_at < $4 THEN $4 ELSE last_done_at END WHERE id = $1`
)

// SaveImport stores State, Environments, Partition, Attempts, Problem, NextTryAt and
// StartedAt, and gives up what i.Owner had begun. Doing it again is harmless. Kind
// Conflict, and no change, if the import is done or abandoned, or somebody has begun an
// attempt since, or a live node other than i.Owner works on it; NotFound if there is
// none. A step back, or to done, which FinishImport makes, has kind Internal.
func (db *DB) SaveImport(ctx context.Context, i stream.Import) error {
	_, err := db.saveImport(ctx, &i, sqlSaveImport)
	return err
}

// BeginImport stores what SaveImport does, if i is the import as it stands but
// for one attempt more, and makes i.Owner the one that works on it. Otherwise ok is
// false, and nothing changes: somebody has begun that attempt, and i is out of date, or
// a live node other than i.Owner is at work. Kinds as for SaveImport.
func (db *DB) BeginImport(ctx context.Context, i stream.Import) (ok bool, err error) {
	return db.saveImport(ctx, &i, sqlBeginImport)
}

func (db *DB) saveImport(ctx context.Context, i *stream.Import, statement string) (ok bool, err error) {
	if !i.State.Open() {
		return false, problem.New(problem.Internal, "import %d cannot be saved as %q", i.ID, i.State)
	}
	environments, err := encodeTexts(i.Environments)
	if err != nil {
		return false, problem.New(problem.Invalid, "environments of import %d: %w", i.ID, err)
	}
	begins := statement == sqlBeginImport
	err = db.change(ctx, "save an import", func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, statement, i.ID, string(i.State), environments, int64(i.Partition), int64(i.Attempts), prose(i.Problem),
			micros(i.NextTryAt), micros(i.StartedAt), i.Owner)
		if ok = n == 1; err != nil || ok {
			return err
		}
		if begins {
			attempts, found, err := one(ctx, t, scanInt, `SELECT attempts FROM import_file WHERE id = $1 AND state IN ('noticed', 'running')`, i.ID)
			if err != nil || found && attempts != int64(i.Attempts)-1 {
				return err // begun meanwhile
			}
		}
		err = t.importConflict(ctx, i, i.State)
		if begins && errors.Is(err, errOvertaken) {
			return nil
		}
		return err
	})
	return ok && err == nil, err
}

// errOvertaken: somebody else is at an import, or has been since.
var errOvertaken = errors.New("another node works on it, or has since")

// importConflict says why an import could not be changed.
func (t tx) importConflict(ctx context.Context, i *stream.Import, to stream.ImportState) error {
	state, ok, err := one(ctx, t, scanText, `SELECT state FROM import_file WHERE id = $1`, i.ID)
	switch {
	case err != nil:
		return err
	case !ok:
		return noImport(i.ID)
	case !stream.ImportState(state).Open():
		return problem.New(problem.Conflict, "import %d is %s and cannot change", i.ID, state)
	}
	overtaken, _, err := one(ctx, t, scanBool, sqlOvertaken, i.ID, int64(i.Attempts), i.Owner)
	switch {
	case err != nil:
		return err
	case overtaken:
		return problem.New(problem.Conflict, "import %d: %w", i.ID, errOvertaken)
	}
	return problem.New(problem.Internal, "import %d is %s and cannot be %s again", i.ID, state, to)
}

// FinishImport makes an import done with its counts (Rows, Accepted) and its
// entries, and stores what SaveImport does. Without entries nothing will be
// reported. Entries are numbered on from those of other imports of the same key and
// millisecond in the same place, so that no reader of reports takes one for a
// repeat of another. Finishing what is done or abandoned changes nothing; kind Conflict, and
// no change, as for SaveImport if somebody has overtaken i; NotFound
// if there is no such import, Internal if the entries are not those of one import.
func (db *DB) FinishImport(ctx context.Context, i stream.Import, entries []stream.StatusEntry) error {
	environments, err := encodeTexts(i.Environments)
	if err != nil {
		return problem.New(problem.Invalid, "environments of import %d: %w", i.ID, err)
	}
	if i.DoneAt.IsZero() {
		i.DoneAt = time.Now()
	}
	report := int64(0)
	if len(entries) == 0 {
		report = noReport
	}
	return db.change(ctx, "finish an import", func(ctx context.Context, t tx) error {
		if lock := db.dialect.Lock; lock != "" && len(entries) > 0 {
			if _, err := list(ctx, t, scanInt, sqlSameEntries+lock+` OF f`, i.ID); err != nil {
				return err
			}
		}
		of, ok, err := one(ctx, t, scanText, sqlFinishImport, i.ID, environments, int64(i.Partition), i.Rows, i.Accepted, int64(i.Attempts),
			micros(i.StartedAt), micros(i.DoneAt), report, i.Owner)
		if err != nil {
			return err
		}
		if !ok {
			err := t.importConflict(ctx, &i, stream.ImportDone)
			if problem.KindOf(err) == problem.Conflict && !errors.Is(err, errOvertaken) {
				return nil
			}
			return err
		}
		taken, _, err := one(ctx, t, scanInt, sqlTakenEntries, i.ID)
		if err != nil {
			return err
		}
		for n := range entries {
			if err := t.insertEntry(ctx, i.ID, int(taken), &entries[n]); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, sqlDoneImport, of, i.Rows, i.Accepted, micros(i.DoneAt))
		return err
	})
}

// insertEntry stores an entry with its number above those that are taken.
func (t tx) insertEntry(ctx context.Context, importID int64, taken int, e *stream.StatusEntry) error {
	if e.ImportID != importID || e.EntryID < 1 {
		return problem.New(problem.Internal, "entry %d of import %d cannot be one of import %d", e.EntryID, e.ImportID, importID)
	}
	codes := make([]string, len(e.Errors))
	for n, c := range e.Errors {
		codes[n] = string(c)
	}
	var texts [3]string
	for n, of := range [][]string{codes, e.Details, e.Warnings} {
		var err error
		if texts[n], err = encodeTexts(of); err != nil {
			return problem.New(problem.Internal, "entry %d of import %d: %w", e.EntryID, importID, err)
		}
	}
	_, err := t.exec(ctx, sqlInsertEntry, importID, int64(taken+e.EntryID), e.Valid, e.Rows, texts[0], texts[1], texts[2])
	if err != nil && t.db.dialect.Duplicate(err) {
		return problem.New(problem.Internal, "import %d has two entries %d", importID, e.EntryID)
	}
	return err
}

func noImport(id int64) error {
	return problem.New(problem.NotFound, `there is no import %d; see "strm list imports"`, id)
}
