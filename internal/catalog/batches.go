package catalog

import (
	"context"
	"strconv"
	"strings"

	"strm/internal/problem"
	"strm/internal/stream"
)

// A query for batches is a choice of rows of batch between these two. CROSS
// JOIN keeps SQLite from turning the order round and reading the objects of
// every batch the exporter ever had, and the unary plus from choosing the
// primary key, for its order, over an index of the few rows wanted. To other
// databases both are nothing. TestQueriesUseIndexes watches it.
const (
	batchesOpen = `SELECT b.exporter_id, b.seq, e.stream_id, b.stream, b.sink, b.place, b.replay, b.reason, b.cut_at, b.output, b.encoder, b.state,
		b.attempts, b.problem, b.blocked, b.next_retry_at, b.planned_at, b.attempted_at, b.done_at, b.claim,
		o.object_key, o.ranges, o.events, o.estimated, o.received_at, o.maybe_stored, o.stored, o.bytes, o.crc32
		FROM (SELECT * FROM batch WHERE `
	batchesClose = `) b CROSS JOIN exporter e CROSS JOIN batch_object o
		WHERE e.id = b.exporter_id AND o.exporter_id = b.exporter_id AND o.seq = b.seq ORDER BY +b.seq`

	sqlUnfinished = batchesOpen + `exporter_id = $1 AND state IN ('planned', 'attempted')` + batchesClose + `, o.num`
	sqlBatch      = batchesOpen + `exporter_id = $1 AND seq = $2` + batchesClose + `, o.num`
	sqlStored     = batchesOpen + `exporter_id = $1 AND seq = (SELECT max(seq) FROM batch_object WHERE bucket = $2 AND object_key = $3 AND bucket <> '' AND exporter_id = $1 AND stored)` + batchesClose + `, o.num`
	sqlAfter      = batchesOpen + `exporter_id = $1 AND seq > $2 ORDER BY seq LIMIT $3` + batchesClose + `, o.num`
)

// collect joins the rows of a query for batches, which come ordered by batch
// and object, into batches.
func collect(ctx context.Context, q querier, query string, args ...any) ([]stream.Batch, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // a second close is harmless; the first reports
	var out []stream.Batch
	for rows.Next() {
		b, o, err := scanBatch(rows)
		if err != nil {
			return nil, err
		}
		if n := len(out); n == 0 || out[n-1].Seq != b.Seq {
			out = append(out, b)
		}
		last := &out[len(out)-1]
		last.Objects = append(last.Objects, o)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return out, rows.Close()
}

func scanBatch(row scanner) (b stream.Batch, o stream.Object, err error) {
	var cut, retry, planned, attempted, done, received int64
	var output, ranges string
	err = row.Scan(&b.ExporterID, &b.Seq, &b.StreamID, &b.Stream, &b.Sink, &b.Place, &b.Replay, &b.Reason, &cut, &output, &b.Encoder, &b.State,
		&b.Attempts, &b.Problem, &b.Blocked, &retry, &planned, &attempted, &done, &b.Claim,
		&o.Key, &ranges, &o.Events, &o.Estimated, &received, &o.MaybeStored, &o.Stored, &o.Bytes, &o.CRC32)
	if err != nil {
		return b, o, err
	}
	b.ID = stream.BatchID(b.ExporterID, b.Seq)
	b.CutAt, b.NextRetryAt, b.PlannedAt = instant(cut), instant(retry), instant(planned)
	b.AttemptedAt, b.DoneAt = instant(attempted), instant(done)
	if b.Output, err = decodeOutput(output); err != nil {
		return b, o, err
	}
	o.Received = instant(received)
	o.Ranges, err = decodeRanges(ranges)
	return b, o, err
}

// Unfinished returns the planned and attempted batches of an exporter, by Seq.
// Its cost does not depend on the number of done batches.
func (db *DB) Unfinished(ctx context.Context, exporterID string) ([]stream.Batch, error) {
	all, err := collect(ctx, db.read, sqlUnfinished, exporterID)
	if err != nil {
		return nil, db.fault(ctx, err, "read unfinished batches of exporter "+exporterID)
	}
	return all, nil
}

// Batch returns the batch with this id, also of a deleted exporter.
func (db *DB) Batch(ctx context.Context, id string) (stream.Batch, error) {
	exporter, seq, ok := splitBatchID(id)
	if !ok {
		return stream.Batch{}, problem.New(problem.NotFound, "there is no batch %q; ids have the form 1a2b3c4d-000001", id)
	}
	found, err := collect(ctx, db.read, sqlBatch, exporter, seq)
	if err != nil {
		return stream.Batch{}, db.fault(ctx, err, "read batch "+id)
	}
	if len(found) == 0 {
		return stream.Batch{}, problem.New(problem.NotFound, "there is no batch %s", id)
	}
	return found[0], nil
}

// splitBatchID is the reverse of stream.BatchID.
func splitBatchID(id string) (exporterID string, seq int64, ok bool) {
	cut := max(strings.LastIndexByte(id, '-'), 0)
	exporterID = id[:cut]
	seq, err := strconv.ParseInt(strings.TrimPrefix(id[cut:], "-"), 10, 64)
	return exporterID, seq, err == nil && stream.BatchID(exporterID, seq) == id
}

// StoredObject returns the object that the exporter has stored under a key in a
// place (stream.Sink.Place). Kind NotFound if the ledger has none.
func (db *DB) StoredObject(ctx context.Context, exporterID, place, key string) (stream.Object, error) {
	found, err := collect(ctx, db.read, sqlStored, exporterID, place, key)
	if err != nil {
		return stream.Object{}, db.fault(ctx, err, "look up object "+key)
	}
	for _, b := range found {
		for _, o := range b.Objects {
			if o.Key == key && o.Stored {
				return o, nil
			}
		}
	}
	return stream.Object{}, problem.New(problem.NotFound, "the ledger has no stored object %q of this batch exporter in its sink's bucket", key)
}

// BatchQuery chooses batches; zero fields choose all.
type BatchQuery struct {
	Limit     int               // at most so many; 0 means 100, 1,000 is the most
	BeforeSeq int64             // only older ones than this; the last Seq of one page gives the next page
	State     stream.BatchState // only those in this state
	Replay    string            // only those of this replay
}

// The bounds of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// Batches returns batches of an exporter, newest first, also of a deleted one.
func (db *DB) Batches(ctx context.Context, exporterID string, q BatchQuery) ([]stream.Batch, error) {
	query, args := q.text(exporterID)
	all, err := collect(ctx, db.read, query, args...)
	if err != nil {
		return nil, db.fault(ctx, err, "list batches of exporter "+exporterID)
	}
	return all, nil
}

func (q BatchQuery) text(exporterID string) (string, []any) {
	args := []any{exporterID}
	var where strings.Builder
	where.WriteString(`exporter_id = $1`)
	add := func(cond string, arg any) {
		args = append(args, arg)
		where.WriteString(` AND ` + cond + `$` + strconv.Itoa(len(args)))
	}
	if q.BeforeSeq > 0 {
		add(`seq < `, q.BeforeSeq)
	}
	// States are spelled out where they have an index of their own: a planner
	// of queries must see that the index applies.
	switch q.State {
	case "":
	case stream.BatchPlanned, stream.BatchAttempted:
		// The choice of one of the two is made outside of what picks the index.
		where.WriteString(` AND state IN ('planned', 'attempted')`)
		add(`state || '' = `, string(q.State))
	case stream.BatchAbandoned:
		where.WriteString(` AND state = 'abandoned'`)
	case stream.BatchDone:
		where.WriteString(` AND state = 'done'`)
	default:
		add(`state = `, string(q.State))
	}
	if q.Replay != "" {
		where.WriteString(` AND replay <> ''`)
		add(`replay = `, q.Replay)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	args = append(args, int64(min(limit, maxPage)))
	return batchesOpen + where.String() + ` ORDER BY seq DESC LIMIT $` + strconv.Itoa(len(args)) + batchesClose + ` DESC, o.num`, args
}

// eachPage bounds what EachBatch holds in memory.
const eachPage = 200

// EachBatch calls fn with every batch of an exporter, by Seq, until fn returns
// an error, which it returns. Nothing is locked and no snapshot held while fn
// runs, so it may take its time; batches planned meanwhile are included, and a
// batch is as it was when its page was read.
func (db *DB) EachBatch(ctx context.Context, exporterID string, fn func(*stream.Batch) error) error {
	for after := int64(0); ; {
		page, err := collect(ctx, db.read, sqlAfter, exporterID, after, int64(eachPage))
		if err != nil {
			return db.fault(ctx, err, "read batches of exporter "+exporterID)
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			if err := fn(&page[i]); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Seq
	}
}
