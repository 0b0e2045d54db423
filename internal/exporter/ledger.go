package exporter

import (
	"context"

	"strm/internal/stream"
)

// Ledger is the record of batches and the commit point of the protocol. Every
// method that writes is durable when it returns nil, and atomic: after an
// error either all of it happened or nothing.
type Ledger interface {
	// Plan stores new batches and the exporter's position after them. It fails
	// with kind Conflict, and changes nothing, unless the exporter exists and
	// its newest batch is number batches[0].Seq-1. For a replay, next is nil
	// and the position stays. A key of another plan for the same bucket is a
	// Conflict too, with a *stream.KeyTakenError.
	Plan(ctx context.Context, batches []stream.Batch, next stream.Position) error

	// Save stores what changes in a batch: State, Attempts, Problem, Blocked,
	// NextRetryAt, AttemptedAt, DoneAt, and of each object MaybeStored,
	// Stored, Bytes and CRC32. It fails with kind Conflict if the stored batch
	// is done or abandoned.
	Save(ctx context.Context, b *stream.Batch) error

	// Rekey gives an unfinished batch, of which nothing is in the bucket, the CutAt
	// and keys that b has. Conflict as for Save, or with a *stream.KeyTakenError.
	Rekey(ctx context.Context, b *stream.Batch) error

	// Unfinished returns the planned and attempted batches of an exporter, by Seq.
	Unfinished(ctx context.Context, exporterID string) ([]stream.Batch, error)
}
