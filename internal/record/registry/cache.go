package registry

import (
	"context"
	"errors"
	"sync"
)

// Bounds of what is remembered.
const (
	maxSchemas = 1000
	maxTexts   = 64 << 20 // bytes of schema text; what is made of it is some times as much
)

// cache remembers schemas, and who is fetching one.
type cache struct {
	mu      sync.Mutex
	known   map[uint32]*schema
	size    int
	fetches map[uint32]*fetching
}

// fetching is a request that runs. The other fields are set before done is closed.
type fetching struct {
	done   chan struct{}
	schema *schema
	err    error
	gaveUp bool // the context of who fetched ended: that says nothing about the registry
}

// schema returns the schema with this id. Who needs it first fetches it; others
// wait for that, each as long as its own context.
func (r *Registry) schema(ctx context.Context, id uint32) (*schema, error) {
	for {
		r.schemas.mu.Lock()
		if s, ok := r.schemas.known[id]; ok {
			r.schemas.mu.Unlock()
			return s, nil
		}
		f, running := r.schemas.fetches[id]
		if !running {
			f = &fetching{done: make(chan struct{})}
			if r.schemas.fetches == nil {
				r.schemas.fetches = map[uint32]*fetching{}
			}
			r.schemas.fetches[id] = f
		}
		r.schemas.mu.Unlock()
		if !running {
			r.lead(ctx, id, f)
			return f.schema, f.err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.done:
		}
		if !f.gaveUp {
			return f.schema, f.err
		}
	}
}

// lead fetches for all who wait. Failures are not remembered.
func (r *Registry) lead(ctx context.Context, id uint32, f *fetching) {
	f.err = errors.New("schema registry: the fetch ended without an answer") // should it panic
	defer func() {
		r.schemas.mu.Lock()
		delete(r.schemas.fetches, id)
		if f.err == nil {
			r.schemas.keep(f.schema)
		}
		r.schemas.mu.Unlock()
		close(f.done)
	}()
	f.schema, f.err = r.fetch(ctx, id)
	f.gaveUp = f.err != nil && ctx.Err() != nil
}

// keep remembers s, and forgets others where there are too many: any, as a map
// gives them, since more live schemas than fit are fetched again either way.
func (c *cache) keep(s *schema) {
	if c.known == nil {
		c.known = map[uint32]*schema{}
	}
	for id, old := range c.known {
		if len(c.known) < maxSchemas && c.size+s.size <= maxTexts {
			break
		}
		delete(c.known, id)
		c.size -= old.size
	}
	c.known[s.id] = s
	c.size += s.size
}
