package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func plainEntry(p stream.Partition, data string) eventlog.Entry {
	return eventlog.Entry{Partition: p, Events: strings.Count(data, "\n"), Data: []byte(data), Received: noon}
}

// made opens a log and makes a stream in it.
func made(t *testing.T, s *store, partitions int) *Log {
	t.Helper()
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	topic, _, err := s.log.Make(context.Background(), testID, stream.Topic{Name: s.prefix + "made"}, partitions)
	if err != nil {
		t.Fatal(err)
	}
	s.book.set(testID, &topic)
	return s.log
}

func isFull(err error) bool {
	return errors.Is(err, eventlog.ErrFull) && problem.KindOf(err) == problem.Busy
}

// Brokers that cannot be reached are back-pressure, for reads a fault; when they are back
// all goes on by itself, and what was refused is not there.
func TestBrokersAway(t *testing.T) {
	s := newStore(t)
	s.wait = time.Second
	l := made(t, s, 1)
	ctx := context.Background()
	if _, err := l.Append(ctx, testID, plainEntry(0, "{\"n\":0}\n")); err != nil {
		t.Fatal(err)
	}
	s.line.set(true)
	// The first may have been on its way when the line was cut. Nobody knows, and so it says.
	_, err := l.Append(ctx, testID, plainEntry(0, "{\"lost\":0}\n"))
	if unknown := problem.KindOf(err) == problem.Unavailable; !unknown && !isFull(err) {
		t.Fatalf("append without brokers: %v (%v)", err, problem.KindOf(err))
	}
	for range 2 {
		if _, err := l.Append(ctx, testID, plainEntry(0, "{\"refused\":0}\n")); !isFull(err) {
			t.Fatalf("append without brokers: %v (%v)", err, problem.KindOf(err))
		}
	}
	unseen, err := Open(s.options())
	if err != nil {
		t.Fatal(err)
	}
	defer unseen.Close()
	if _, err := unseen.Append(ctx, testID, plainEntry(0, "{\"refused\":0}\n")); !isFull(err) {
		t.Fatalf("append of a node that never saw a broker: %v (%v)", err, problem.KindOf(err))
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := l.Bounds(short, testID); err == nil {
		t.Fatal("bounds without brokers")
	}
	s.line.set(false)
	deadline := time.Now().Add(5 * time.Minute)
	for {
		_, err := l.Append(ctx, testID, plainEntry(0, "{\"n\":1}\n"))
		if err == nil {
			break
		}
		if !isFull(err) || time.Now().After(deadline) {
			t.Fatalf("append after the brokers came back: %v", err)
		}
	}
	text, _ := events(all(t, l, 0))
	if text = strings.Replace(text, "{\"lost\":0}\n", "", 1); text != "{\"n\":0}\n{\"n\":1}\n" {
		t.Fatalf("%q", text)
	}
	if st := l.Stats(); st.Appends != 2 || st.Refused < 2 || st.Buffered != 0 {
		t.Fatalf("%+v", st)
	}
}

// An answer that is lost for good leaves the outcome unknown, and says so.
func TestAnswersLost(t *testing.T) {
	s := newStore(t)
	s.wait = time.Second
	l := made(t, s, 1)
	s.cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		return refuse(r.(*kmsg.ProduceRequest), kerr.RequestTimedOut.Code), nil, true
	})
	_, err := l.Append(context.Background(), testID, plainEntry(0, "{}\n"))
	if problem.KindOf(err) != problem.Unavailable || errors.Is(err, eventlog.ErrFull) {
		t.Fatalf("%v (%v)", err, problem.KindOf(err))
	}
}

// The leader of a topic that was just made may be the last to hear of it.
func TestLeaderThatHasNotHeardOfItsTopic(t *testing.T) {
	s := newStore(t)
	s.news = 2 * time.Second
	l := made(t, s, 1)
	asked := 0
	s.cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if asked++; asked < 8 {
			s.cluster.KeepControl()
			return refuse(r.(*kmsg.ProduceRequest), kerr.UnknownTopicOrPartition.Code), nil, true
		}
		return nil, nil, false
	})
	if _, err := l.Append(context.Background(), testID, plainEntry(0, "{}\n")); err != nil {
		t.Fatal(err)
	}
	if text, _ := events(all(t, l, 0)); text != "{}\n" {
		t.Fatalf("%q", text)
	}
}

// What does not fit waits, is refused, and goes when there is room.
func TestBufferIsBounded(t *testing.T) {
	s := newStore(t)
	s.wait = time.Second
	l := made(t, s, 1)
	ctx := context.Background()
	if err := l.reserve(ctx, l.opts.Buffer-100); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(ctx, testID, plainEntry(0, "{}\n")); !isFull(err) {
		t.Fatalf("append into a full buffer: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := l.Append(ended, testID, plainEntry(0, "{}\n")); !errors.Is(err, context.Canceled) {
		t.Fatalf("append into a full buffer, cancelled: %v", err)
	}
	l.release(l.opts.Buffer - 100)
	large := strings.Repeat("{\"x\":\""+strings.Repeat("y", 1000)+"\"}\n", 500)
	l.opts.Buffer = DefaultBuffer
	if _, err := l.Append(ctx, testID, plainEntry(0, large)); err != nil {
		t.Fatal(err)
	}
}

// An event larger than the topic takes is the sender's problem, and nobody else's.
func TestEventTooLarge(t *testing.T) {
	s := newStore(t)
	l := made(t, s, 1)
	ctx := context.Background()
	huge := "{\"x\":\"" + strings.Repeat("y", DefaultMaxEventLen+1<<17) + "\"}\n"
	if _, err := l.Append(ctx, testID, plainEntry(0, huge)); problem.KindOf(err) != problem.TooLarge {
		t.Fatalf("%v (%v)", err, problem.KindOf(err))
	}
	if _, err := l.Append(ctx, testID, plainEntry(0, huge[:6]+huge[1<<20:])); err != nil {
		t.Fatal(err)
	}
}

// A topic that was deleted behind our back is a conflict that names it, everywhere, and
// one made anew under its name is not taken for it.
func TestDeletedTopic(t *testing.T) {
	s := newStore(t)
	l := made(t, s, 1)
	ctx := context.Background()
	for i := range 20 {
		if _, err := l.Append(ctx, testID, plainEntry(0, value(i)+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	deletedTopic(t, s, l)
}

// deletedTopic deletes the stream's topic behind the log's back.
func deletedTopic(t *testing.T, s *store, l *Log) {
	t.Helper()
	ctx := context.Background()
	name := s.prefix + "made"
	s.admin(func(c *kadm.Client) error { _, err := c.DeleteTopic(ctx, name); return err })
	// Brokers answer that it is deleted before all of them, and its leader, act on it.
	deadline := time.Now().Add(time.Minute)
	for s.cluster == nil {
		if _, err := l.Bounds(ctx, testID); problem.KindOf(err) == problem.Conflict {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("bounds: %v (%v)", err, problem.KindOf(err))
		}
	}
	read := func() (err error) {
		for _, err = range l.Read(ctx, testID, stream.Range{End: 10}) {
		}
		return err
	}
	_, bounds := l.Bounds(ctx, testID)
	_, appended := l.Append(ctx, testID, plainEntry(0, "{}\n"))
	for what, err := range map[string]error{"read": read(), "bounds": bounds, "append": appended, "trim": l.Trim(ctx, testID, 0, 5)} {
		if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "topic "+name) {
			t.Errorf("%s: %v (%v)", what, err, problem.KindOf(err))
		}
	}
	// Made anew, and shorter: what is read is not what was written.
	s.make(name, 1, nil)
	s.produce(nil, recordAt(name, 0, 100, noon))
	if err := read(); problem.KindOf(err) != problem.Conflict {
		t.Errorf("read of a topic made anew: %v", err)
	}
}

func TestWrongPassword(t *testing.T) {
	s := newStore(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "strm", "right"), kfake.Superuser("PLAIN", "plain", "right"))
	ctx := context.Background()
	s.line = &line{}
	try := func(user, password, mechanism string) error {
		o := s.options()
		o.User, o.Password, o.SASL = user, password, mechanism
		l, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := l.Create(ctx, testID, 1); err != nil {
			return err
		}
		_, err = l.Append(ctx, testID, plainEntry(0, "{}\n"))
		return err
	}
	// These brokers hang up where real ones say why; see TestWrongPasswordIsSaid.
	for _, user := range []string{"strm", ""} {
		err := try(user, "secret-wrong", "")
		if problem.KindOf(err) != problem.Unavailable || strings.Contains(err.Error(), "secret-wrong") {
			t.Errorf("%v (%v)", err, problem.KindOf(err))
		}
	}
	if err := errors.Join(try("strm", "right", SASLScramSHA512), try("plain", "right", SASLPlain)); err != nil {
		t.Error(err)
	}
}

// Readers follow partitions to other brokers, in the middle of a read.
func TestLeadersMove(t *testing.T) {
	s := newStore(t, kfake.NumBrokers(3))
	l := made(t, s, 1)
	ctx := context.Background()
	var want strings.Builder
	for i := range 40 {
		var data strings.Builder
		for j := range 500 {
			fmt.Fprintf(&data, "{\"n\":%d,\"pad\":\"%s\"}\n", i*500+j, strings.Repeat("x", 300))
		}
		if _, err := l.Append(ctx, testID, plainEntry(0, data.String())); err != nil {
			t.Fatal(err)
		}
		want.WriteString(data.String())
		if i%10 == 5 {
			leader := s.cluster.LeaderFor("made", 0)
			if err := s.cluster.MoveTopicPartition("made", 0, (leader+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got strings.Builder
	n := 0
	for b, err := range l.Read(ctx, testID, stream.Range{End: 20_000}) {
		if err != nil {
			t.Fatal(err)
		}
		got.Write(b.Lines)
		if n++; n == 1 {
			leader := s.cluster.LeaderFor("made", 0)
			if err := s.cluster.MoveTopicPartition("made", 0, (leader+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got.String() != want.String() {
		t.Fatalf("%d bytes read, %d written", got.Len(), want.Len())
	}
}

// One sender that goes away takes nobody's events with it.
func TestCancelledAppendFailsNoOther(t *testing.T) {
	s := newStore(t)
	l := made(t, s, 1)
	ctx, cancel := context.WithCancel(context.Background())
	held := make(chan struct{})
	s.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		<-held
		return nil, nil, false
	})
	done := make(chan error)
	go func() {
		_, err := l.Append(ctx, testID, plainEntry(0, value(0)+"\n"))
		close(held)
		done <- err
	}()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := l.Append(context.Background(), testID, plainEntry(0, value(1)+"\n")); err != nil {
		t.Fatal(err)
	}
	if text, _ := events(all(t, l, 0)); text != "{\"n\":0}\n{\"n\":1}\n" {
		t.Fatalf("%q", text)
	}
}

func TestMake(t *testing.T) {
	s := newStore(t)
	s.make("theirs", 3, nil)
	s.make("compacted", 1, map[string]*string{"cleanup.policy": new("compact,delete")})
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	l, ctx := s.log, context.Background()
	kind := func(id string, topic stream.Topic, partitions int) problem.Kind {
		t.Helper()
		_, _, err := l.Make(ctx, id, topic, partitions)
		if err == nil {
			t.Fatalf("%+v was made", topic)
		}
		return problem.KindOf(err)
	}
	got := []problem.Kind{
		kind("x", stream.Topic{Name: "theirs"}, 1),
		kind("x", stream.Topic{Name: "theirs", Adopted: true}, 2),
		kind("x", stream.Topic{Name: "nobody's", Adopted: true}, 0),
		kind("x", stream.Topic{Name: "nobodys", Adopted: true}, 0),
		kind("x", stream.Topic{Name: "compacted", Adopted: true}, 0),
		kind("x", stream.Topic{Name: "not a name"}, 1),
	}
	if want := []problem.Kind{problem.Conflict, problem.Invalid, problem.NotFound, problem.NotFound, problem.Invalid, problem.Invalid}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for range 2 {
		topic, n, err := l.Make(ctx, "a", stream.Topic{Name: "theirs", Adopted: true}, 0)
		if err != nil || n != 3 || topic.Values != stream.ValuesJSON {
			t.Fatalf("%+v, %d, %v", topic, n, err)
		}
		if topic, n, err = l.Make(ctx, "b", stream.Topic{Name: "ours"}, 4); err != nil || n != 4 || topic.Name != "ours" {
			t.Fatalf("%+v, %d, %v", topic, n, err)
		}
	}
	config, err := l.config(ctx, "ours")
	if err != nil || config["retention.ms"] != "-1" || config["cleanup.policy"] != "delete" {
		t.Fatalf("%v, %v", config, err)
	}
	// Topics of others are neither trimmed nor deleted.
	s.produce(nil, recordAt("theirs", 0, 1, noon))
	if err := errors.Join(l.Trim(ctx, "a", 0, 1), l.Drop(ctx, "a"), l.Drop(ctx, "b"), l.Drop(ctx, "b")); err != nil {
		t.Fatal(err)
	}
	topics, err := l.adm.ListStartOffsets(ctx, "theirs", "ours")
	if o, ok := topics.Lookup("theirs", 0); err != nil || !ok || o.Offset != 0 {
		t.Fatalf("%+v, %v", topics, err)
	}
	if ids, err := l.Streams(ctx); err != nil || len(ids) != 0 {
		t.Fatalf("%v, %v", ids, err)
	}
	if _, err := l.detail(ctx, "ours"); !isUnknownTopic(err) {
		t.Fatalf("a topic of ours is still there: %v", err)
	}
}
