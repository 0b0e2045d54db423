package kafka

import (
	"context"
	"iter"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Ping asks whether a broker answers, and lets this user in.
func (l *Log) Ping(ctx context.Context) error {
	c, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := l.client.Ping(c); err != nil {
		return l.ended(c, classify("reach the brokers", err))
	}
	return nil
}

// Load appends the lines of the blocks at the end of a partition, one record each, in
// order: the first at the block's FirstAt, the last at its LastAt, and those between at
// FirstAt. It fails unless every record lands at the offset that its block says, so nobody
// else may append to the topic meanwhile. A block and its lines are not kept.
//
// Broken off, or failed with kind Busy or Unavailable, it has appended a part of the
// blocks, none of them twice: the partition's end says how much. Unless ctx has ended or the
// log closes, nothing is on its way any more when it returns.
func (l *Log) Load(ctx context.Context, streamID string, p stream.Partition, blocks iter.Seq2[stream.Block, error]) error {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	st, err := l.stream(ctx, streamID)
	if err != nil {
		return l.ended(ctx, err)
	}
	part, err := st.partition(p)
	if err != nil {
		return err
	}
	if st.desc.Adopted {
		return problem.New(problem.Invalid, "kafka: topic %s is not ours", st.desc.Name)
	}
	c, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var flying stuck
	for b, err := range blocks {
		if err == nil {
			err = context.Cause(c)
		}
		if err == nil {
			err = l.loadBlock(c, st, part, b, &flying, fail)
		}
		if err != nil {
			fail(err)
			break
		}
	}
	// The client gives up what it has not sent when c ends; for the answer to what it has sent it waits without end.
	if landed := flying.waiting(); landed != nil {
		select {
		case <-landed:
		case <-ctx.Done():
		}
	}
	if err := context.Cause(c); err != nil {
		return l.ended(ctx, err)
	}
	return nil
}

// loadBlock hands the records of a block to the producer; what becomes of them is
// told to fail.
func (l *Log) loadBlock(ctx context.Context, st *topic, part *partition, b stream.Block, flying *stuck, fail context.CancelCauseFunc) error {
	if b.Events < 1 {
		return nil
	}
	weight := l.weigh(len(b.Lines), int(b.Events))
	if err := l.reserve(ctx, weight); err != nil {
		return err
	}
	f := &flight{done: make(chan struct{}, 1)}
	f.promise = f.answered
	f.load(st.desc.Name, part.num, b.Lines, int(b.Events))
	if len(f.recs) != int(b.Events) {
		l.release(weight)
		return problem.New(problem.Corrupt, "block %v has %d lines, not %d", b.Range, len(f.recs), b.Events)
	}
	first, n, raw := int64(b.Range.Start-st.base(b.Range.Partition)), int64(len(f.recs)), int64(len(b.Lines))
	at := b.LastAt
	flying.enter()
	f.after = func() {
		defer flying.leave()
		l.release(weight)
		switch {
		case f.fault != nil:
			fail(l.notStored(ctx, st, f))
		case f.first != first || f.last != first+n-1:
			fail(problem.New(problem.Conflict, "kafka: topic %s, partition %d: records that belong at offsets %d to %d are at %d to %d: somebody else writes to the topic. Delete it, and begin again",
				st.desc.Name, part.num, first, first+n-1, f.first, f.last))
		default:
			l.stored(st, part, eventlog.Advance{StreamID: st.streamID, Events: n, Raw: raw, First: at, At: at}, f.first, f.last+1)
		}
	}
	f.stamp(b.FirstAt)
	f.recs[n-1].Timestamp = b.LastAt
	part.append.Lock()
	defer part.append.Unlock()
	part.latest = max(part.latest, b.LastAt.UnixMilli())
	for i := range f.recs {
		l.client.TryProduce(ctx, &f.recs[i], f.promise)
	}
	return nil
}
