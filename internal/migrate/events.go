package migrate

import (
	"bytes"
	"context"
	"fmt"
	"hash"
	"hash/crc64"
	"iter"
	"time"

	"strm/internal/eventlog"
	"strm/internal/inflate"
	"strm/internal/problem"
	"strm/internal/stream"
)

// retries bounds how often a partition is gone on with after the brokers were away.
const (
	retries    = 30
	retryDelay = time.Second
)

func (m *move) moveEvents(ctx context.Context) error {
	for _, s := range m.streams {
		if err := m.moveStream(ctx, s); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	return nil
}

func (m *move) moveStream(ctx context.Context, s stream.Stream) error {
	from, err := m.log.Bounds(ctx, s.ID)
	if err != nil {
		return err
	}
	to, err := m.made(ctx, s, from)
	if err != nil {
		return err
	}
	var moved int64
	for p := range from {
		n, err := m.movePartition(ctx, s, stream.Partition(p), from[p], to[p].End)
		if err != nil {
			return err
		}
		moved += n
	}
	m.Tell("stream %s: %d events moved into topic %s", s.Name, moved, m.topics[s.ID].Name)
	return nil
}

// made makes the stream's topic, or finds what an earlier try has made and put
// into it. A topic that ends where the log no longer begins is of no use: it is
// made anew, with another base.
func (m *move) made(ctx context.Context, s stream.Stream, from []eventlog.Bound) ([]eventlog.Bound, error) {
	t := m.topics[s.ID]
	if !m.ours[s.ID] {
		return m.make(ctx, s)
	}
	to, err := m.Log.Bounds(ctx, s.ID)
	if kind := problem.KindOf(err); err != nil && (kind == problem.Conflict || kind == problem.NotFound) {
		m.Tell("stream %s: topic %s was deleted since the last run; it is made anew", s.Name, t.Name)
		return m.anew(ctx, s, from)
	}
	if err != nil {
		return nil, err
	}
	for p := range from {
		if to[p].End > from[p].End {
			return nil, problem.New(problem.Conflict, "topic %s goes on to offset %d in partition %d where the log ends at %d: somebody else has written to it. Delete it, and run strm migrate again",
				t.Name, to[p].End, p, from[p].End)
		}
		if to[p].End < from[p].Floor {
			m.Tell("stream %s: retention has passed what topic %s holds; it is made anew", s.Name, t.Name)
			if err := m.Log.Drop(ctx, s.ID); err != nil {
				return nil, err
			}
			return m.anew(ctx, s, from)
		}
	}
	return to, nil
}

// anew makes the topic with the base that the log has now.
func (m *move) anew(ctx context.Context, s stream.Stream, from []eventlog.Bound) ([]eventlog.Bound, error) {
	t := m.topics[s.ID]
	t.ID = ""
	t.Base = make(stream.Position, len(from))
	for p := range from {
		t.Base[p] = from[p].Floor
	}
	m.topics[s.ID] = t
	delete(m.ours, s.ID)
	// In the catalog first: whoever finds the topic knows its base.
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	if err := m.Catalog.SetTopic(ctx, s.ID, t); err != nil {
		return nil, err
	}
	return m.make(ctx, s)
}

// make makes a topic that is not there. It is noted only then: one of that name
// that somebody else has made is never written to, nor deleted.
func (m *move) make(ctx context.Context, s stream.Stream) ([]eventlog.Bound, error) {
	t := m.topics[s.ID]
	got, partitions, err := m.Log.Make(ctx, s.ID, t, s.Partitions)
	if problem.KindOf(err) == problem.Conflict {
		return nil, problem.New(problem.Conflict, "topic %s is there already, and strm migrate does not know it. If an earlier run was stopped at this very place the topic is empty: "+
			"then delete it and run strm migrate again; otherwise rename the stream's topic with --topic-prefix: %w", t.Name, err)
	}
	if err != nil {
		return nil, err
	}
	if partitions != s.Partitions || got.Name != t.Name {
		return nil, problem.New(problem.Internal, "topic %s has %d partitions, not %d", got.Name, partitions, s.Partitions)
	}
	m.topics[s.ID], m.ours[s.ID] = got, true
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	if err := m.Catalog.SetTopic(ctx, s.ID, got); err != nil {
		return nil, err
	}
	return m.Log.Bounds(ctx, s.ID)
}

// movePartition appends what is missing of a partition.
func (m *move) movePartition(ctx context.Context, s stream.Stream, p stream.Partition, from eventlog.Bound, at stream.Offset) (moved int64, err error) {
	for try := 0; ; try++ {
		if at >= from.End {
			return moved, nil
		}
		before := at
		err := m.Log.Load(ctx, s.ID, p, m.blocks(ctx, s.ID, stream.Range{Partition: p, Start: at, End: from.End}))
		if err == nil {
			return moved + int64(from.End-at), nil
		}
		kind := problem.KindOf(err)
		if kind != problem.Busy && kind != problem.Unavailable || try == retries || ctx.Err() != nil {
			return moved, err
		}
		m.Tell("stream %s: %v; going on in a second", s.Name, err)
		select {
		case <-ctx.Done():
			return moved, ctx.Err()
		case <-time.After(retryDelay):
		}
		if bounds, berr := m.Log.Bounds(ctx, s.ID); berr == nil {
			at = bounds[p].End
			moved += int64(at - before)
			if at > before {
				try = 0
			}
		}
	}
}

// blocks yields the blocks of a range with their lines. The first may begin before
// the range, in the middle of a block, where an earlier try was stopped: then what
// it has is cut off.
func (m *move) blocks(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		var d inflate.Decoder
		var lines []byte
		for b, err := range m.log.Read(ctx, streamID, r) {
			if err == nil {
				if int64(cap(lines)) < b.Raw {
					lines = make([]byte, b.Raw)
				}
				lines = lines[:b.Raw]
				err = d.Member(lines, b.Gzip)
			}
			if err != nil {
				yield(stream.Block{}, err)
				return
			}
			b.Gzip, b.Lines = nil, lines
			cut(&b, r)
			if !yield(b, nil) {
				return
			}
		}
	}
}

// verify reads all back and compares it with what was to move.
func (m *move) verify(ctx context.Context) error {
	for _, s := range m.streams {
		from, err := m.log.Bounds(ctx, s.ID)
		if err != nil {
			return err
		}
		to, err := m.Log.Bounds(ctx, s.ID)
		if err != nil {
			return err
		}
		var events int64
		for p := range from {
			r := stream.Range{Partition: stream.Partition(p), Start: from[p].Floor, End: from[p].End}
			if to[p].End != r.End || to[p].Floor > r.Start {
				return problem.New(problem.Conflict, "stream %s: topic %s holds %d to %d of partition %d, where the log holds %d to %d",
					s.Name, m.topics[s.ID].Name, to[p].Floor, to[p].End, p, r.Start, r.End)
			}
			if err := m.compare(ctx, s, r); err != nil {
				return err
			}
			events += int64(r.End - r.Start)
		}
		m.Tell("stream %s: %d events read back, the same", s.Name, events)
	}
	return nil
}

// compare reads a range of both logs.
func (m *move) compare(ctx context.Context, s stream.Stream, r stream.Range) error {
	was, err := sum(m.blocks(ctx, s.ID, r), r)
	if err != nil {
		return err
	}
	is, err := sum(m.Log.Read(ctx, s.ID, r), r)
	if err != nil {
		return err
	}
	if was == is {
		return nil
	}
	// Nothing else is in that topic: without it the next run begins it anew.
	err = problem.New(problem.Corrupt, "stream %s: partition %d of topic %s holds %d events with checksum %016x, the log %d with %016x. It is deleted now: run strm migrate again",
		s.Name, r.Partition, m.topics[s.ID].Name, is.events, is.lines, was.events, was.lines)
	if derr := m.Log.Drop(ctx, s.ID); derr != nil {
		return fmt.Errorf("%w; deleting it: %w", err, derr)
	}
	return err
}

// content is what is compared of a range.
type content struct {
	events int64
	lines  uint64 // CRC-64 of all lines
	hours  uint64 // of each hour that is met, and the offset at which it begins
}

func sum(blocks iter.Seq2[stream.Block, error], r stream.Range) (content, error) {
	var c content
	lines, hours := crc64.New(crc64.MakeTable(crc64.ECMA)), crc64.New(crc64.MakeTable(crc64.ECMA))
	var hour time.Time
	for b, err := range blocks {
		if err != nil {
			return c, err
		}
		cut(&b, r)
		c.events += b.Events
		write(lines, b.Lines)
		if h := b.FirstAt.UTC().Truncate(time.Hour); !h.Equal(hour) {
			hour = h
			write(hours, fmt.Appendf(nil, "%d:%d ", h.Unix(), b.Range.Start))
		}
	}
	c.lines, c.hours = lines.Sum64(), hours.Sum64()
	return c, nil
}

// cut leaves out what a block has beside the range. Offsets of such a block have
// no gaps: nothing but this program has written to the log or the topic.
func cut(b *stream.Block, r stream.Range) {
	for ; b.Range.Start < r.Start && b.Events > 0; b.Range.Start++ {
		b.Lines = b.Lines[bytes.IndexByte(b.Lines, '\n')+1:]
		b.Events--
	}
	for ; b.Range.End > r.End && b.Events > 0; b.Range.End-- {
		b.Lines = b.Lines[:bytes.LastIndexByte(b.Lines[:len(b.Lines)-1], '\n')+1]
		b.Events--
	}
}

func write(h hash.Hash64, b []byte) { _, _ = h.Write(b) } // never fails
