//go:build integration

package kafka

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/eventlog"
	"strm/internal/eventlog/eventlogtest"
	"strm/internal/stream"
	"strm/test/servers"
)

// cluster is the one of all tests here, started when one needs it first: three brokers.
var cluster struct {
	once  sync.Once
	kafka *servers.Kafka
	dir   string
	err   error
}

func kafkaCluster(t *testing.T) *servers.Kafka {
	t.Helper()
	cluster.once.Do(func() {
		afterTests = stopCluster
		if cluster.dir, cluster.err = os.MkdirTemp("", "kafka"); cluster.err == nil { //nolint:usetesting // it outlives the test
			cluster.kafka, cluster.err = servers.StartKafka(context.Background(), cluster.dir, servers.KafkaOptions{Brokers: 3})
		}
	})
	if cluster.err != nil {
		t.Fatal(cluster.err)
	}
	return cluster.kafka
}

func stopCluster() {
	if cluster.kafka != nil {
		_ = cluster.kafka.Close()
	}
	if cluster.dir != "" {
		_ = os.RemoveAll(cluster.dir)
	}
}

// realBrokers are those that STRM_KAFKA names, a comma between them: a cluster without
// security of which tests may use any topic. If it names none, one is started.
func realBrokers(t *testing.T) []string {
	t.Helper()
	if list := os.Getenv("STRM_KAFKA"); list != "" {
		return strings.Split(list, ",")
	}
	return strings.Split(kafkaCluster(t).Bootstrap(), ",")
}

var realStores atomic.Int64

// newRealStore is a store on real brokers, whose topics have names of their own and go
// with the test.
func newRealStore(t *testing.T) *store {
	s := &store{t: t, brokers: realBrokers(t), ledger: ledger(t), wait: 5 * time.Second}
	s.prefix = fmt.Sprintf("test-%d-%d-%d.", os.Getpid(), time.Now().UnixNano(), realStores.Add(1))
	t.Cleanup(func() {
		if s.log != nil {
			_ = s.log.Close()
		}
		s.admin(func(c *kadm.Client) error {
			topics, err := c.ListTopics(context.Background())
			if err != nil {
				return err
			}
			var mine []string
			for _, name := range topics.Names() {
				if strings.HasPrefix(name, s.prefix) {
					mine = append(mine, name)
				}
			}
			if len(mine) == 0 {
				return nil
			}
			_, err = c.DeleteTopics(context.Background(), mine...)
			return err
		})
	})
	return s
}

// newShiftedRealStore is one for the suite, whose times lie in the past of the brokers' clock, which markers bear.
func newShiftedRealStore(t *testing.T) *store {
	s := newRealStore(t)
	s.wait, s.news = patience, 5*time.Second // brokers on a busy machine
	s.shift = 24 * 365 * 5 * time.Hour
	return s
}

func TestConformanceOnBrokers(t *testing.T) {
	// A run of the model makes topics and restarts the log a dozen times, seconds each here.
	if err := flag.Set("rapid.checks", "4"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("rapid.checks", modelChecks) }() // it took that value before
	eventlogtest.Run(t, eventlogtest.Harness{New: func(t *testing.T) eventlogtest.Store { return newShiftedRealStore(t) }, TimesGo: true, NeverFull: true})
}

// Gaps as real brokers leave them: markers, what was aborted, and what compaction took.
func TestGapsOfBrokers(t *testing.T) {
	s := newRealStore(t)
	name := s.prefix + "gaps"
	s.make(name, 1, map[string]*string{"segment.bytes": new("1048576"), "min.cleanable.dirty.ratio": new("0.01"), "segment.ms": new("100"), "delete.retention.ms": new("100")})
	now := time.Now()
	want := map[stream.Offset]string{}
	next := 0
	put := func(gone bool, rs ...*kgo.Record) []*kgo.Record {
		for _, r := range rs {
			if !gone {
				want[stream.Offset(next)] = string(r.Value) + "\n"
			}
			next++
		}
		return rs
	}
	batch := func(n int, key string) (rs []*kgo.Record) {
		for i := range n {
			r := recordAt(name, 0, next+i, now)
			r.Key = []byte(key)
			if i%3 == 0 {
				r.Key = fmt.Appendf(nil, "%s %d", key, next+i)
			}
			rs = append(rs, r)
		}
		return rs
	}
	l := openTopic(t, s, stream.Topic{Name: name})
	check := func() {
		t.Helper()
		text, offsets := events(all(t, l, 0))
		lines := strings.SplitAfter(text, "\n")
		if len(offsets) != len(want) {
			t.Fatalf("%d events, want %d", len(offsets), len(want))
		}
		for i, o := range offsets {
			if want[o] != lines[i] {
				t.Fatalf("offset %d is %q, want %q", o, lines[i], want[o])
			}
		}
	}
	s.produce(nil, put(false, batch(3000, "a")...)...)
	s.inTransaction(kgo.TryCommit, put(false, batch(9000, "b")...)...)
	next++ // the marker
	s.inTransaction(kgo.TryAbort, put(true, batch(9000, "c")...)...)
	next++
	s.inTransaction(kgo.TryCommit, put(false, batch(10, "d")...)...)
	next++
	s.produce(nil, put(false, batch(3000, "e")...)...)
	check()

	s.alter(name, map[string]string{"cleanup.policy": "compact"})
	before := len(want)
	deadline := time.Now().Add(90 * time.Second)
	for {
		s.produce(nil, put(false, batch(1, "f")...)...) // rolls the segment
		_, offsets := events(all(t, l, 0))
		if len(offsets) < before*2/3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was compacted: %d events", len(offsets))
		}
		time.Sleep(500 * time.Millisecond) // the broker's cleaner has nothing to wait on
	}
	text, offsets := events(all(t, l, 0))
	lines := strings.SplitAfter(text, "\n")
	for i, o := range offsets {
		if want[o] != lines[i] {
			t.Fatalf("offset %d is %q, was %q", o, lines[i], want[o])
		}
	}
}

// Hours are where real brokers say, whatever clocks producers have.
func TestHoursOfBrokers(t *testing.T) {
	s := newRealStore(t)
	name := s.prefix + "hours"
	s.make(name, 1, nil)
	var rs []*kgo.Record
	var reached []int64
	top := int64(0)
	for i := range 12_000 {
		at := time.Now().Add(-72 * time.Hour).Truncate(time.Hour).Add(time.Duration(i) * 15 * time.Second).Add(time.Duration(i*7919%5400) * time.Second)
		rs = append(rs, recordAt(name, 0, i, at))
		top = max(top, hourOf(at.UnixMilli()))
		reached = append(reached, top)
	}
	s.produce(nil, rs...)
	l := openTopic(t, s, stream.Topic{Name: name})
	for _, start := range []stream.Offset{0, 1, 4711, 8191, 8192, 11_999} {
		next := start
		for h, err := range l.Index(context.Background(), testID, stream.Range{Start: start, End: 12_000}) {
			if err != nil {
				t.Fatal(err)
			}
			for o := h.Range.Start; o < h.Range.End; o++ {
				if reached[o] != hourOf(h.FirstAt.UnixMilli()) {
					t.Fatalf("offset %d in block %+v is of hour %d", o, h, reached[o])
				}
			}
			next = h.Range.End
		}
		if next != 12_000 {
			t.Fatalf("index from %d ends at %d", start, next)
		}
	}
	all(t, l, 0)
}

// Records that are deleted are trimmed; a topic that is deleted says so.
func TestTrimAndDeleteOnBrokers(t *testing.T) {
	s := newRealStore(t)
	l, ctx := made(t, s, 1), context.Background()
	for i := range 10 {
		if _, err := l.Append(ctx, testID, plainEntry(0, value(i)+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Trim(ctx, testID, 0, 7); err != nil {
		t.Fatal(err)
	}
	bs, err := l.Bounds(ctx, testID)
	if err != nil || bs[0] != (eventlog.Bound{Floor: 7, End: 10}) {
		t.Fatalf("%+v, %v", bs, err)
	}
	if text, offsets := events(all(t, l, 0)); text != "{\"n\":7}\n{\"n\":8}\n{\"n\":9}\n" || fmt.Sprint(offsets) != "[7 8 9]" {
		t.Fatalf("%q at %v", text, offsets)
	}
	deletedTopic(t, s, l)
}
