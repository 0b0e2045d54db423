package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/stream"
)

// registry is a catalog's table of nodes, with a clock and with moods.
type registry struct {
	mu     sync.Mutex
	until  map[string]time.Time // by its own clock
	offset time.Duration        // of its clock
	down   bool
	slow   time.Duration // before it acts; it looks at ctx meanwhile
	late   time.Duration // before its answer arrives, which does not look at ctx: a process that stands still
	beats  int
}

var errDown = errors.New("connection refused")

func (r *registry) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *registry) now() time.Time { return time.Now().Add(r.offset) }

func (r *registry) Beat(ctx context.Context, n stream.Node, lease time.Duration) ([]stream.Node, error) {
	r.mu.Lock()
	slow, late := r.slow, r.late
	r.beats++
	r.mu.Unlock()
	if slow > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(slow):
		}
	}
	r.mu.Lock()
	if r.down {
		r.mu.Unlock()
		return nil, errDown
	}
	r.until[n.ID] = r.now().Add(lease)
	live := r.live()
	r.mu.Unlock()
	time.Sleep(late)
	return live, nil
}

// live is as in the catalog: a lease that ends too late says nothing.
func (r *registry) live() (out []stream.Node) {
	for id, until := range r.until {
		if now := r.now(); until.After(now) && !until.After(now.Add(time.Minute)) {
			out = append(out, stream.Node{ID: id, Alive: true})
		}
	}
	return out
}

func (r *registry) Leave(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return errDown
	}
	delete(r.until, id)
	return nil
}

func (r *registry) lives(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.live(), func(n stream.Node) bool { return n.ID == id })
}

// member starts a node; it runs until its stop is called, or the test ends.
func member(t *testing.T, r *registry) (m *Member, stop func()) {
	m = New(Options{Registry: r, Name: "here", Version: "v1", Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return m, stop
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// agree reports whether every duty is for exactly one of the nodes.
func agree(members ...*Member) error {
	for i := range 200 {
		duty, n := fmt.Sprintf("export/%d", i), 0
		for _, m := range members {
			if m.Owns(duty) {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("%s is for %d nodes", duty, n)
		}
	}
	return nil
}

func TestNodesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{until: map[string]time.Time{}}
		a, _ := member(t, r)
		before := a.Watch()
		if a.Owns("retention") || a.Live() != 0 {
			t.Error("owns something before it has signed on")
		}
		pass(0)
		if !closed(before) || a.Live() != 1 || agree(a) != nil {
			t.Errorf("the only node: %d live, %v", a.Live(), agree(a))
		}
		watched := a.Watch()
		pass(2 * time.Minute)
		if closed(watched) {
			t.Error("told of a change where there was none")
		}
		b, stopB := member(t, r)
		c, _ := member(t, r)
		pass(DefaultLease / 3)
		if err := agree(a, b, c); err != nil || a.Live() != 3 || !closed(watched) {
			t.Errorf("three nodes: %d live, %v", a.Live(), err)
		}
		watched = a.Watch()
		stopB()
		if b.Owns("x") || b.Live() != 0 {
			t.Error("owns something after it has signed off")
		}
		pass(DefaultLease / 3)
		if err := agree(a, c); err != nil || !closed(watched) {
			t.Errorf("two that are left: %v", err)
		}
	})
}

// At no time has a node a lease of its own that the catalog does not know of.
func TestLeaseIsOverHereBeforeThere(t *testing.T) {
	for name, mood := range map[string]func(*registry){
		"the catalog is away":             func(r *registry) { r.down = true },
		"the catalog hangs":               func(r *registry) { r.slow = time.Hour },
		"the answer comes a minute late":  func(r *registry) { r.late = time.Minute },
		"the answer comes a bit late":     func(r *registry) { r.late = 4 * time.Second },
		"the catalog is slow":             func(r *registry) { r.slow = 4 * time.Second },
		"its clock goes back by a day":    func(r *registry) { r.offset = -24 * time.Hour },
		"its clock goes forward by a day": func(r *registry) { r.offset = 24 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &registry{until: map[string]time.Time{}}
				m, stop := member(t, r)
				pass(time.Second)
				r.set(func() { mood(r) })
				jumps := r.offset != 0
				for range 600 {
					pass(100 * time.Millisecond)
					if m.Live() > 0 && !r.lives(m.Self()) && !jumps {
						t.Fatal("counts on a lease that is over")
					}
				}
				hasNone := r.down || r.slow > DefaultLease || r.late >= DefaultLease
				if got := m.Live() > 0; got == hasNone {
					t.Errorf("has a lease: %t, want %t", got, !hasNone)
				}
				watched := m.Watch()
				r.set(func() { r.down, r.slow, r.late = false, 0, 0 })
				pass(time.Minute + DefaultLease)
				if m.Live() != 1 || !r.lives(m.Self()) {
					t.Error("has no lease after the trouble")
				}
				if closed(watched) != hasNone {
					t.Errorf("told of a change: %t, want %t", closed(watched), hasNone)
				}
				stop()
				if r.lives(m.Self()) {
					t.Error("lives after it has signed off")
				}
			})
		})
	}
}

// Those who watch are told when the lease is over, not when that is found out
// by chance, also while the catalog hangs.
func TestWatchersAreToldWhenTheLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{until: map[string]time.Time{}}
		m, _ := member(t, r)
		pass(0)
		watched := m.Watch()
		r.set(func() { r.slow = time.Hour })
		pass(DefaultLease - time.Millisecond)
		if closed(watched) || m.Live() != 1 {
			t.Error("the lease ended too early")
		}
		pass(time.Millisecond)
		if !closed(watched) || m.Live() != 0 {
			t.Errorf("told: %t, live %d", closed(watched), m.Live())
		}
	})
}

// A dead node's duties go over when its lease ends, and a third of one later at most.
func TestDeadNodeIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{until: map[string]time.Time{}}
		a, _ := member(t, r)
		pass(0)
		dead := New(Options{Registry: r, Logger: slog.New(slog.DiscardHandler)})
		if err := dead.Join(t.Context()); err != nil { // and never again
			t.Fatal(err)
		}
		pass(DefaultLease / 3)
		if a.Live() != 2 || agree(a, dead) != nil {
			t.Fatalf("%d live, %v", a.Live(), agree(a, dead))
		}
		pass(DefaultLease)
		if a.Live() != 1 || agree(a) != nil || dead.Live() != 0 {
			t.Errorf("%d live, %v", a.Live(), agree(a))
		}
	})
}

// The clock of the catalog is set back: a dead node does not live on until it
// has caught up, and those that live do.
func TestCatalogClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{until: map[string]time.Time{}}
		a, _ := member(t, r)
		b, _ := member(t, r)
		dead := New(Options{Registry: r, Logger: slog.New(slog.DiscardHandler)})
		if err := dead.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		r.set(func() { r.offset = -10 * time.Hour })
		pass(2 * DefaultLease / 3)
		if a.Live() != 2 || b.Live() != 2 || agree(a, b) != nil {
			t.Errorf("%d and %d live, %v", a.Live(), b.Live(), agree(a, b))
		}
	})
}
