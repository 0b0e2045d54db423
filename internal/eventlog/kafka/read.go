package kafka

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/problem"
	"strm/internal/record"
	"strm/internal/stream"
)

// maxLines is when a block is divided because its text is large. What is divided so
// depends on the range and the events alone.
const maxLines = 16 << 20

// Read implements eventlog.Log. A range that goes beyond the last stable offset ends with an
// error of kind Unavailable, after what is there. Blocks are those of Index for the same range, but that one
// whose text is over 16 MiB is divided further. The next fetch is under way while the
// caller works on a block: two of about a megabyte, as the brokers keep it, are in memory.
func (l *Log) Read(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		var rs *runs
		var values record.Values
		err := l.within(ctx, func(c context.Context) (err error) {
			if rs, err = l.open(c, streamID, r); err != nil {
				return err
			}
			values, err = l.opts.values(rs.st.desc)
			return err
		})
		if err == nil && rs.at < rs.end {
			rd := reader{runs: rs, values: values, buf: buffers.Get().(*buffer)}
			defer func() {
				if cap(rd.buf.lines) <= maxLines {
					buffers.Put(rd.buf)
				}
			}()
			ahead := l.readAhead(ctx, rs)
			defer ahead.stop()
			err = rd.read(ctx, ahead, yield)
		}
		if err == nil && rs.end < rs.want && !r.Empty() {
			err = rs.short()
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(stream.Block{}, err)
		}
	}
}

// short: who reads up to an offset has seen that it is there, so what is missing must not
// be taken for nothing. It may come back: the leader was elected a moment ago.
func (r *runs) short() error {
	return problem.New(problem.Unavailable, "kafka: topic %s, partition %d ends at offset %d, and was to be read up to %d: its leader is behind, or the brokers have lost events",
		r.st.desc.Name, r.part.num, r.end, r.want)
}

// buffer is the memory of a block.
type buffer struct {
	lines   []byte
	offsets []stream.Offset
}

// A buffer's offsets are never nil: a block without events that covers offsets names none of them.
var buffers = sync.Pool{New: func() any { return &buffer{offsets: make([]stream.Offset, 0, 64)} }}

// ahead fetches while its reader works.
type ahead struct {
	got    chan fetchedOr
	cancel context.CancelFunc
	done   chan struct{}
}

type fetchedOr struct {
	fetched
	err error
}

// readAhead begins to fetch what the runs cover. The caller must stop it.
func (l *Log) readAhead(ctx context.Context, rs *runs) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{got: make(chan fetchedOr), cancel: cancel, done: make(chan struct{})}
	at, end := rs.at, rs.end // the reader moves rs on meanwhile
	go func() {
		defer close(a.done)
		for at < end {
			var f fetched
			err := l.within(ctx, func(c context.Context) (err error) {
				f, err = l.fetch(c, rs.st, rs.part, at, readFetch)
				return err
			})
			at = f.next
			select {
			case a.got <- fetchedOr{f, err}:
			case <-ctx.Done():
				f.release()
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return a
}

// next waits for a fetch.
func (a *ahead) next(ctx context.Context, l *Log) (fetched, error) {
	select {
	case f := <-a.got:
		return f.fetched, f.err
	case <-ctx.Done():
		return fetched{}, l.ended(ctx, ctx.Err())
	case <-l.life.Done():
		return fetched{}, errClosed()
	}
}

func (a *ahead) stop() {
	a.cancel()
	<-a.done
}

// reader makes blocks of what was fetched.
type reader struct {
	*runs
	values record.Values
	buf    *buffer

	now     block
	from    int64 // where the block that is being made begins, in now
	dropped int64
	latest  int64 // time of the newest event yielded, in ms
	oldest  int64 // time of the first event of the block; -1 while it has none
	newest  int64
}

var errStopped = problem.New(problem.Internal, "the caller has stopped")

func (rd *reader) read(ctx context.Context, ahead *ahead, yield func(stream.Block, error) bool) error {
	// The runs move on while the other side fetches by offsets of its own.
	if _, err := rd.enterRun(ctx); err != nil {
		return err
	}
	for at, end := rd.now.start, rd.end; at < end; {
		f, err := ahead.next(ctx, rd.log)
		if err != nil {
			return err
		}
		at = f.next
		err = rd.take(ctx, f, yield)
		f.release()
		if err != nil {
			return err
		}
	}
	return nil
}

// enterRun goes to the next block; more is false when there is none.
func (rd *reader) enterRun(ctx context.Context) (more bool, err error) {
	err = rd.log.within(ctx, func(c context.Context) (err error) {
		rd.now, more, err = rd.run(c)
		return err
	})
	rd.from = rd.now.start
	rd.empty()
	return more, err
}

func (rd *reader) empty() {
	rd.buf.lines, rd.buf.offsets = rd.buf.lines[:0], rd.buf.offsets[:0]
	rd.dropped, rd.oldest, rd.newest = 0, -1, -1
}

// take goes over what one fetch has brought, yielding the blocks that end in it.
func (rd *reader) take(ctx context.Context, f fetched, yield func(stream.Block, error) bool) error {
	for _, r := range f.records {
		if r.Offset >= rd.end {
			break
		}
		if err := rd.passTo(ctx, r.Offset, yield); err != nil {
			return err
		}
		if len(rd.buf.lines) >= maxLines {
			if err := rd.yield(ctx, r.Offset, yield); err != nil {
				return err
			}
			rd.from = r.Offset
			rd.empty()
		}
		if err := rd.add(ctx, r); err != nil {
			return err
		}
	}
	return rd.passTo(ctx, min(f.next, rd.end), yield)
}

// passTo yields the blocks that end at or before an offset.
func (rd *reader) passTo(ctx context.Context, offset int64, yield func(stream.Block, error) bool) error {
	for rd.now.end <= offset {
		if err := rd.yield(ctx, rd.now.end, yield); err != nil {
			return err
		}
		if more, err := rd.enterRun(ctx); err != nil {
			return err
		} else if !more {
			rd.now.end = 1<<63 - 1
			return nil
		}
	}
	return nil
}

// add appends the event of a record to the block.
func (rd *reader) add(ctx context.Context, r *kgo.Record) error {
	n := len(rd.buf.lines)
	lines, err := rd.values.AppendLine(ctx, rd.buf.lines, r.Value)
	if err != nil {
		rd.buf.lines = rd.buf.lines[:n]
		if problem.KindOf(err) != problem.Corrupt {
			return rd.log.ended(ctx, err)
		}
		if rd.st.desc.Invalid == stream.InvalidDrop {
			rd.dropped++
			return nil
		}
		return problem.New(problem.Corrupt, "kafka: topic %s, partition %d, offset %d: the value is no event: %w", rd.st.desc.Name, r.Partition, r.Offset, err)
	}
	rd.buf.lines = lines
	rd.buf.offsets = append(rd.buf.offsets, stream.Offset(r.Offset)+rd.st.base(stream.Partition(r.Partition)))
	ms := clampHour(r.Timestamp.UnixMilli(), rd.now.hour)
	if rd.oldest < 0 {
		rd.oldest = ms
	}
	rd.newest = max(rd.newest, ms)
	return nil
}

// yield hands over the block that ends before an offset.
func (rd *reader) yield(ctx context.Context, end int64, yield func(stream.Block, error) bool) error {
	if rd.log.life.Err() != nil {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return rd.log.ended(ctx, err)
	}
	b := stream.Block{Lines: rd.buf.lines, Offsets: rd.buf.offsets}
	b.Range = rd.span(rd.from, end)
	b.Events, b.Raw, b.Dropped = int64(len(rd.buf.offsets)), int64(len(rd.buf.lines)), rd.dropped
	if b.Events == end-rd.from {
		b.Offsets = nil
	}
	if rd.oldest < 0 {
		rd.oldest, rd.newest = rd.now.first, rd.now.first
	}
	// Times never go back, whatever clocks producers had.
	oldest := clampHour(max(rd.oldest, rd.latest), rd.now.hour)
	rd.latest = max(oldest, rd.newest)
	b.FirstAt, b.LastAt = time.UnixMilli(oldest).UTC(), time.UnixMilli(rd.latest).UTC()
	rd.st.learn(b.Events, b.Raw)
	if !yield(b, nil) {
		return errStopped
	}
	return nil
}
