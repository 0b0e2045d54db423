package embedded

import (
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// view is what readers may see of a partition.
type view struct {
	floor, end             stream.Offset
	floorBefore, endBefore uint64 // packed bytes ever stored below each
}

// partition is one partition in memory.
type partition struct {
	log    *Log
	stream *streamState
	n      stream.Partition
	damage error // set at opening: the partition's end is unknown

	small gathering // entries that wait to be merged

	// mu orders commits: whoever holds it assigns the next offsets and puts the
	// batch into the engine's log before letting go, so batches stand in the log
	// in the order of their offsets.
	mu         sync.Mutex
	next       stream.Offset // first offset not assigned
	nextBefore uint64
	lastMs     int64         // received time of the newest event assigned
	warnedAt   time.Time     // when somebody was told that lastMs is ahead of the clock
	newest     chan struct{} // closed when the newest commit is visible; nil for none

	trimming sync.Mutex // one trim at a time

	seenMu sync.Mutex
	seen   view
}

func newPartition(l *Log, s *streamState, n stream.Partition) *partition {
	return &partition{log: l, stream: s, n: n, lastMs: math.MinInt64}
}

func (p *partition) view() view {
	p.seenMu.Lock()
	defer p.seenMu.Unlock()
	return p.seen
}

// staged is a group in the engine's log and memory, not yet known to be on disk.
type staged struct {
	batch      *pebble.Batch
	end        stream.Offset
	endBefore  uint64
	prev, done chan struct{} // of the commit before, and of this one
	advance    eventlog.Advance
	ahead      time.Duration // of the clock, if it is time to say so
}

// stage puts the drafts, which hold exactly the group's entries in order, into
// the engine's log. On nil the caller must call settle.
func (p *partition) stage(group []*waiter, d *drafts) (staged, error) {
	size := d.packed.Len() + 256*len(d.blocks) + 128*len(group) + 64
	for _, w := range group {
		size += idSize * len(w.ids)
	}
	b := p.log.db.NewBatchWithSize(size)
	st := staged{batch: b, done: make(chan struct{})}

	p.mu.Lock()
	defer p.mu.Unlock()
	end, endBefore, last, err := p.fill(b, group, d)
	ids := 0
	if err == nil {
		ids, err = p.fillIDs(b, group)
	}
	if err == nil {
		err = p.log.writable()
	}
	if err != nil {
		return st, errors.Join(err, b.Close())
	}
	if err := guard(func() error { return p.log.applyRaising(b, group) }); err != nil {
		return st, p.log.fail(err)
	}
	p.log.packed.Add(int64(endBefore - p.nextBefore))
	p.log.stored.Add(endBefore - p.nextBefore + uint64(ids))
	packed := endBefore - p.nextBefore
	first := max(d.blocks[0].firstMs, p.lastMs) // as fill stored it
	st.ahead = p.clockAhead(last)
	p.next, p.nextBefore, p.lastMs = end, endBefore, last
	st.prev, p.newest = p.newest, st.done
	st.end, st.endBefore = end, endBefore

	events, raw := 0, 0
	for i := range d.blocks {
		events += d.blocks[i].events
		raw += d.blocks[i].raw
	}
	st.advance = advanceOf(p.stream.id, events, raw, packed, first, last)
	return st, nil
}

// settle returns when a staged group is durable and visible.
//
// Why no reader sees an event that a crash could take back. The engine shows a
// batch to its own readers as soon as it is in the memtable, before its log is
// synced; a crash now loses the batch, and other events get its offsets after
// the restart. So readers are not bounded by what the engine shows but by
// seen.end, which moves only here, after SyncWait said the batch is on disk.
// It moves in order: the engine's log holds a partition's batches in the order
// of mu, and recovery replays a prefix of the log, so a later batch cannot
// survive without the earlier; waiting for prev then makes sure that the
// earlier one has also reported success. Idempotency keys and marks need the same
// care: whoever looks one up holds its claim, and the claim is released after settle
// returned. Ids of events become findable after it, before their claims are released.
//
// If SyncWait fails the batch may be on disk or not, and memory says it is:
// Log.fail ends the process, and the retry with the same key settles it.
func (p *partition) settle(st staged) error {
	defer close(st.done)
	if err := st.batch.SyncWait(); err != nil {
		return p.log.fail(err)
	}
	_ = st.batch.Close() // returns memory to a pool, never fails
	if st.prev != nil {
		<-st.prev
	}
	if err := p.log.writable(); err != nil {
		return err // prev failed: this batch must not become visible over it
	}
	p.seenMu.Lock()
	p.seen.end, p.seen.endBefore = st.end, st.endBefore
	p.seenMu.Unlock()
	if st.ahead > 0 {
		p.log.opts.Logger.Warn("received times are ahead of the clock, which must have been set back: new events of the partition carry the newest time until the clock has caught up",
			slog.String("stream", p.stream.id), slog.Int("partition", int(p.n)), slog.Duration("ahead", st.ahead))
	}
	p.log.commits.Add(1)
	p.log.subs.Tell(st.advance)
	return nil
}

// Received times this far ahead of the clock are worth a warning, so often.
const (
	aheadBy    = time.Minute
	aheadEvery = time.Hour
)

// clockAhead returns by how much a received time is ahead of the clock, if that
// is to be said now, else 0. The caller holds mu.
func (p *partition) clockAhead(ms int64) time.Duration {
	now := p.log.opts.Now()
	ahead := time.UnixMilli(ms).Sub(now)
	if ahead <= aheadBy {
		return 0
	}
	if since := now.Sub(p.warnedAt); since >= 0 && since < aheadEvery {
		return 0
	}
	p.warnedAt = now
	return ahead
}

// fill writes headers, payloads, keys and marks to the batch, beginning at the next
// offset, and returns the partition's state after it. The caller holds mu.
//
// Received times move forward to the newest one assigned, never back. That keeps
// a block in one hour: either both its times move to the same instant, or its
// first moves to an instant before its last. A block with a stamped entry does not
// move to another hour: errHour says that it would.
func (p *partition) fill(b *pebble.Batch, group []*waiter, d *drafts) (end stream.Offset, before uint64, last int64, err error) {
	end, before, last = p.next, p.nextBefore, p.lastMs
	packed := d.packed.Bytes()
	var value []byte
	for i := range d.blocks {
		dr := &d.blocks[i]
		if dr.stamped && (hourOf(max(dr.firstMs, last)) != hourOf(dr.firstMs)) {
			return 0, 0, 0, errHour
		}
		h := header{
			events: uint32(dr.events), raw: uint64(dr.raw), packed: uint64(dr.end - dr.start), crc32: dr.crc32,
			firstMs: max(dr.firstMs, last), last: max(dr.last, last), before: before,
		}
		key := blockKey(spaceHeader, p.stream.number, p.n, end)
		value = h.append(key, value[:0])
		if err := b.Set(key, value, nil); err != nil {
			return 0, 0, 0, err
		}
		key[0] = spacePayload
		if err := b.Set(key, packed[dr.start:dr.end], nil); err != nil {
			return 0, 0, 0, err
		}
		end += stream.Offset(dr.events)
		before += h.packed
		last = h.last
	}
	at := p.next
	for _, w := range group {
		w.first = at
		at += stream.Offset(w.entry.Events)
		if w.entry.Key != "" {
			if err := p.fillKey(b, w); err != nil {
				return 0, 0, 0, err
			}
		}
		if w.entry.Mark != "" {
			key := markKey(p.stream.number, w.entry.Mark)
			if err := b.Set(key, encodeMark(key, w.entry.MarkAt), nil); err != nil {
				return 0, 0, 0, err
			}
		}
	}
	if at != end {
		return 0, 0, 0, errors.New("blocks do not hold the entries' events")
	}
	return end, before, last, nil
}

func (p *partition) fillKey(b *pebble.Batch, w *waiter) error {
	now := p.log.opts.Now().UnixMilli()
	r := keyRecord{partition: p.n, first: w.first, events: uint32(w.entry.Events), digest: w.entry.Digest, storedMs: now}
	key := keyKey(p.stream.number, w.entry.Key)
	if err := b.Set(key, r.encode(key), nil); err != nil {
		return err
	}
	return b.Set(ageKey(now, p.stream.number, w.entry.Key), nil, nil)
}
