package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// What offsets may be asked for, beside a time in milliseconds.
const (
	atEnd   int64 = -1 // the last stable offset
	atStart int64 = -2
)

// Isolations.
const (
	readUncommitted = 0
	readCommitted   = 1
)

// found is an answer of ListOffsets.
type found struct {
	offset int64 // -1: there is none
	time   int64 // of the record there, in ms; where a time was asked for
	err    error
}

// offsetsOf is offsets for one topic, again while leaders move.
func (l *Log) offsetsOf(ctx context.Context, st *topic, when int64) ([]found, error) {
	var at []found
	err := l.patiently(ctx, func() (err error) {
		at = l.offsets(ctx, []*topic{st}, when)[st.desc.Name]
		for i := range at {
			if err == nil {
				err = at[i].err
			}
		}
		return err
	})
	if err != nil {
		return nil, l.fault(ctx, st, "list offsets of", err)
	}
	return at, nil
}

// patiently tries again while brokers say that others should be asked, or they later: for
// retryTimeout; that there is no such topic, for Options.news. The client does so itself where no
// broker can be reached.
func (l *Log) patiently(ctx context.Context, try func() error) error {
	began := time.Now()
	for n := 1; ; n++ {
		err := try()
		var ke *kerr.Error
		if !errors.As(err, &ke) || !ke.Retriable || isUnknownTopic(err) && time.Since(began) >= l.opts.news || time.Since(began) >= retryTimeout {
			return err
		}
		if pause(ctx, min(time.Duration(n)*25*time.Millisecond, 500*time.Millisecond)) != nil {
			return err
		}
	}
}

// offsets asks the leaders of all partitions of the topics, each once, and returns what
// they say by topic and partition. Errors are those of partitions.
func (l *Log) offsets(ctx context.Context, topics []*topic, when int64) map[string][]found {
	out := make(map[string][]found, len(topics))
	for _, st := range topics { // a stream that was deleted elsewhere may be bound beside the one that has its topic now
		if at := out[st.desc.Name]; at == nil || len(at) < len(st.parts) {
			out[st.desc.Name] = make([]found, len(st.parts))
		}
	}
	req := newListOffsets()
	for name, at := range out {
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = name
		for i := range at {
			rt.Partitions = append(rt.Partitions, listOffsetsPartition(int32(i), when))
			at[i].err = kerr.UnknownServerError // until somebody says something
		}
		req.Topics = append(req.Topics, rt)
	}
	for _, shard := range l.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			for _, rt := range shard.Req.(*kmsg.ListOffsetsRequest).Topics {
				for _, rp := range rt.Partitions {
					out[rt.Topic][rp.Partition].err = shard.Err
				}
			}
			continue
		}
		for _, rt := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, rp := range rt.Partitions {
				if at := out[rt.Topic]; int(rp.Partition) < len(at) {
					at[rp.Partition] = found{rp.Offset, rp.Timestamp, kerr.ErrorForCode(rp.ErrorCode)}
				}
			}
		}
	}
	return out
}

func newListOffsets() *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = readCommitted
	return req
}

func listOffsetsPartition(p int32, when int64) kmsg.ListOffsetsRequestTopicPartition {
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp = p, when
	return rp
}

// offsetAt asks the leader of one partition for committed records.
func (l *Log) offsetAt(ctx context.Context, st *topic, part *partition, when int64) (found, error) {
	return l.offsetOf(ctx, st, part, when, readCommitted)
}

// offsetOf is offsetAt at an isolation of one's own.
func (l *Log) offsetOf(ctx context.Context, st *topic, part *partition, when int64, isolation int8) (found, error) {
	if when >= 0 {
		when = max(0, when+l.shift.Milliseconds())
	}
	req := newListOffsets()
	req.IsolationLevel = isolation
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = st.desc.Name
	rt.Partitions = append(rt.Partitions, listOffsetsPartition(part.num, when))
	req.Topics = append(req.Topics, rt)
	var f found
	err := l.patiently(ctx, func() error {
		resp, err := req.RequestWith(ctx, l.client)
		if err != nil {
			return err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return kerr.UnknownServerError
		}
		p := resp.Topics[0].Partitions[0]
		f = found{offset: p.Offset, time: p.Timestamp - l.shift.Milliseconds()}
		return kerr.ErrorForCode(p.ErrorCode)
	})
	if err != nil {
		return found{}, l.fault(ctx, st, "list offsets of", err)
	}
	return f, nil
}

// stableEnd asks for the last stable offset of a partition.
func (l *Log) stableEnd(ctx context.Context, st *topic, part *partition) (int64, error) {
	f, err := l.offsetAt(ctx, st, part, atEnd)
	if err != nil {
		return 0, err
	}
	part.reached(f.offset)
	return f.offset, nil
}

// reached notes a last stable offset that was seen.
func (part *partition) reached(end int64) {
	for {
		have := part.stable.Load()
		if end <= have || part.stable.CompareAndSwap(have, end) {
			return
		}
	}
}

// Bounds implements eventlog.Log: what the brokers say now, ends being last stable
// offsets. Packed is 0: nothing is kept packed.
func (l *Log) Bounds(ctx context.Context, streamID string) ([]eventlog.Bound, error) {
	c, leave, err := l.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	st, err := l.stream(c, streamID)
	if err != nil {
		return nil, l.ended(c, err)
	}
	var starts, ends []found
	var g errgroup.Group
	g.Go(func() (err error) { starts, err = l.offsetsOf(c, st, atStart); return err })
	ends, err = l.offsetsOf(c, st, atEnd)
	if other := g.Wait(); err == nil {
		err = other
	}
	if err != nil {
		return nil, err
	}
	out := make([]eventlog.Bound, len(st.parts))
	for i, part := range st.parts {
		part.reached(ends[i].offset)
		base := st.base(stream.Partition(i))
		// The floor may have moved on between the two answers.
		out[i] = eventlog.Bound{Floor: min(stream.Offset(starts[i].offset), stream.Offset(ends[i].offset)) + base, End: stream.Offset(ends[i].offset) + base}
	}
	return out, nil
}
