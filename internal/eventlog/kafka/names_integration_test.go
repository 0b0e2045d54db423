//go:build integration

package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// gate is a way to brokers on which one kind of request may be held up.
type gate struct {
	key  kmsg.Key
	at   chan struct{} // closed when the first one comes
	open chan struct{} // goes on when this is closed
	once sync.Once
}

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	return gatedConn{c, g}, err
}

type gatedConn struct {
	net.Conn
	gate *gate
}

func (c gatedConn) Write(b []byte) (int, error) {
	if len(b) > 6 && kmsg.Key(binary.BigEndian.Uint16(b[4:])) == c.gate.key { // after the length
		c.gate.once.Do(func() {
			close(c.gate.at)
			<-c.gate.open
		})
	}
	return c.Conn.Write(b)
}

func newGate(key kmsg.Key) *gate {
	return &gate{key: key, at: make(chan struct{}), open: make(chan struct{})}
}

// newNames is a store on real brokers with a stream of one partition, and a node of it.
func newNamesStore(t *testing.T) (*store, *Log) {
	s := newRealStore(t)
	s.line = &line{}
	l := s.node("second", s.ledger)
	if err := l.Create(context.Background(), faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	return s, l
}

// gated is a node whose requests of one kind can be held up.
func (s *store) gated(g *gate) *Log {
	s.t.Helper()
	o := s.options()
	o.Node, o.dial = "first", g.dial
	l, err := Open(o)
	if err != nil {
		s.t.Fatal(err)
	}
	l.shift = 24 * 365 * 5 * time.Hour
	s.t.Cleanup(func() { _ = l.Close() })
	return l
}

// Whoever was told that events are in finds them within Bounds, at every node.
func TestAppendsAreSeenWhenAcknowledged(t *testing.T) {
	s, one := newNamesStore(t)
	two := s.node("other", s.ledger)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 50 {
				a, err := one.Append(context.Background(), faultStream, withIDs(fmt.Sprint(w, "-", i)))
				if err != nil {
					t.Error(err)
					return
				}
				bs, err := two.Bounds(context.Background(), faultStream)
				if err != nil || bs[0].End < a.Range.End {
					t.Errorf("%+v is acknowledged, and another node sees %+v, %v", a.Range, bs, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A node stands still between its events and its commit, another settles its claim and
// appends the same; then the first goes on.
func TestPausedBeforeCommitOnBrokers(t *testing.T) {
	s, second := newNamesStore(t)
	g := newGate(kmsg.EndTxn)
	first := s.gated(g)
	e := withIDs("a", "b")
	type answer struct {
		eventlog.Appended
		error
	}
	late := make(chan answer, 1)
	go func() {
		a, err := first.Append(context.Background(), faultStream, e)
		late <- answer{a, err}
	}()
	<-g.at
	began := time.Now()
	a, err := second.Append(context.Background(), faultStream, e)
	if err != nil || a.Events != 2 {
		t.Fatalf("the successor: %+v, %v", a, err)
	}
	t.Logf("the successor needed %v", time.Since(began))
	close(g.open)
	if got := <-late; got.error == nil && got.Repeated != 2 {
		t.Fatalf("the node that woke up answered %+v", got)
	} else {
		t.Logf("the node that woke up: %+v, %v", got.Appended, got.error)
	}
	for _, n := range []*Log{first, second} {
		if a, err := n.Append(context.Background(), faultStream, e); err != nil || a.Repeated != 2 {
			t.Fatalf("again: %+v, %v", a, err)
		}
	}
	if a, err := first.Append(context.Background(), faultStream, withIDs("c")); err != nil || a.Events != 1 {
		t.Fatalf("the node that woke up: %+v, %v", a, err)
	}
	if got, want := everything(t, second), string(withIDs("a", "b", "c").Data); got != want {
		t.Fatalf("the log holds %q, want %q", got, want)
	}
}

// The open transaction of a node that is gone holds readers up until another node
// notices its claim, not until the brokers do.
func TestDeadNodesTransactionHoldsNobodyUp(t *testing.T) {
	s, second := newNamesStore(t)
	g := newGate(kmsg.EndTxn)
	first := s.gated(g)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = first.Append(ctx, faultStream, withIDs("lost"))
	}()
	<-g.at
	first.names.end() // it says nothing any more
	run, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = second.Run(run) }()
	a, err := second.Append(context.Background(), faultStream, plainEntry(0, "{\"plain\":1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for {
		bs, err := second.Bounds(context.Background(), faultStream)
		if err != nil {
			t.Fatal(err)
		}
		if bs[0].End >= a.Range.End {
			break
		}
		if time.Since(began) > transactionTimeout-3*time.Second {
			t.Fatalf("after %v readers see %+v of %+v", time.Since(began), bs, a.Range)
		}
		time.Sleep(20 * time.Millisecond) // brokers have nothing to wait on
	}
	t.Logf("readers were held up for %v", time.Since(began))
	stop()
	<-ran
	cancel()
	close(g.open)
	<-gone
	if got := everything(t, second); got != "{\"plain\":1}\n" {
		t.Fatalf("the log holds %q", got)
	}
}

// Brokers are killed while nodes append the same events: each is there once.
func TestNamesWhileBrokersDie(t *testing.T) {
	k := kafkaCluster(t)
	s := newRealStore(t)
	s.brokers, s.line = strings.Split(k.Bootstrap(), ","), &line{}
	nodes := []*Log{s.node("one", s.ledger), s.node("two", s.ledger)}
	if err := nodes[0].Create(context.Background(), faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: nodes[0].opts.Prefix + faultStream, Values: stream.ValuesJSON})
	var over atomic.Bool
	var tries, failed atomic.Int64
	var want [4][]string
	var wg sync.WaitGroup
	for w := range want {
		wg.Go(func() {
			for i := 0; !over.Load(); i++ {
				// Two workers append the same, one at each node.
				ids := []string{fmt.Sprintf("w%d-%d-a", w/2, i), fmt.Sprintf("w%d-%d-b", w/2, i)}
				until := time.Now().Add(2 * time.Minute)
				for {
					tries.Add(1)
					a, err := nodes[w%2].Append(context.Background(), faultStream, withIDs(ids...))
					if err == nil && a.Events+a.Repeated == 2 {
						break
					}
					failed.Add(1)
					if time.Now().After(until) {
						t.Errorf("%v: %+v, %v", ids, a, err)
						return
					}
				}
				want[w] = append(want[w], ids...)
			}
		})
	}
	for i := range 2 {
		k.Kill(i)
		if err := k.Restart(context.Background(), i); err != nil {
			t.Error(err)
		}
		if err := k.InSync(context.Background()); err != nil {
			t.Error(err)
		}
	}
	over.Store(true)
	wg.Wait()
	var all []string
	for _, ids := range want {
		for _, id := range ids {
			all = append(all, fmt.Sprintf("{\"id\":%q}\n", id))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	got := strings.SplitAfter(everything(t, nodes[0]), "\n")
	got = got[:len(got)-1]
	slices.Sort(got)
	t.Logf("%d events, %d appends, %d of them failed and were made again", len(all), tries.Load(), failed.Load())
	if !slices.Equal(got, all) {
		t.Fatalf("%d events are there, %d were acknowledged", len(got), len(all))
	}
}
