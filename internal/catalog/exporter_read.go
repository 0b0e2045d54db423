package catalog

import (
	"context"
	"strings"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

const exporterColumns = `e.id, e.name, s.name, e.stream_id, e.sink, e.cut_interval, e.cut_offset, e.cut_bytes, e.cut_packed, e.cut_events, e.output, e.paused,
	e.test_id, e.start_at, e.next_at, e.last_seq, e.from_start, e.created_at, e.updated_at`

const selectExporter = `SELECT ` + exporterColumns + ` FROM exporter e JOIN stream s ON s.id = e.stream_id`

// scanExporter reads the columns of selectExporter, and those that follow them into more.
func scanExporter(row scanner) (stream.Exporter, error) { return scanExporterAnd(row) }

func scanExporterAnd(row scanner, more ...any) (stream.Exporter, error) {
	var e stream.Exporter
	var interval, offset, created, updated int64
	var output, start, next string
	err := row.Scan(append([]any{&e.ID, &e.Name, &e.Stream, &e.StreamID, &e.Sink, &interval, &offset, &e.Cut.MaxBytes, &e.Cut.MaxPacked, &e.Cut.MaxEvents, &output, &e.Paused,
		&e.TestID, &start, &next, &e.LastSeq, &e.FromStart, &created, &updated}, more...)...)
	if err != nil {
		return e, err
	}
	e.Cut.Interval, e.Cut.Offset = time.Duration(interval), time.Duration(offset)
	e.CreatedAt, e.UpdatedAt = instant(created), instant(updated)
	if e.Output, err = decodeOutput(output); err != nil {
		return e, err
	}
	if e.Start, err = decodePosition(start); err != nil {
		return e, err
	}
	e.Next, err = decodePosition(next)
	return e, err
}

func noExporter(id string) error {
	return problem.New(problem.NotFound, `batch exporter %s does not exist; see "strm list batch-exporters"`, id)
}

// Exporter returns the exporter with this id, unless it is deleted.
func (db *DB) Exporter(ctx context.Context, id string) (stream.Exporter, error) {
	e, ok, err := one(ctx, db.read, scanExporter, selectExporter+` WHERE e.id = $1 AND e.deleted_at = 0`, id)
	if err != nil {
		return e, db.fault(ctx, err, "read batch exporter "+id)
	}
	if !ok {
		return e, noExporter(id)
	}
	return e, nil
}

// ExporterNamed returns the exporter with this name. The stream's name may be
// empty, and name may be "STREAM/NAME". Without a stream the name must belong
// to one exporter only; otherwise kind Conflict.
func (db *DB) ExporterNamed(ctx context.Context, of, name string) (stream.Exporter, error) {
	if prefix, rest, ok := strings.Cut(name, "/"); ok {
		if of != "" && of != prefix {
			return stream.Exporter{}, problem.New(problem.Invalid, "batch exporter %s is not one of stream %s; name one stream", name, of)
		}
		of, name = prefix, rest
	}
	found, err := list(ctx, db.read, scanExporter, selectExporter+
		` WHERE e.name = $1 AND e.deleted_at = 0 AND ($2 = '' OR s.name = $2) ORDER BY s.name`, name, of)
	if err != nil {
		return stream.Exporter{}, db.fault(ctx, err, "read batch exporter "+name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		streams := make([]string, len(found))
		for i := range found {
			streams[i] = found[i].Stream
		}
		return stream.Exporter{}, problem.New(problem.Conflict, "streams %s each have a batch exporter %s: write STREAM/NAME, for example %s/%s",
			strings.Join(streams, ", "), name, streams[0], name)
	case of != "":
		return stream.Exporter{}, noExporter(of + "/" + name)
	}
	return stream.Exporter{}, noExporter(name)
}

// Exporters returns all exporters by stream and name.
func (db *DB) Exporters(ctx context.Context) ([]stream.Exporter, error) {
	return db.exporters(ctx, selectExporter+` WHERE e.deleted_at = 0 ORDER BY s.name, e.name`)
}

// ExportersOfStream returns the exporters of the stream with this id, by name.
func (db *DB) ExportersOfStream(ctx context.Context, streamID string) ([]stream.Exporter, error) {
	return db.exporters(ctx, selectExporter+` WHERE e.stream_id = $1 AND e.deleted_at = 0 ORDER BY e.name`, streamID)
}

// ExportersOfSink returns the exporters into the sink with this name, by
// stream and name.
func (db *DB) ExportersOfSink(ctx context.Context, name string) ([]stream.Exporter, error) {
	return db.exporters(ctx, selectExporter+` WHERE e.sink = $1 AND e.deleted_at = 0 ORDER BY s.name, e.name`, name)
}

func (db *DB) exporters(ctx context.Context, query string, args ...any) ([]stream.Exporter, error) {
	all, err := list(ctx, db.read, scanExporter, query, args...)
	if err != nil {
		return nil, db.fault(ctx, err, "list batch exporters")
	}
	return all, nil
}
