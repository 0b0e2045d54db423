package embedded

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

const maxKey = 255 // bytes of an idempotency key

// Append implements eventlog.Log. Once an entry has been taken in, it is carried
// through even if ctx ends: the answer then says what happened instead of
// leaving it open. An entry without a received time gets the time of now.
func (l *Log) Append(ctx context.Context, streamID string, e eventlog.Entry) (eventlog.Appended, error) {
	none := eventlog.Appended{}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := checkEntry(&e); err != nil {
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
	if err := l.writable(); err != nil {
		return none, err
	}
	if err := l.checkRoom(); err != nil {
		l.refusals.Add(1)
		return none, err
	}
	if e.Received.IsZero() {
		e.Received = l.opts.Now()
	}
	w := &waiter{entry: &e, ms: e.Received.UnixMilli()}
	if len(e.Data) < smallEntry {
		err = p.appendSmall(w)
	} else {
		err = p.appendLarge(ctx, w)
	}
	if err != nil {
		return none, fmt.Errorf("append to stream %s partition %d: %w", streamID, e.Partition, err)
	}
	l.appends.Add(1)
	return eventlog.Appended{
		Range:  stream.Range{Partition: e.Partition, Start: w.first, End: w.first + stream.Offset(e.Events)},
		Events: e.Events,
	}, nil
}

// checkEntry holds the caller to the form of Data: a wrong count would shift
// every later offset.
func checkEntry(e *eventlog.Entry) error {
	switch {
	case e.Events < 1 || e.Events > math.MaxUint32 || len(e.Data) == 0 || e.Data[len(e.Data)-1] != '\n':
		return problem.New(problem.Invalid, "entry must hold at least one event, every one ended by a newline")
	case len(e.Key) > maxKey:
		return problem.New(problem.Invalid, "idempotency key is %d bytes long; at most %d are allowed", len(e.Key), maxKey)
	case bytes.Count(e.Data, newline) != e.Events:
		return problem.New(problem.Invalid, "entry says %d events and holds %d lines", e.Events, bytes.Count(e.Data, newline))
	}
	return nil
}

// waiter is one entry on its way through a partition.
type waiter struct {
	entry *eventlog.Entry
	ms    int64 // received time

	// Set by whoever commits, before wake.
	first stream.Offset
	err   error
	lead  bool // nothing was committed yet: lead the next group yourself
	wake  chan struct{}
}

// appendLarge compresses in the caller's goroutine, in parallel with others,
// and commits alone.
func (p *partition) appendLarge(ctx context.Context, w *waiter) error {
	d, err := p.log.pack.packEntry(ctx, w.entry.Data, w.ms)
	if err != nil {
		return err
	}
	defer p.log.pack.release(d)
	return p.commit([]*waiter{w}, d)
}

// A group is bounded so that its batch stays small beside the memtable.
const (
	groupBytes   = 1 << 20
	groupEntries = 4096
)

// appendSmall merges entries that arrive while a commit is under way. The first
// comer leads: it commits what has gathered, hands the lead to the first of
// those who came meanwhile, and leaves. No goroutine is needed, and nobody
// waits for more than the group before its own.
func (p *partition) appendSmall(w *waiter) error {
	p.queueMu.Lock()
	p.queue = append(p.queue, w)
	if p.leading {
		w.wake = make(chan struct{}, 1)
		p.queueMu.Unlock()
		<-w.wake
		if !w.lead {
			return w.err
		}
		p.queueMu.Lock()
	}
	p.leading = true
	group := p.takeGroup()
	p.queueMu.Unlock()

	err := p.commitGroup(group)
	for _, o := range group {
		o.err = err
		if o != w {
			o.wake <- struct{}{}
		}
	}

	p.queueMu.Lock()
	defer p.queueMu.Unlock()
	if len(p.queue) == 0 {
		p.leading = false
		return err
	}
	p.queue[0].lead = true
	p.queue[0].wake <- struct{}{}
	return err
}

// takeGroup takes the head of the queue. The leader is its first element: the
// queue was empty when it came, or it was woken as the head.
func (p *partition) takeGroup() []*waiter {
	n, size := 0, 0
	for n < len(p.queue) && n < groupEntries && (n == 0 || size+len(p.queue[n].entry.Data) <= groupBytes) {
		size += len(p.queue[n].entry.Data)
		n++
	}
	group := append([]*waiter(nil), p.queue[:n]...)
	rest := copy(p.queue, p.queue[n:])
	clear(p.queue[rest:])
	p.queue = p.queue[:rest]
	return group
}

func (p *partition) commitGroup(group []*waiter) error {
	d, err := p.log.pack.packGroup(group)
	if err != nil {
		return err
	}
	defer p.log.pack.release(d)
	return p.commit(group, d)
}

func advanceOf(id string, events, raw int, ms int64) eventlog.Advance {
	return eventlog.Advance{StreamID: id, Events: int64(events), Raw: int64(raw), At: time.UnixMilli(ms).UTC()}
}
