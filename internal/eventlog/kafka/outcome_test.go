package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// abandoned appends an entry with names at a node that dies before it has noted that they
// are stored, and returns the claim that it leaves.
func (s *store) abandoned(e eventlog.Entry) eventlog.Claim {
	s.t.Helper()
	gone := s.node("gone", &remote{Settlement: s.ledger, before: func(call string) error {
		if call == "settle" {
			return errors.New("lost")
		}
		return nil
	}})
	if a, err := gone.Append(context.Background(), faultStream, e); err != nil || a.Events != e.Events {
		s.t.Fatalf("%+v, %v", a, err)
	}
	gone.names.end()
	if err := gone.Close(); err != nil {
		s.t.Fatal(err)
	}
	open, err := s.ledger.OpenClaims(context.Background(), 0, 10)
	if err != nil || len(open) != 1 {
		s.t.Fatalf("%d claims are open, %v", len(open), err)
	}
	return open[0]
}

// wantOpen wants a claim of which nobody knows what became of it to stay open.
func (s *store) wantOpen(c eventlog.Claim) {
	s.t.Helper()
	if now, found, err := s.ledger.FindClaim(context.Background(), c.ID); err != nil || !found || now.Void {
		s.t.Fatalf("the claim is %+v (%v), %v", now, found, err)
	}
}

// wantRepeated settles the claim, and wants its events to be there once.
func (s *store) wantRepeated(l *Log, c eventlog.Claim, e eventlog.Entry) {
	s.t.Helper()
	if err := l.resolve(context.Background(), c); err != nil {
		s.t.Fatal(err)
	}
	if a, err := l.Append(context.Background(), faultStream, e); err != nil || a.Events != 0 || a.Repeated != e.Events {
		s.t.Fatalf("stored again: %+v, %v", a, err)
	}
}

// A broker that has not heard of a topic says nothing of what became of a claim.
func TestOutcomeWhereABrokerKnowsNothing(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets} {
		t.Run(key.Name(), func(t *testing.T) {
			s := newStore(t)
			s.line = &line{}
			l := s.node("second", s.ledger)
			if err := l.Create(t.Context(), faultStream, 1); err != nil {
				t.Fatal(err)
			}
			s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
			e := withIDs("a", "b")
			c := s.abandoned(e)
			var heard atomic.Bool
			s.cluster.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
				s.cluster.KeepControl()
				if heard.Load() {
					return nil, nil, false
				}
				return unheard(r), nil, true
			})
			if err := l.resolve(t.Context(), c); err == nil {
				t.Error("a claim is settled whose events nobody has looked for")
			}
			s.wantOpen(c)
			heard.Store(true)
			s.wantRepeated(l, c, e)
		})
	}
}

// unheard answers as a broker that does not know the topics.
func unheard(r kmsg.Request) kmsg.Response {
	switch req := r.(type) {
	case *kmsg.FetchRequest:
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, rt := range req.Topics {
			st := kmsg.NewFetchResponseTopic()
			st.Topic, st.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				sp := kmsg.NewFetchResponseTopicPartition()
				sp.Partition, sp.ErrorCode = rp.Partition, kerr.UnknownTopicOrPartition.Code
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp
	case *kmsg.ListOffsetsRequest:
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, rt := range req.Topics {
			st := kmsg.NewListOffsetsResponseTopic()
			st.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				sp := kmsg.NewListOffsetsResponseTopicPartition()
				sp.Partition, sp.ErrorCode = rp.Partition, kerr.UnknownTopicOrPartition.Code
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp
	}
	panic(fmt.Sprintf("a request of kind %T", r))
}

// A claim may be in a partition that came to the topic since this node looked at it.
func TestOutcomeInAPartitionThatIsNew(t *testing.T) {
	s := newStore(t)
	s.line = &line{}
	l := s.node("second", s.ledger)
	if err := l.Create(t.Context(), faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	s.admin(func(c *kadm.Client) error {
		_, err := c.UpdatePartitions(t.Context(), 2, l.opts.Prefix+faultStream)
		return err
	})
	e := withIDs("a", "b")
	e.Partition = 1
	c := s.abandoned(e)
	if st, err := l.stream(t.Context(), faultStream); err != nil || len(st.parts) != 1 {
		t.Fatal("the node has looked since, the test tests nothing")
	}
	s.wantRepeated(l, c, e)
}

// A partition that came since this node looked can be read and trimmed at once.
func TestPartitionThatIsNew(t *testing.T) {
	for name, do := range map[string]func(*Log) error{
		"read": func(l *Log) (err error) {
			for _, err = range l.Read(t.Context(), faultStream, stream.Range{Partition: 1, End: 2}) {
			}
			return err
		},
		"index": func(l *Log) (err error) {
			for _, err = range l.Index(t.Context(), faultStream, stream.Range{Partition: 1, End: 2}) {
			}
			return err
		},
		"trim": func(l *Log) error { return l.Trim(t.Context(), faultStream, 1, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			s.line = &line{}
			l := s.node("second", s.ledger)
			if err := l.Create(t.Context(), faultStream, 1); err != nil {
				t.Fatal(err)
			}
			topic := l.opts.Prefix + faultStream
			s.book.set(faultStream, &stream.Topic{Name: topic, Values: stream.ValuesJSON})
			s.admin(func(c *kadm.Client) error { _, err := c.UpdatePartitions(t.Context(), 2, topic); return err })
			s.produce(nil, recordAt(topic, 1, 1, noon), recordAt(topic, 1, 2, noon))
			if err := do(l); err != nil {
				t.Error(err)
			}
		})
	}
}
