package kafka

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Sizes of fetches, in bytes as the brokers keep them; a batch that is larger comes whole.
const (
	firstFetch = 4 << 10
	readFetch  = 1 << 20
)

// fetched is what one fetch has brought: committed records from an offset on, without gaps
// that are not the topic's own, and where to go on.
type fetched struct {
	records []*kgo.Record
	next    int64
	loan    *loan // the memory that records are in
}

// release gives back the memory of the records; they are not to be used from then on.
func (f *fetched) release() {
	f.records = nil
	if f.loan != nil {
		f.loan.release()
	}
}

// fetch reads from an offset below the last stable one, from the partition's leader. It
// gets over brokers that come and go, for retryTimeout, and makes way: next is beyond from.
func (l *Log) fetch(ctx context.Context, st *topic, part *partition, from int64, size int32) (fetched, error) {
	var last error
	deadline := time.Now().Add(retryTimeout)
	for try := 0; ; try++ {
		if try > 0 {
			if time.Now().After(deadline) {
				return fetched{}, l.fault(ctx, st, "fetch from", last)
			}
			if err := pause(ctx, min(time.Duration(try)*25*time.Millisecond, 500*time.Millisecond)); err != nil {
				return fetched{}, l.ended(ctx, err)
			}
		}
		leader, err := l.leader(ctx, st, part)
		if err == nil {
			var got fetched
			got, err = l.fetchFrom(ctx, leader, st, part, from, size)
			if err == nil && got.next > from {
				return got, nil
			}
			if err == nil {
				got.release()
				err = kerr.OffsetNotAvailable // a leader that does not know yet how far it may show
			}
		}
		if errors.Is(err, kerr.OffsetOutOfRange) {
			err = l.outOfRange(ctx, st, part, from)
		}
		var pe *problem.Error
		var ke *kerr.Error
		if errors.As(err, &pe) || ctx.Err() != nil || denied(err) || isUnknownTopic(err) && try > 2 || errors.As(err, &ke) && !ke.Retriable {
			return fetched{}, l.fault(ctx, st, "fetch from", err)
		}
		last = err
		part.leader.Store(-1)
	}
}

// batches asks a broker for what a partition has from an offset on, at an isolation of one's own.
func (l *Log) batches(ctx context.Context, leader int32, st *topic, part *partition, from int64, size int32, isolation int8) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	// The partition's size is the limit; kfake forgets what was aborted where the request's is reached.
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = 0, 1, math.MaxInt32, isolation
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = st.desc.Name, st.id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = part.num, from, size
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	kresp, err := l.client.Broker(int(leader)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := kresp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, kerr.UnknownServerError
	}
	answer := &resp.Topics[0].Partitions[0]
	return answer, kerr.ErrorForCode(answer.ErrorCode)
}

func (l *Log) fetchFrom(ctx context.Context, leader int32, st *topic, part *partition, from int64, size int32) (fetched, error) {
	answer, err := l.batches(ctx, leader, st, part, from, size, readCommitted)
	if err != nil {
		return fetched{}, err
	}
	part.reached(answer.LastStableOffset)
	lent := &loan{memory: &l.memory, decompressor: l.decompressor}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: st.desc.Name, Partition: part.num, Pools: []kgo.Pool{lent},
	}, answer, lent, nil)
	if fp.Err != nil && len(fp.Records) == 0 {
		lent.release()
		return fetched{}, problem.New(problem.Corrupt, "kafka: topic %s, partition %d, offset %d: the batch of records cannot be read: %w", st.desc.Name, part.num, next, fp.Err)
	}
	if l.shift != 0 {
		for _, r := range fp.Records {
			r.Timestamp = r.Timestamp.Add(-l.shift)
		}
	}
	return fetched{records: fp.Records, next: next, loan: lent}, nil
}

// outOfRange says why a partition has nothing at an offset.
func (l *Log) outOfRange(ctx context.Context, st *topic, part *partition, offset int64) error {
	start, err := l.offsetAt(ctx, st, part, atStart)
	if err != nil {
		return err
	}
	if offset < start.offset {
		return errTrimmed(st, part, offset, start.offset)
	}
	end, err := l.offsetAt(ctx, st, part, atEnd)
	if err != nil {
		return err
	}
	if offset < end.offset {
		return kerr.OffsetNotAvailable // it has come back: another leader
	}
	return problem.New(problem.Corrupt, "kafka: topic %s, partition %d ends at offset %d, and %d was there before: the brokers have lost events, or the topic was made anew",
		st.desc.Name, part.num, end.offset+int64(st.base(stream.Partition(part.num))), offset+int64(st.base(stream.Partition(part.num))))
}

// leader returns the node that leads a partition, as far as is known.
func (l *Log) leader(ctx context.Context, st *topic, part *partition) (int32, error) {
	if node := part.leader.Load(); node >= 0 {
		return node, nil
	}
	detail, err := l.detail(ctx, st.desc.Name)
	if err != nil {
		return -1, err
	}
	for _, p := range detail.Partitions {
		if int(p.Partition) < len(st.parts) {
			st.parts[p.Partition].leader.Store(p.Leader)
		}
	}
	if node := part.leader.Load(); node >= 0 {
		return node, nil
	}
	return -1, kerr.LeaderNotAvailable
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
