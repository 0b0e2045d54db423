package catalog

import (
	"context"

	"strm/internal/stream"
)

const selectExporterState = `SELECT ` + exporterColumns + `, e.flush_to, e.trouble, e.last_done_at, COALESCE(k.revision, 0)
	FROM exporter e JOIN stream s ON s.id = e.stream_id LEFT JOIN sink k ON k.name = e.sink`

func scanExporterState(row scanner) (stream.ExporterState, error) {
	var st stream.ExporterState
	var flush string
	var done int64
	e, err := scanExporterAnd(row, &flush, &st.Trouble, &done, &st.SinkRevision)
	if err != nil {
		return st, err
	}
	st.Exporter, st.LastDoneAt = e, instant(done)
	if flush != "" {
		st.FlushTo, err = decodePosition(flush)
	}
	return st, err
}

// ExporterState returns the exporter with this id, unless it is deleted, with what
// nodes tell each other of it.
func (db *DB) ExporterState(ctx context.Context, id string) (stream.ExporterState, error) {
	st, ok, err := one(ctx, db.read, scanExporterState, selectExporterState+` WHERE e.id = $1 AND e.deleted_at = 0`, id)
	if err != nil {
		return st, db.fault(ctx, err, "read batch exporter "+id)
	}
	if !ok {
		return st, noExporter(id)
	}
	return st, nil
}

// ExporterStates returns all exporters, by stream and name, in one query.
func (db *DB) ExporterStates(ctx context.Context) ([]stream.ExporterState, error) {
	all, err := list(ctx, db.read, scanExporterState, selectExporterState+` WHERE e.deleted_at = 0 ORDER BY s.name, e.name`)
	if err != nil {
		return nil, db.fault(ctx, err, "list batch exporters")
	}
	return all, nil
}

// SetFlush asks whoever carries the exporter to cut everything below a position at
// once. It is noticed as a change of the configuration is. With a nil position it only makes
// that node look again. An exporter that is not there is no error.
func (db *DB) SetFlush(ctx context.Context, exporterID string, to stream.Position) error {
	return db.configure(ctx, "flush batch exporter "+exporterID, func(ctx context.Context, t tx) error {
		if to == nil {
			return nil
		}
		_, err := t.exec(ctx, `UPDATE exporter SET flush_to = $1 WHERE id = $2 AND deleted_at = 0`, encodePosition(to), exporterID)
		return err
	})
}

// SetTrouble stores what keeps an exporter from delivering beside its batches, in the
// words of whoever carries it. An exporter that is not there is no error.
func (db *DB) SetTrouble(ctx context.Context, exporterID, trouble string) error {
	return db.change(ctx, "note the trouble of batch exporter "+exporterID, func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `UPDATE exporter SET trouble = $1 WHERE id = $2`, trouble, exporterID)
		return err
	})
}
