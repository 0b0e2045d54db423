package exporter

import (
	"errors"
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
	OwnMax                 time.Duration // instead of Max where it is our own log or ledger; 0: Max
	BlockedMin, BlockedMax time.Duration // for what needs a person
}

// cause is whose trouble a failure is. Failures of one cause say nothing of how long
// another's will last.
type cause int

const (
	ofStore cause = iota
	ofOurs        // our log, ledger or configuration
)

// causeOf tells whose trouble an error is.
func causeOf(err error) cause {
	var e *objstore.Error
	if !errors.As(err, &e) {
		return ofOurs
	}
	var inside *problem.Error
	if errors.As(e.Err, &inside) {
		return ofOurs // what was to be sent could not be read
	}
	return ofStore
}

// failures counts failures in a row of like cause; the zero value is none.
type failures struct {
	n     int
	cause cause
}

// and counts another one.
func (f failures) and(c cause) failures {
	if f.cause != c {
		f.n = 0
	}
	return failures{f.n + 1, c}
}

// DefaultBackoff suits S3: quick at first, a minute at most; what needs a
// person is asked again every 15 s at first, every five minutes later. Our own
// brokers and database are few to ask, and everything waits for them.
var DefaultBackoff = Backoff{Min: 200 * time.Millisecond, Max: time.Minute, OwnMax: 5 * time.Second, BlockedMin: 15 * time.Second, BlockedMax: 5 * time.Minute}

// after returns the wait after failures in a row (one at least), with
// jitter so that many exporters of one dead sink do not come back together.
func (b Backoff) after(f failures, blocked bool, rnd *rand.Rand) time.Duration {
	lo, hi := b.Min, b.Max
	switch {
	case blocked:
		lo, hi = b.BlockedMin, b.BlockedMax
	case f.cause == ofOurs && b.OwnMax > 0:
		hi = min(hi, b.OwnMax)
	}
	d := lo
	for i := 1; i < f.n && d < hi; i++ {
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
