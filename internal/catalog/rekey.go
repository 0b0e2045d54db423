package catalog

import (
	"context"

	"strm/internal/problem"
	"strm/internal/stream"
)

const (
	sqlRekeyBatch = `UPDATE batch SET cut_at = $1 WHERE exporter_id = $2 AND seq = $3 AND claim = $4 AND state IN ('planned', 'attempted')`
	// maybe_stored was of the older key.
	sqlRekeyObject = `UPDATE batch_object SET object_key = $1, maybe_stored = FALSE WHERE exporter_id = $2 AND seq = $3 AND num = $4`
)

// Rekey gives an unfinished batch another CutAt and its objects other keys, those
// of b, all at once; everything else of b is ignored. It is for a batch of which
// nothing is in the bucket: the caller knows that no attempt may have stored an
// object, and says so with MaybeStored, which is false afterwards.
//
// Kind Conflict, and no change, if the stored batch is done or abandoned, was claimed
// anew since b.Claim (*stream.ClaimLostError), or a key is taken: then a *stream.KeyTakenError is in the chain. Kind NotFound if
// there is no such batch, Internal if an object of it is stored, or may be. If
// an answer is lost, Batch tells which keys it has; a Save with others is refused.
func (db *DB) Rekey(ctx context.Context, b *stream.Batch) error {
	for i := range b.Objects {
		if o := &b.Objects[i]; o.Key == "" || o.Stored || o.MaybeStored {
			return problem.New(problem.Internal, "batch %s cannot have other keys: object %q has none, or is stored, or may be", b.ID, o.Key)
		}
	}
	return db.change(ctx, "name batch "+b.ID+" anew", func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, sqlRekeyBatch, micros(b.CutAt), b.ExporterID, b.Seq, b.Claim)
		if err != nil {
			return err
		}
		if n == 0 {
			return t.saveConflict(ctx, b)
		}
		old, err := list(ctx, t, scanSaved, sqlSavedObjects, b.ExporterID, b.Seq)
		if err != nil {
			return err
		}
		if len(old) != len(b.Objects) {
			return problem.New(problem.Internal, "batch %s was planned with %d objects and cannot have %d keys", b.ID, len(old), len(b.Objects))
		}
		for i := range old {
			if old[i].Stored {
				return problem.New(problem.Internal, "batch %s: object %s is stored and keeps its key", b.ID, old[i].Key)
			}
			_, err := t.exec(ctx, sqlRekeyObject, b.Objects[i].Key, b.ExporterID, b.Seq, int64(i))
			if err != nil && t.db.dialect.Duplicate(err) {
				return keyTaken(b.Objects[i].Key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
