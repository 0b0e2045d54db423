package importer

import (
	"math/rand/v2"
	"time"

	"strm/internal/objstore"
	"strm/internal/problem"
)

// Backoff says how long to wait between attempts. There is no last attempt.
type Backoff struct {
	Min, Max time.Duration // for what mends itself
	Help     time.Duration // at first, for what needs a person
	Full     time.Duration // at most, for room in the log or the stream
}

// DefaultBackoff suits S3.
var DefaultBackoff = Backoff{Min: time.Second, Max: 15 * time.Minute, Help: 15 * time.Second, Full: time.Minute}

// after returns the wait after the n-th attempt (from 1) that failed with err,
// with jitter.
func (b Backoff) after(n int, err error) time.Duration {
	d, most := b.Min, b.Max
	switch {
	case problem.KindOf(err) == problem.Busy:
		most = b.Full
	case objstore.NeedsPerson(err):
		d = b.Help
	}
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d/2 + rand.N(d/2+1)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
