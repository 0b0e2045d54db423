package kafka

import (
	"context"
	"iter"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// blockLen is how many offsets a block covers at most; they begin at its multiples.
const blockLen = 8192

// runs divides offsets of a partition, the topic's, into those of blocks. Equal ranges
// are divided equally.
type runs struct {
	log  *Log
	st   *topic
	part *partition
	end  int64
	at   int64 // where the next one begins
	want int64 // the end that was asked for; over end where the topic ends before

	hour  int64 // of the offsets from at on
	first int64 // the time of what is at at, or of an event before it in its hour, in ms

	next     found // where the next hour begins
	nextOK   bool  // there is one below end
	nextKnow bool  // next has been asked for
	begun    bool
}

// block is a run of offsets in one hour.
type block struct {
	start, end  int64
	hour, first int64
}

// run returns the next block; ok is false when there is none.
func (r *runs) run(ctx context.Context) (b block, ok bool, err error) {
	if r.at >= r.end {
		return block{}, false, nil
	}
	if !r.begun {
		if err := r.begin(ctx); err != nil {
			return block{}, false, err
		}
	}
	if !r.nextKnow {
		if r.next, r.nextOK, err = r.log.begin(ctx, r.st, r.part, r.hour+1, r.end); err != nil {
			return block{}, false, err
		}
		r.nextKnow = true
	}
	b = block{start: r.at, end: min(r.end, r.at-r.at%blockLen+blockLen), hour: r.hour, first: r.first}
	if r.nextOK && r.next.offset <= b.end {
		b.end = r.next.offset
		r.hour, r.first, r.nextKnow = hourOf(r.next.time), r.next.time, false
	}
	r.at = b.end
	return b, true, nil
}

func (r *runs) begin(ctx context.Context) error {
	ms, ok, err := r.log.first(ctx, r.st, r.part, r.at, r.end)
	if err != nil {
		return err
	}
	if !ok { // no events: any hour that is right will do
		ms = time.Now().UnixMilli()
	}
	if r.hour, err = r.log.hourAt(ctx, r.st, r.part, r.at, r.end, hourOf(ms)); err != nil {
		return err
	}
	r.first, r.begun = clampHour(ms, r.hour), true
	return nil
}

// clampHour returns the time in the hour that is nearest to ms.
func clampHour(ms, hour int64) int64 {
	return min(max(ms, hour*hourMillis), (hour+1)*hourMillis-1)
}

// Index implements eventlog.Log. Blocks begin and end with the range and are Estimated.
// FirstAt is that of the first event at the beginning of the range and where an hour
// begins; elsewhere it is a time in the block's hour that is not later.
func (l *Log) Index(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
	return func(yield func(stream.BlockHeader, error) bool) {
		var rs *runs
		err := l.within(ctx, func(c context.Context) (err error) {
			if rs, err = l.open(c, streamID, r); err != nil || rs.at >= rs.end {
				return err
			}
			start, err := l.startOf(c, rs.st, rs.part)
			if err == nil && rs.at < start {
				err = errTrimmed(rs.st, rs.part, rs.at, start)
			}
			return err
		})
		for err == nil {
			var b block
			var ok bool
			err = l.within(ctx, func(c context.Context) (err error) {
				b, ok, err = rs.run(c)
				return err
			})
			if err != nil || !ok {
				break
			}
			h := stream.BlockHeader{Range: rs.span(b.start, b.end), Events: b.end - b.start, Raw: rs.st.rawOf(b.end - b.start), Estimated: true}
			h.FirstAt = time.UnixMilli(b.first).UTC()
			h.LastAt = h.FirstAt
			if !yield(h, nil) {
				return
			}
		}
		if err != nil {
			yield(stream.BlockHeader{}, err)
		}
	}
}

// open finds the stream and what of the range is there to read.
func (l *Log) open(ctx context.Context, streamID string, r stream.Range) (*runs, error) {
	st, part, err := l.placed(ctx, streamID, r.Partition, l.stream)
	if err != nil {
		return nil, err
	}
	base := st.base(r.Partition)
	rs := &runs{log: l, st: st, part: part, at: int64(r.Start - base), end: int64(r.End - base), want: int64(r.End - base)}
	if r.Empty() {
		rs.end = rs.at
		return rs, nil
	}
	if rs.end > part.stable.Load() {
		end, err := l.stableEnd(ctx, st, part)
		if err != nil {
			return nil, err
		}
		rs.end = min(rs.end, end)
	}
	if rs.at < 0 {
		return nil, errTrimmed(st, part, rs.at, 0)
	}
	return rs, nil
}

// span is a range of the stream, from offsets of the topic.
func (r *runs) span(start, end int64) stream.Range {
	p := stream.Partition(r.part.num)
	base := r.st.base(p)
	return stream.Range{Partition: p, Start: stream.Offset(start) + base, End: stream.Offset(end) + base}
}

// errTrimmed: offsets are the topic's.
func errTrimmed(st *topic, part *partition, offset, start int64) error {
	base := int64(st.base(stream.Partition(part.num)))
	return problem.New(problem.Conflict, "kafka: stream %s, partition %d, offset %d: %w; topic %s begins at %d",
		st.streamID, part.num, offset+base, eventlog.ErrTrimmed, st.desc.Name, start+base)
}
