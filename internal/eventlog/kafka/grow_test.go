package kafka

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// A topic that others give more partitions is read in them from their beginning, by a node
// that runs and by one that starts; but not before the catalog knows.
func TestPartitionsAreAdded(t *testing.T) {
	for _, running := range []bool{true, false} {
		s := newStore(t)
		s.make("theirs", 2, nil)
		l := openTopic(t, s, stream.Topic{Name: "theirs"})
		s.book.grow(testID, 2)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		told := make(chan struct{}, 1)
		defer l.Subscribe(func(eventlog.Advance) {
			select {
			case told <- struct{}{}:
			default:
			}
		})()
		if _, err := l.Bounds(ctx, testID); err != nil {
			t.Fatal(err)
		}
		s.admin(func(c *kadm.Client) error { _, err := c.UpdatePartitions(ctx, 4, "theirs"); return err })
		if running {
			go func() { ran <- l.Run(ctx) }()
			select {
			case <-told: // that something is new, though nothing was sent
			case <-time.After(10 * time.Minute):
				t.Fatal("nobody noticed")
			}
		} else {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Open(); err != nil {
				t.Fatal(err)
			}
			l = s.log
			ran <- nil
		}
		s.produce(nil, recordAt("theirs", 3, 7, noon))
		bounds, err := l.Bounds(ctx, testID)
		if err != nil || len(bounds) != 4 || bounds[3].End != 1 {
			t.Fatalf("bounds %v: %v", bounds, err)
		}
		if all, err := s.book.TopicStreams(ctx); err != nil || all[0].Partitions != 4 {
			t.Fatalf("the catalog knows of %+v: %v", all, err)
		}
		if got := all(t, l, 3); len(got) != 1 || string(got[0].Lines) != value(7)+"\n" {
			t.Fatalf("read %v", got)
		}
		if _, err := l.Append(ctx, testID, plainEntry(2, "{}\n")); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A node that was down while a topic was deleted and made anew does not take it for what
// it was.
func TestMadeAnewWhileDown(t *testing.T) {
	s := newStore(t)
	s.make("theirs", 1, nil)
	l := openTopic(t, s, stream.Topic{Name: "theirs"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.admin(func(c *kadm.Client) error { _, err := c.DeleteTopic(t.Context(), "theirs"); return err })
	s.make("theirs", 1, nil)
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	_, err := s.log.Bounds(t.Context(), testID)
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "made anew") {
		t.Fatalf("%v", err)
	}
}

// A topic can be adopted as soon as it is made, whichever broker hears of it when.
func TestAdoptedBeforeAllBrokersKnow(t *testing.T) {
	s := newStore(t)
	s.make("theirs", 1, map[string]*string{"cleanup.policy": new("delete")})
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	s.cluster.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) { // once
		req := r.(*kmsg.DescribeConfigsRequest)
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, rr := range req.Resources {
			sr := kmsg.NewDescribeConfigsResponseResource()
			sr.ResourceType, sr.ResourceName, sr.ErrorCode = rr.ResourceType, rr.ResourceName, kerr.UnknownTopicOrPartition.Code
			resp.Resources = append(resp.Resources, sr)
		}
		return resp, nil, true
	})
	if _, n, err := s.log.Make(t.Context(), testID, stream.Topic{Name: "theirs", Adopted: true}, 0); err != nil || n != 1 {
		t.Fatalf("%d partitions: %v", n, err)
	}
}

// A broker that has not heard of new partitions is no reason to take the topic for another.
func TestPartitionsThatABrokerHasNotHeardOf(t *testing.T) {
	s := newStore(t)
	s.make("theirs", 2, nil)
	l := openTopic(t, s, stream.Topic{Name: "theirs"})
	s.book.grow(testID, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.log.Bounds(t.Context(), testID); problem.KindOf(err) != problem.Unavailable {
		t.Fatalf("%v (%v)", err, problem.KindOf(err))
	}
	s.admin(func(c *kadm.Client) error { _, err := c.UpdatePartitions(t.Context(), 3, "theirs"); return err })
	if bounds, err := s.log.Bounds(t.Context(), testID); err != nil || len(bounds) != 3 {
		t.Fatalf("%v, %v", bounds, err)
	}
}
