package catalog

import (
	"context"
	"sync"
)

// Exclusive takes the lock of that name, which one holder has at a time among
// all nodes, and waits for it until ctx ends. Whoever gets nil must call unlock,
// once. The lock is for order, not for safety: a holder whose connection breaks
// has lost it without being told.
func (db *DB) Exclusive(ctx context.Context, name string) (unlock func(), err error) {
	if take := db.dialect.Exclusive; take != nil {
		unlock, err = take(ctx, db.write, name)
		if err != nil {
			return nil, db.fault(ctx, err, "take the lock "+name)
		}
		return unlock, nil
	}
	return db.locks.take(ctx, name)
}

// Locker is a lock of a catalog by its name.
type Locker struct {
	db   *DB
	name string
}

// Locker returns the lock of that name.
func (db *DB) Locker(name string) Locker { return Locker{db, name} }

// Lock is Exclusive.
func (l Locker) Lock(ctx context.Context) (unlock func(), err error) {
	return l.db.Exclusive(ctx, l.name)
}

// locks are the locks of one process. The zero value is ready.
type locks struct {
	mu sync.Mutex
	of map[string]chan struct{} // full while held
}

func (l *locks) take(ctx context.Context, name string) (unlock func(), err error) {
	l.mu.Lock()
	if l.of == nil {
		l.of = map[string]chan struct{}{}
	}
	c := l.of[name]
	if c == nil {
		c = make(chan struct{}, 1)
		l.of[name] = c
	}
	l.mu.Unlock()
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
