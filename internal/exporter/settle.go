package exporter

import (
	"fmt"
	"math/rand/v2"
	"time"

	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// verdict says what one PUT taught us.
type verdict struct {
	stored      bool
	maybeStored bool   // what the ledger must remember
	problem     string // empty when stored
	blocked     bool   // needs a person
	again       bool   // try again at once, differently: the store has no conditions
	unfit       bool   // it has none, and the key may be another's: nothing may be stored
}

// settle applies the rule of the protocol to the outcome of a PUT. maybe is
// Object.MaybeStored as it was before this attempt was noted: true when an
// earlier attempt ended without a definite answer.
func settle(maybe bool, err error) verdict {
	if err == nil {
		return verdict{stored: true, maybeStored: true}
	}
	e := objstore.AsError(err)
	switch e.Outcome {
	case objstore.Exists:
		if maybe {
			// Our own write, whose answer was lost.
			return verdict{stored: true, maybeStored: true}
		}
		return verdict{
			blocked: true,
			problem: fmt.Sprintf("the object %s exists already and was not written by this exporter; strm does not touch it. "+
				"Remove or rename it. A path prefix of its own keeps the exporter's later batches out of the way; this one keeps its name", e.Key),
		}
	case objstore.NotSent, objstore.Rejected:
		return verdict{
			maybeStored: maybe,
			problem:     e.Error(),
			blocked:     e.Reason.NeedsPerson(),
			again:       e.Reason == objstore.NoConditions,
		}
	case objstore.Ambiguous:
		// Where the stored blocks are the file, a damaged one shows only while it
		// is sent. Time does not mend it.
		damaged := problem.KindOf(err) == problem.Corrupt
		return verdict{maybeStored: true, problem: e.Error(), blocked: damaged || e.Reason.NeedsPerson()}
	}
	return verdict{maybeStored: true, problem: e.Error()}
}

// Backoff says how long to wait between attempts. There is no last attempt.
type Backoff struct {
	Min, Max               time.Duration // for what mends itself
	BlockedMin, BlockedMax time.Duration // for what needs a person
}

// DefaultBackoff suits S3: quick at first, a minute at most; what needs a
// person is asked again every 15 s at first, every five minutes later.
var DefaultBackoff = Backoff{Min: 200 * time.Millisecond, Max: time.Minute, BlockedMin: 15 * time.Second, BlockedMax: 5 * time.Minute}

// after returns the wait after the n-th failure in a row (n from 1), with
// jitter so that many exporters of one dead sink do not come back together.
func (b Backoff) after(n int, blocked bool, rnd *rand.Rand) time.Duration {
	lo, hi := b.Min, b.Max
	if blocked {
		lo, hi = b.BlockedMin, b.BlockedMax
	}
	d := lo
	for i := 1; i < n && d < hi; i++ {
		d *= 2
	}
	d = min(d, hi)
	return d/2 + time.Duration(rnd.Int64N(int64(d/2)+1))
}

// fail writes a failure into the batch.
func fail(b *stream.Batch, problem string, blocked bool, retryAt time.Time) {
	b.Problem, b.Blocked, b.NextRetryAt = problem, blocked, retryAt.UTC()
}

// succeed clears it.
func succeed(b *stream.Batch) {
	b.Problem, b.Blocked, b.NextRetryAt = "", false, time.Time{}
}
