package catalog

import (
	"context"
	"time"

	"strm/internal/problem"
)

const (
	sqlImportsOf = `SELECT (SELECT count(*) FROM importer i CROSS JOIN import_file f WHERE i.sink = $1 AND f.importer_id = i.id AND f.state IN ('noticed', 'running'))
		+ (SELECT count(*) FROM importer i CROSS JOIN import_file f WHERE i.sink = $1 AND f.importer_id = i.id AND f.state = 'done' AND f.report_id = 0)
		+ (SELECT count(*) FROM report WHERE state = 'planned' AND sink = $1)`
	sqlGiveUpFiles = `UPDATE import_file SET state = 'abandoned', problem = 'its sink was deleted', next_try_at = 0, done_at = $2, report_id = -1
		WHERE state IN ('noticed', 'running') AND importer_id = $1`
	sqlWaitingFiles = `SELECT f.id FROM importer i CROSS JOIN import_file f WHERE i.sink = $1 AND f.importer_id = i.id
		AND (f.state IN ('noticed', 'running') OR f.state = 'done' AND f.report_id = 0) ORDER BY f.id`
	sqlGiveUpEntries = `UPDATE import_file SET report_id = -1 WHERE state = 'done' AND report_id = 0 AND importer_id = $1`
	sqlGiveUpReports = `UPDATE report SET state = 'abandoned', problem = 'its sink was deleted', next_try_at = 0 WHERE state = 'planned' AND sink = $1`
)

// importsOf counts the files to import and to report, and the reports to store,
// that wait at a sink, and keeps its importers as they are.
func (t tx) importsOf(ctx context.Context, sink string) (int64, error) {
	if _, err := list(ctx, t, scanText, `SELECT id FROM importer WHERE sink = $1 ORDER BY id`+t.db.dialect.Lock, sink); err != nil {
		return 0, err
	}
	n, _, err := one(ctx, t, scanInt, sqlImportsOf, sink)
	return n, err
}

// noImportsOf refuses while importers use the sink, or gives up what they have.
func (t tx) noImportsOf(ctx context.Context, sink string, recursive bool, now time.Time) error {
	if lock := t.db.dialect.Lock; lock != "" && recursive {
		// The files before their importers, in the order in which one that is finished locks the two.
		if _, err := list(ctx, t, scanInt, sqlWaitingFiles+lock+` OF f`, sink); err != nil {
			return err
		}
	}
	waiting, err := t.importsOf(ctx, sink)
	if err != nil {
		return err
	}
	live, err := list(ctx, t, scanText, `SELECT id FROM importer WHERE sink = $1 AND deleted_at = 0`, sink)
	if err != nil {
		return err
	}
	switch {
	case len(live) > 0 && !recursive:
		return problem.New(problem.Conflict, "Cannot delete sink with name %s, as it still has importers linked to it. "+
			"Delete those first before deleting this sink.", sink)
	case waiting > 0 && !recursive:
		return problem.New(problem.Conflict, "sink %s cannot be deleted yet: %d files or status reports of deleted batch importers wait there. "+
			"Let them be reported, or give them up with --recursive", sink, waiting)
	}
	for _, id := range live {
		if err := t.deleteImporter(ctx, id, now); err != nil {
			return err
		}
	}
	if waiting == 0 {
		return nil
	}
	all, err := list(ctx, t, scanText, `SELECT id FROM importer WHERE sink = $1`, sink)
	if err != nil {
		return err
	}
	for _, id := range all {
		if _, err := t.exec(ctx, sqlGiveUpFiles, id, micros(now)); err != nil {
			return err
		}
		if _, err := t.exec(ctx, sqlGiveUpEntries, id); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, sqlGiveUpReports, sink)
	return err
}
