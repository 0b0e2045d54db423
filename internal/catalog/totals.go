package catalog

import (
	"context"
	"database/sql"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Totals is what an exporter has done. Replays are counted apart, so Events
// can be compared with the events of the stream.
type Totals struct {
	Batches           int64     // exports done
	Events            int64     // in them
	Bytes             int64     // as stored
	LastDoneAt        time.Time // zero if none is done
	UnfinishedBatches int64     // planned or attempted, replays included

	ReplayedBatches int64
	ReplayedEvents  int64
	ReplayedBytes   int64
}

const sqlTotals = `SELECT done_batches, done_events, done_bytes, last_done_at, replay_batches, replay_events, replay_bytes,
	(SELECT COUNT(*) FROM batch WHERE exporter_id = $1 AND state IN ('planned', 'attempted'))
	FROM exporter WHERE id = $1`

// Totals returns an exporter's totals, also of a deleted one. Its cost does
// not depend on the number of done batches.
func (db *DB) Totals(ctx context.Context, exporterID string) (Totals, error) {
	sum, ok, err := one(ctx, db.read, func(row scanner) (Totals, error) {
		var s Totals
		var last int64
		err := row.Scan(&s.Batches, &s.Events, &s.Bytes, &last, &s.ReplayedBatches, &s.ReplayedEvents, &s.ReplayedBytes, &s.UnfinishedBatches)
		s.LastDoneAt = instant(last)
		return s, err
	}, sqlTotals, exporterID)
	if err != nil {
		return Totals{}, db.fault(ctx, err, "read the totals of exporter "+exporterID)
	}
	if !ok {
		return Totals{}, noExporter(exporterID)
	}
	return sum, nil
}

const (
	sqlHeldNext   = `SELECT next_at FROM exporter WHERE stream_id = $1 AND deleted_at = 0`
	sqlHeldRanges = `SELECT o.ranges FROM exporter e
		JOIN batch b ON b.exporter_id = e.id AND b.state IN ('planned', 'attempted')
		JOIN batch_object o ON o.exporter_id = b.exporter_id AND o.seq = b.seq
		WHERE e.stream_id = $1 AND e.deleted_at = 0`
)

// Held returns, per partition, the lowest offset that some exporter of the
// stream still needs: its position, or the start of an unfinished batch or
// replay. Everything below may be forgotten. ok is false when the stream has
// no exporter, so nothing is held.
func (db *DB) Held(ctx context.Context, streamID string) (stream.Position, bool, error) {
	var held stream.Position
	err := db.snapshot(ctx, func(q querier) error {
		// Positions first: even without a snapshot a plan made in between
		// could only leave the result too low.
		positions, err := list(ctx, q, func(row scanner) (stream.Position, error) {
			text, err := scanText(row)
			if err != nil {
				return nil, err
			}
			return decodePosition(text)
		}, sqlHeldNext, streamID)
		if err != nil {
			return err
		}
		for _, p := range positions {
			if held == nil {
				held = p
				continue
			}
			if len(p) != len(held) {
				return problem.New(problem.Corrupt, "exporters of stream %s differ in their number of partitions", streamID)
			}
			for i := range p {
				held[i] = min(held[i], p[i])
			}
		}
		return lower(ctx, q, held, streamID)
	})
	if err != nil {
		return nil, false, db.fault(ctx, err, "read what is held of stream "+streamID)
	}
	return held, held != nil, nil
}

// lower takes held down to the starts of unfinished batches.
func lower(ctx context.Context, q querier, held stream.Position, streamID string) error {
	rows, err := q.QueryContext(ctx, sqlHeldRanges, streamID)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // a second close is harmless; the first reports
	for rows.Next() {
		text, err := scanText(rows)
		if err != nil {
			return err
		}
		ranges, err := decodeRanges(text)
		if err != nil {
			return err
		}
		for _, r := range ranges {
			if int(r.Partition) >= len(held) {
				return problem.New(problem.Corrupt, "a batch of stream %s has the range %v: no such partition", streamID, r)
			}
			held[r.Partition] = min(held[r.Partition], r.Start)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// snapshot runs f on one state of the database.
func (db *DB) snapshot(ctx context.Context, f func(q querier) error) error {
	t, err := db.read.BeginTx(ctx, &sql.TxOptions{Isolation: db.dialect.Snapshot, ReadOnly: true})
	if err != nil {
		return err
	}
	err = f(t)
	// Nothing was written: ending a transaction that read has no error that
	// could make what it read less true.
	_ = t.Rollback()
	return err
}
