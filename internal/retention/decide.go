package retention

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// lot is one stream: what it has and what of it may go.
type lot struct {
	stream   stream.Stream
	bounds   []eventlog.Bound
	held     stream.Position // what exporters still need
	exported bool            // there are exporters
	parts    []*part
}

// room is how the log as a whole stands, in bytes.
type room struct {
	packed, maxPacked int64 // events kept, and their bound; 0: none
	free, minFree     int64 // on the disk, and the reserve; negative: unknown, and none
	coming            int64 // was trimmed, and may not be free yet
}

// The whole log is tight from 95 % of its bound, or below 110 % of the reserve of
// free disk: early, so that with steady deliveries intake is never refused. Room
// is then made down to 90 % and up to 120 %, so that not every look finds work.
// A stream's own bound is where intake begins to refuse; its room is made down
// to 90 % as well.
func below(limit int64) int64 { return limit - max(limit/10, 1) }

// tight reports whether the log needs room.
func (r room) tight() bool {
	return r.maxPacked > 0 && r.packed >= r.maxPacked-r.maxPacked/20 ||
		r.minFree > 0 && r.free >= 0 && r.free+r.coming < r.minFree+r.minFree/10
}

// need returns the bytes to remove, 0 if the log is not tight.
func (r room) need() int64 {
	if !r.tight() {
		return 0
	}
	var n int64
	if r.maxPacked > 0 {
		n = r.packed - below(r.maxPacked)
	}
	if r.minFree > 0 && r.free >= 0 {
		n = max(n, r.minFree+r.minFree/5-r.free-r.coming)
	}
	return max(n, 0)
}

// after returns the room once so many bytes are removed.
func (r room) after(removed int64) room {
	r.packed -= removed
	r.coming += removed
	return r
}

// trim is a partition that loses the blocks below an offset.
type trim struct {
	lot     *lot
	n       stream.Partition
	before  stream.Offset
	packed  int64 // bytes of these blocks
	forRoom int64 // part of them that only the log as a whole asked for
}

// decision is what shall be done.
type decision struct {
	trims []trim
	need  int64 // bytes the log as a whole asked for
	short bool  // a stream or the log stays at its bound
	err   error // what could not be looked at, joined
}

// index yields the headers of the blocks that meet a range, in order.
type index func(streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error]

// decide says which blocks go. It is the only place that knows, and changes
// nothing but the parts of its lots.
//
// Two rules protect events, and no other rule passes them. What an exporter has
// yet to deliver stays. And the log as a whole takes nothing from a stream
// without an exporter: its events were delivered nowhere, so they stay until
// the stream's own bounds let them go.
//
// A block that cannot be read ends the look at its partition only. It stays,
// and so does everything above it.
func decide(lots []*lot, look index, r room, now time.Time) decision {
	var d decision
	var removed int64
	var all, shared []*part
	for _, l := range lots {
		l.open(look)
		packed := l.own(now)
		for _, p := range l.parts {
			removed += p.packed
			packed -= p.packed
			p.ahead = nil // few streams' headers in memory at a time
			if l.exported {
				shared = append(shared, p)
			}
		}
		all = append(all, l.parts...)
		if l.stream.Retention.MaxBytes > 0 && packed >= l.stream.Retention.MaxBytes {
			d.short = true
		}
	}
	d.need = r.after(removed).need()
	made := takeOldest(shared, d.need)
	d.short = d.short || d.need > made
	for _, p := range all {
		if p.err != nil {
			d.err = errors.Join(d.err, fmt.Errorf("stream %s: %w", p.lot.stream.Name, p.err))
		}
		if p.packed > 0 {
			d.trims = append(d.trims, trim{lot: p.lot, n: p.n, before: p.before, packed: p.packed, forRoom: p.packed - p.own})
		}
	}
	return d
}

// open makes the parts.
func (l *lot) open(look index) {
	for n, b := range l.bounds {
		limit := b.End
		if l.exported {
			// An exporter that knows fewer partitions needs all of the others.
			limit = b.Floor
			if n < len(l.held) {
				limit = min(b.End, l.held[n])
			}
		}
		l.parts = append(l.parts, &part{lot: l, n: stream.Partition(n), look: look, before: b.Floor, limit: limit})
	}
}

// own applies the stream's own bounds and returns the bytes it kept before.
func (l *lot) own(now time.Time) (packed int64) {
	rules := l.stream.Retention
	if rules.MaxAge > 0 {
		oldest := now.Add(-rules.MaxAge)
		for _, p := range l.parts {
			for h, ok := p.head(); ok && h.LastAt.Before(oldest); h, ok = p.head() {
				p.take()
			}
		}
	}
	var taken int64
	for n, b := range l.bounds {
		packed += b.Packed
		taken += l.parts[n].packed
	}
	if rules.MaxBytes > 0 && packed-taken >= rules.MaxBytes {
		takeOldest(l.parts, packed-taken-below(rules.MaxBytes))
	}
	for _, p := range l.parts {
		p.own = p.packed
	}
	return packed
}

// part is one partition, taken from its floor upwards.
type part struct {
	lot    *lot
	n      stream.Partition
	look   index
	before stream.Offset // blocks below go
	limit  stream.Offset // blocks that reach past it stay
	packed int64         // bytes of the blocks that go
	own    int64         // part of them that the stream's own bounds took
	ahead  []stream.BlockHeader
	err    error
}

// lookAhead bounds the headers of a partition in memory.
const lookAhead = 32

// head returns the oldest block, if it may go.
func (p *part) head() (stream.BlockHeader, bool) {
	if len(p.ahead) == 0 && p.err == nil && p.before < p.limit {
		for h, err := range p.look(p.lot.stream.ID, stream.Range{Partition: p.n, Start: p.before, End: p.limit}) {
			if err != nil {
				// After good headers the next look begins here and reports it.
				if len(p.ahead) == 0 {
					p.err = err
				}
				break
			}
			if p.ahead = append(p.ahead, h); len(p.ahead) == lookAhead {
				break
			}
		}
	}
	if len(p.ahead) == 0 || p.ahead[0].Range.End > p.limit {
		return stream.BlockHeader{}, false
	}
	return p.ahead[0], true
}

func (p *part) take() {
	p.before = p.ahead[0].Range.End
	p.packed += p.ahead[0].Packed
	p.ahead = p.ahead[1:]
}

// takeOldest takes blocks, oldest first over all parts, until need bytes are
// taken or none is left that may go.
func takeOldest(parts []*part, need int64) (taken int64) {
	if need <= 0 {
		return 0
	}
	var q byAge
	for _, p := range parts {
		if h, ok := p.head(); ok {
			q = append(q, aged{h.FirstAt, p})
		}
	}
	heap.Init(&q)
	for taken < need && len(q) > 0 {
		p := q[0].part
		taken += p.ahead[0].Packed
		p.take()
		if h, ok := p.head(); ok {
			q[0].at = h.FirstAt
			heap.Fix(&q, 0)
			continue
		}
		heap.Pop(&q)
	}
	return taken
}

// aged is a part in the order of its oldest block.
type aged struct {
	at   time.Time
	part *part
}

// byAge is a heap, the oldest first.
type byAge []aged

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (q byAge) Len() int           { return len(q) }
func (q byAge) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q byAge) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push appends a part.
func (q *byAge) Push(x any) { *q = append(*q, x.(aged)) }

// Pop removes the last part.
func (q *byAge) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
