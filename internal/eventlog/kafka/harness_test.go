package kafka

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"strm/internal/catalog"
	"strm/internal/eventlog"
	"strm/internal/eventlog/eventlogtest"
	"strm/internal/problem"
	"strm/internal/stream"
)

// afterTests stops what tests have started for all of them.
var afterTests = func() {}

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", modelChecks); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(stopping{m})
}

type stopping struct{ *testing.M }

func (s stopping) Run() int {
	code := s.M.Run()
	afterTests()
	return code
}

func TestConformance(t *testing.T) {
	eventlogtest.Run(t, eventlogtest.Harness{New: func(t *testing.T) eventlogtest.Store {
		s := newStore(t)
		s.shift = 24 * 365 * 5 * time.Hour // the brokers' clock, which markers bear, is ahead of the suite's
		return s
	}, TimesGo: true})
}

// line is the network between one log and the cluster, which can be cut.
type line struct {
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

var errCut = errors.New("the line is cut")

func (n *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	cut := n.cut
	n.mu.Unlock()
	if cut {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errCut}
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		_ = c.Close()
		return nil, errCut
	}
	if n.conns == nil {
		n.conns = map[net.Conn]bool{}
	}
	n.conns[c] = true
	return c, nil
}

func (n *line) set(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
	if cut {
		for c := range n.conns {
			_ = c.Close()
		}
		clear(n.conns)
	}
}

// book is the catalog of a test.
type book struct {
	mu sync.Mutex
	of map[string]stream.Topic
	// partitions that streams have; 0: as many as their topics
	partitions map[string]int
}

func (b *book) TopicStream(_ context.Context, id string) (stream.Stream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.of[id]
	if !ok {
		return stream.Stream{}, problem.New(problem.NotFound, "no stream %s", id)
	}
	return stream.Stream{ID: id, Partitions: b.partitions[id], Topic: t}, nil
}

func (b *book) TopicStreams(context.Context) ([]stream.Stream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []stream.Stream
	for id, t := range b.of {
		all = append(all, stream.Stream{ID: id, Partitions: b.partitions[id], Topic: t})
	}
	return all, nil
}

func (b *book) GrowStream(_ context.Context, id string, partitions int) error {
	b.grow(id, partitions)
	return nil
}

func (b *book) grow(id string, partitions int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.partitions == nil {
		b.partitions = map[string]int{}
	}
	b.partitions[id] = max(partitions, b.partitions[id])
}

func (b *book) set(id string, t *stream.Topic) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[string]stream.Topic{}
	}
	if delete(b.of, id); t != nil {
		b.of[id] = *t
	}
}

// store is a cluster, what the catalog knows of it, and the node that is open.
type store struct {
	t       *testing.T
	brokers []string
	cluster *kfake.Cluster // nil: real brokers
	book    book
	log     *Log
	line    *line
	ledger  *catalog.DB
	prefix  string        // of the names of topics
	wait    time.Duration // AppendWait
	news    time.Duration
	shift   time.Duration // of the log
	opened  int
	full    atomic.Bool
	control sync.Once
}

// patience is how long appends may take on a busy machine, where nothing is in their way.
const patience = time.Minute

// fullWait is after what is refused is refused where there is no room.
const fullWait = 300 * time.Millisecond

func newStore(t *testing.T, opts ...kfake.Opt) *store {
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(2)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := &store{t: t, brokers: c.ListenAddrs(), cluster: c, ledger: ledger(t), wait: patience,
		news: 100 * time.Millisecond} // one process, which knows its topics at once
	t.Cleanup(func() {
		if s.log != nil {
			_ = s.log.Close()
		}
	})
	return s
}

func (s *store) options() Options {
	return Options{
		news:    s.news,
		Brokers: s.brokers, Topics: &s.book, Node: fmt.Sprint("test-", s.opened), Names: s.line.behind(s.ledger), Logger: slog.New(slog.DiscardHandler),
		AppendWait: s.wait, PollEvery: 10 * time.Millisecond, Prefix: s.prefix, dial: s.line.dial,
	}
}

// catalogued writes what Create and Drop do into the book, as whoever calls them does.
type catalogued struct {
	*Log
	book *book
}

func (c catalogued) Create(ctx context.Context, id string, partitions int) error {
	if err := c.Log.Create(ctx, id, partitions); err != nil {
		return err
	}
	c.book.set(id, &stream.Topic{Name: c.opts.Prefix + id, Values: stream.ValuesJSON})
	return nil
}

func (c catalogued) Drop(ctx context.Context, id string) error {
	if err := c.Log.Drop(ctx, id); err != nil {
		return err
	}
	c.book.set(id, nil)
	return nil
}

func (s *store) Open() (eventlog.Log, error) {
	s.line = &line{}
	s.opened++
	l, err := Open(s.options())
	if err != nil {
		return nil, err
	}
	l.shift = s.shift
	s.log = l
	return catalogued{l, &s.book}, nil
}

// Crash cuts the line; what is on its way may have come through. The client ends without
// saying anything to anybody.
func (s *store) Crash() {
	s.line.set(true)
	s.log.end()
	s.log.names.end()
	s.log.client.Close()
	_ = s.log.Close()
}

func (s *store) Full(full bool) {
	s.full.Store(full)
	s.log.opts.AppendWait, s.log.opts.answer = s.wait, 2*patience
	if full {
		s.log.opts.AppendWait = fullWait // what is refused is refused after that
	}
	s.control.Do(func() {
		s.cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			s.cluster.KeepControl()
			if !s.full.Load() {
				return nil, nil, false
			}
			return refuse(r.(*kmsg.ProduceRequest), kerr.NotEnoughReplicas.Code), nil, true
		})
	})
}

// refuse answers a produce request with one error for all.
func refuse(req *kmsg.ProduceRequest, code int16) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewProduceResponseTopic()
		st.Topic, st.TopicID = rt.Topic, rt.TopicID
		for _, rp := range rt.Partitions {
			sp := kmsg.NewProduceResponseTopicPartition()
			sp.Partition, sp.ErrorCode = rp.Partition, code
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// produce puts records into a topic as others do.
func (s *store) produce(opts []kgo.Opt, rs ...*kgo.Record) {
	s.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(context.Background(), rs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// admin is a client of others that administer the cluster.
func (s *store) admin(do func(*kadm.Client) error) {
	s.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := do(kadm.NewClient(c)); err != nil {
		s.t.Fatal(err)
	}
}

// make makes a topic as others do.
func (s *store) make(topic string, partitions int32, config map[string]*string) {
	s.t.Helper()
	s.admin(func(c *kadm.Client) error {
		r, err := c.CreateTopic(context.Background(), partitions, -1, config, topic)
		return errors.Join(err, r.Err)
	})
}

func (s *store) alter(topic string, config map[string]string) {
	s.t.Helper()
	s.admin(func(c *kadm.Client) error {
		var as []kadm.AlterConfig
		for k, v := range config {
			as = append(as, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
		}
		_, err := c.AlterTopicConfigs(context.Background(), as, topic)
		return err
	})
}
