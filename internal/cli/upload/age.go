package upload

import (
	"time"

	"strm/internal/apiclient"
)

// DefaultKeyWindow is how long a server remembers idempotency keys when nobody
// says otherwise.
const DefaultKeyWindow = 24 * time.Hour

// keyWindow is how long the server remembers an idempotency key. A chunk that
// may have arrived longer ago may not be sent again: it could count twice.
type keyWindow time.Duration

// margin is for what the times do not show: clocks that run differently, and a
// request that lies in the server after the sender has given it up.
func (w keyWindow) margin() time.Duration { return time.Duration(w) / 24 }

// timeout bounds one request.
func (w keyWindow) timeout() time.Duration {
	return min(apiclient.AppendTimeout, time.Duration(w)/4)
}

// retryFor bounds the tries of one chunk.
func (w keyWindow) retryFor(asked time.Duration) time.Duration {
	return min(asked, time.Duration(w)/2)
}

// safe reports whether a chunk that may have been sent at first can still be
// sent at now, and for some time longer. If first is ahead of now, the clock was
// set back and nothing is known.
func (w keyWindow) safe(first, now time.Time, longer time.Duration) bool {
	age := now.Sub(first)
	return age >= -w.margin() && age+longer+w.timeout()+w.margin() < time.Duration(w)
}

// wallClock returns the time without Go's monotonic reading, which stands still
// while a machine sleeps and the server's memory does not.
func wallClock() time.Time { return time.Now().Round(0) }
