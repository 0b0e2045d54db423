package catalog

import (
	"context"
	"slices"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// CreateExporter stores a new exporter of an existing stream into an existing
// sink. Its position is e.Start, one offset per partition. Kind NotFound if
// stream or sink do not exist, Conflict if the stream has an exporter of that
// name.
func (db *DB) CreateExporter(ctx context.Context, e stream.Exporter) error {
	if err := stream.CheckName("batch exporter", e.Name); err != nil {
		return err
	}
	if e.ID == "" {
		return problem.New(problem.Invalid, "batch exporter %s needs an id", e.Name)
	}
	if e.LastSeq != 0 || e.Next != nil && !slices.Equal(e.Next, e.Start) {
		return problem.New(problem.Invalid, "batch exporter %s: a new exporter has no batches and begins at its start", e.Name)
	}
	output, err := encodeOutput(e.Output)
	if err != nil {
		return problem.New(problem.Invalid, "settings of batch exporter %s: %w", e.Name, err)
	}
	if e.CreatedAt.IsZero() {
		e.CreatedAt = time.Now()
	}
	if e.UpdatedAt.IsZero() {
		e.UpdatedAt = e.CreatedAt
	}
	return db.configure(ctx, "create batch exporter "+e.Name, func(ctx context.Context, t tx) error {
		of, err := t.stream(ctx, e.StreamID, e.Stream)
		if err != nil {
			return err
		}
		if _, err := t.sink(ctx, e.Sink); err != nil {
			return err
		}
		if err := checkStart(e.Start, of); err != nil {
			return err
		}
		start := encodePosition(e.Start)
		_, err = t.exec(ctx, `INSERT INTO exporter (id, name, stream_id, sink, cut_interval, cut_offset, cut_bytes, cut_packed, cut_events,
				output, paused, test_id, start_at, next_at, last_seq, from_start, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, 0, $14, $15, $16)`,
			e.ID, e.Name, of.ID, e.Sink, int64(e.Cut.Interval), int64(e.Cut.Offset), e.Cut.MaxBytes, e.Cut.MaxPacked, e.Cut.MaxEvents, output, e.Paused,
			e.TestID, start, e.FromStart, micros(e.CreatedAt), micros(e.UpdatedAt))
		if err != nil && db.dialect.Duplicate(err) {
			return problem.New(problem.Conflict, "batch exporter %s already exists for stream %s", e.Name, of.Name)
		}
		return err
	})
}

func checkStart(start stream.Position, of stream.Stream) error {
	if len(start) != of.Partitions {
		return problem.New(problem.Invalid, "a start of %d offsets for stream %s, which has %d partitions", len(start), of.Name, of.Partitions)
	}
	for p, o := range start {
		if o < 0 {
			return problem.New(problem.Invalid, "start of partition %d of stream %s is negative", p, of.Name)
		}
	}
	return nil
}

// UpdateExporter stores Sink, Cut, Output and Paused of the exporter with
// e.ID; every other field stays as it is. Batches already planned keep their
// output and their sink, which cannot be deleted before they are delivered.
func (db *DB) UpdateExporter(ctx context.Context, e stream.Exporter) error {
	output, err := encodeOutput(e.Output)
	if err != nil {
		return problem.New(problem.Invalid, "settings of batch exporter %s: %w", e.Name, err)
	}
	if e.UpdatedAt.IsZero() {
		e.UpdatedAt = time.Now()
	}
	return db.configure(ctx, "update batch exporter "+e.Name, func(ctx context.Context, t tx) error {
		if _, err := t.sink(ctx, e.Sink); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE exporter SET sink = $1, cut_interval = $2, cut_offset = $3, cut_bytes = $4, cut_packed = $5, cut_events = $6,
			output = $7, paused = $8, updated_at = $9 WHERE id = $10 AND deleted_at = 0`,
			e.Sink, int64(e.Cut.Interval), int64(e.Cut.Offset), e.Cut.MaxBytes, e.Cut.MaxPacked, e.Cut.MaxEvents, output, e.Paused, micros(e.UpdatedAt), e.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return noExporter(e.ID)
		}
		return nil
	})
}

// DeleteExporter deletes an exporter: its unfinished batches are abandoned,
// its name and their keys are free again. Its row and its batches stay for
// Batch, Batches and EachBatch.
func (db *DB) DeleteExporter(ctx context.Context, id string) error {
	return db.configure(ctx, "delete batch exporter "+id, func(ctx context.Context, t tx) error {
		return t.deleteExporter(ctx, id, time.Now())
	})
}

func (t tx) deleteExporter(ctx context.Context, id string, now time.Time) error {
	// Its batches first, in the order in which one that becomes done locks the two.
	if _, err := list(ctx, t, scanInt, sqlOpenBatches+t.db.dialect.Lock, id); err != nil {
		return err
	}
	// Then the exporter: from here on no plan of it can be made.
	n, err := t.exec(ctx, `UPDATE exporter SET deleted_at = $1 WHERE id = $2 AND deleted_at = 0`, micros(now), id)
	if err != nil {
		return err
	}
	if n == 0 {
		return noExporter(id)
	}
	_, err = t.abandon(ctx, id, `exporter_id = $1 AND state IN ('planned', 'attempted')`, id)
	return err
}

// AbandonReplay gives up the unfinished batches of a replay and returns their
// number, 0 if all are finished: what they hold of the log and their keys are
// free again. Batches of the replay that are done stay so. Doing it twice is
// harmless. Kind NotFound if the exporter is not there or has no such replay.
func (db *DB) AbandonReplay(ctx context.Context, exporterID, replayID string) (int64, error) {
	var n int64
	err := db.configure(ctx, "abandon replay "+replayID, func(ctx context.Context, t tx) error {
		n = 0
		if _, err := list(ctx, t, scanInt, sqlOpenBatches+db.dialect.Lock, exporterID); err != nil {
			return err
		}
		known, err := list(ctx, t, scanText, `SELECT id FROM exporter WHERE id = $1 AND deleted_at = 0`+db.dialect.Lock, exporterID)
		if err != nil {
			return err
		}
		if len(known) == 0 {
			return noExporter(exporterID)
		}
		_, planned, err := one(ctx, t, scanInt, sqlReplay, exporterID, replayID)
		if err != nil {
			return err
		}
		if !planned {
			return problem.New(problem.NotFound, `batch exporter %s has no replay %q; "strm list batches" shows the replays of its batches`, exporterID, replayID)
		}
		n, err = t.abandon(ctx, exporterID, `exporter_id = $1 AND replay <> '' AND replay = $2 AND state IN ('planned', 'attempted')`, exporterID, replayID)
		return err
	})
	return n, err
}

const sqlReplay = `SELECT seq FROM batch WHERE exporter_id = $1 AND replay <> '' AND replay = $2 LIMIT 1`

const sqlOpenBatches = `SELECT seq FROM batch WHERE exporter_id = $1 AND state IN ('planned', 'attempted') ORDER BY seq`

// abandon gives up the unfinished batches of an exporter that the condition
// chooses. Their keys are freed; where they were to go stays in the ledger.
func (t tx) abandon(ctx context.Context, exporterID, where string, args ...any) (int64, error) {
	// The batches first: which of them another transaction has finished
	// meanwhile is known once they are ours, and those keep their keys.
	seqs, err := list(ctx, t, scanInt, `UPDATE batch SET state = 'abandoned', next_retry_at = 0 WHERE `+where+` RETURNING seq`, args...)
	if err != nil {
		return 0, err
	}
	for _, seq := range seqs {
		if _, err := t.exec(ctx, `UPDATE batch_object SET bucket = '' WHERE exporter_id = $1 AND seq = $2`, exporterID, seq); err != nil {
			return 0, err
		}
	}
	return int64(len(seqs)), nil
}
