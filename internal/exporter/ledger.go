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
	// Stored, Bytes and CRC32, and Events once they are no estimate any more. It
	// fails with kind Conflict if the stored batch is done or abandoned, and with a
	// *stream.ClaimLostError, kind Conflict too, if it was claimed since b.Claim. A Save
	// that ends a round (done, or with a NextRetryAt) gives the claim up.
	Save(ctx context.Context, b *stream.Batch) error

	// Rekey gives an unfinished batch, of which nothing is in the bucket, the CutAt
	// and keys that b has. Conflict and lost claims as for Save, or with a *stream.KeyTakenError.
	Rekey(ctx context.Context, b *stream.Batch) error

	// Unfinished returns the planned and attempted batches of an exporter, by Seq.
	Unfinished(ctx context.Context, exporterID string) ([]stream.Batch, error)

	// What follows is for several nodes; a Runner that is alone does not claim.

	// Claim chooses owner to work on a batch, and returns it as it is then. ok is false if
	// another live node has it, it is finished, or its exporter is paused or deleted. If the
	// answer is lost, owner may have it.
	Claim(ctx context.Context, exporterID string, seq int64, owner string) (b stream.Batch, ok bool, err error)
	// ClaimSpare claims at most limit batches that nobody works on and that are due, of
	// exporters that have more than one.
	ClaimSpare(ctx context.Context, owner string, limit int) ([]stream.Batch, error)
	// Release gives up owner's claims, but for those of batches with the given ids.
	Release(ctx context.Context, owner string, except []string) error
	// Claimed returns the live nodes that work on batches of an exporter, also of a deleted one.
	Claimed(ctx context.Context, exporterID string) ([]string, error)
}
