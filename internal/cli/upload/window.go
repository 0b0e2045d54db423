package upload

import (
	"sort"
	"time"
)

// window knows which chunks of a file have been accepted. It is a pure value:
// the sender guards it.
type window struct {
	low    mark             // everything before it is accepted
	events int64            // events before low, as the server counted them
	beyond int64            // accepted events behind low
	open   map[int64]*chunk // by offset: under way
	done   map[int64]*chunk // by offset: accepted, but something before it is not

	// Earlier runs may have sent the chunks that begin before reach, those
	// behind low not before reachAt.
	reach   int64
	reachAt time.Time
	handed  int64 // end of the furthest chunk that was added
}

func newWindow(st *state) *window {
	return &window{low: st.Low, events: st.Events, open: map[int64]*chunk{}, done: map[int64]*chunk{}, reach: st.Reach, reachAt: st.LowAt}
}

// add notes that c is about to leave.
func (w *window) add(c *chunk, now time.Time) {
	c.sent = now
	if c.from.Offset < w.reach {
		c.sent = w.reachAt
	}
	w.handed = max(w.handed, c.to.Offset)
	w.open[c.from.Offset] = c
}

// furthest returns the offset from which on nothing was ever sent.
func (w *window) furthest() int64 { return max(w.handed, w.reach) }

// oldest returns a time before which no chunk behind the mark was ever sent,
// now if none was sent at all. A chunk that an earlier run sent keeps its time,
// also while this run has not come to it.
func (w *window) oldest(now time.Time) time.Time {
	if w.low.Offset < w.reach {
		now = w.reachAt
	}
	for _, m := range []map[int64]*chunk{w.open, w.done} {
		for _, c := range m {
			if c.sent.Before(now) {
				now = c.sent
			}
		}
	}
	return now
}

// ack notes that the server counted n events for c and returns how many chunks
// the low-water mark moved past.
func (w *window) ack(c *chunk, count int64) int {
	delete(w.open, c.from.Offset)
	c.count = count
	w.beyond += count
	c.body, c.line = nil, nil // a chunk that waits for one before it need not hold its bytes
	w.done[c.from.Offset] = c
	n := 0
	for {
		next, ok := w.done[w.low.Offset]
		if !ok {
			return n
		}
		delete(w.done, w.low.Offset)
		w.low = next.to
		w.events += next.count
		w.beyond -= next.count
		n++
	}
}

// lineRange is a run of physical lines, both ends included, from 1.
type lineRange struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// accepted returns the accepted lines as the fewest runs, in order.
func (w *window) accepted() []lineRange {
	var out []lineRange
	if w.low.Lines > 0 {
		out = append(out, lineRange{1, w.low.Lines})
	}
	at := make([]int64, 0, len(w.done))
	for o := range w.done {
		at = append(at, o)
	}
	sort.Slice(at, func(i, j int) bool { return at[i] < at[j] })
	for _, o := range at {
		r := lineRange{w.done[o].from.Lines + 1, w.done[o].to.Lines}
		if n := len(out); n > 0 && out[n-1].To+1 == r.From {
			out[n-1].To = r.To
			continue
		}
		out = append(out, r)
	}
	return out
}
