package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"strm/internal/problem"
	"strm/internal/stream"
)

const (
	sqlPlanBegin = `UPDATE exporter SET last_seq = $1 WHERE id = $2 AND last_seq = $3 AND deleted_at = 0
		RETURNING next_at, stream_id, sink`
	sqlPlanNext    = `UPDATE exporter SET next_at = $1 WHERE id = $2`
	sqlPlace       = `SELECT sink_type, endpoint, bucket FROM sink WHERE name = $1`
	sqlInsertBatch = `INSERT INTO batch (exporter_id, seq, stream, sink, place, replay, reason, cut_at, output, encoder, state,
			attempts, problem, blocked, next_retry_at, planned_at, attempted_at, done_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'planned', 0, $11, $12, $13, $14, 0, 0)`
	sqlInsertObject = `INSERT INTO batch_object (exporter_id, seq, num, bucket, object_key, ranges, events,
			received_at, estimated, maybe_stored, stored, bytes, crc32)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE, FALSE, 0, 0)`
)

// hotStatements are what a batch or a file costs; they are prepared once.
var hotStatements = []string{sqlPlanBegin, sqlPlanNext, sqlPlace, sqlInsertBatch, sqlInsertObject,
	sqlSaveBatch, sqlSaveObject, sqlSavedObjects, sqlClaim, sqlDoneExport, sqlDoneReplay,
	sqlCount, sqlKnownVersion, sqlKnownTime, sqlNotice, sqlSaveImport, sqlBeginImport, sqlFinishImport, sqlInsertEntry, sqlDoneImport, sqlInReport}

// Plan stores new batches of one exporter and its position after them, in one
// transaction. Sequence numbers go on from the exporter's newest batch: of two
// planners that read the same state one wins, the other gets kind Conflict and
// nothing of its plan is kept, as does the planner of a deleted exporter. Kind
// Conflict also means that a key is taken: then a *stream.KeyTakenError is in
// the error's chain.
//
// For an export the batches' ranges must begin exactly at the exporter's
// position and lead exactly to next; a replay has no next and its ranges are
// its own affair. A plan that is not so is a fault of the planner and has kind
// Internal. The sink's present place becomes the batches' Place, whatever b says. Every check is made in the transaction that stores the plan.
//
// Instants are kept to the microsecond; whoever plans should truncate CutAt.
// If an answer is lost, planning again with the same numbers gets Conflict.
func (db *DB) Plan(ctx context.Context, batches []stream.Batch, next stream.Position) error {
	if err := checkPlan(batches, next); err != nil {
		return err
	}
	id := batches[0].ExporterID
	return db.change(ctx, "plan batches of exporter "+id, func(ctx context.Context, t tx) error {
		at, err := t.beginPlan(ctx, batches)
		if err != nil {
			return err
		}
		if next != nil {
			if err := tile(at.next, batches, next); err != nil {
				return err
			}
			if _, err := t.exec(ctx, sqlPlanNext, encodePosition(next), id); err != nil {
				return err
			}
		}
		for i := range batches {
			if batches[i].StreamID != at.streamID {
				return badPlan(&batches[i], "is of stream %s, its exporter of %s", batches[i].StreamID, at.streamID)
			}
			if batches[i].Sink != at.sink {
				return problem.New(problem.Conflict, "batch %d of exporter %s was planned for sink %s, the exporter writes to %s now: read the catalog again",
					batches[i].Seq, id, batches[i].Sink, at.sink)
			}
			if err := t.storePlan(ctx, &batches[i], at.place); err != nil {
				return err
			}
		}
		return nil
	})
}

func badPlan(b *stream.Batch, format string, args ...any) error {
	return problem.New(problem.Internal, "plan refused: batch %d of exporter %s %s", b.Seq, b.ExporterID, fmt.Sprintf(format, args...))
}

// checkPlan looks for what can be wrong with a plan whatever the ledger holds.
func checkPlan(batches []stream.Batch, next stream.Position) error {
	if len(batches) == 0 {
		return problem.New(problem.Internal, "plan refused: no batches")
	}
	for i := range batches {
		b := &batches[i]
		switch {
		case b.ExporterID == "" || b.ExporterID != batches[0].ExporterID:
			return badPlan(b, "is not of the plan's exporter %s", batches[0].ExporterID)
		case b.Seq != batches[0].Seq+int64(i) || b.Seq < 1:
			return badPlan(b, "is out of sequence")
		case b.ID != stream.BatchID(b.ExporterID, b.Seq):
			return badPlan(b, "has the id %s", b.ID)
		case b.State != stream.BatchPlanned:
			return badPlan(b, "is %s", b.State)
		case (b.Replay == "") != (next != nil):
			return badPlan(b, "mixes a replay with a new position")
		case len(b.Objects) == 0:
			return badPlan(b, "has no objects")
		}
		if _, err := joined(b); err != nil {
			return err
		}
	}
	return nil
}

// joined returns the ranges of a batch, one per partition. The objects of a
// batch divide each partition's range among them; a hole or an overlap between
// two objects is an error.
func joined(b *stream.Batch) ([]stream.Range, error) {
	var all []stream.Range
	for i := range b.Objects {
		o := &b.Objects[i]
		switch {
		case o.Key == "":
			return nil, badPlan(b, "has an object without a key")
		case len(o.Ranges) == 0:
			return nil, badPlan(b, "has an object without ranges: %s", o.Key)
		case o.MaybeStored || o.Stored:
			return nil, badPlan(b, "has an object that was attempted before: %s", o.Key)
		}
		all = append(all, o.Ranges...)
	}
	slices.SortFunc(all, func(x, y stream.Range) int {
		return cmp.Or(cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Start, y.Start))
	})
	out := all[:0]
	for _, r := range all {
		if r.Empty() || r.Start < 0 || r.Partition < 0 {
			return nil, badPlan(b, "has the range %v", r)
		}
		last := len(out) - 1
		if last < 0 || out[last].Partition != r.Partition {
			out = append(out, r)
			continue
		}
		if out[last].End != r.Start {
			return nil, badPlan(b, "has objects with ranges %v and %v, which do not meet", out[last], r)
		}
		out[last].End = r.End
	}
	return out, nil
}

// tile checks that the batches lead from one position to the other without a
// gap or an overlap.
func tile(from stream.Position, batches []stream.Batch, to stream.Position) error {
	at := from
	for i := range batches {
		ranges, err := joined(&batches[i])
		if err != nil {
			return err
		}
		if at, err = at.Advance(ranges); err != nil {
			return badPlan(&batches[i], "leaves the tiling: %v", err)
		}
	}
	if !slices.Equal(at, to) {
		return problem.New(problem.Internal, "plan refused: batches of exporter %s lead from %v to %v, not to %v",
			batches[0].ExporterID, from, at, to)
	}
	return nil
}

// planned is what a plan must agree with.
type planned struct {
	next     stream.Position
	streamID string
	sink     string
	place    string
}

// beginPlan takes the sequence numbers: the compare-and-set that decides
// between planners. The row stays ours until the transaction ends.
func (t tx) beginPlan(ctx context.Context, batches []stream.Batch) (planned, error) {
	first, last := &batches[0], &batches[len(batches)-1]
	var at planned
	at, ok, err := one(ctx, t, func(row scanner) (planned, error) {
		var p planned
		var next string
		if err := row.Scan(&next, &p.streamID, &p.sink); err != nil {
			return p, err
		}
		var err error
		p.next, err = decodePosition(next)
		return p, err
	}, sqlPlanBegin, last.Seq, first.ExporterID, first.Seq-1)
	if err != nil {
		return at, err
	}
	if !ok {
		return at, t.planConflict(ctx, first)
	}
	// The sink itself is not locked: who points it elsewhere waits for its exporters.
	place, ok, err := one(ctx, t, scanPlace, sqlPlace, at.sink)
	if err == nil && !ok {
		err = noSink(at.sink)
	}
	at.place = place
	return at, err
}

func scanPlace(row scanner) (string, error) {
	var s stream.Sink
	err := row.Scan(&s.Type, &s.Endpoint, &s.Bucket)
	return s.Place(), err
}

func (t tx) planConflict(ctx context.Context, first *stream.Batch) error {
	last, ok, err := one(ctx, t, scanInt, `SELECT last_seq FROM exporter WHERE id = $1 AND deleted_at = 0`, first.ExporterID)
	if err != nil {
		return err
	}
	if !ok {
		return problem.New(problem.Conflict, "batch exporter %s does not exist, or was deleted", first.ExporterID)
	}
	return problem.New(problem.Conflict, "the newest batch of exporter %s is %d, so the next cannot be %d: someone else has planned; read the ledger again",
		first.ExporterID, last, first.Seq)
}

func keyTaken(key string) error {
	return problem.New(problem.Conflict, "%w; give each exporter a path prefix of its own", &stream.KeyTakenError{Key: key})
}

func (t tx) storePlan(ctx context.Context, b *stream.Batch, place string) error {
	output, err := encodeOutput(b.Output)
	if err != nil {
		return badPlan(b, "has settings that cannot be stored: %v", err)
	}
	_, err = t.exec(ctx, sqlInsertBatch, b.ExporterID, b.Seq, b.Stream, b.Sink, place, b.Replay, string(b.Reason), micros(b.CutAt), output, b.Encoder,
		prose(b.Problem), b.Blocked, micros(b.NextRetryAt), micros(b.PlannedAt))
	if err != nil {
		return err
	}
	for i := range b.Objects {
		o := &b.Objects[i]
		_, err := t.exec(ctx, sqlInsertObject, b.ExporterID, b.Seq, int64(i), place, o.Key, encodeRanges(o.Ranges), o.Events, micros(o.Received), o.Estimated)
		if err != nil && t.db.dialect.Duplicate(err) {
			return keyTaken(o.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
