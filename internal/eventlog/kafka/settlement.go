package kafka

import (
	"context"
	"time"

	"strm/internal/eventlog"
)

// Settlement is where names of entries are settled: one place for all nodes. Every method
// is atomic and, when it returns nil, durable. After an error of kind Unavailable it may have
// happened.
type Settlement interface {
	// ClaimNumbers gives out n numbers for claims and returns the first.
	ClaimNumbers(ctx context.Context, n int) (first int64, err error)
	// ClaimNames takes the names of entries, each entry's all or none. If none is taken,
	// there is no claim.
	ClaimNames(ctx context.Context, c eventlog.Claim, entries []eventlog.ClaimEntry, now time.Time) ([]eventlog.Verdict, error)
	// SettleClaim notes the outcome, unless it was noted, and returns what is noted. Ranges
	// are those of entries with keys.
	SettleClaim(ctx context.Context, id int64, done bool, ranges []eventlog.ClaimRange) (isDone bool, err error)
	// OpenClaims returns open claims above after, by number.
	OpenClaims(ctx context.Context, after int64, limit int) ([]eventlog.Claim, error)
	// FindClaim returns a claim that is open or void; one that is not found is done.
	FindClaim(ctx context.Context, id int64) (c eventlog.Claim, found bool, err error)
	// FindMark returns how far a mark stands, and the open claim that moves it, 0 if none.
	FindMark(ctx context.Context, streamID, mark string) (at uint64, claim int64, err error)
	// ForgetMark forgets a mark, or returns the open claim that moves it.
	ForgetMark(ctx context.Context, streamID, mark string) (claim int64, err error)
	// ForgetStreamNames forgets all names of a stream.
	ForgetStreamNames(ctx context.Context, streamID string) error
	// ForgetNames forgets at most so many chunks of names that have expired.
	ForgetNames(ctx context.Context, now time.Time, chunks int) (more bool, err error)
}
