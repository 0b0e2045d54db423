package catalog

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/pressly/goose/v3"

	"strm/internal/problem"
)

// Dialect is what differs between databases.
type Dialect struct {
	// Goose is the name by which goose knows the database.
	Goose goose.Dialect
	// Lock is added to a SELECT in a writing transaction to keep the row as it
	// is until the end; empty where writers exclude each other anyway.
	Lock string
	// Skip is Lock, but leaves out the rows that other transactions keep.
	Skip string
	// Now is an expression for the database's clock: the present instant, not
	// that of the transaction's beginning, in microseconds since 1970.
	Now string
	// Text is the type of a column of text that compares byte by byte, whatever
	// the database's own order is; empty for TEXT, as the migrations have it.
	Text string
	// Caches says that the driver keeps statements prepared by itself.
	Caches bool
	// Patience bounds a writing transaction, once it has begun: 0 for no bound.
	Patience time.Duration
	// Exclusive takes the lock of that name among all processes of the catalog,
	// and returns what gives it back; nil where a catalog has one process. No
	// two calls with one name run at once in a process.
	Exclusive func(ctx context.Context, name string) (release func(), err error)
	// Again reports whether err has ended a transaction that has done nothing
	// and may succeed if it is made again; nil for never, and where connections
	// cannot be lost: otherwise one that cannot begin is made again too.
	Again func(err error) bool
	// Snapshot is the isolation at which a transaction that only reads sees one
	// state of the database.
	Snapshot sql.IsolationLevel
	// Duplicate reports whether err says that a unique index refused a row.
	Duplicate func(err error) bool
	// Fault classifies any other error of the driver. advice says how to mend
	// it, or is empty.
	Fault func(err error) (kind problem.Kind, advice string)
	// Finish runs on the writing pool as the last thing before it is closed;
	// nil for nothing.
	Finish func(write *sql.DB) error
}

// DB is the catalog and ledger.
type DB struct {
	write   *sql.DB
	read    *sql.DB
	dialect Dialect
	hot     map[string]*sql.Stmt // prepared on write; not changed after Open
	locks   names
}

// Open brings the schema up to date and returns the database, which owns both
// pools from then on, also when Open fails. A schema newer than this program
// is used as it is if its floor allows (see migrate); otherwise it is refused
// with kind Conflict. Neither is touched.
func Open(ctx context.Context, write, read *sql.DB, d Dialect) (*DB, error) {
	db := &DB{write: write, read: read, dialect: d, hot: map[string]*sql.Stmt{}}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) error {
	if err := db.migrate(ctx); err != nil {
		return db.fault(ctx, err, "open the catalog")
	}
	if err := db.install(ctx); err != nil {
		return err
	}
	if db.dialect.Caches {
		return nil
	}
	for _, q := range hotStatements {
		s, err := db.write.PrepareContext(ctx, db.text(q)) //nolint:sqlclosecheck // kept in hot; DB.Close closes it
		if err != nil {
			return db.fault(ctx, err, "prepare the ledger's statements")
		}
		db.hot[q] = s
	}
	return nil
}

// Close waits for calls under way and closes the database.
func (db *DB) Close() error {
	errs := []error{db.read.Close()}
	for _, s := range db.hot {
		errs = append(errs, s.Close())
	}
	if db.dialect.Finish != nil {
		errs = append(errs, db.dialect.Finish(db.write))
	}
	return errors.Join(append(errs, db.write.Close())...)
}
