// Package postgres is the catalog in a PostgreSQL database, for several nodes.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"strm/internal/catalog"
	"strm/internal/problem"
)

// Options bound what one process asks of the server. Zero fields have a default.
type Options struct {
	Writers int // connections for writing at most; 8
	Readers int // connections for reading at most; 8
}

// A connection is given back after a while: what it had been led to by a name
// or a proxy may be another server by now.
const (
	lifetime = 30 * time.Minute
	idleTime = 5 * time.Minute
)

// patience bounds a writing transaction: a server that takes the connection
// and then says nothing more. It is far above what PostgreSQL needs, and above
// idleLimit, which frees what another node keeps.
const patience = 30 * time.Second

// Open opens the catalog in the database that url names ("postgres://..."), in
// the first schema of its search path, and makes the tables if there are none.
// Beside the connections of Options there is one for each lock of
// catalog.DB.Exclusive that is held.
//
// The password may be part of the url, or come from PGPASSWORD or a passfile;
// no error holds it. A server that does not answer has kind Unavailable, one
// that will not do Conflict, one that does not let us in Forbidden, and
// a url that is wrong has kind Invalid.
func Open(ctx context.Context, url string, o Options) (*catalog.DB, error) {
	return open(ctx, url, o, beat)
}

func open(ctx context.Context, url string, o Options, beat time.Duration) (*catalog.DB, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	write, read, locks := pool(config, o.Writers), pool(config, o.Readers), pool(config, -1)
	if err := check(ctx, write); err != nil {
		return nil, errors.Join(opening(ctx, err), write.Close(), read.Close(), locks.Close())
	}
	db, err := catalog.Open(ctx, write, read, dialect(&locker{locks, beat}))
	if err != nil {
		return nil, errors.Join(opening(ctx, err), locks.Close())
	}
	return db, nil
}

// pool makes a pool of so many connections; -1 for no bound, 0 for the default.
func pool(config *pgx.ConnConfig, conns int) *sql.DB {
	if conns == 0 {
		conns = 8
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*config)})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(max(conns, 1))
	db.SetConnMaxLifetime(lifetime)
	db.SetConnMaxIdleTime(idleTime)
	return db
}

// connector is pgx's, with errors of one line.
type connector struct{ driver.Connector }

// Connect connects.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	return conn, nil
}

func dialect(locks *locker) catalog.Dialect {
	return catalog.Dialect{
		Goose: goose.DialectPostgres,
		// Not FOR UPDATE: rows that refer to this one may be added meanwhile.
		Lock:     ` FOR NO KEY UPDATE`,
		Skip:     ` FOR NO KEY UPDATE SKIP LOCKED`,
		Now:      `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`,
		Text:     `TEXT COLLATE "C"`,
		Snapshot: sql.LevelRepeatableRead,
		Caches:   true,
		Patience: patience,

		Exclusive: locks.take,
		Duplicate: func(err error) bool { return code(err) == uniqueViolation },
		Again: func(err error) bool {
			c := code(err)
			return c == serializationFailure || c == deadlockDetected
		},
		Fault:  fault,
		Finish: func(*sql.DB) error { return locks.db.Close() },
	}
}

// opening words an error of Open: what keeps a server from being used at all
// will not mend itself, as a rule.
func opening(ctx context.Context, err error) error {
	var p *problem.Error
	worded := errors.As(err, &p)
	if ctx.Err() != nil || worded && p.Kind != problem.Unavailable {
		return err
	}
	kind, advice := refusal(err)
	switch {
	case advice == "" && worded:
		return err
	case advice == "":
		kind, advice = fault(err)
	}
	if worded { // its advice is for a server that was right before
		err = errors.Unwrap(p.Err)
	}
	if advice == "" {
		return problem.New(kind, "catalog: %w", err)
	}
	return problem.New(kind, "catalog: %w: %s", err, advice)
}
