package kafka

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Append implements eventlog.Log. An entry without names becomes one record per event.
// This log's own records of an entry stay together, but other producers' may come between
// them: then Range holds more offsets than the entry has events.
//
// If the process dies, or an answer is lost for good, some of the records may be stored
// and others not: nobody is told that the entry is in, and without a name whoever sends it
// again doubles what was. A failed append may be stored after its error was returned.
func (l *Log) Append(ctx context.Context, streamID string, e eventlog.Entry) (eventlog.Appended, error) {
	c, leave, err := l.enter(ctx)
	if err != nil {
		return eventlog.Appended{}, err
	}
	defer leave()
	if err := e.Check(); err != nil {
		return eventlog.Appended{}, err
	}
	st, part, err := l.placed(c, streamID, e.Partition, l.streamToAppend)
	if err != nil {
		return eventlog.Appended{}, l.ended(c, err)
	}
	if e.Received.IsZero() {
		e.Received = time.Now()
	}
	if e.Key != "" || len(e.IDs) > 0 || e.Mark != "" || e.Stamped {
		return l.settle(c, st, part, e)
	}
	// Not c: what is on its way when the log closes is waited for.
	return l.appendPlain(ctx, st, part, e)
}

// flight is an entry on its way to the brokers. It is one copy of the text, and records
// whose values are slices of it.
type flight struct {
	data    []byte
	recs    []kgo.Record
	promise func(*kgo.Record, error)

	mu          sync.Mutex
	left        int
	first, last int64
	stored      int
	fault       error // the first
	done        chan struct{}

	after func() // once the brokers have answered for all records
}

var flights = sync.Pool{New: func() any {
	f := &flight{done: make(chan struct{}, 1)}
	f.promise = f.answered
	return f
}}

// load copies the entry, because its text is the caller's.
func (f *flight) load(topic string, p int32, data []byte, events int) {
	f.data = append(f.data[:0], data...)
	if cap(f.recs) < events {
		f.recs = make([]kgo.Record, 0, events)
	}
	f.recs = f.recs[:0]
	rest := f.data
	for len(rest) > 0 {
		i := bytes.IndexByte(rest, '\n')
		f.recs = append(f.recs, kgo.Record{Topic: topic, Partition: p, Value: rest[:i:i]})
		rest = rest[i+1:]
	}
	f.left, f.stored, f.first, f.last, f.fault = len(f.recs), 0, -1, -1, nil
}

func (f *flight) stamp(at time.Time) {
	for i := range f.recs {
		f.recs[i].Timestamp = at
	}
}

// answered is told once of every record; the client calls it for one after the other.
func (f *flight) answered(r *kgo.Record, err error) {
	f.mu.Lock()
	if err != nil {
		if f.fault == nil {
			f.fault = err
		}
	} else {
		if f.first < 0 || r.Offset < f.first {
			f.first = r.Offset
		}
		f.last = max(f.last, r.Offset)
		f.stored++
	}
	f.left--
	over := f.left == 0
	f.mu.Unlock()
	if over {
		f.after()
		f.done <- struct{}{}
	}
}

func (f *flight) recycle() {
	if cap(f.data) > 4<<20 || cap(f.recs) > 1<<15 {
		return
	}
	clear(f.recs) // beyond them all is clear, from earlier
	f.after = nil
	flights.Put(f)
}

func (l *Log) appendPlain(ctx context.Context, st *topic, part *partition, e eventlog.Entry) (eventlog.Appended, error) {
	if err := l.unstuck(ctx, st, part); err != nil {
		return eventlog.Appended{}, l.ended(ctx, err)
	}
	weight := l.weigh(len(e.Data), e.Events)
	if err := l.reserve(ctx, weight); err != nil {
		return eventlog.Appended{}, l.ended(ctx, err)
	}
	f := flights.Get().(*flight)
	f.load(st.desc.Name, part.num, e.Data, e.Events)
	// Not the caller's context: the client fails all records of a batch with that of the first.
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.opts.AppendWait)
	late := context.AfterFunc(wait, part.stuck.enter)
	f.after = func() {
		if !late() { // before cancel, which would make it late
			part.stuck.leave()
		}
		cancel()
		l.release(weight)
	}

	part.append.Lock()
	at := part.clock(e.Received)
	f.stamp(l.stampOf(at))
	n := len(f.recs)
	for i := range n {
		l.client.TryProduce(wait, &f.recs[i], f.promise)
	}
	part.append.Unlock()

	timer := l.giveUp()
	defer timer.Stop()
	select {
	case <-f.done:
	case <-ctx.Done(): // f stays with the client
		return eventlog.Appended{}, l.ended(ctx, context.Cause(ctx))
	case <-timer.C:
		return eventlog.Appended{}, problem.New(problem.Unavailable, "kafka: append to topic %s: no answer came; the events may or may not be stored", st.desc.Name)
	}
	defer f.recycle()
	if f.fault != nil {
		return eventlog.Appended{}, l.notStored(ctx, st, f)
	}
	r := stream.Range{Partition: e.Partition, Start: stream.Offset(f.first) + st.base(e.Partition), End: stream.Offset(f.last) + 1 + st.base(e.Partition)}
	l.stored(st, part, eventlog.Advance{StreamID: st.streamID, Events: int64(e.Events), Raw: int64(len(e.Data)), First: at, At: at}, f.first, f.last+1)
	return eventlog.Appended{Range: r, Events: e.Events}, nil
}

// stored counts and tells of what this log has appended: records from offset first to
// before end, of the topic.
func (l *Log) stored(st *topic, part *partition, a eventlog.Advance, first, end int64) {
	l.appends.Add(1)
	l.events.Add(a.Events)
	st.learn(a.Events, a.Raw)
	part.seen.own(first, end)
	l.subs.Tell(a)
}

// clock is the time of an entry that is appended now: never before those that this log
// has appended to the partition earlier. It is called with part.append held.
func (part *partition) clock(received time.Time) time.Time {
	part.latest = max(part.latest, received.UnixMilli())
	return time.UnixMilli(part.latest).UTC()
}

// notStored says what became of an entry of which not all was stored.
func (l *Log) notStored(ctx context.Context, st *topic, f *flight) error {
	err := f.fault
	switch {
	case f.stored > 0:
		return problem.New(problem.Unavailable, "kafka: append to topic %s: %d of %d events are stored, then: %w", st.desc.Name, f.stored, len(f.recs), err)
	case isUnknownTopic(err):
		return l.fault(ctx, st, "append to", err)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return problem.New(problem.TooLarge, "kafka: topic %s does not take an event of that size; raise its max.message.bytes: %w", st.desc.Name, err)
	case errors.Is(err, kerr.InvalidTimestamp), errors.Is(err, kerr.InvalidRecord):
		return problem.New(problem.Conflict, "kafka: the settings of topic %s refuse the events: %w", st.desc.Name, err)
	case denied(err):
		return l.fault(ctx, st, "append to", err)
	// The client fails a record with these only if it was never sent, or if the broker
	// has answered that it did not take it.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries), errors.Is(err, kgo.ErrMaxBuffered),
		errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.LeaderNotAvailable), errors.Is(err, kerr.NotLeaderForPartition):
		return l.refuse("topic %s: no broker took the events in time: %v", st.desc.Name, err)
	case errors.Is(err, kgo.ErrClientClosed):
		return errClosed()
	}
	return problem.New(problem.Unavailable, "kafka: append to topic %s: the events may or may not be stored: %w", st.desc.Name, err)
}
