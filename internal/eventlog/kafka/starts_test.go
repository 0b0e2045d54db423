package kafka

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

func TestAStartIsToldOnceAndForAWhile(t *testing.T) {
	var s starts
	now := time.Now()
	if _, ok := s.take(0, now); ok {
		t.Error("told before anybody asked")
	}
	s.keep(now, []found{{offset: 7}, {offset: 9}, {offset: 3, err: kerr.NotLeaderForPartition}})
	if at, ok := s.take(0, now); !ok || at != 7 {
		t.Errorf("partition 0 begins at %d, %v", at, ok)
	}
	if _, ok := s.take(0, now); ok {
		t.Error("told twice: who looks again must see what is there now")
	}
	if _, ok := s.take(2, now); ok {
		t.Error("an error was told as a start")
	}
	if _, ok := s.take(3, now); ok {
		t.Error("there is no partition 3")
	}
	if _, ok := s.take(1, now.Add(startsFor+1)); ok {
		t.Error("told after its time")
	}
	if at, ok := s.take(1, now.Add(startsFor)); !ok || at != 9 {
		t.Errorf("partition 1 begins at %d, %v", at, ok)
	}
	s.keep(now, []found{{offset: 7}})
	s.forget()
	if _, ok := s.take(0, now); ok {
		t.Error("told after it had moved")
	}
}

// A survey asks where partitions begin once for all of them, wherever their leaders are,
// and still a trimmed range is refused: at once if this log trimmed it, else when it is looked at again.
func TestSurveysAskOnceForAllPartitions(t *testing.T) {
	s := newStore(t, kfake.NumBrokers(3))
	const partitions = 6
	l, ctx := made(t, s, partitions), t.Context()
	for p := range partitions {
		if _, err := l.Append(ctx, testID, plainEntry(stream.Partition(p), "{\"n\":0}\n{\"n\":1}\n")); err != nil {
			t.Fatal(err)
		}
	}
	index := func(p int) (err error) {
		for _, err = range l.Index(ctx, testID, stream.Range{Partition: stream.Partition(p), End: 2}) {
		}
		return err
	}
	var asked atomic.Int64
	s.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		if r.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == atStart {
			asked.Add(1)
		}
		return nil, nil, false
	})
	for p := range partitions {
		if err := index(p); err != nil {
			t.Fatal(err)
		}
	}
	if n := asked.Load(); n > 3 { // one for each broker
		t.Errorf("%d requests for where %d partitions begin", n, partitions)
	}

	leader := s.cluster.LeaderFor("made", 2)
	if err := s.cluster.MoveTopicPartition("made", 2, (leader+1)%3); err != nil {
		t.Fatal(err)
	}
	if err := index(0); err != nil { // asks for all, of which one has moved
		t.Fatal(err)
	}
	if err := l.Trim(ctx, testID, 1, 1); err != nil {
		t.Fatal(err)
	}
	if err := index(1); !errors.Is(err, eventlog.ErrTrimmed) {
		t.Errorf("a range that was trimmed here: %v", err)
	}
	if err := index(2); err != nil {
		t.Errorf("the partition whose leader moved: %v", err)
	}
	s.admin(func(c *kadm.Client) error { // as other nodes do
		var os kadm.Offsets
		os.Add(kadm.Offset{Topic: "made", Partition: 2, At: 1})
		rs, err := c.DeleteRecords(context.Background(), os)
		return errors.Join(err, rs.Error())
	})
	if err := index(2); !errors.Is(err, eventlog.ErrTrimmed) {
		t.Errorf("a range that was trimmed elsewhere: %v", err)
	}
}
