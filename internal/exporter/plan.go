package exporter

import (
	"context"
	"iter"
	"sort"
	"time"

	"strm/internal/eventlog"
	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/stream"
)

// survey looks at the headers of the blocks between from and to and takes as
// many as one batch may hold, oldest first over all partitions, so that a busy
// partition cannot starve a quiet one. The order of partitions settles ties, so
// a survey of the same blocks takes the same ones.
func survey(ctx context.Context, log eventlog.Log, streamID string, from, to stream.Position, l limits, div layout.Division) (took []stream.BlockHeader, w waiting, err error) {
	heads := make([]*head, 0, len(to))
	defer func() {
		for _, h := range heads {
			h.stop()
		}
	}()
	for p := range to {
		r := stream.Range{Partition: stream.Partition(p), Start: from[p], End: to[p]}
		if r.Empty() {
			continue
		}
		next, stop := iter.Pull2(log.Index(ctx, streamID, r))
		h := &head{next: next, stop: stop}
		heads = append(heads, h)
		if err := h.advance(); err != nil {
			return nil, w, err
		}
	}
	divisions := map[time.Time]bool{}
	for !l.full(w) {
		h := oldest(heads)
		if h == nil {
			return took, w, nil
		}
		d := div.Start(h.block.FirstAt)
		if w.limit = l.stops(w, h.block); w.limit == "" && !divisions[d] && len(divisions) >= maxDivisions {
			w.limit = stream.CutBytes
		}
		if w.limit != "" {
			return took, w, nil
		}
		divisions[d] = true
		if w.events == 0 {
			w.oldest = h.block.FirstAt
		}
		w.events += h.block.Events
		w.raw += h.block.Raw
		w.packed += packed(h.block)
		w.blocks++
		took = append(took, h.block)
		if err := h.advance(); err != nil {
			return nil, w, err
		}
	}
	return took, w, nil
}

// typicalRatio is by how much gzip shrinks JSON, about. It stands in where the log
// does not compress, for cuts by the size of compressed objects.
const typicalRatio = 8

// packed returns the size of a block's gzip member, or about what it would be.
func packed(h stream.BlockHeader) int64 {
	if h.Packed == 0 {
		return h.Raw / typicalRatio
	}
	return h.Packed
}

// head is one partition's next block.
type head struct {
	next  func() (stream.BlockHeader, error, bool)
	stop  func()
	block stream.BlockHeader
	ok    bool
}

func (h *head) advance() error {
	b, err, ok := h.next()
	if err != nil {
		return err
	}
	h.block, h.ok = b, ok
	return nil
}

func oldest(heads []*head) *head {
	var best *head
	for _, h := range heads {
		if h.ok && (best == nil || h.block.FirstAt.Before(best.block.FirstAt)) {
			best = h
		}
	}
	return best
}

// planned holds what a plan is made from, beside the blocks.
type planned struct {
	exporter stream.Exporter
	seq      int64
	reason   stream.CutReason
	cutAt    time.Time
	now      time.Time
	replay   string
	output   stream.Output // with the path prefix below the sink's
	layout   layout.Layout
	variant  format.Variant
}

// plan turns surveyed blocks into a batch. It is pure: the same blocks and
// facts give the same plan.
func plan(in planned, blocks []stream.BlockHeader) stream.Batch {
	b := stream.Batch{
		ID:         stream.BatchID(in.exporter.ID, in.seq),
		ExporterID: in.exporter.ID,
		StreamID:   in.exporter.StreamID,
		Stream:     in.exporter.Stream,
		Seq:        in.seq,
		Replay:     in.replay,
		Reason:     in.reason,
		CutAt:      in.cutAt.UTC().Truncate(time.Millisecond),
		Sink:       in.exporter.Sink,
		Output:     in.output,
		Encoder:    in.variant.Encoder,
		State:      stream.BatchPlanned,
		PlannedAt:  in.now.UTC().Truncate(time.Millisecond),
	}
	for _, d := range divide(blocks, in.layout.Division()) {
		b.Objects = append(b.Objects, stream.Object{Ranges: d.ranges(), Events: d.events, Estimated: d.estimated, Received: d.start})
	}
	name(&b, in.layout, in.variant)
	return b
}

// division is the part of a batch that becomes one object.
type division struct {
	start  time.Time
	blocks []stream.BlockHeader
	events int64

	estimated bool // of some block it is not known how many events it holds
}

func divide(blocks []stream.BlockHeader, by layout.Division) []division {
	var out []division
	at := map[time.Time]int{}
	for _, b := range blocks {
		s := by.Start(b.FirstAt)
		i, ok := at[s]
		if !ok {
			i = len(out)
			at[s] = i
			out = append(out, division{start: s})
		}
		out[i].blocks = append(out[i].blocks, b)
		out[i].events += b.Events
		out[i].estimated = out[i].estimated || b.Estimated
	}
	sort.Slice(out, func(i, j int) bool { return out[i].start.Before(out[j].start) })
	return out
}

// ranges returns the division's ranges by partition, adjacent blocks joined.
func (d division) ranges() []stream.Range {
	blocks := append([]stream.BlockHeader(nil), d.blocks...)
	sort.SliceStable(blocks, func(i, j int) bool {
		a, b := blocks[i].Range, blocks[j].Range
		return a.Partition < b.Partition || a.Partition == b.Partition && a.Start < b.Start
	})
	var out []stream.Range
	for _, b := range blocks {
		if n := len(out); n > 0 && out[n-1].Partition == b.Range.Partition && out[n-1].End == b.Range.Start {
			out[n-1].End = b.Range.End
			continue
		}
		out = append(out, b.Range)
	}
	return out
}

// after returns the position behind the blocks.
func after(from stream.Position, blocks []stream.BlockHeader) stream.Position {
	next := from.Clone()
	for _, b := range blocks {
		next[b.Range.Partition] = max(next[b.Range.Partition], b.Range.End)
	}
	return next
}
