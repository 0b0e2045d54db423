package kafka

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

const testID = "00000000000000a1"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// openTopic opens a log on the store and binds testID to a topic of others.
func openTopic(t *testing.T, s *store, topic stream.Topic) *Log {
	t.Helper()
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	topic.Adopted = true
	got, _, err := s.log.Make(context.Background(), testID, topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.book.set(testID, &got)
	return s.log
}

func value(i int) string { return fmt.Sprintf(`{"n":%d}`, i) }

func record(topic string, p int32, i int, at time.Time) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: p, Value: []byte(value(i)), Timestamp: at}
}

// all reads what a partition holds; every block is held to Index.
func all(t *testing.T, l *Log, p stream.Partition) (blocks []stream.Block) {
	t.Helper()
	ctx := context.Background()
	bs, err := l.Bounds(ctx, testID)
	if err != nil {
		t.Fatal(err)
	}
	r := stream.Range{Partition: p, Start: bs[p].Floor, End: bs[p].End}
	var hs []stream.BlockHeader
	for h, err := range l.Index(ctx, testID, r) {
		if err != nil {
			t.Fatal(err)
		}
		hs = append(hs, h)
	}
	at := r.Start
	for b, err := range l.Read(ctx, testID, r) {
		if err != nil {
			t.Fatal(err)
		}
		n := len(blocks)
		if b.Range.Start != at || n >= len(hs) || hs[n].Range != b.Range || hs[n].Events < b.Events || !hs[n].Estimated ||
			!sameHour(hs[n].FirstAt, b.FirstAt) || !sameHour(b.FirstAt, b.LastAt) || b.LastAt.Before(b.FirstAt) || hs[n].FirstAt.After(b.FirstAt) {
			t.Fatalf("block %d is %+v; the index says %+v", n, b.BlockHeader, hs)
		}
		at = b.Range.End
		b.Lines, b.Offsets = bytes.Clone(b.Lines), append([]stream.Offset(nil), b.Offsets...)
		blocks = append(blocks, b)
	}
	if at != r.End || len(blocks) != len(hs) {
		t.Fatalf("read ended at %d in %d blocks, want %v in %d", at, len(blocks), r, len(hs))
	}
	return blocks
}

func sameHour(a, b time.Time) bool { return a.Truncate(time.Hour).Equal(b.Truncate(time.Hour)) }

// events is the text and offsets of blocks.
func events(blocks []stream.Block) (text string, offsets []stream.Offset) {
	for _, b := range blocks {
		text += string(b.Lines)
		if len(b.Offsets) > 0 {
			offsets = append(offsets, b.Offsets...)
			continue
		}
		for i := range b.Events {
			offsets = append(offsets, b.Range.Start+stream.Offset(i))
		}
	}
	return text, offsets
}

// inTransaction produces records in a transaction and ends it.
func (s *store) inTransaction(commit kgo.TransactionEndTry, rs ...*kgo.Record) {
	s.t.Helper()
	ctx := context.Background()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("other"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.BeginTransaction(); err != nil {
		s.t.Fatal(err)
	}
	if err := c.ProduceSync(ctx, rs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	if err := c.EndTransaction(ctx, commit); err != nil {
		s.t.Fatal(err)
	}
}

// Markers and what was aborted leave gaps: the events keep their offsets, and a run
// that holds nothing else is a block without lines.
func TestTransactionsLeaveGaps(t *testing.T) {
	s := newStore(t)
	s.make("t", 1, nil)
	now := time.Now().UTC().Truncate(time.Hour).Add(30 * time.Minute) // markers bear the broker's time
	s.produce(nil, record("t", 0, 0, now))
	s.inTransaction(kgo.TryCommit, record("t", 0, 1, now), record("t", 0, 2, now))
	s.inTransaction(kgo.TryAbort, record("t", 0, 3, now), record("t", 0, 4, now))
	l := openTopic(t, s, stream.Topic{Name: "t"})
	text, offsets := events(all(t, l, 0))
	if want := "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n"; text != want || fmt.Sprint(offsets) != "[0 1 2]" {
		t.Fatalf("%q at %v, want %q", text, offsets, want)
	}
	s.produce(nil, record("t", 0, 5, now))
	text, offsets = events(all(t, l, 0))
	if want := "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":5}\n"; text != want || fmt.Sprint(offsets) != "[0 1 2 7]" {
		t.Fatalf("%q at %v, want %q", text, offsets, want)
	}
	// Only what was aborted, and markers.
	n := 0
	for b, err := range l.Read(context.Background(), testID, stream.Range{Start: 3, End: 7}) {
		if err != nil || b.Events != 0 || len(b.Lines) != 0 || (b.Range != stream.Range{Start: 3, End: 7}) && sameHour(time.Now(), now) {
			t.Fatalf("%+v, %v", b, err)
		}
		n++
	}
	if n == 0 {
		t.Fatal("no block for a run without events")
	}
}

// What is in an open transaction is not there, nor what comes after it.
func TestOpenTransactionHoldsTheEnd(t *testing.T) {
	s := newStore(t)
	s.make("t", 1, nil)
	s.produce(nil, record("t", 0, 0, noon))
	ctx := context.Background()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("open"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := c.ProduceSync(ctx, record("t", 0, 1, noon)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.produce(nil, record("t", 0, 2, noon))
	l := openTopic(t, s, stream.Topic{Name: "t"})
	if text, _ := events(all(t, l, 0)); text != "{\"n\":0}\n" {
		t.Fatalf("%q is seen while a transaction is open", text)
	}
	if err := c.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if text, _ := events(all(t, l, 0)); text != "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n" {
		t.Fatalf("%q is seen after the transaction", text)
	}
}

// Whoever reads up to an offset is not told that there is nothing where something was.
func TestReadBeyondTheEnd(t *testing.T) {
	s := newStore(t)
	s.make("t", 1, nil)
	s.produce(nil, record("t", 0, 0, noon), record("t", 0, 1, noon))
	l := openTopic(t, s, stream.Topic{Name: "t"})
	for start, want := range []int64{2, 1, 0, 0} {
		var n int64
		var err error
		for b, e := range l.Read(context.Background(), testID, stream.Range{Start: stream.Offset(start), End: 5}) {
			n += b.Events
			err = e
		}
		if n != want || problem.KindOf(err) != problem.Unavailable {
			t.Fatalf("from %d: %d events, %v", start, n, err)
		}
	}
}

// A topic that is compacted after it was adopted has gaps where records were.
func TestCompactionLeavesGaps(t *testing.T) {
	s := newStore(t)
	s.make("t", 1, map[string]*string{"segment.bytes": new("100000")})
	var rs []*kgo.Record
	for i := range 20_000 {
		r := record("t", 0, i, time.Now())
		if r.Key = []byte("often"); i%9 == 0 {
			r.Key = fmt.Appendf(nil, "once %d", i)
		}
		rs = append(rs, r)
	}
	s.produce([]kgo.Opt{kgo.ProducerBatchMaxBytes(30_000)}, rs...)
	l := openTopic(t, s, stream.Topic{Name: "t"})
	before := all(t, l, 0)
	s.alter("t", map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0", "max.compaction.lag.ms": "1"})
	s.cluster.Compact()
	blocks := all(t, l, 0)
	text, offsets := events(blocks)
	if len(blocks) != len(before) {
		t.Fatalf("%d blocks, %d before", len(blocks), len(before))
	}
	if len(offsets) >= 20_000 || len(offsets) == 0 {
		t.Fatalf("%d events are left: nothing was compacted", len(offsets))
	}
	var want string
	for _, o := range offsets {
		want += value(int(o)) + "\n"
	}
	if text != want {
		t.Fatal("events have lost their offsets")
	}
}

func TestValuesThatAreNoEvents(t *testing.T) {
	s := newStore(t)
	s.make("t", 1, nil)
	s.produce(nil, record("t", 0, 0, noon), &kgo.Record{Topic: "t", Value: []byte("{\n \"a\": [1,\r\n 2]}\n"), Timestamp: noon},
		&kgo.Record{Topic: "t", Value: []byte("[1]"), Timestamp: noon}, &kgo.Record{Topic: "t", Timestamp: noon}, record("t", 0, 4, noon))
	l := openTopic(t, s, stream.Topic{Name: "t"})
	ctx := context.Background()
	var err error
	for _, err = range l.Read(ctx, testID, stream.Range{End: 5}) {
	}
	if problem.KindOf(err) != problem.Corrupt || err.Error() != "kafka: topic t, partition 0, offset 2: the value is no event: it is no JSON object: it does not begin with '{'" {
		t.Fatalf("%v (%v)", err, problem.KindOf(err))
	}
	s.book.set(testID, &stream.Topic{Name: "t", Adopted: true, Invalid: stream.InvalidDrop})
	l.forget(l.streams[testID])
	blocks := all(t, l, 0)
	if text, offsets := events(blocks); text != "{\"n\":0}\n{ \"a\": [1, 2]}\n{\"n\":4}\n" || fmt.Sprint(offsets) != "[0 1 4]" || blocks[0].Dropped != 2 {
		t.Fatalf("%q at %v, %d dropped", text, offsets, blocks[0].Dropped)
	}
}

// A stream's offsets are the topic's and the base, everywhere.
func TestBase(t *testing.T) {
	s := newStore(t)
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	l, ctx := s.log, context.Background()
	topic, n, err := l.Make(ctx, testID, stream.Topic{Name: "moved", Base: stream.Position{0, 5000}}, 2)
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	s.book.set(testID, &topic)
	a, err := l.Append(ctx, testID, eventlog.Entry{Partition: 1, Events: 2, Data: []byte("{\"n\":0}\n{\"n\":1}\n"), Received: noon})
	if want := (stream.Range{Partition: 1, Start: 5000, End: 5002}); err != nil || a.Range != want {
		t.Fatalf("appended at %v, %v", a.Range, err)
	}
	if text, offsets := events(all(t, l, 1)); text != "{\"n\":0}\n{\"n\":1}\n" || fmt.Sprint(offsets) != "[5000 5001]" {
		t.Fatalf("%q at %v", text, offsets)
	}
	if err := l.Trim(ctx, testID, 1, 5001); err != nil {
		t.Fatal(err)
	}
	bs, err := l.Bounds(ctx, testID)
	if err != nil || bs[1] != (eventlog.Bound{Floor: 5001, End: 5002}) || bs[0] != (eventlog.Bound{}) {
		t.Fatalf("%+v, %v", bs, err)
	}
	for _, start := range []stream.Offset{5000, 4999, 0} {
		for _, err = range l.Read(ctx, testID, stream.Range{Partition: 1, Start: start, End: 5002}) {
		}
		if problem.KindOf(err) != problem.Conflict {
			t.Fatalf("from %d: %v", start, err)
		}
	}
	if err := l.Commit(ctx, testID, "strm-group", stream.Position{0, 5002}); err != nil {
		t.Fatal(err)
	}
	os, err := l.adm.FetchOffsets(ctx, "strm-group")
	if o, ok := os.Lookup("moved", 1); err != nil || !ok || o.At != 2 {
		t.Fatalf("the group is at %+v, %v", o, err)
	}
}
