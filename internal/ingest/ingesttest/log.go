// Package ingesttest holds a log in memory for tests of what stands above the
// log: it keeps the contract of the port but for durability, and fails on request.
package ingesttest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Log is an eventlog.Log in memory. Each entry becomes one block. The hooks
// are set before use.
type Log struct {
	// Before is asked before an entry is stored; its error is a lost request.
	Before func(eventlog.Entry) error
	// After is asked when an entry is stored; its error is a lost answer.
	After func(eventlog.Entry) error
	// MaxPacked makes Append fail with ErrFull beyond so many bytes; 0 for no limit.
	MaxPacked int64

	mu          sync.Mutex
	closed      bool
	streams     map[string]*kept
	subscribers map[int]func(eventlog.Advance)
	nextSub     int
	boundsCalls int
}

type kept struct {
	partitions [][]stream.Block
	floors     []stream.Offset
	ends       []stream.Offset
	keys       map[string]first
	ids        map[eventlog.ID]time.Time // when they were received
	marks      map[string]uint64
	packed     int64
}

type first struct {
	digest uint64
	done   eventlog.Appended
}

var _ eventlog.Log = (*Log)(nil)

// The failures of the port, with the kinds it gives them.
var (
	errClosed    = problem.New(problem.Unavailable, "%w", eventlog.ErrClosed)
	errNoStream  = problem.New(problem.NotFound, "%w", eventlog.ErrNoStream)
	errTrimmed   = problem.New(problem.Conflict, "%w", eventlog.ErrTrimmed)
	errFull      = problem.New(problem.Busy, "%w", eventlog.ErrFull)
	errKeyReused = problem.New(problem.Conflict, "%w", eventlog.ErrKeyReused)
)

// Create makes the stream's partitions.
func (l *Log) Create(_ context.Context, streamID string, partitions int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	if l.streams == nil {
		l.streams = map[string]*kept{}
	}
	if l.streams[streamID] == nil {
		l.streams[streamID] = &kept{
			partitions: make([][]stream.Block, partitions),
			floors:     make([]stream.Offset, partitions),
			ends:       make([]stream.Offset, partitions),
			keys:       map[string]first{},
			ids:        map[eventlog.ID]time.Time{},
			marks:      map[string]uint64{},
		}
	}
	return nil
}

// Drop removes the stream.
func (l *Log) Drop(_ context.Context, streamID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, streamID)
	return nil
}

// Streams returns the ids of all streams.
func (l *Log) Streams(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	return slices.Collect(maps.Keys(l.streams)), nil
}

// Append stores the entry after checking that it is what the contract says.
func (l *Log) Append(ctx context.Context, streamID string, e eventlog.Entry) (eventlog.Appended, error) {
	if err := ctx.Err(); err != nil {
		return eventlog.Appended{}, err
	}
	if l.Before != nil {
		if err := l.Before(e); err != nil {
			return eventlog.Appended{}, err
		}
	}
	a, told, grown, err := l.store(streamID, e)
	if err != nil {
		return eventlog.Appended{}, err
	}
	for _, fn := range told {
		fn(grown)
	}
	if l.After != nil {
		if err := l.After(e); err != nil {
			return eventlog.Appended{}, err
		}
	}
	return a, nil
}

func (l *Log) store(streamID string, e eventlog.Entry) (done eventlog.Appended, told []func(eventlog.Advance), grown eventlog.Advance, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return done, nil, grown, errClosed
	}
	k := l.streams[streamID]
	if k == nil {
		return done, nil, grown, errNoStream
	}
	if err := k.check(e); err != nil {
		return done, nil, grown, err
	}
	if old, ok := k.keys[e.Key]; ok && e.Key != "" {
		if old.digest != e.Digest {
			return done, nil, grown, errKeyReused
		}
		old.done.Duplicate = true
		return old.done, nil, grown, nil
	}
	if e.Mark != "" && k.marks[e.Mark] >= e.MarkAt {
		return eventlog.Appended{Range: stream.Range{Partition: e.Partition}, Duplicate: true}, nil, grown, nil
	}
	done.Repeated = k.sift(&e)
	if e.Events == 0 {
		done.Range.Partition = e.Partition
		return done, nil, grown, nil
	}
	block := pack(e, k.ends[e.Partition])
	if blocks := k.partitions[e.Partition]; len(blocks) > 0 {
		if last := blocks[len(blocks)-1].LastAt; block.FirstAt.Before(last) {
			if e.Stamped && !block.FirstAt.Truncate(time.Hour).Equal(last.Truncate(time.Hour)) {
				return eventlog.Appended{}, nil, grown, &eventlog.LateError{At: last}
			}
			block.FirstAt, block.LastAt = last, last
		}
	}
	if l.MaxPacked > 0 && k.packed+block.Packed > l.MaxPacked {
		return eventlog.Appended{}, nil, grown, errFull
	}
	k.packed += block.Packed
	k.partitions[e.Partition] = append(k.partitions[e.Partition], block)
	k.ends[e.Partition] = block.Range.End
	for _, id := range e.IDs {
		k.ids[id] = e.Received
	}
	if e.Mark != "" {
		k.marks[e.Mark] = e.MarkAt
	}
	done.Range, done.Events = block.Range, e.Events
	if e.Key != "" {
		k.keys[e.Key] = first{e.Digest, done}
	}
	for _, fn := range l.subscribers {
		told = append(told, fn)
	}
	grown = eventlog.Advance{StreamID: streamID, Events: block.Events, Raw: block.Raw, Packed: block.Packed, First: e.Received, At: e.Received}
	return done, told, grown, nil
}

// check holds the caller to the contract.
func (k *kept) check(e eventlog.Entry) error {
	switch {
	case int(e.Partition) >= len(k.partitions) || e.Events < 1 || len(e.Key) > 255 ||
		bytes.Count(e.Data, []byte{'\n'}) != e.Events || e.Data[len(e.Data)-1] != '\n':
		return fmt.Errorf("entry breaks the contract: %d events in %d bytes for partition %d", e.Events, len(e.Data), e.Partition)
	case len(e.IDs) > 0 && (len(e.IDs) != e.Events || e.IDWindow <= 0 || e.Key != ""):
		return fmt.Errorf("entry breaks the contract: %d ids for %d events, window %s, key %q", len(e.IDs), e.Events, e.IDWindow, e.Key)
	case len(e.Mark) > 255 || (e.Mark == "") != (e.MarkAt == 0) || e.Mark != "" && (e.Key != "" || len(e.IDs) > 0):
		return fmt.Errorf("entry breaks the contract: mark %q at %d, key %q, %d ids", e.Mark, e.MarkAt, e.Key, len(e.IDs))
	case e.Stamped && e.Received.IsZero():
		return errors.New("entry breaks the contract: stamped without a received time")
	}
	return nil
}

// sift leaves out the events whose id was received within the window or stands
// in the entry before. Received times are its clock. It returns how many they are.
func (k *kept) sift(e *eventlog.Entry) (repeated int) {
	var data []byte
	var ids []eventlog.ID
	for i, line := range bytes.SplitAfter(e.Data, []byte{'\n'})[:e.Events] {
		if len(e.IDs) == 0 {
			return 0
		}
		if at, ok := k.ids[e.IDs[i]]; ok && e.Received.Sub(at) <= e.IDWindow || slices.Contains(ids, e.IDs[i]) {
			repeated++
			continue
		}
		data, ids = append(data, line...), append(ids, e.IDs[i])
	}
	e.Data, e.IDs, e.Events = data, ids, len(ids)
	return repeated
}

func pack(e eventlog.Entry, start stream.Offset) stream.Block {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(e.Data) // a bytes.Buffer does not fail
	_ = z.Close()
	at := e.Received.UTC().Truncate(time.Millisecond)
	return stream.Block{Gzip: buf.Bytes(), BlockHeader: stream.BlockHeader{
		Range:  stream.Range{Partition: e.Partition, Start: start, End: start + stream.Offset(e.Events)},
		Events: int64(e.Events), Raw: int64(len(e.Data)), Packed: int64(buf.Len()),
		CRC32: crc32.ChecksumIEEE(buf.Bytes()), FirstAt: at, LastAt: at,
	}}
}

// Mark returns how far the mark has been stored.
func (l *Log) Mark(_ context.Context, streamID, mark string) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, errClosed
	}
	k := l.streams[streamID]
	if k == nil {
		return 0, errNoStream
	}
	return k.marks[mark], nil
}

// Unmark forgets the mark.
func (l *Log) Unmark(_ context.Context, streamID, mark string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	k := l.streams[streamID]
	if k == nil {
		return errNoStream
	}
	delete(k.marks, mark)
	return nil
}

// Bounds returns one Bound per partition.
func (l *Log) Bounds(_ context.Context, streamID string) ([]eventlog.Bound, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.boundsCalls++
	if l.closed {
		return nil, errClosed
	}
	k := l.streams[streamID]
	if k == nil {
		return nil, errNoStream
	}
	out := make([]eventlog.Bound, len(k.partitions))
	for p, blocks := range k.partitions {
		out[p] = eventlog.Bound{Floor: k.floors[p], End: k.ends[p]}
		for _, b := range blocks {
			out[p].Packed += b.Packed
		}
	}
	return out, nil
}

// BoundsCalls returns how often Bounds was called.
func (l *Log) BoundsCalls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.boundsCalls
}

// Index yields the headers of the blocks that meet the range.
func (l *Log) Index(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
	return func(yield func(stream.BlockHeader, error) bool) {
		for b, err := range l.Read(ctx, streamID, r) {
			if !yield(b.BlockHeader, err) {
				return
			}
		}
	}
}

// Read yields the blocks that meet the range.
func (l *Log) Read(_ context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		blocks, err := l.blocks(streamID, r)
		if err != nil {
			yield(stream.Block{}, err)
			return
		}
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (l *Log) blocks(streamID string, r stream.Range) ([]stream.Block, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	k := l.streams[streamID]
	if k == nil {
		return nil, errNoStream
	}
	if r.Start < k.floors[r.Partition] {
		return nil, errTrimmed
	}
	var out []stream.Block
	for _, b := range k.partitions[r.Partition] {
		if b.Range.Start < r.End && b.Range.End > r.Start {
			out = append(out, b)
		}
	}
	return out, nil
}

// Trim removes whole blocks below before.
func (l *Log) Trim(_ context.Context, streamID string, p stream.Partition, before stream.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.streams[streamID]
	if k == nil {
		return errNoStream
	}
	blocks := k.partitions[p]
	for len(blocks) > 0 && blocks[0].Range.End <= before {
		k.floors[p] = blocks[0].Range.End
		k.packed -= blocks[0].Packed
		blocks = blocks[1:]
	}
	k.partitions[p] = blocks
	return nil
}

// Subscribe calls fn after every append.
func (l *Log) Subscribe(fn func(eventlog.Advance)) (cancel func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.subscribers == nil {
		l.subscribers = map[int]func(eventlog.Advance){}
	}
	id := l.nextSub
	l.nextSub++
	l.subscribers[id] = fn
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.subscribers, id)
	}
}

// Close makes every later append fail with ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// Text returns everything the stream holds, partition by partition.
func (l *Log) Text(streamID string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out bytes.Buffer
	k := l.streams[streamID]
	if k == nil {
		return "", errNoStream
	}
	for _, blocks := range k.partitions {
		for _, b := range blocks {
			z, err := gzip.NewReader(bytes.NewReader(b.Gzip))
			if err != nil {
				return "", fmt.Errorf("block %v: %w", b.Range, err)
			}
			if _, err := io.Copy(&out, z); err != nil {
				return "", fmt.Errorf("block %v: %w", b.Range, err)
			}
		}
	}
	return out.String(), nil
}
