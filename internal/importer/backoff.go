package importer

import (
	"errors"
	"math/rand/v2"
	"time"

	"strm/internal/objstore"
	"strm/internal/problem"
)

// The waits between attempts. There is no last attempt.
const (
	shortestWait = time.Second      // for what mends itself
	shortestHelp = 15 * time.Second // for what needs a person
	longestFull  = time.Minute      // for room
	longestWait  = 15 * time.Minute
)

// after returns the wait after the n-th attempt (from 1) that failed with err,
// with jitter.
func after(n int, err error) time.Duration {
	d, most := shortestWait, longestWait
	switch {
	case problem.KindOf(err) == problem.Busy:
		most = longestFull
	case needsPerson(err):
		d = shortestHelp
	}
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d/2 + rand.N(d/2+1)
}

// needsPerson reports whether a retry alone will hardly help.
func needsPerson(err error) bool {
	var e *objstore.Error
	if errors.As(err, &e) {
		return e.Reason.NeedsPerson()
	}
	switch problem.KindOf(err) {
	case problem.Invalid, problem.Conflict, problem.NotFound, problem.Forbidden, problem.Corrupt:
		return true
	case problem.Internal, problem.Unauthorized, problem.TooLarge, problem.Busy, problem.Unavailable:
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
