package exporter

import (
	"time"

	"strm/internal/layout"
	"strm/internal/stream"
)

// waiting describes the events between an exporter's position and the log's end. Where
// the log estimates, so does it: then cuts by bytes and events are made at about their bounds.
type waiting struct {
	events int64
	raw    int64            // bytes, uncompressed
	packed int64            // bytes as the log keeps them
	blocks int              // that hold them
	oldest time.Time        // received time of the first of them
	seen   time.Time        // when the lane learned of them; stands in for oldest if that is after now
	limit  stream.CutReason // why not all that waits was taken; empty if it was
}

// due decides whether a batch must be cut now. If so it returns the reason and
// the time for the names; if not, when to ask again (the zero time when
// nothing waits). It is the only place that knows when batches are cut.
func due(cut stream.Cut, w waiting, flush bool, now time.Time) (reason stream.CutReason, cutAt, wakeAt time.Time) {
	switch {
	case w.events == 0:
		return "", time.Time{}, time.Time{}
	case w.limit != "":
		return w.limit, now, time.Time{}
	case cut.MaxBytes > 0 && w.raw >= cut.MaxBytes:
		return stream.CutBytes, now, time.Time{}
	case cut.MaxPacked > 0 && w.packed >= cut.MaxPacked:
		return stream.CutBytes, now, time.Time{}
	case cut.MaxEvents > 0 && w.events >= cut.MaxEvents:
		return stream.CutEvents, now, time.Time{}
	case flush:
		return stream.CutFlush, now, time.Time{}
	}
	if cut.Interval <= 0 {
		return "", time.Time{}, time.Time{}
	}
	at := stream.NextBoundary(w.since(now), cut.Interval, cut.Offset)
	if at.After(now) {
		return "", time.Time{}, at
	}
	// After a stop the oldest boundary may be long past: name the newest one.
	newest := stream.NextBoundary(now, cut.Interval, cut.Offset).Add(-cut.Interval)
	return stream.CutInterval, newest, time.Time{}
}

// since returns from when the interval counts. Received times never go back
// within a partition, so after the clock was set back they may lie far ahead;
// they must not put the next batch off until then.
func (w waiting) since(now time.Time) time.Time {
	switch {
	case !w.oldest.After(now):
		return w.oldest
	case w.seen.IsZero() || w.seen.After(now):
		return now
	}
	return w.seen
}

// maxDivisions bounds the objects of one batch.
const maxDivisions = layout.MaxParts

// limits bounds one batch.
type limits struct {
	raw    int64
	packed int64
	events int64
	blocks int
}

// maxBlocks bounds the headers that a survey keeps in memory, about 7 MiB. Only
// events sent a few at a time come near it: then a batch ends below its size.
const maxBlocks = 1 << 16

// defaultMaxRaw bounds a batch whose exporter sets no size, so that catching
// up after a long stop makes objects of a size that readers can take.
const defaultMaxRaw = 256 << 20

// rawPerPacked is what an exporter with a packed size alone may take of raw
// bytes for each packed one. JSON packs to a twentieth at the very best, mostly
// to a tenth; what packs better still may make no object too large to unpack.
const rawPerPacked = 16

// maxRaw bounds what rawPerPacked leads to.
const maxRaw = 4 << 30

func limitsOf(cut stream.Cut) limits {
	l := limits{raw: cut.MaxBytes, packed: cut.MaxPacked, events: cut.MaxEvents, blocks: maxBlocks}
	if l.raw <= 0 {
		l.raw = max(defaultMaxRaw, min(l.packed, maxRaw/rawPerPacked)*rawPerPacked)
	}
	return l
}

// stops returns why a block does not fit any more, empty if it does. The first
// block always does.
func (l limits) stops(taken waiting, h stream.BlockHeader) stream.CutReason {
	switch {
	case taken.events == 0:
		return ""
	case taken.raw+h.Raw > l.raw, l.packed > 0 && taken.packed+packed(h) > l.packed, taken.blocks >= l.blocks:
		return stream.CutBytes
	case l.events > 0 && taken.events+h.Events > l.events:
		return stream.CutEvents
	}
	return ""
}

// full reports whether nothing more is worth adding.
func (l limits) full(taken waiting) bool {
	return taken.raw >= l.raw || l.packed > 0 && taken.packed >= l.packed || l.events > 0 && taken.events >= l.events
}
