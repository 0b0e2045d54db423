package segment

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// tally keeps the log quiet: it says for each source and reason at most once per
// interval how often it came since the last time.
type tally struct {
	every time.Duration

	mu   sync.Mutex
	rows map[tallied]*row
}

type tallied struct{ source, reason string }

type row struct {
	said  time.Time
	count int
}

// keepRows is how many rows there are before old ones are forgotten.
const keepRows = 1024

// add counts n and returns what is to be said, 0 for nothing now.
func (t *tally) add(now time.Time, key tallied, n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[key]
	if r == nil {
		if t.rows == nil {
			t.rows = map[tallied]*row{}
		}
		if len(t.rows) >= keepRows {
			for k, old := range t.rows {
				if now.Sub(old.said).Abs() >= t.every {
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
	if now.Sub(r.said).Abs() < t.every {
		return 0
	}
	n, r.count, r.said = r.count, 0, now
	return n
}

// note logs what senders do wrong, at the tally's pace: n calls, or requests.
func (h *Handler) note(ctx context.Context, source, reason, of string, n int, more ...slog.Attr) {
	if n = h.tally.add(h.Now(), tallied{source, reason}, n); n > 0 {
		h.Logger.LogAttrs(ctx, slog.LevelWarn, "segment calls refused", append([]slog.Attr{slog.String("source", source), slog.String("reason", reason), slog.Int(of, n)}, more...)...)
	}
}
