package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// Append implements eventlog.Log. Once an entry has been taken in, it is carried
// through even if ctx ends: the answer then says what happened instead of
// leaving it open. Before that it may wait for appends under way that have its key,
// its mark or one of its ids. An entry without a received time gets the time of now.
func (l *Log) Append(ctx context.Context, streamID string, e eventlog.Entry) (eventlog.Appended, error) {
	none := eventlog.Appended{}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := e.Check(); err != nil {
		return none, err
	}
	if err := l.enter(); err != nil {
		return none, err
	}
	defer l.leave()
	s, err := l.stream(streamID)
	if err != nil {
		return none, err
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if s.dropped.Load() {
		return none, noStream(streamID)
	}
	p, err := s.partition(e.Partition)
	if err != nil {
		return none, err
	}
	if p.damage != nil {
		return none, p.damage
	}
	if e.Key != "" {
		// Before the look at room: the retry of what is stored needs none.
		first, again, err := l.claim(ctx, s, &e)
		if err != nil || again {
			return first, err
		}
		defer s.keys.release(e.Key)
	}
	if e.Received.IsZero() {
		e.Received = l.opts.Now()
	}
	if e.Mark != "" {
		return l.appendMarked(ctx, s, p, &e)
	}
	if len(e.IDs) > 0 {
		return l.appendFresh(ctx, s, p, &e)
	}
	return l.store(ctx, p, &waiter{entry: &e})
}

// store takes an entry in that is known to be new.
func (l *Log) store(ctx context.Context, p *partition, w *waiter) (eventlog.Appended, error) {
	none := eventlog.Appended{}
	if err := l.writable(); err != nil {
		return none, err
	}
	if err := l.checkRoom(); err != nil {
		l.refusals.Add(1)
		return none, err
	}
	e := w.entry
	w.ms = e.Received.UnixMilli()
	var err error
	if len(e.Data) < smallEntry {
		err = p.appendSmall(w)
	} else {
		err = p.appendLarge(ctx, w)
	}
	if err != nil {
		return none, fmt.Errorf("append to stream %s partition %d: %w", p.stream.id, p.n, err)
	}
	l.appends.Add(1)
	return eventlog.Appended{
		Range:  stream.Range{Partition: p.n, Start: w.first, End: w.first + stream.Offset(e.Events)},
		Events: e.Events,
	}, nil
}

// waiter is one entry on its way through a partition.
type waiter struct {
	entry *eventlog.Entry
	ms    int64 // received time
	set   *idSet
	ids   []eventlog.ID // of the entry's events, nil for none
	runs  []idRun       // where ids went; set when they are in the engine's log

	// Set by whoever leads, before wake.
	first stream.Offset
	err   error
	lead  bool // nothing was committed yet: lead the next group yourself
	wake  chan struct{}
}

// appendLarge compresses in the caller's goroutine, in parallel with others,
// and commits alone.
func (p *partition) appendLarge(ctx context.Context, w *waiter) error {
	d, err := p.log.pack.packEntry(ctx, w.entry.Data, w.ms, w.entry.Stamped)
	if err != nil {
		return err
	}
	st, err := p.stage([]*waiter{w}, d)
	p.log.pack.release(d)
	if errors.Is(err, errHour) {
		return lateError(p.reached())
	}
	if err != nil {
		return err
	}
	return p.settle(st)
}

// A group is bounded so that its batch stays small beside the memtable.
const (
	groupBytes   = 1 << 20
	groupEntries = 4096
)

// pipeBytes is how much must wait before a group is packed while another is
// being synced. Less than that is better merged further: small blocks compress
// badly, and a sync is soon over.
const pipeBytes = 128 << 10

// gathering is where a partition's small entries wait to be merged. A group is
// led by the first of its entries: no goroutine is needed. One group at a time
// is packed, and put into the engine's log; syncs of earlier groups may be under
// way meanwhile.
type gathering struct {
	mu      sync.Mutex
	queue   []*waiter
	bytes   int  // of the queue's data
	packing bool // somebody leads, or has been told to
	syncing int  // groups that wait for the disk
}

// ready reports whether the next group may start. The caller holds mu.
func (g *gathering) ready() bool {
	return !g.packing && (g.syncing == 0 || g.bytes >= pipeBytes)
}

// call wakes the head of the queue to lead, if it may. The caller holds mu.
func (g *gathering) call() {
	if len(g.queue) > 0 && g.ready() {
		g.packing = true
		g.queue[0].lead = true
		g.queue[0].wake <- struct{}{}
	}
}

// appendSmall merges entries that arrive while others are packed or synced.
func (p *partition) appendSmall(w *waiter) error {
	g := &p.small
	w.wake = make(chan struct{}, 1)
	g.mu.Lock()
	g.queue = append(g.queue, w)
	g.bytes += len(w.entry.Data)
	g.call()
	g.mu.Unlock()
	<-w.wake
	if !w.lead {
		return w.err
	}
	g.mu.Lock()
	group := g.take()
	g.mu.Unlock()

	st, group, late, err := p.stageGroup(group)
	g.mu.Lock()
	g.packing = false
	g.syncing++
	g.call()
	g.mu.Unlock()

	for _, o := range late { // nothing of them is in the group
		if o != w {
			o.wake <- struct{}{}
		}
	}
	if err == nil && len(group) > 0 {
		err = p.settle(st)
	}
	g.mu.Lock()
	g.syncing--
	g.call()
	g.mu.Unlock()
	for _, o := range group {
		o.err = err
		if o != w {
			o.wake <- struct{}{}
		}
	}
	return w.err
}

// take takes the head of the queue. The leader is its first element, because
// it was woken as the head. The caller holds mu.
func (g *gathering) take() []*waiter {
	n, size := 0, 0
	for n < len(g.queue) && n < groupEntries && (n == 0 || size+len(g.queue[n].entry.Data) <= groupBytes) {
		size += len(g.queue[n].entry.Data)
		n++
	}
	group := append([]*waiter(nil), g.queue[:n]...)
	rest := copy(g.queue, g.queue[n:])
	clear(g.queue[rest:])
	g.queue = g.queue[:rest]
	g.bytes -= size
	return group
}

// stageGroup packs the group and puts it into the engine's log, but for its late
// entries, which get their error. If nothing is left, there is nothing to settle.
func (p *partition) stageGroup(group []*waiter) (_ staged, kept, late []*waiter, err error) {
	for {
		reached := p.reached()
		group, late = inHour(group, late, reached)
		if len(group) == 0 {
			return staged{}, nil, late, nil
		}
		d, err := p.log.pack.packGroup(group, reached)
		if err != nil {
			return staged{}, group, late, err
		}
		st, err := p.stage(group, d)
		p.log.pack.release(d)
		// A large entry has begun a new hour meanwhile, and nothing is written.
		// This comes to an end: each time round is another hour.
		if !errors.Is(err, errHour) {
			return st, group, late, err
		}
	}
}

func advanceOf(id string, events, raw int, packed uint64, firstMs, lastMs int64) eventlog.Advance {
	return eventlog.Advance{
		StreamID: id, Events: int64(events), Raw: int64(raw), Packed: int64(packed),
		First: time.UnixMilli(firstMs).UTC(), At: time.UnixMilli(lastMs).UTC(),
	}
}
