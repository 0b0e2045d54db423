package catalog

import (
	"context"
	"fmt"
	"sync"
)

// names are locks by name within this process.
type names struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when given back
}

func (n *names) lock(ctx context.Context, name string) error {
	for {
		n.mu.Lock()
		wait, taken := n.held[name]
		if !taken {
			if n.held == nil {
				n.held = map[string]chan struct{}{}
			}
			n.held[name] = make(chan struct{})
			n.mu.Unlock()
			return nil
		}
		n.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *names) unlock(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.held[name])
	delete(n.held, name)
}

// Exclusive waits until no other process of the catalog holds the lock of that
// name, and takes it. It is not reentrant. unlock gives it back, waits until
// that is done, and may be called more than once.
//
// Where the catalog is a server of its own the lock lives as long as a
// connection to it: one that is lost, or a process that stands still for ten
// seconds, has lost the lock, and whoever holds it is not told. So it may keep
// things in order, but what must never happen is to be refused by a
// transaction. Everybody else waits at most that long for a holder that is gone.
func (db *DB) Exclusive(ctx context.Context, name string) (unlock func(), err error) {
	what := "wait for the lock " + name
	if err := db.locks.lock(ctx, name); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	release := func() {}
	if db.dialect.Exclusive != nil {
		if release, err = db.dialect.Exclusive(ctx, name); err != nil {
			db.locks.unlock(name)
			return nil, db.fault(ctx, err, what)
		}
	}
	return sync.OnceFunc(func() {
		release()
		db.locks.unlock(name)
	}), nil
}

// Locker is a lock of a catalog by its name.
type Locker struct {
	db   *DB
	name string
}

// Locker returns the lock of that name.
func (db *DB) Locker(name string) Locker { return Locker{db, name} }

// Lock is DB.Exclusive.
func (l Locker) Lock(ctx context.Context) (unlock func(), err error) {
	return l.db.Exclusive(ctx, l.name)
}
