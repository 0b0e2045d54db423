package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/builtin"
	"strm/internal/control"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/objstore/mem"
	"strm/internal/problem"
	"strm/internal/stream"
)

// shelf is a catalog of sinks that nobody exports to.
type shelf struct {
	control.Catalog

	mu    sync.Mutex
	sinks []stream.Sink
	err   error // of Sinks
}

func (s *shelf) Sinks(context.Context) ([]stream.Sink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]stream.Sink(nil), s.sinks...), s.err
}

func (s *shelf) Sink(_ context.Context, name string) (stream.Sink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sinks {
		if k.Name == name {
			return k, nil
		}
	}
	return stream.Sink{}, problem.New(problem.NotFound, "there is no sink %s", name)
}

func (s *shelf) ExportersOfSink(context.Context, string) ([]stream.Exporter, error) { return nil, nil }

func (s *shelf) heard(name string, h stream.Health) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.sinks {
		if s.sinks[i].Name == name {
			s.sinks[i].Health = h
		}
	}
}

func (s *shelf) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// forRunner is the shelf as the runner sees it.
type forRunner struct {
	exporter.Catalog
	shelf *shelf
}

func (r forRunner) Sink(ctx context.Context, name string) (stream.Sink, error) {
	return r.shelf.Sink(ctx, name)
}

func (r forRunner) SetSinkHealth(_ context.Context, name string, _ int64, h stream.Health) error {
	r.shelf.heard(name, h)
	return nil
}

func (s *shelf) health(name string) stream.Health {
	k, err := s.Sink(context.Background(), name)
	if err != nil {
		panic(err)
	}
	return k.Health
}

// bucket notes who writes, and answers with an error if one is set.
type bucket struct {
	*mem.Bucket
	name string
	seen *seen
}

// seen is what all buckets saw, and what they say.
type seen struct {
	mu    sync.Mutex
	busy  int // trials under way
	most  int
	puts  []string // sink and key
	err   map[string]error
	stuck bool // nothing is answered
}

func (b bucket) Create(ctx context.Context, key string, c objstore.Content) error {
	n := b.seen
	n.mu.Lock()
	n.busy++
	n.most = max(n.most, n.busy)
	n.puts = append(n.puts, b.name+" "+key)
	err := n.err[b.name]
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.busy--
	}()
	if n.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Second) // of the bubble's time
	if err != nil {
		return err
	}
	return b.Bucket.Create(ctx, key, c)
}

func (n *seen) wrote() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.puts)
}

func (n *seen) fail(name string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err[name] = err
}

// shop is a checker at work over a shelf.
type shop struct {
	*shelf
	*seen
	log  bytes.Buffer
	stop func() error

	others atomic.Bool // it is another node's duty
}

func open(t *testing.T, every time.Duration, stuck bool, sinks ...stream.Sink) *shop {
	t.Helper()
	s := &shop{shelf: &shelf{sinks: sinks}, seen: &seen{err: map[string]error{}, stuck: stuck}}
	stores := map[string]*mem.Bucket{}
	for _, k := range sinks {
		stores[k.Name] = mem.New(nil)
	}
	logger := slog.New(slog.NewTextHandler(&s.log, nil))
	runner := exporter.New(exporter.Options{
		Catalog: forRunner{shelf: s.shelf}, Format: builtin.Format, Logger: logger,
		Open: func(_ context.Context, k stream.Sink) (objstore.Bucket, error) {
			return bucket{stores[k.Name], k.Name, s.seen}, nil
		},
	})
	c := control.New(control.Deps{Catalog: s.shelf, Runner: runner, CheckOutput: builtin.CheckOutput})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- (&control.SinkChecker{Control: c, Logger: logger, Every: every, Owns: func() bool { return !s.others.Load() }}).Run(ctx)
	}()
	s.stop = func() error { cancel(); return <-ended }
	return s
}

func ok(name string, at time.Time) stream.Sink {
	return stream.Sink{Name: name, Type: stream.SinkS3, Conditional: stream.SupportYes, UpdatedAt: at, Health: stream.Health{Status: stream.HealthOK, At: at}}
}

// A sink that begins to fail is known to fail after the interval without anybody
// asking, and so is that it recovered. All trials are of one object.
func TestSinksAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := open(t, time.Hour, false, ok("a", began))
		time.Sleep(time.Hour - time.Second)
		if n := s.wrote(); n != 0 {
			t.Fatalf("tried %d times before its time", n)
		}
		time.Sleep(6*time.Minute + 3*time.Second)
		first := s.health("a")
		if s.wrote() != 1 || first.Status != stream.HealthOK || first.At.Sub(began) < time.Hour {
			t.Fatalf("after the interval: %+v, %d writes", first, s.wrote())
		}
		s.fail("a", &objstore.Error{Op: "put", Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "s3:PutObject on b/x", Status: 403})
		time.Sleep(67 * time.Minute)
		second := s.health("a")
		if second.Status != stream.HealthFailing || second.Step != stream.StepPut || !strings.Contains(second.Reason, "s3:PutObject") || second.At.Sub(first.At) < time.Hour {
			t.Errorf("it began to fail: %+v", second)
		}
		s.fail("a", nil)
		time.Sleep(67 * time.Minute)
		if h := s.health("a"); h.Status != stream.HealthOK || h.Reason != "" || !h.At.After(second.At) {
			t.Errorf("it recovered: %+v", h)
		}
		if err := s.stop(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for _, p := range s.puts {
			if p != s.puts[0] {
				t.Errorf("writes %v", s.puts)
			}
		}
		if log := s.log.String(); strings.Count(log, "the sink cannot be written to\" sink=a step=put reason=") != 1 || strings.Count(log, "can be written to again") != 1 {
			t.Errorf("log: %s", log)
		}
	})
}

// Sinks are tried by the node whose duty they are.
func TestSinksOfAnotherNodeAreNotTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, time.Hour, false, ok("a", time.Now()))
		s.others.Store(true)
		time.Sleep(5 * time.Hour)
		if n := s.wrote(); n != 0 {
			t.Errorf("tried %d times", n)
		}
		s.others.Store(false)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := s.wrote(); n != 1 {
			t.Errorf("tried %d times once it is this node's duty", n)
		}
		_ = s.stop()
	})
}

// Deliveries and trials by others are news: then nothing is tried.
func TestSinksInUseAreNotTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, time.Hour, false, ok("a", time.Now()))
		for range 50 {
			time.Sleep(30 * time.Minute)
			s.heard("a", stream.Health{Status: stream.HealthOK, At: time.Now()})
		}
		if n := s.wrote(); n != 0 {
			t.Errorf("tried %d times", n)
		}
		_ = s.stop()
	})
}

// Many sinks of one moment are tried one at a time and not in one go; unknown
// ones soon; a wrong clock and a catalog that fails do not end it.
func TestManySinksAreTriedOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var sinks []stream.Sink
		for i := range 40 {
			sinks = append(sinks, ok(fmt.Sprintf("s%d", i), began))
		}
		unknown, ahead := ok("unknown", began), ok("ahead", began.Add(1000*time.Hour))
		unknown.Health = stream.Health{}
		s := open(t, time.Hour, false, append(slices.Clone(sinks), unknown, ahead)...) // theirs changes
		s.fails(errors.New("catalog away"))
		time.Sleep(90 * time.Second)
		s.fails(nil)
		time.Sleep(3 * time.Minute)
		if s.health("unknown").Status != stream.HealthOK {
			t.Errorf("unknown: %+v", s.health("unknown"))
		}
		if n := s.wrote(); n != 2 {
			t.Errorf("%d tried at once", n)
		}
		time.Sleep(time.Hour + 4*time.Minute)
		times := map[time.Time]bool{}
		for _, k := range sinks {
			h := s.health(k.Name)
			if h.At.Sub(began) < time.Hour {
				t.Errorf("%s was not tried: %+v", k.Name, h)
			}
			times[h.At.Truncate(time.Minute)] = true
		}
		if len(times) < 4 {
			t.Errorf("tried within %d minutes", len(times))
		}
		_ = s.stop()
		if s.most != 1 {
			t.Errorf("%d at a time", s.most)
		}
	})
}

// A trial is cut off when the server stops, and teaches nothing.
func TestSinkCheckerStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := ok("a", time.Now().Add(-2*time.Hour))
		s := open(t, time.Hour, true, old)
		for s.wrote() == 0 {
			time.Sleep(time.Second)
		}
		began := time.Now()
		if err := s.stop(); !errors.Is(err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if s.health("a") != old.Health || s.wrote() != 1 {
			t.Errorf("%+v after %d writes", s.health("a"), s.wrote())
		}
	})
}
