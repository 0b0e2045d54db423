package answer

import (
	"sync"
	"time"
)

// Tally keeps the log quiet: it says for each source and reason at most once per
// interval how often it came since the last time.
type Tally struct {
	Every time.Duration

	mu   sync.Mutex
	rows map[Tallied]*row
}

// Tallied is what is counted together.
type Tallied struct{ Source, Reason string }

type row struct {
	said  time.Time
	count int
}

// keepRows is how many rows there are before old ones are forgotten.
const keepRows = 1024

// Add counts n and returns what is to be said, 0 for nothing now.
func (t *Tally) Add(now time.Time, key Tallied, n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[key]
	if r == nil {
		if t.rows == nil {
			t.rows = map[Tallied]*row{}
		}
		if len(t.rows) >= keepRows {
			for k, old := range t.rows {
				if now.Sub(old.said).Abs() >= t.Every {
					delete(t.rows, k)
				}
			}
		}
		if len(t.rows) >= keepRows {
			return 0 // the metrics have it
		}
		t.rows[key] = &row{said: now}
		return n
	}
	r.count += n
	// A time ahead of now means that the clock was set back.
	if now.Sub(r.said).Abs() < t.Every {
		return 0
	}
	n, r.count, r.said = r.count, 0, now
	return n
}
