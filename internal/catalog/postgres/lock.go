package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"time"
)

// beat is how often a holder of a lock shows that it goes on: well below
// idleLimit, after which the server ends its session.
const beat = idleLimit / 4

// locker takes locks by name, each on a connection of its own.
type locker struct {
	db   *sql.DB
	beat time.Duration
}

// take waits for the lock. It is one of a transaction, which the server ends
// with the lock if the connection is lost or the process stands still; a lock
// of the session would outlive a process that is paused.
func (l *locker) take(ctx context.Context, name string) (func(), error) {
	conn, err := l.begin(ctx)
	if err != nil {
		return nil, err
	}
	// One schema is one catalog, so its name is part of the lock's.
	_, err = conn.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('strm ' || current_schema() || ' ' || $1, 0))`, name)
	if err != nil {
		discard(conn)
		return nil, err
	}
	stop := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() { l.keep(conn, stop) })
	return func() {
		close(stop)
		beating.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beat)
		defer cancel()
		if _, err := conn.ExecContext(ctx, `ROLLBACK`); err != nil {
			discard(conn) // which gives the lock back as well
			return
		}
		_ = conn.Close() // back to its pool
	}, nil
}

// begin begins a transaction, on another connection if one was lost while
// nobody used it.
func (l *locker) begin(ctx context.Context) (*sql.Conn, error) {
	for try := 1; ; try++ {
		conn, err := l.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		if _, err = conn.ExecContext(ctx, `BEGIN`); err == nil {
			return conn, nil
		}
		discard(conn)
		if try == 3 || ctx.Err() != nil {
			return nil, err
		}
	}
}

// keep shows the server that this process goes on, until stop. A connection
// that is lost stays so: the lock is gone.
func (l *locker) keep(conn *sql.Conn, stop <-chan struct{}) {
	t := time.NewTicker(l.beat)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), beat)
		_, err := conn.ExecContext(ctx, `SELECT 1`)
		cancel()
		if err != nil {
			return
		}
	}
}

// discard closes the connection for good.
func discard(conn *sql.Conn) {
	// The error is how database/sql is told to.
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}
