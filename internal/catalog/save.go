package catalog

import (
	"context"

	"strm/internal/problem"
	"strm/internal/stream"
)

const (
	// A batch that was attempted does not become merely planned again.
	sqlSaveBatch = `UPDATE batch SET state = $1, attempts = $2, problem = $3, blocked = $4, next_retry_at = $5, attempted_at = $6, done_at = $7,
			owner = CASE WHEN CAST($10 AS BOOLEAN) THEN '' ELSE owner END
		WHERE exporter_id = $8 AND seq = $9 AND claim = $11 AND (state = 'planned' OR state = 'attempted' AND $1 <> 'planned')`
	sqlSavedObjects = `SELECT object_key, events, estimated, maybe_stored, stored, bytes, crc32 FROM batch_object
		WHERE exporter_id = $1 AND seq = $2 ORDER BY num`
	sqlSaveObject = `UPDATE batch_object SET maybe_stored = $1, stored = $2, bytes = $3, crc32 = $4,
			events = $8, estimated = $9
		WHERE exporter_id = $5 AND seq = $6 AND num = $7`
	sqlDoneExport = `UPDATE exporter SET done_batches = done_batches + 1, done_events = done_events + $1, done_bytes = done_bytes + $2,
		last_done_at = CASE WHEN last_done_at < $3 THEN $3 ELSE last_done_at END WHERE id = $4`
	sqlDoneReplay = `UPDATE exporter SET replay_batches = replay_batches + 1, replay_events = replay_events + $1,
		replay_bytes = replay_bytes + $2 WHERE id = $3`
)

// Save stores what changes in a batch: State, Attempts, Problem, Blocked,
// NextRetryAt, AttemptedAt, DoneAt, and of each object MaybeStored, Stored,
// Bytes and CRC32, and its Events when they were Estimated and now are not. Everything
// else of b is ignored.
//
// Kind Conflict, and no change, if the batch was claimed anew since b.Claim: then a
// *stream.ClaimLostError is in the chain. A Save that ends a round, as b is done or has a
// NextRetryAt, gives the claim up.
//
// Kind Conflict, and no change, if the stored batch is done or abandoned; so
// repeating a Save of a done batch whose answer was lost gets Conflict, and
// Batch tells how it stands. Kind NotFound if there is no such batch. A change
// that the protocol does not know (done with an object not stored, an object
// no longer stored, attempted back to planned) is a fault of the caller and
// has kind Internal.
func (db *DB) Save(ctx context.Context, b *stream.Batch) error {
	if err := checkSave(b); err != nil {
		return err
	}
	return db.change(ctx, "save batch "+b.ID, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, sqlSaveBatch, string(b.State), int64(b.Attempts), prose(b.Problem), b.Blocked,
			micros(b.NextRetryAt), micros(b.AttemptedAt), micros(b.DoneAt), b.ExporterID, b.Seq,
			b.State == stream.BatchDone || !b.NextRetryAt.IsZero(), b.Claim)
		if err != nil {
			return err
		}
		if n == 0 {
			return t.saveConflict(ctx, b)
		}
		if err := t.saveObjects(ctx, b); err != nil {
			return err
		}
		if b.State == stream.BatchDone {
			return t.count(ctx, b)
		}
		return nil
	})
}

func checkSave(b *stream.Batch) error {
	if !b.State.Unfinished() && b.State != stream.BatchDone {
		return problem.New(problem.Internal, "batch %s cannot be saved as %q", b.ID, b.State)
	}
	if b.State != stream.BatchDone {
		return nil
	}
	for i := range b.Objects {
		if !b.Objects[i].Stored {
			return problem.New(problem.Internal, "batch %s cannot be done: object %s is not stored", b.ID, b.Objects[i].Key)
		}
		if b.Objects[i].Estimated {
			return problem.New(problem.Internal, "batch %s cannot be done: the events of object %s were not counted", b.ID, b.Objects[i].Key)
		}
	}
	return nil
}

// saveConflict says why a batch could not be changed.
func (t tx) saveConflict(ctx context.Context, b *stream.Batch) error {
	type standing struct {
		state string
		claim int64
	}
	is, ok, err := one(ctx, t, func(row scanner) (s standing, err error) {
		err = row.Scan(&s.state, &s.claim)
		return s, err
	}, `SELECT state, claim FROM batch WHERE exporter_id = $1 AND seq = $2`, b.ExporterID, b.Seq)
	switch {
	case err != nil:
		return err
	case !ok:
		return problem.New(problem.NotFound, "there is no batch %s", b.ID)
	case is.claim != b.Claim:
		return problem.New(problem.Conflict, "%w", &stream.ClaimLostError{Batch: b.ID})
	case stream.BatchState(is.state).Unfinished():
		return problem.New(problem.Internal, "batch %s is %s and cannot be %s again", b.ID, is.state, b.State)
	}
	return problem.New(problem.Conflict, "batch %s is %s and cannot change", b.ID, is.state)
}

func scanSaved(row scanner) (stream.Object, error) {
	var o stream.Object
	err := row.Scan(&o.Key, &o.Events, &o.Estimated, &o.MaybeStored, &o.Stored, &o.Bytes, &o.CRC32)
	return o, err
}

// saveObjects writes the objects that changed: one of many, as a rule.
func (t tx) saveObjects(ctx context.Context, b *stream.Batch) error {
	old, err := list(ctx, t, scanSaved, sqlSavedObjects, b.ExporterID, b.Seq)
	if err != nil {
		return err
	}
	if len(old) != len(b.Objects) {
		return problem.New(problem.Internal, "batch %s was planned with %d objects and cannot be saved with %d", b.ID, len(old), len(b.Objects))
	}
	for i := range old {
		was, is := &old[i], &b.Objects[i]
		if was.Key != is.Key {
			return problem.New(problem.Internal, "batch %s: object %d was planned as %s and cannot be saved as %s", b.ID, i, was.Key, is.Key)
		}
		if was.Stored && !is.Stored {
			return problem.New(problem.Internal, "batch %s: object %s is stored and cannot be saved as not stored", b.ID, is.Key)
		}
		if err := checkCount(b.ID, was, is); err != nil {
			return err
		}
		if was.Estimated == is.Estimated && was.MaybeStored == is.MaybeStored && was.Stored == is.Stored && was.Bytes == is.Bytes && was.CRC32 == is.CRC32 {
			continue
		}
		_, err := t.exec(ctx, sqlSaveObject, is.MaybeStored, is.Stored, is.Bytes, int64(is.CRC32), b.ExporterID, b.Seq, int64(i),
			is.Events, is.Estimated)
		if err != nil {
			return err
		}
	}
	return nil
}

// checkCount refuses any change of an object's count but that from an estimate to
// what was counted, which is at most as many.
func checkCount(batch string, was, is *stream.Object) error {
	switch {
	case was.Estimated && !is.Estimated && is.Events >= 0 && is.Events <= was.Events:
		return nil
	case was.Estimated != is.Estimated || was.Events != is.Events:
		return problem.New(problem.Internal, "batch %s: object %s was planned with %d events (estimated: %v) and cannot be saved with %d (estimated: %v)",
			batch, is.Key, was.Events, was.Estimated, is.Events, is.Estimated)
	}
	return nil
}

// count adds a batch to its exporter's totals. The counts are those of the
// plan, whatever the caller's copy says.
func (t tx) count(ctx context.Context, b *stream.Batch) error {
	var replay string
	var events, bytes int64
	_, _, err := one(ctx, t, func(row scanner) (struct{}, error) {
		return struct{}{}, row.Scan(&replay, &events, &bytes)
	}, `SELECT MAX(b.replay), CAST(COALESCE(SUM(o.events), 0) AS BIGINT), CAST(COALESCE(SUM(o.bytes), 0) AS BIGINT)
		FROM batch b JOIN batch_object o ON o.exporter_id = b.exporter_id AND o.seq = b.seq
		WHERE b.exporter_id = $1 AND b.seq = $2`, b.ExporterID, b.Seq)
	if err != nil {
		return err
	}
	if replay != "" {
		_, err = t.exec(ctx, sqlDoneReplay, events, bytes, b.ExporterID)
	} else {
		_, err = t.exec(ctx, sqlDoneExport, events, bytes, micros(b.DoneAt), b.ExporterID)
	}
	return err
}
