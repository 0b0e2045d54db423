package embedded

import (
	"context"
	"sync"

	"strm/internal/eventlog"
)

// idClaims are a stream's event ids in flight. An id is looked up, and its event
// committed, only by the holder of its claim.
type idClaims struct {
	mu   sync.Mutex
	open map[eventlog.ID]*idClaim
	peak int // most ids in open since it was made
}

// idClaim is what one append holds.
type idClaim struct{ done chan struct{} }

// take waits until all ids are free and takes them together, or none: nobody
// waits while holding something, so nobody waits for ever. It sets again[i]
// where ids[i] stands in ids before. An error is ctx's, and holds nothing.
func (c *idClaims) take(ctx context.Context, ids []eventlog.ID, again []bool) (*idClaim, error) {
	mine := &idClaim{done: make(chan struct{})}
	for {
		other := c.try(mine, ids, again)
		if other == nil {
			return mine, nil
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try takes all ids for mine, or none and returns who holds one of them.
func (c *idClaims) try(mine *idClaim, ids []eventlog.ID, again []bool) (other *idClaim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[eventlog.ID]*idClaim)
	}
	for i, id := range ids {
		switch held := c.open[id]; held {
		case nil:
			c.open[id] = mine
			again[i] = false
		case mine:
			again[i] = true
		default:
			c.drop(ids[:i])
			return held
		}
	}
	c.peak = max(c.peak, len(c.open))
	return nil
}

func (c *idClaims) release(mine *idClaim, ids []eventlog.ID) {
	c.mu.Lock()
	c.drop(ids)
	c.mu.Unlock()
	close(mine.done)
}

// keepClaims is how large the map of claims may stay when it is empty again.
const keepClaims = 1 << 14

// drop gives ids back that the caller took. The caller holds mu.
func (c *idClaims) drop(ids []eventlog.ID) {
	for _, id := range ids {
		delete(c.open, id)
	}
	if len(c.open) == 0 && c.peak > keepClaims {
		c.open, c.peak = nil, 0 // maps do not shrink
	}
}
