package catalog

import (
	"context"
	"strconv"
	"strings"

	"strm/internal/problem"
	"strm/internal/stream"
)

// atWork is a condition on a batch b: its exporter is there and not paused.
const atWork = `EXISTS (SELECT 1 FROM exporter e WHERE e.id = b.exporter_id AND e.deleted_at = 0 AND NOT e.paused)`

var (
	sqlClaim = `UPDATE batch AS b SET claim = claim + 1, owner = $3
		WHERE b.exporter_id = $1 AND b.seq = $2 AND b.state IN ('planned', 'attempted') AND ` + notOthers("b.owner", "$3") + ` AND ` + atWork
	// Exports before replays, which may be many. What the node itself has is not spare.
	sqlSpare = `SELECT b.exporter_id, b.seq FROM batch b
		WHERE b.state IN ('planned', 'attempted') AND b.next_retry_at <= {now} AND ` + notOthers("b.owner", "''") + ` AND ` + atWork + `
		AND EXISTS (SELECT 1 FROM batch x WHERE x.exporter_id = b.exporter_id AND x.state IN ('planned', 'attempted') AND x.seq <> b.seq)
		ORDER BY CASE WHEN b.replay = '' THEN 0 ELSE 1 END, b.planned_at, b.exporter_id, b.seq LIMIT $1`
)

const (
	sqlClaimSpare = `UPDATE batch SET claim = claim + 1, owner = $3 WHERE exporter_id = $1 AND seq = $2`
	sqlRelease    = `UPDATE batch SET owner = '' WHERE owner <> '' AND owner = $1`
	sqlClaimed    = `SELECT DISTINCT b.owner FROM batch b JOIN node n ON n.id = b.owner WHERE b.owner <> '' AND b.exporter_id || '' = $1 AND ` + sqlLives
)

// Claim chooses owner to work on an unfinished batch and returns the batch as it is
// then, with its new Claim. ok is false, and nothing has changed, if another live node
// has it, if it is finished, or if its exporter is paused or gone. If the answer is lost,
// owner may have it or not: claim again, or Release.
func (db *DB) Claim(ctx context.Context, exporterID string, seq int64, owner string) (b stream.Batch, ok bool, err error) {
	id := stream.BatchID(exporterID, seq)
	err = db.change(ctx, "claim batch "+id, func(ctx context.Context, t tx) error {
		b, ok = stream.Batch{}, false
		n, err := t.exec(ctx, sqlClaim, exporterID, seq, owner)
		if err != nil || n == 0 {
			return err
		}
		// The row is ours until the transaction ends, and a Save of its objects begins with the row.
		b, ok, err = t.batch(ctx, exporterID, seq)
		return err
	})
	if err != nil {
		return stream.Batch{}, false, err
	}
	return b, ok, nil
}

func (t tx) batch(ctx context.Context, exporterID string, seq int64) (stream.Batch, bool, error) {
	found, err := collect(ctx, t, sqlBatch, exporterID, seq)
	if err != nil || len(found) == 0 {
		return stream.Batch{}, false, err
	}
	return found[0], true, nil
}

// ClaimSpare chooses owner to work on at most limit batches that nobody works on and
// that are due, of exporters that have more than one. Several that ask at once get
// different ones.
func (db *DB) ClaimSpare(ctx context.Context, owner string, limit int) ([]stream.Batch, error) {
	var out []stream.Batch
	err := db.change(ctx, "claim spare batches", func(ctx context.Context, t tx) error {
		out = nil
		spare, err := list(ctx, t, func(row scanner) (b stream.Batch, err error) {
			err = row.Scan(&b.ExporterID, &b.Seq)
			return b, err
		}, sqlSpare+db.dialect.Skip, int64(limit))
		if err != nil {
			return err
		}
		for _, s := range spare {
			if _, err := t.exec(ctx, sqlClaimSpare, s.ExporterID, s.Seq, owner); err != nil {
				return err
			}
			b, ok, err := t.batch(ctx, s.ExporterID, s.Seq)
			if err != nil {
				return err
			}
			if ok {
				out = append(out, b)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Release gives up owner's claims on all batches but those with the given ids: others
// may claim them at once. The claims' numbers stay, so what owner has yet to say of such
// a batch is taken until another is chosen.
func (db *DB) Release(ctx context.Context, owner string, except []string) error {
	query, args := strings.Builder{}, []any{owner}
	query.WriteString(sqlRelease)
	for _, id := range except {
		exporter, seq, ok := splitBatchID(id)
		if !ok {
			return problem.New(problem.Internal, "release all but %q, which is no batch", id)
		}
		n := len(args)
		query.WriteString(` AND NOT (exporter_id = $` + strconv.Itoa(n+1) + ` AND seq = $` + strconv.Itoa(n+2) + `)`)
		args = append(args, exporter, seq)
	}
	return db.change(ctx, "release batches", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, query.String(), args...)
		return err
	})
}

// Claimed returns the live nodes that work on batches of an exporter, also of a deleted one.
func (db *DB) Claimed(ctx context.Context, exporterID string) ([]string, error) {
	owners, err := list(ctx, db.read, scanText, db.text(sqlClaimed), exporterID)
	if err != nil {
		return nil, db.fault(ctx, err, "read who works for exporter "+exporterID)
	}
	return owners, nil
}
