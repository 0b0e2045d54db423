package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

const faultStream = "00000000000000a1"

// node opens one more log on the store's cluster and settlement.
func (s *store) node(name string, names Settlement) *Log {
	s.t.Helper()
	o := s.options()
	o.Node, o.Names = name, names
	l, err := Open(o)
	if err != nil {
		s.t.Fatal(err)
	}
	l.shift = 24 * 365 * 5 * time.Hour
	s.t.Cleanup(func() { _ = l.Close() })
	return l
}

func withIDs(names ...string) eventlog.Entry {
	e := eventlog.Entry{Events: len(names), Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), IDWindow: time.Hour}
	for _, n := range names {
		e.Data = append(e.Data, fmt.Sprintf(`{"id":"%s"}`+"\n", n)...)
		e.IDs = append(e.IDs, eventlog.NewID([]byte(n)))
	}
	return e
}

func withKey(key string, n int) eventlog.Entry {
	e := withIDs(strings.Split(strings.Repeat(key+",", n-1)+key, ",")...)
	e.IDs, e.IDWindow, e.Key, e.Digest = nil, 0, key, 7
	return e
}

// everything reads everything of partition 0.
func everything(t *testing.T, l *Log) string {
	t.Helper()
	bs, err := l.Bounds(context.Background(), faultStream)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for b, err := range l.Read(context.Background(), faultStream, stream.Range{Start: bs[0].Floor, End: bs[0].End}) {
		if err != nil {
			t.Fatal(err)
		}
		out += string(b.Lines)
	}
	return out
}

// TestNamesFaults loses a request or an answer at each step of a named append, or the
// node with it. Then the same append again, at another node if the first is gone, leaves every event
// there once, with the right answer.
func TestNamesFaults(t *testing.T) {
	for _, step := range []string{"claim", "settle", "produce", "commit"} {
		for _, when := range []string{"before", "after"} {
			for _, dies := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s lost %s dies=%v", step, when, dies), func(t *testing.T) { namesFault(t, step, when, dies) })
			}
		}
	}
}

func namesFault(t *testing.T, step, when string, dies bool) {
	s := newStore(t)
	s.line = &line{}
	home := &line{}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var lost atomic.Bool
	lose := func() error {
		if lost.Swap(true) {
			return nil
		}
		if dies { // and nobody hears what it would answer
			home.set(true)
			cancel()
		}
		return errors.New("lost")
	}
	r := &remote{Settlement: home.behind(s.ledger)}
	if hook := func(call string) error {
		if call == step {
			return lose()
		}
		return nil
	}; when == "before" {
		r.before = hook
	} else {
		r.after = hook
	}
	o := s.options()
	o.Node, o.Names, o.dial = "first", r, home.dial
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	l.shift = 24 * 365 * 5 * time.Hour
	defer func() { _ = l.Close() }()
	if err := l.Create(context.Background(), faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	key := map[string]kmsg.Key{"produce": kmsg.Produce, "commit": kmsg.EndTxn}[step]
	if step == "produce" || step == "commit" {
		s.cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			if when == "after" { // done, and the connection is gone before the answer
				s.cluster.KeepControl()
			}
			if err := lose(); err != nil && when == "before" {
				return nil, err, true
			}
			return nil, nil, false
		})
	}
	e, k := withIDs("a", "b", "a", "c"), withKey("k", 3)
	_, first := l.Append(ctx, faultStream, e)
	if !lost.Load() && step != "settle" {
		t.Fatal("nothing was lost: the test tests nothing")
	}
	if first != nil && !dies {
		t.Logf("answered: %v", first)
	}
	next := l
	if dies {
		l.names.end()
		next = s.node("second", s.ledger)
	}
	a, err := next.Append(context.Background(), faultStream, e)
	if err != nil || a.Events+a.Repeated != 4 || first == nil && a.Events != 0 {
		t.Fatalf("again: %+v, %v; first %v", a, err, first)
	}
	ka, err := next.Append(context.Background(), faultStream, k)
	if err != nil || ka.Events != 3 {
		t.Fatalf("with a key: %+v, %v", ka, err)
	}
	kb, err := next.Append(context.Background(), faultStream, k)
	if want := (eventlog.Appended{Range: ka.Range, Events: 3, Duplicate: true}); err != nil || kb != want {
		t.Fatalf("the key again: %+v, %v; want %+v", kb, err, want)
	}
	want := string(withIDs("a", "b", "c").Data) + string(k.Data)
	if got := everything(t, next); got != want {
		t.Fatalf("the log holds %q, want %q", got, want)
	}
}

// TestNodePaused: a node stands still between its claim and its transaction until another
// has settled the claim and appended the same. It wakes up fenced, stores nothing, and goes on.
func TestNodePaused(t *testing.T) {
	s := newStore(t)
	s.line = &line{}
	second := s.node("second", s.ledger)
	e := withIDs("a", "b")
	var successor eventlog.Appended
	var err error
	var once sync.Once
	first := s.node("first", &remote{Settlement: s.ledger, after: func(call string) error {
		if call == "claim" {
			once.Do(func() { successor, err = second.Append(context.Background(), faultStream, e) })
		}
		return nil
	}})
	if err := first.Create(context.Background(), faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: first.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	a, late := first.Append(context.Background(), faultStream, e)
	if err != nil || successor.Events != 2 {
		t.Fatalf("the successor: %+v, %v", successor, err)
	}
	if !errors.Is(late, eventlog.ErrFull) {
		t.Fatalf("the node that woke up answered %+v, %v", a, late)
	}
	for i, n := range []*Log{first, second, first} {
		if a, err := n.Append(context.Background(), faultStream, e); err != nil || a.Repeated != 2 {
			t.Fatalf("again at %d: %+v, %v", i, a, err)
		}
	}
	if a, err := first.Append(context.Background(), faultStream, withIDs("c")); err != nil || a.Events != 1 {
		t.Fatalf("the node that woke up: %+v, %v", a, err)
	}
	if got, want := everything(t, first), string(withIDs("a", "b", "c").Data); got != want {
		t.Fatalf("the log holds %q, want %q", got, want)
	}
}

// TestNodesRace: two nodes append the same events and keys at the same time.
func TestNodesRace(t *testing.T) {
	s := newStore(t)
	s.line = &line{}
	nodes := []*Log{s.node("first", s.ledger), s.node("second", s.ledger)}
	if err := nodes[0].Create(context.Background(), faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: nodes[0].opts.Prefix + faultStream, Values: stream.ValuesJSON})
	var stored atomic.Int64
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 15 {
				var ids []string
				for k := range 5 {
					ids = append(ids, fmt.Sprint("n", (i*3+k*(1+w%2))%40))
				}
				for try := 0; ; try++ {
					a, err := nodes[w%2].Append(context.Background(), faultStream, withIDs(ids...))
					if errors.Is(err, eventlog.ErrFull) && try < 1000 { // the other fenced us: our rows of nodes are missing, so we pass for dead
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					stored.Add(int64(a.Events))
					break
				}
			}
		})
	}
	wg.Wait()
	got := strings.SplitAfter(everything(t, nodes[1]), "\n")
	seen := map[string]bool{}
	for _, line := range got[:len(got)-1] {
		if seen[line] {
			t.Errorf("%s is there twice", line)
		}
		seen[line] = true
	}
	if int64(len(seen)) != stored.Load() {
		t.Errorf("%d events are there, %d were called stored", len(seen), stored.Load())
	}
}

// TestNodesRaceForKeys: two nodes append under the same keys at the same time. Each key is
// stored once, and whoever is told of it is told of the same place.
func TestNodesRaceForKeys(t *testing.T) {
	s := newStore(t)
	s.line = &line{}
	nodes := []*Log{s.node("first", s.ledger), s.node("second", s.ledger)}
	if err := nodes[0].Create(context.Background(), faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: nodes[0].opts.Prefix + faultStream, Values: stream.ValuesJSON})
	const keys, workers = 12, 4
	var firsts atomic.Int64
	var answers [keys][workers]stream.Range
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for k := range keys {
				for try := 0; ; try++ {
					a, err := nodes[w%2].Append(context.Background(), faultStream, withKey(fmt.Sprint("k", k), 1+k%4))
					if errors.Is(err, eventlog.ErrFull) && try < 1000 { // the other fenced us: our rows of nodes are missing, so we pass for dead
						continue
					}
					if err != nil || a.Events != 1+k%4 {
						t.Errorf("key %d at node %d: %+v, %v", k, w%2, a, err)
						return
					}
					if !a.Duplicate {
						firsts.Add(1)
					}
					answers[k][w] = a.Range
					break
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	want := 0
	for k := range keys {
		want += 1 + k%4
		for _, r := range answers[k] {
			if r != answers[k][0] {
				t.Errorf("key %d is at %v and at %v", k, answers[k][0], r)
			}
		}
	}
	if got := strings.Count(everything(t, nodes[1]), "\n"); got != want || firsts.Load() > keys {
		t.Errorf("%d events are there, want %d; %d appends of %d keys were the first", got, want, firsts.Load(), keys)
	}
}

// later is a settlement whose clock is ahead.
type later struct {
	Settlement
	by atomic.Int64
}

func (l *later) ClaimNames(ctx context.Context, c eventlog.Claim, es []eventlog.ClaimEntry, now time.Time) ([]eventlog.Verdict, error) {
	by := time.Duration(l.by.Load())
	for i := range es {
		es[i].Until = es[i].Until.Add(by)
	}
	return l.Settlement.ClaimNames(ctx, c, es, now.Add(by))
}

// Names hold as long as they were promised to, and not longer.
func TestNamesExpire(t *testing.T) {
	s := newStore(t)
	s.line = &line{}
	clock := &later{Settlement: s.ledger}
	l := s.node("first", clock)
	ctx := context.Background()
	if err := l.Create(ctx, faultStream, 1); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	stores := func(what string, e eventlog.Entry, want int) {
		t.Helper()
		a, err := l.Append(ctx, faultStream, e)
		if err != nil || a.Duplicate != (want == 0 && e.Key != "") || e.Key == "" && a.Events != want {
			t.Fatalf("%s: %+v, %v", what, a, err)
		}
	}
	ids, key := withIDs("a", "b"), withKey("k", 2) // the ids' window is an hour
	const keyWindow = 24 * time.Hour               // unless Options say otherwise
	stores("ids", ids, 2)
	stores("a key", key, 2)
	for _, step := range []struct {
		after     time.Duration
		ids, keys int
	}{{time.Hour - time.Minute, 0, 0}, {time.Hour + time.Minute, 2, 0}, {time.Hour + 2*time.Minute, 0, 0}, {keyWindow - time.Minute, 2, 0}, {keyWindow + time.Minute, 0, 2}} {
		clock.by.Store(int64(step.after))
		stores(fmt.Sprint("ids after ", step.after), ids, step.ids)
		stores(fmt.Sprint("a key after ", step.after), key, step.keys)
		for more := true; more; { // forgetting changes nothing of that
			var err error
			if more, err = clock.ForgetNames(ctx, time.Now().Add(step.after), 10); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := strings.Count(everything(t, l), "\n"); got != 2+2+2+2+2 {
		t.Fatalf("%d events are there", got)
	}
}
