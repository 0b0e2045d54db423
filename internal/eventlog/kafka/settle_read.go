package kafka

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// outcome reads what became of a claim whose transaction has ended: whether it was
// committed, and where its entries are. Records and markers of any state are read, up to the high
// watermark: so open transactions of others need not be waited for.
func (l *Log) outcome(ctx context.Context, c eventlog.Claim) (done bool, ranges []eventlog.ClaimRange, places []place, err error) {
	for _, p := range c.Parts {
		st, part, err := l.placed(ctx, p.StreamID, p.Partition, l.stream)
		if err != nil && (problem.KindOf(err) == problem.NotFound || problem.KindOf(err) == problem.Conflict) {
			continue // the stream is gone, with whatever it held
		}
		if err != nil {
			return false, nil, nil, err
		}
		rd := claimReading{log: l, st: st, part: part, prefix: append(strconv.AppendInt(nil, c.ID, 10), '.'), at: map[int]*[2]int64{}}
		if err := rd.read(ctx, int64(p.From-st.base(p.Partition))); err != nil {
			if problem.KindOf(err) == problem.Conflict { // that it is gone was looked at; what one broker has not heard of may be there
				continue
			}
			return false, nil, nil, err
		}
		if len(rd.at) == 0 {
			continue
		}
		if !rd.ended {
			return false, nil, nil, problem.New(problem.Unavailable, "kafka: topic %s: the transaction of claim %d has not ended", st.desc.Name, c.ID)
		}
		if !rd.committed {
			return false, nil, nil, nil
		}
		done = true
		for entry, at := range rd.at {
			places = append(places, place{st, part, at[1]})
			base := st.base(p.Partition)
			ranges = append(ranges, eventlog.ClaimRange{Entry: entry, Range: stream.Range{Partition: p.Partition,
				Start: stream.Offset(at[0]) + base, End: stream.Offset(at[1]) + 1 + base}})
		}
	}
	return done, ranges, places, nil
}

// claimReading looks for the records of a claim in a partition.
type claimReading struct {
	log       *Log
	st        *topic
	part      *partition
	prefix    []byte
	at        map[int]*[2]int64 // first and last offset by entry
	producer  int64
	ended     bool
	committed bool
}

func (r *claimReading) read(ctx context.Context, from int64) error {
	l := r.log
	start, err := l.offsetOf(ctx, r.st, r.part, atStart, readUncommitted)
	if err != nil {
		return err
	}
	end, err := l.offsetOf(ctx, r.st, r.part, atEnd, readUncommitted)
	if err != nil {
		return err
	}
	tries := 0
	for at := max(from, start.offset); at < end.offset && !r.ended; {
		next, err := r.fetch(ctx, at)
		var ke *kerr.Error
		if err == nil && next <= at {
			err = kerr.OffsetNotAvailable
		}
		if err != nil {
			if tries++; tries > 10 || ctx.Err() != nil || errors.As(err, &ke) && !ke.Retriable {
				return l.fault(ctx, r.st, "read a claim in", err)
			}
			r.part.leader.Store(-1)
			if err := pause(ctx, settlePause/20); err != nil {
				return err
			}
			continue
		}
		at = next
	}
	return nil
}

// fetch reads on from an offset, and returns where to go on.
func (r *claimReading) fetch(ctx context.Context, at int64) (next int64, err error) {
	l := r.log
	leader, err := l.leader(ctx, r.st, r.part)
	if err != nil {
		return at, err
	}
	answer, err := l.batches(ctx, leader, r.st, r.part, at, readFetch, readUncommitted)
	if err != nil {
		return at, err
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: at, IsolationLevel: kgo.ReadUncommitted(), Topic: r.st.desc.Name, Partition: r.part.num,
	}, answer, l.decompressor, nil)
	if fp.Err != nil && len(fp.Records) == 0 {
		return at, problem.New(problem.Corrupt, "kafka: topic %s, partition %d, offset %d: the batch of records cannot be read: %w", r.st.desc.Name, r.part.num, next, fp.Err)
	}
	for _, rec := range fp.Records {
		if err := r.look(rec); err != nil || r.ended {
			return next, err
		}
	}
	return next, nil
}

// look notes a record of the claim, or the marker after them: the producer has one
// transaction at a time, so the first of its markers is that of the claim.
func (r *claimReading) look(rec *kgo.Record) error {
	if rec.Attrs.IsControl() {
		if len(r.at) == 0 || rec.ProducerID != r.producer {
			return nil
		}
		var key kmsg.ControlRecordKey
		if err := key.ReadFrom(rec.Key); err != nil {
			return err
		}
		r.ended, r.committed = true, key.Type == kmsg.ControlRecordKeyTypeCommit
		return nil
	}
	for i := range rec.Headers {
		if rec.Headers[i].Key != claimHeader {
			continue
		}
		number, ok := bytes.CutPrefix(rec.Headers[i].Value, r.prefix)
		if !ok {
			return nil
		}
		entry, bad := strconv.Atoi(string(number))
		if bad != nil { // somebody else's header
			continue
		}
		r.producer = rec.ProducerID
		if at := r.at[entry]; at != nil {
			at[1] = rec.Offset
		} else {
			r.at[entry] = &[2]int64{rec.Offset, rec.Offset}
		}
	}
	return nil
}
