package catalog

import (
	"cmp"
	"context"
	"slices"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// noReport is the report_id of an import that no report will hold.
const noReport = -1

const selectReport = `SELECT id, place, status_prefix, sink, named_at, state, maybe_stored, attempts, problem, next_try_at, done_at, owner FROM report`

func scanReport(row scanner) (stream.Report, error) {
	var r stream.Report
	var at, next, done int64
	err := row.Scan(&r.ID, &r.Place, &r.StatusPrefix, &r.Sink, &at, &r.State, &r.MaybeStored, &r.Attempts, &r.Problem, &next, &done, &r.Owner)
	r.At, r.NextTryAt, r.DoneAt = instant(at), instant(next), instant(done)
	return r, err
}

const (
	sqlOpenReports = selectReport + ` WHERE state = 'planned' ORDER BY id`
	// Each importer with unreported files, when the oldest was done, and how long it may wait.
	sqlReporting = `SELECT i.id, i.sink, s.sink_type, s.endpoint, s.bucket, i.status_prefix, i.report_every,
		(SELECT min(f.done_at) FROM import_file f WHERE f.importer_id = i.id AND f.state = 'done' AND f.report_id = 0)
		FROM importer i JOIN sink s ON s.name = i.sink
		WHERE EXISTS (SELECT 1 FROM import_file f WHERE f.importer_id = i.id AND f.state = 'done' AND f.report_id = 0)`
	sqlUnreported = `SELECT id, done_at FROM import_file WHERE importer_id = $1 AND state = 'done' AND report_id = 0 ORDER BY done_at, id LIMIT $2`
	sqlInReport   = `UPDATE import_file SET report_id = $1 WHERE id = $2 AND state = 'done' AND report_id = 0`
	sqlPlanReport = `INSERT INTO report (id, place, status_prefix, sink, named_at, state, maybe_stored, attempts, problem, next_try_at, done_at)
		VALUES ($1, $2, $3, $4, $5, 'planned', FALSE, 0, '', 0, 0) ON CONFLICT (place, status_prefix, named_at) DO NOTHING`
)

// reporting is an importer with files that no report holds yet.
type reporting struct {
	id, sink, place, statusPrefix string
	dueAt                         int64 // when the oldest must be reported, microseconds
}

func scanReporting(row scanner) (reporting, error) {
	var r reporting
	var s stream.Sink
	var every, oldest int64
	err := row.Scan(&r.id, &r.sink, &s.Type, &s.Endpoint, &s.Bucket, &r.statusPrefix, &every, &oldest)
	r.place, r.dueAt = s.Place(), oldest+time.Duration(every).Microseconds()
	return r, err
}

// reportings returns importers with unreported files, the most urgent first,
// and which of them wait for an open report by the same credentials: were
// more planned beside one that the bucket refuses, they would heap up.
func reportings(ctx context.Context, q querier) (all []reporting, held func(reporting) bool, err error) {
	if all, err = list(ctx, q, scanReporting, sqlReporting); err != nil {
		return nil, nil, err
	}
	open, err := list(ctx, q, scanReport, sqlOpenReports)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(all, func(a, b reporting) int { return cmp.Or(cmp.Compare(a.dueAt, b.dueAt), cmp.Compare(a.id, b.id)) })
	return all, func(r reporting) bool {
		return slices.ContainsFunc(open, func(o stream.Report) bool {
			return o.Place == r.place && o.StatusPrefix == r.statusPrefix && o.Sink == r.sink
		})
	}, nil
}

// PlanReport plans one report, of the importers of a place and status prefix
// where a file was done ReportEvery ago: the files done first, at most
// maxFiles. ok is false if there is none, or while the report by the same sink
// before it is open. at, to the millisecond, is its time, or the next
// millisecond that no report of the place and prefix has. After an error the plan may
// be among OpenReports; its files are in no other.
func (db *DB) PlanReport(ctx context.Context, at time.Time, maxFiles int) (r stream.Report, ok bool, err error) {
	err = db.change(ctx, "plan a status report", func(ctx context.Context, t tx) error {
		r, ok = stream.Report{}, false
		// Planners follow each other: the counter's row is locked until the commit.
		id, _, err := one(ctx, t, scanInt, sqlCount, "report")
		if err != nil {
			return err
		}
		all, held, err := reportings(ctx, t)
		if err != nil {
			return err
		}
		due := slices.IndexFunc(all, func(r reporting) bool { return r.dueAt <= micros(at) && !held(r) })
		if due < 0 {
			return nil
		}
		first := all[due]
		if err := t.keepReporting(ctx, first); err != nil {
			return err
		}
		r = stream.Report{ID: id, Place: first.place, StatusPrefix: first.statusPrefix, Sink: first.sink, State: stream.ReportPlanned}
		if err := t.fillReport(ctx, &r, all, maxFiles); err != nil {
			return err
		}
		for r.At = instant(micros(at)).Truncate(time.Millisecond); ; r.At = r.At.Add(time.Millisecond) {
			n, err := t.exec(ctx, sqlPlanReport, r.ID, r.Place, r.StatusPrefix, r.Sink, micros(r.At))
			if err != nil || n == 1 {
				ok = err == nil
				return err
			}
		}
	})
	if err != nil {
		return stream.Report{}, false, err
	}
	return r, ok, nil
}

// keepReporting locks the importer that a report is planned for, as whoever deletes or
// moves its sink, or gives it another, does too: the report would be left at a sink that is gone.
func (t tx) keepReporting(ctx context.Context, of reporting) error {
	sink, _, err := one(ctx, t, scanText, `SELECT sink FROM importer WHERE id = $1`+t.db.dialect.Lock, of.id)
	if err != nil {
		return err
	}
	// Now that nobody changes it; what was changed before is seen by a new statement only.
	place, _, err := one(ctx, t, scanPlace, sqlPlace, sink)
	if err == nil && (sink != of.sink || place != of.place) {
		err = again{problem.New(problem.Busy, "sink %s of importer %s was changed meanwhile", of.sink, of.id)}
	}
	return err
}

type unreported struct{ id, doneAt int64 }

// fillReport puts files into the report.
func (t tx) fillReport(ctx context.Context, r *stream.Report, of []reporting, maxFiles int) error {
	var files []unreported
	for _, i := range of {
		if i.place != r.Place || i.statusPrefix != r.StatusPrefix {
			continue
		}
		some, err := list(ctx, t, func(row scanner) (unreported, error) {
			var u unreported
			err := row.Scan(&u.id, &u.doneAt)
			return u, err
		}, sqlUnreported, i.id, maxFiles)
		if err != nil {
			return err
		}
		files = append(files, some...)
	}
	slices.SortFunc(files, func(a, b unreported) int { return cmp.Or(cmp.Compare(a.doneAt, b.doneAt), cmp.Compare(a.id, b.id)) })
	files = files[:min(len(files), maxFiles)]
	if len(files) == 0 {
		return again{problem.New(problem.Busy, "all imports for status report %d were given up meanwhile", r.ID)}
	}
	// In the order in which others lock them.
	slices.SortFunc(files, func(a, b unreported) int { return cmp.Compare(a.id, b.id) })
	for _, f := range files {
		n, err := t.exec(ctx, sqlInReport, r.ID, f.id)
		if err != nil {
			return err
		}
		if n != 1 {
			return again{problem.New(problem.Busy, "import %d was taken or given up meanwhile", f.id)}
		}
	}
	return nil
}

// NextReport returns when the next report may be planned; zero if none is to
// be, or all wait for one that is open.
func (db *DB) NextReport(ctx context.Context) (time.Time, error) {
	var next time.Time
	err := db.snapshot(ctx, func(q querier) error {
		all, held, err := reportings(ctx, q)
		if err != nil {
			return err
		}
		if n := slices.IndexFunc(all, func(r reporting) bool { return !held(r) }); n >= 0 {
			next = instant(all[n].dueAt)
		}
		return nil
	})
	if err != nil {
		return time.Time{}, db.fault(ctx, err, "read what is to be reported")
	}
	return next, nil
}

// OpenReports returns the reports that are planned and not done, oldest first.
func (db *DB) OpenReports(ctx context.Context) ([]stream.Report, error) {
	return db.reports(ctx, sqlOpenReports)
}

// ReportQuery chooses reports. The zero value chooses all.
type ReportQuery struct {
	Place        string             // with StatusPrefix: of one place and prefix
	StatusPrefix string             // looked at only with Place
	State        stream.ReportState // in this state
	BeforeID     int64              // older than this one: the next page
	Limit        int                // at most; 100 if not positive
}

const (
	sqlReports   = selectReport + ` WHERE ($1 = '' OR state = $1) AND (CAST($2 AS BIGINT) = 0 OR id < $2) ORDER BY id DESC LIMIT $3`
	sqlReportsOf = selectReport + ` WHERE place = $4 AND status_prefix = $5 AND ($1 = '' OR state = $1) AND (CAST($2 AS BIGINT) = 0 OR id < $2) ORDER BY id DESC LIMIT $3`
)

// Reports returns the reports that the query chooses, newest first.
func (db *DB) Reports(ctx context.Context, q ReportQuery) ([]stream.Report, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	if q.State == stream.ReportPlanned && q.Place == "" && q.BeforeID == 0 {
		all, err := db.reports(ctx, sqlOpenReports)
		slices.Reverse(all)
		return all[:min(len(all), q.Limit)], err
	}
	args := []any{string(q.State), q.BeforeID, q.Limit}
	if q.Place == "" {
		return db.reports(ctx, sqlReports, args...)
	}
	return db.reports(ctx, sqlReportsOf, append(args, q.Place, q.StatusPrefix)...)
}

func (db *DB) reports(ctx context.Context, query string, args ...any) ([]stream.Report, error) {
	all, err := list(ctx, db.read, scanReport, query, args...)
	if err != nil {
		return nil, db.fault(ctx, err, "list status reports")
	}
	return all, nil
}

// Report returns the report with this id.
func (db *DB) Report(ctx context.Context, id int64) (stream.Report, error) {
	r, ok, err := one(ctx, db.read, scanReport, selectReport+` WHERE id = $1`, id)
	if err != nil {
		return r, db.fault(ctx, err, "read a status report")
	}
	if !ok {
		return r, problem.New(problem.NotFound, "there is no status report %d", id)
	}
	return r, nil
}

// ReportEntries returns the entries of a report with what they are about, by
// key, ObjectAt, import and entry.
func (db *DB) ReportEntries(ctx context.Context, reportID int64) ([]stream.ReportEntry, error) {
	all, err := list(ctx, db.read, scanEntry, sqlReportEntries, reportID)
	if err != nil {
		return nil, db.fault(ctx, err, "read the entries of a status report")
	}
	return all, nil
}

// As with files, each attempt has a number of its own: whoever speaks of another than
// the newest is refused, so that what a node says after it was overtaken never undoes
// what its successor has noted, MaybeStored above all.
const sqlSaveReport = `UPDATE report SET named_at = $2, state = $3, maybe_stored = $4, problem = $6, next_try_at = $7, done_at = $8,
	owner = CASE WHEN CAST($7 AS BIGINT) > 0 OR CAST($8 AS BIGINT) > 0 THEN '' ELSE owner END
	WHERE id = $1 AND state = 'planned' AND attempts = $5`

var sqlBeginReport = `UPDATE report SET attempts = $2, owner = $3 WHERE id = $1 AND state = 'planned' AND attempts = $2 - 1 AND ` + notOthers("owner", "$3")

// BeginReport counts an attempt at a report and makes r.Owner the one that works on
// it, if r is the report as it stands but for that attempt. Otherwise ok is false, and nothing
// changes: it is done or abandoned, r is out of date, or a live node other than r.Owner is at
// work. It returns the report as the earlier attempts have left it: one that was
// overtaken may have noted something after r was read. If the answer is lost, r is out of date.
func (db *DB) BeginReport(ctx context.Context, r stream.Report) (begun stream.Report, ok bool, err error) {
	err = db.change(ctx, "begin a status report", func(ctx context.Context, t tx) error {
		begun, ok = stream.Report{}, false
		n, err := t.exec(ctx, sqlBeginReport, r.ID, int64(r.Attempts), r.Owner)
		if err != nil || n == 0 {
			return err
		}
		begun, ok, err = one(ctx, t, scanReport, selectReport+` WHERE id = $1`, r.ID)
		return err
	})
	if err != nil {
		return stream.Report{}, false, err
	}
	return begun, ok, nil
}

// SaveReport stores At, State, MaybeStored, Problem, NextTryAt and DoneAt of the
// attempt with the number r.Attempts, which is over once there is a time to try again, or it
// is done. Saving a report done that is done changes nothing. Kind Conflict, and
// no change, if another report of the place and prefix has that millisecond, if
// this one is done or abandoned, or if another attempt has begun since; NotFound if there is none.
func (db *DB) SaveReport(ctx context.Context, r stream.Report) error {
	if r.State != stream.ReportPlanned && r.State != stream.ReportDone {
		return problem.New(problem.Internal, "report %d cannot be saved as %q", r.ID, r.State)
	}
	at := r.At.Truncate(time.Millisecond)
	return db.change(ctx, "save a status report", func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, sqlSaveReport, r.ID, micros(at), string(r.State), r.MaybeStored, int64(r.Attempts), prose(r.Problem),
			micros(r.NextTryAt), micros(r.DoneAt))
		switch {
		case err != nil && t.db.dialect.Duplicate(err):
			return problem.New(problem.Conflict, "another status report has the name of %s", at.UTC().Format("2006-01-02T15:04:05.000Z"))
		case err != nil || n == 1:
			return err
		}
		state, ok, err := one(ctx, t, scanText, `SELECT state FROM report WHERE id = $1`, r.ID)
		switch {
		case err != nil:
			return err
		case !ok:
			return problem.New(problem.NotFound, "there is no status report %d", r.ID)
		case stream.ReportState(state) == stream.ReportPlanned:
			return problem.New(problem.Conflict, "status report %d: %w", r.ID, errOvertaken)
		case stream.ReportState(state) == stream.ReportDone && r.State == stream.ReportDone:
			return nil
		}
		return problem.New(problem.Conflict, "status report %d is %s and cannot change", r.ID, state)
	})
}
