package exporter

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Members tells a Runner who else carries exporters. What it says is a hint, so that work
// is not done twice: safety rests on the ledger. Its methods answer at once.
type Members interface {
	// Self is the id of this process in the ledger, another at each start, not empty.
	Self() string
	// Owns says whether a duty is for this process. See Duty.
	Owns(duty string) bool
	// Live is how many nodes live, this one included; 0 if its lease is over.
	Live() int
	// Watch returns a channel that is closed once Owns or Live may answer otherwise
	// than when Watch was called.
	Watch() <-chan struct{}
}

// Duty names the planning, and whatever needs one pair of hands, of an exporter. Its
// batches are nobody's in particular.
func Duty(exporterID string) string { return "export/" + exporterID }

// alone has nobody beside it.
type alone struct{}

func (alone) Self() string           { return "" }
func (alone) Owns(string) bool       { return true }
func (alone) Live() int              { return 1 }
func (alone) Watch() <-chan struct{} { return nil }

// heldPoll is, unless told otherwise, how soon a lane looks again at batches that others work on, and how often
// a node looks for batches that nobody works on.
const heldPoll = time.Second

// refreshEvery is how often a node reads all exporters anew without being told to, in case
// it was told and did not hear.
const refreshEvery = time.Minute

// Owns says whether this process carries the exporter.
func (r *Runner) Owns(exporterID string) bool { return r.members.Owns(Duty(exporterID)) }

// watch starts and stops lanes as they come and go to other nodes.
func (r *Runner) watch(ctx context.Context) {
	for {
		changed := r.members.Watch() // before what it is about
		r.mu.Lock()
		for _, l := range r.lanes {
			r.own(l, r.Owns(l.id))
		}
		r.mu.Unlock()
		r.poke()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// own makes a lane ours, or lets it go: then a step that runs may end, and no other
// follows. The caller holds r.mu.
func (r *Runner) own(l *lane, mine bool) {
	if l.mine == mine {
		return
	}
	l.mine = mine
	if mine {
		l.mu.Lock()
		l.reread = true
		l.mu.Unlock()
		r.schedule(l, r.now())
		return
	}
	l.wakeOn = totals{}
	if g := r.streams[l.streamID]; g != nil {
		delete(g.asleep, l)
	}
	if l.index >= 0 {
		heap.Remove(&r.timers, l.index)
	}
}

// isMine reports whether a lane runs here.
func (r *Runner) isMine(l *lane) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.mine
}

// claims are what this process works on, so that its own lanes and helpers do not take
// batches from each other, and what it may have claimed in vain is given back.
type claims struct {
	mu      sync.Mutex // guards what follows
	working map[string]bool
	left    bool // there may be claims of ours that nobody works on

	asking sync.RWMutex // held while claims are given back, for reading while they are made
}

// reserve says that somebody here is about to work on a batch; false if somebody does.
func (c *claims) reserve(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.working[id] {
		return false
	}
	c.working[id] = true
	return true
}

// end says that nobody here works on a batch any more. cut: its claim was perhaps not
// given up in the ledger.
func (c *claims) end(id string, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.working, id)
	c.left = c.left || cut
}

// mess says that there may be claims of ours that nobody works on.
func (c *claims) mess() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
}

func (c *claims) ids() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]string, 0, len(c.working))
	for id := range c.working {
		ids = append(ids, id)
	}
	return ids
}

// releaseWithin bounds giving back claims, which also happens when everything ends.
const releaseWithin = 2 * time.Second

// release gives back what is claimed and not worked on, if there may be any. What fails is
// tried again; what stays claimed by a process that ends is free when its lease is over.
func (r *Runner) release(ctx context.Context) {
	r.claims.mu.Lock()
	left := r.claims.left
	r.claims.left = false
	r.claims.mu.Unlock()
	if !left || !r.shared {
		return
	}
	r.claims.asking.Lock()
	defer r.claims.asking.Unlock()
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	// The list is complete: nobody claims just now, and whoever has claimed has reserved.
	if err := r.ledger.Release(within, r.members.Self(), r.claims.ids()); err != nil {
		r.claims.mess()
	}
}
