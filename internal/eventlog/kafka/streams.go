package kafka

import (
	"context"
	"sync"
	"sync/atomic"

	"strm/internal/problem"
	"strm/internal/stream"
)

// topic is a stream that is bound to its topic.
type topic struct {
	streamID string
	id       [16]byte // of the topic, which a topic made anew under its name has not
	desc     stream.Topic
	parts    []*partition // by number
	starts   starts

	// What is known of the size of its lines, to estimate blocks.
	lines     atomic.Int64
	lineBytes atomic.Int64
}

// partition is what is known of one partition.
type partition struct {
	num    int32
	append sync.Mutex   // held while an entry's records are handed to the producer, so that they stay together
	latest int64        // time of the newest record that this log has handed to the producer, in ms; with append
	leader atomic.Int32 // node, -1 if unknown
	stuck  stuck
	stable atomic.Int64 // last stable offset as seen: what is below stays
	times  times
	seen   growth
}

// base is by how much the stream's offsets are above the topic's.
func (st *topic) base(p stream.Partition) stream.Offset {
	if int(p) < len(st.desc.Base) {
		return st.desc.Base[p]
	}
	return 0
}

func (st *topic) partition(p stream.Partition) (*partition, error) {
	if p < 0 || int(p) >= len(st.parts) {
		return nil, problem.New(problem.Invalid, "kafka: stream %s has no partition %d", st.streamID, p)
	}
	return st.parts[p], nil
}

// guessedLine is the size of a line of a topic of which no line was seen yet.
const guessedLine = 400

// learn counts lines that were seen.
func (st *topic) learn(lines, bytes int64) {
	if st.lines.Add(lines) > 1<<20 { // what is new weighs more than what is old
		st.lines.Add(-st.lines.Load() / 2)
		st.lineBytes.Add(-st.lineBytes.Load() / 2)
	}
	st.lineBytes.Add(bytes)
}

// rawOf estimates the bytes of lines.
func (st *topic) rawOf(events int64) int64 {
	n, b := st.lines.Load(), st.lineBytes.Load()
	if n < 1 || b < n {
		return events * guessedLine
	}
	return int64(float64(events) * float64(b) / float64(n))
}

// stream returns the topic of a stream, bound since or looked up now.
func (l *Log) stream(ctx context.Context, streamID string) (*topic, error) {
	l.mu.RLock()
	st, descriptions := l.streams[streamID], l.descriptions
	l.mu.RUnlock()
	if st != nil {
		return st, nil
	}
	if l.opts.Topics == nil {
		return nil, errNoStream(streamID)
	}
	s, err := l.opts.Topics.TopicStream(ctx, streamID)
	if err != nil {
		if problem.KindOf(err) == problem.NotFound {
			return nil, errNoStream(streamID)
		}
		return nil, err
	}
	if st, err = l.bind(ctx, streamID, s.Topic, s.Partitions); err != nil {
		return nil, err
	}
	l.mu.RLock()
	stale := l.descriptions != descriptions
	l.mu.RUnlock()
	if stale { // s may be from before the last Describe
		l.forget(st)
	}
	return st, nil
}

// bind looks at a topic and remembers it as that of the stream, which has so many
// partitions; 0: as many as the topic.
func (l *Log) bind(ctx context.Context, streamID string, desc stream.Topic, partitions int) (*topic, error) {
	st, err := l.look(ctx, streamID, desc)
	if err != nil {
		return nil, err
	}
	same := desc.ID != "" && desc.ID == st.desc.ID
	switch {
	case partitions > len(st.parts) && same: // partitions never go
		return nil, problem.New(problem.Unavailable, "kafka: topic %s has %d partitions, and the broker that was asked has heard of %d; it will", desc.Name, partitions, len(st.parts))
	case partitions > len(st.parts), !same && desc.ID != "" && st.desc.ID != "":
		return nil, errRemade(st)
	}
	if partitions > 0 && partitions < len(st.parts) {
		// What the stream does not know of nobody has a position in: not before
		// that is noted may anybody see it.
		if err := l.opts.Topics.GrowStream(ctx, streamID, len(st.parts)); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.streams[streamID]; have != nil && have.id == st.id {
		return have, nil
	}
	if id, ok := l.ids[streamID]; ok && id != st.id {
		return nil, errRemade(st)
	}
	l.streams[streamID], l.ids[streamID] = st, st.id
	return st, nil
}

// forget looks the stream's topic up anew when it is needed next.
func (l *Log) forget(st *topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[st.streamID] == st {
		delete(l.streams, st.streamID)
	}
}

// Describe tells what the catalog says of all streams' topics now. What of that may change
// is in force from then on: how values that are no events are taken. It returns the streams
// of which it has changed since the last call, or while they were bound.
func (l *Log) Describe(topics map[string]stream.Topic) (changed []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.descriptions++
	invalid := make(map[string]stream.Invalid, len(topics))
	for id, t := range topics {
		invalid[id] = t.Invalid
		old, known := l.invalid[id]
		st := l.streams[id]
		stale := st != nil && st.desc.Invalid != t.Invalid
		if stale {
			l.streams[id] = st.with(t.Invalid)
		}
		if stale || known && old != t.Invalid {
			changed = append(changed, id)
		}
	}
	l.invalid = invalid
	return changed
}

// with is the same topic, with its values taken in another way.
func (st *topic) with(invalid stream.Invalid) *topic {
	other := &topic{streamID: st.streamID, id: st.id, desc: st.desc, parts: st.parts}
	other.desc.Invalid = invalid
	other.lines.Store(st.lines.Load())
	other.lineBytes.Store(st.lineBytes.Load())
	return other
}

// outdated forgets streams that have more partitions by now than their topics had when
// they were looked at.
func (l *Log) outdated(all []stream.Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range all {
		s := &all[i]
		if st := l.streams[s.ID]; st != nil && s.Partitions > len(st.parts) {
			delete(l.streams, s.ID)
		}
	}
}

// Streams implements eventlog.Log: the streams of Topics, and those bound by Make of
// which it does not know yet.
func (l *Log) Streams(ctx context.Context) ([]string, error) {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var ids []string
	if l.opts.Topics != nil {
		all, err := l.opts.Topics.TopicStreams(ctx)
		if err != nil {
			return nil, err
		}
		for i := range all {
			ids = append(ids, all[i].ID)
		}
	}
	known := make(map[string]bool, len(ids))
	for _, id := range ids {
		known[id] = true
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for id := range l.streams {
		if !known[id] {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
