package embedded

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"strm/internal/eventlog"
)

// errHour: a block with a stamped entry would have to move to another hour.
// Nothing was written.
var errHour = errors.New("the received hour is over")

func lateError(reachedMs int64) error {
	return &eventlog.LateError{At: time.UnixMilli(reachedMs).UTC()}
}

// reached returns the received time of the newest event, durable or on its way.
func (p *partition) reached() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastMs
}

// inHour moves the stamped entries of the group that cannot keep their hour to
// late and gives them their error. The entries of a group came at the same time,
// so nothing speaks against an order in which fewer are late: that of their times.
// Entries that are not stamped keep the order of their arrival if there are no others.
func inHour(group, late []*waiter, reached int64) (kept, _ []*waiter) {
	if !slices.ContainsFunc(group, func(w *waiter) bool { return w.entry.Stamped }) {
		return group, late
	}
	slices.SortStableFunc(group, func(a, b *waiter) int { return cmp.Compare(a.ms, b.ms) })
	kept = group[:0]
	for _, w := range group {
		if w.entry.Stamped && hourOf(max(reached, w.ms)) != hourOf(w.ms) {
			w.err = lateError(reached)
			late = append(late, w)
			continue
		}
		kept = append(kept, w)
	}
	return kept, late
}
