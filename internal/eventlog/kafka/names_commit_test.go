package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/stream"
)

// holding is a partitioner that stands still at records without a value, and refuses them then.
type holding struct{ at, release chan struct{} }

func (h holding) ForTopic(string) kgo.TopicPartitioner { return h }
func (holding) RequiresConsistency(*kgo.Record) bool   { return true }

func (h holding) Partition(r *kgo.Record, _ int) int {
	if r.Value != nil {
		return int(r.Partition)
	}
	close(h.at)
	<-h.release
	return -1
}

// The client takes a topic that is new to it into its list after it has handed on the records
// that waited for it. A commit before that must not be taken for one.
func TestCommitWaitsForTheClientsOwnList(t *testing.T) {
	s := newStore(t)
	s.line = &line{}
	l := s.node("first", s.ledger)
	ctx := context.Background()
	if err := l.Create(ctx, faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	if _, err := l.Bounds(ctx, faultStream); err != nil {
		t.Fatal(err)
	}
	slot := l.names.idle[len(l.names.idle)-1] // which is taken first
	hold := holding{at: make(chan struct{}), release: make(chan struct{})}
	opts := append(l.opts.connection(), l.opts.producing(l.largestBatch)...)
	client, err := kgo.NewClient(append(opts, kgo.TransactionalID(slot.id()), kgo.TransactionTimeout(transactionTimeout), kgo.ProducerLinger(0), kgo.RecordPartitioner(hold))...)
	if err != nil {
		t.Fatal(err)
	}
	slot.client = client // closed with the slot
	if err := client.Ping(ctx); err != nil {
		t.Fatal(err)
	}

	asked, news := make(chan struct{}, 100), make(chan struct{})
	s.cluster.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		if len(r.(*kmsg.MetadataRequest).Topics) > 0 {
			asked <- struct{}{}
			s.cluster.SleepControl(func() { <-news })
		}
		return nil, nil, false
	})
	if _, _, err := slot.ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	st, err := l.stream(ctx, faultStream)
	if err != nil {
		t.Fatal(err)
	}
	answers, refused := make(chan error, 1), make(chan error, 1)
	client.TryProduce(ctx, &kgo.Record{Topic: st.desc.Name, Value: []byte("{}")}, func(_ *kgo.Record, err error) { answers <- err })
	<-asked // the record waits for its topic
	client.TryProduce(ctx, &kgo.Record{Topic: st.desc.Name}, func(_ *kgo.Record, err error) { refused <- err })
	close(news)
	<-hold.at
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	// Stored and answered for; to the client, nothing was written.
	taken := []*waiting{{st: st, part: st.parts[0]}}
	none := func(*waiting) bool { return false }
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := slot.known(soon, taken, none); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a commit would be sent: %v", err)
	}
	close(hold.release)
	if err := <-refused; err == nil {
		t.Fatal("the record that was held is stored: the test tests nothing")
	}
	if err := slot.known(ctx, taken, none); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := everything(t, l); got != "{}\n" {
		t.Fatalf("the append is acknowledged, and the log holds %q", got)
	}
}

// halting is a partitioner that stands still at a record of this text.
type halting struct {
	text        string
	at, release chan struct{}
}

func (h halting) ForTopic(string) kgo.TopicPartitioner { return h }
func (halting) RequiresConsistency(*kgo.Record) bool   { return true }

func (h halting) Partition(r *kgo.Record, _ int) int {
	if string(r.Value) == h.text {
		close(h.at)
		<-h.release
	}
	return int(r.Partition)
}

// What is handed to a producer that has not heard of the topic is sent together too.
func TestANewProducerDividesNoEntry(t *testing.T) {
	s := newStore(t)
	s.line = &line{}
	l := s.node("first", s.ledger)
	ctx := context.Background()
	if err := l.Create(ctx, faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	slot := l.names.idle[len(l.names.idle)-1] // which is taken first
	halt := halting{`{"id":"b"}`, make(chan struct{}), make(chan struct{})}
	opts := append(l.opts.connection(), l.opts.producing(l.largestBatch)...)
	client, err := kgo.NewClient(append(opts, kgo.TransactionalID(slot.id()), kgo.TransactionTimeout(transactionTimeout), kgo.ManualFlushing(), kgo.RecordPartitioner(halt))...)
	if err != nil {
		t.Fatal(err)
	}
	slot.client = client // closed with the slot
	sent := make(chan struct{}, 100)
	s.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		sent <- struct{}{}
		return nil, nil, false
	})
	appended := make(chan error, 1)
	go func() {
		_, err := l.Append(ctx, faultStream, withIDs("a", "b", "c"))
		appended <- err
	}()
	<-halt.at // the topic has come, and "a" has been handed on
	select {
	case <-sent:
		t.Error("a part of the entry is sent")
	case <-time.After(200 * time.Millisecond): // for what must not come
	}
	close(halt.release)
	if err := <-appended; err != nil {
		t.Fatal(err)
	}
	if <-sent; len(sent) != 0 {
		t.Errorf("the entry was sent in %d parts", 1+len(sent))
	}
}
