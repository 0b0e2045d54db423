package exporter_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// crew is what a node believes of the others.
type crew struct {
	self string

	mu      sync.Mutex
	owns    func(duty string) bool
	live    int
	changed chan struct{}
}

func newCrew(self string, live int, owns func(duty string) bool) *crew {
	return &crew{self: self, live: live, owns: owns, changed: make(chan struct{})}
}

func (c *crew) Self() string { return c.self }

func (c *crew) Owns(duty string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owns(duty)
}

func (c *crew) Live() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live
}

func (c *crew) Watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *crew) believe(live int, owns func(duty string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live, c.owns = live, owns
	close(c.changed)
	c.changed = make(chan struct{})
}

func everything(string) bool { return true }
func nothing(string) bool    { return false }

// lives gives nodes leases that outlast the test.
func (w *world) lives(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		_, err := w.db.Beat(w.t.Context(), stream.Node{ID: id, Name: id}, time.Minute)
		w.must(err)
	}
}

// dies ends a node's lease.
func (w *world) dies(id string) {
	w.t.Helper()
	for alive := true; alive; {
		live, err := w.db.Beat(w.t.Context(), stream.Node{ID: id, Name: id}, time.Microsecond)
		w.must(err)
		alive = false
		for _, n := range live {
			alive = alive || n.ID == id
		}
	}
}

// standstill stops a node at a step, as SIGSTOP would: it hears nothing, not even that its
// context has ended.
type standstill struct {
	step  string
	at    int64
	when  string // "before" its effect, "after" it, or after it was "refused"
	calls map[string]*atomic.Int64

	once  sync.Once
	stood chan struct{} // closed when it stands
	wake  chan struct{} // closed to let it go on
}

func newStandstill(step string, at int, when string) *standstill {
	return &standstill{step: step, at: int64(at), when: when, stood: make(chan struct{}), wake: make(chan struct{}),
		calls: map[string]*atomic.Int64{"plan": {}, "claim": {}, "save": {}, "put": {}, "rekey": {}}}
}

func (s *standstill) stand() {
	s.once.Do(func() {
		close(s.stood)
		<-s.wake
	})
}

func (s *standstill) pass(step string, act, refuse func() error) error {
	if s.calls[step].Add(1)-1 != s.at || step != s.step {
		return act()
	}
	switch s.when {
	case "before":
		s.stand()
		return act()
	case "refused":
		err := refuse()
		s.stand()
		return err
	}
	err := act()
	s.stand()
	return err
}

type stillLedger struct {
	exporter.Ledger
	s *standstill
}

func (l stillLedger) Plan(ctx context.Context, b []stream.Batch, next stream.Position) error {
	return l.s.pass("plan", func() error { return l.Ledger.Plan(context.WithoutCancel(ctx), b, next) }, nil)
}

func (l stillLedger) Save(ctx context.Context, b *stream.Batch) error {
	return l.s.pass("save", func() error { return l.Ledger.Save(context.WithoutCancel(ctx), b) }, nil)
}

func (l stillLedger) Rekey(ctx context.Context, b *stream.Batch) error {
	return l.s.pass("rekey", func() error { return l.Ledger.Rekey(context.WithoutCancel(ctx), b) }, nil)
}

func (l stillLedger) Claim(ctx context.Context, id string, seq int64, owner string) (b stream.Batch, ok bool, err error) {
	err = l.s.pass("claim", func() error {
		b, ok, err = l.Ledger.Claim(context.WithoutCancel(ctx), id, seq, owner)
		return err
	}, nil)
	return b, ok, err
}

type stillBucket struct {
	objstore.Bucket
	objstore.Reader
	s *standstill
}

func (b stillBucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if strings.Contains(key, ".strm_test_") {
		return b.Bucket.Create(ctx, key, c)
	}
	return b.s.pass("put", func() error { return b.Bucket.Create(context.WithoutCancel(ctx), key, c) }, func() error {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.Throttled, Err: errFault}
	})
}

// The third fault table: a node stands still at every step, before its effect and after it;
// another takes over, some of whose own PUTs get no answer; then the first goes on, and still
// believes that everything is its own. Every event is in the bucket once.
func TestANodeThatWakesUpAfterItsLeaseHarmsNothing(t *testing.T) {
	hour := time.Now().UTC().Truncate(time.Hour)
	for _, output := range []stream.Output{
		{Layout: "strm", Compression: "gzip"},
		{Layout: "hive", Compression: "zstd"},
		{Layout: "tarsal"},
	} {
		objects := 1
		if output.Layout == "hive" {
			objects = 3
		}
		for step, limit := range map[string]int{"plan": 1, "claim": 1, "save": objects + 1, "put": objects, "rekey": 1} {
			if step == "rekey" && output.Layout != "tarsal" {
				continue // the others' keys are nobody else's
			}
			for at := 0; at < limit; at += every {
				for _, when := range []string{"before", "after", "refused"} {
					if when == "refused" && step != "put" {
						continue
					}
					for _, theirs := range []string{"all well", "an answer lost", "a request lost"} {
						if output.Layout == "hive" && theirs != "an answer lost" {
							continue // the worst suffices where there are many steps
						}
						t.Run(fmt.Sprintf("%s/%s %d %s/%s", output.Layout, step, at, when, theirs), func(t *testing.T) {
							t.Parallel()
							w := newWorld(t, output, 2)
							w.append(40, hour.Add(-2*time.Hour))
							w.append(40, hour.Add(-time.Hour))
							w.append(41, hour)
							wakesUp(t, w, newStandstill(step, at, when), theirs)
						})
					}
				}
			}
		}
	}
}

// wakesUp is one case of the table.
func wakesUp(t *testing.T, w *world, s *standstill, theirs string) {
	w.lives("a", "b")
	first := newCrew("a", 2, everything)
	var took []string
	in := stranger{Reader: w.store, w: w, mu: &sync.Mutex{}, took: &took}
	if s.step == "rekey" {
		in.n = 1
	}
	a := w.node(first, func(_ *process, l exporter.Ledger) exporter.Ledger { return stillLedger{l, s} },
		func(_ *process, b objstore.Bucket) objstore.Bucket {
			in.Bucket = stillBucket{b, w.store, s}
			return in
		})
	defer a.stop()
	wake := sync.OnceFunc(func() { close(s.wake) })
	defer wake() // before a is stopped
	<-s.stood    // the first hours are long over: the exporter begins by itself
	w.dies("a")
	w.untouched(took) // a person takes it away, as b does not move a batch of which a PUT was noted
	w.append(7, time.Now())

	struck := make(chan struct{})
	b := w.node(newCrew("b", 1, everything), nil, func(p *process, b objstore.Bucket) objstore.Bucket {
		g := &gate{p: p, what: answerLost, at: -1, struck: func() { close(struck) }}
		switch theirs {
		case "an answer lost":
			g.at = 0
		case "a request lost":
			g.at, g.what = 0, requestLost
		default:
			close(struck)
		}
		return gatedBucket{Bucket: b, Reader: w.store, put: g}
	})
	defer b.stop()
	w.flush(b)
	<-struck

	w.lives("a")
	wake()
	w.append(5, time.Now())
	w.flush(a) // both believe that the exporter is theirs
	w.flush(b)
	w.flush(a)
	first.believe(2, nothing)
	w.append(5, time.Now())
	w.flush(b)
	w.flush(a) // which asks the ledger
	w.check(b)
	w.quietly()
}

// Its lease may be shorter than any pause that a process would notice by itself.
func TestANodeWithoutALeaseBeginsNoUpload(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	w.lives("a")
	c := newCrew("a", 0, everything) // it was its own when the step began
	a := w.node(c, nil, nil)
	defer a.stop()
	w.append(3, time.Now())
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := a.runner.Flush(soon, w.exp.ID)
	w.must(err)
	for !strings.Contains(a.runner.Status(w.exp.ID).Reason, "no lease") {
		if soon.Err() != nil {
			t.Fatalf("it does not say so: %+v", a.runner.Status(w.exp.ID))
		}
		runtime.Gosched()
	}
	for info, err := range w.store.List(t.Context(), "") {
		w.must(err)
		if !strings.Contains(info.Key, ".strm_test_") {
			t.Errorf("%s was written", info.Key)
		}
	}
	c.believe(1, everything)
	w.flush(a)
	w.check(a)
	w.quietly()
}

// quietly checks that nothing is left to do, and nobody has anything.
func (w *world) quietly() {
	w.t.Helper()
	left, err := w.db.Unfinished(w.t.Context(), w.exp.ID)
	w.must(err)
	owners, err := w.db.Claimed(w.t.Context(), w.exp.ID)
	w.must(err)
	if len(left) > 0 || len(owners) > 0 {
		w.t.Errorf("%d batches are left, %q have claims", len(left), owners)
	}
}
