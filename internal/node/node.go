// Package node is the part of one process among several equal ones that share a
// catalog: it says that the process lives, learns who else does, and answers which
// duties are for whom, without anybody being in charge.
//
// What it answers is a hint, so that work is done once as a rule. Two nodes that
// both believe that a duty is theirs harm nothing: the ledger and the log see to that.
package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"strm/internal/stream"
)

// DefaultLease is how long a node lives by one sign of life.
const DefaultLease = 15 * time.Second

// Registry is where nodes sign on: the part of the catalog that membership needs.
type Registry interface {
	// Beat says that n lives for another lease, by the registry's clock, and
	// returns all nodes that live.
	Beat(ctx context.Context, n stream.Node, lease time.Duration) (live []stream.Node, err error)
	// Leave takes a node's sign of life back. Doing it again is harmless.
	Leave(ctx context.Context, id string) error
}

// Options hold what a Member needs.
type Options struct {
	Registry Registry
	Name     string        // for people: where the node listens
	Version  string        // of the program
	Lease    time.Duration // DefaultLease if 0; at most what the registry takes
	Logger   *slog.Logger
}

// Member is this process among the nodes. All methods are safe for concurrent use;
// Self, Owns, Live and Watch answer at once.
type Member struct {
	registry Registry
	self     stream.Node
	lease    time.Duration
	logger   *slog.Logger
	view     atomic.Pointer[view]
}

// view is what a node knows of the others. It is never written after it is published.
type view struct {
	live    []uint64  // the hashes of the ids of all that live, this one included; none without a lease
	until   time.Time // by the clock of this process, which does not jump; zero without a lease
	changed chan struct{}
}

// valid reports whether the node may count on the view.
func (v *view) valid(now time.Time) bool {
	return len(v.live) > 0 && now.Before(v.until)
}

// New returns a node with an id of its own, which owns nothing before Join or Run.
func New(o Options) *Member {
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	m := &Member{registry: o.Registry, self: stream.Node{ID: newID(), Name: o.Name, Version: o.Version}, lease: o.Lease, logger: o.Logger}
	m.view.Store(&view{changed: make(chan struct{})})
	return m
}

// newID returns 64 random bits: two nodes never have one id.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process rather than return an error
	return hex.EncodeToString(b[:])
}

// Self returns the node's id, another at each start of the process.
func (m *Member) Self() string { return m.self.ID }

// Owns reports whether a duty is for this node. Without a lease nothing is.
func (m *Member) Owns(duty string) bool {
	v := m.view.Load()
	return v.valid(time.Now()) && owner(v.live, duty) == hash(m.self.ID)
}

// Live returns how many nodes live, this one included; 0 without a lease.
func (m *Member) Live() int {
	if v := m.view.Load(); v.valid(time.Now()) {
		return len(v.live)
	}
	return 0
}

// Watch returns a channel that is closed once Owns or Live may answer otherwise
// than they do after this call; then call it again.
func (m *Member) Watch() <-chan struct{} { return m.view.Load().changed }

// Run keeps the node alive until ctx ends, and signs off then: call it so that it
// ends after all that the node does. Renewals are made each third of the lease, so that two may fail.
//
// A node counts its lease from before it asked for it, so it is over here before it is over in
// the registry: one that cannot renew, or stood still, owns nothing before others take over.
// (The two clocks count one lease; how far apart they are does not matter.)
func (m *Member) Run(ctx context.Context) error {
	defer m.leave(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		began := time.Now()
		err := m.Join(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err == nil && told:
			m.logger.Info("this node has its lease again", slog.String("node", m.self.ID))
		case err != nil && !told:
			m.logger.Warn("this node cannot renew its lease; it leaves its work to others when that is over", slog.String("node", m.self.ID), slog.Any("error", err))
		}
		told = err != nil
		wait := max(m.lease/3-time.Since(began), 0)
		if err != nil {
			wait = m.lease / 12
		}
		if until := m.view.Load().until; !until.IsZero() {
			wait = min(wait, max(time.Until(until), 0)) // to tell those who watch that it is over
		}
		timer.Reset(wait)
	}
}

// Join makes one sign of life. Run does so by itself; a program that wants to know
// whether it can begins with Join.
func (m *Member) Join(ctx context.Context) error {
	asked := time.Now()
	old := m.view.Load()
	most := m.lease / 3
	if old.valid(asked) {
		most = min(most, old.until.Sub(asked))
	}
	bctx, cancel := context.WithTimeout(ctx, most)
	live, err := m.registry.Beat(bctx, m.self, m.lease)
	cancel()
	if err == nil && !slices.ContainsFunc(live, func(n stream.Node) bool { return n.ID == m.self.ID }) {
		err = errors.New("the catalog does not count this node among the living")
	}
	if err != nil {
		if now := time.Now(); len(old.live) > 0 && !old.valid(now) {
			m.publish(nil, time.Time{}, now)
		}
		return fmt.Errorf("node %s: %w", m.self.ID, err)
	}
	ids := make([]uint64, 0, len(live))
	for _, n := range live {
		ids = append(ids, hash(n.ID))
	}
	slices.Sort(ids)
	m.publish(ids, asked.Add(m.lease), time.Now())
	return nil
}

// publish makes a view the present one. Only Run, or Join before it, publishes.
func (m *Member) publish(live []uint64, until, now time.Time) {
	old := m.view.Load()
	v := &view{live: live, until: until, changed: old.changed}
	same := slices.Equal(live, old.live) && v.valid(now) == old.valid(now)
	if !same {
		v.changed = make(chan struct{})
	}
	m.view.Store(v)
	if !same {
		close(old.changed)
	}
}

// leave signs off, after which others may take over at once. If that does not
// succeed, they do when the lease is over.
func (m *Member) leave(ctx context.Context) {
	m.publish(nil, time.Time{}, time.Now())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.lease/3)
	defer cancel()
	if err := m.registry.Leave(ctx, m.self.ID); err != nil {
		m.logger.Warn("this node could not sign off; others take over when its lease is over", slog.String("node", m.self.ID), slog.Any("error", err))
	}
}
