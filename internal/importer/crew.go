package importer

import (
	"sync"
	"time"
)

// crew does pieces of work beside each other, each known by a key and done once
// at a time.
type crew[K comparable] struct {
	size  int
	ended func() // called after each piece of work

	wg   sync.WaitGroup
	mu   sync.Mutex
	hand map[K]struct{}
	held map[K]time.Time // not to be begun before
}

func newCrew[K comparable](size int, ended func()) *crew[K] {
	return &crew[K]{size: size, ended: ended, hand: map[K]struct{}{}, held: map[K]time.Time{}}
}

// free returns how many more pieces of work may begin.
func (c *crew[K]) free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size - len(c.hand)
}

// known returns how many pieces of work are in hand or held back.
func (c *crew[K]) known() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.hand) + len(c.held)
}

// begin starts the work unless it is in hand, all hands are full, or it is held
// back; then until says for how long.
func (c *crew[K]) begin(k K, now time.Time, work func()) (until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.held[k]; ok && at.After(now) {
		return at
	}
	if _, ok := c.hand[k]; ok || len(c.hand) >= c.size {
		return time.Time{}
	}
	delete(c.held, k)
	c.hand[k] = struct{}{}
	c.wg.Go(func() {
		defer func() {
			c.mu.Lock()
			delete(c.hand, k)
			c.mu.Unlock()
			c.ended()
		}()
		work()
	})
	return time.Time{}
}

// hold keeps work back for which the ledger could not note when it is due.
func (c *crew[K]) hold(k K, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, at := range c.held {
		if time.Since(at) > 0 {
			delete(c.held, other) // it may be begun, or somebody else has settled it
		}
	}
	c.held[k] = until
}

func (c *crew[K]) wait() { c.wg.Wait() }
