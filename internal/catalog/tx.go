package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"strm/internal/problem"
)

// tx is a writing transaction.
type tx struct {
	sql *sql.Tx
	db  *DB
}

// tries bounds how often a transaction is made that other writers are in the way of.
const tries = 10

// again is an error of f for which the transaction is made anew: what it read
// was changed by another before it wrote.
type again struct{ error }

func (a again) Unwrap() error { return a.error }

// unknown is the failure of a commit.
type unknown struct{ error }

// change runs f in a transaction. The context bounds the wait for the
// transaction and is looked at once more before the commit; in between the
// statements, all short, run to their end. So an error of the context always
// means that nothing has changed, and a failed commit is never one.
//
// Where writers run side by side two may wait for each other, and one is told
// to begin anew: f runs again then, up to a bound, and so begins by setting
// whatever it leaves behind.
func (db *DB) change(ctx context.Context, what string, f func(ctx context.Context, t tx) error) error {
	for try := 1; ; try++ {
		err := db.attempt(ctx, f)
		if err == nil {
			return nil
		}
		var open unknown
		if errors.As(err, &open) {
			return db.commitFault(open.error, what)
		}
		if try < tries && ctx.Err() == nil && db.mayTryAgain(err) {
			continue
		}
		return db.fault(ctx, err, what)
	}
}

func (db *DB) mayTryAgain(err error) bool {
	var a again
	return errors.As(err, &a) || db.dialect.Again != nil && db.dialect.Again(err)
}

// attempt makes the transaction once. Its error is unknown if the commit
// failed; after any other nothing has changed.
func (db *DB) attempt(ctx context.Context, f func(ctx context.Context, t tx) error) error {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return err
	}
	// Returning a connection to its pool has no error worth more than ours.
	defer func() { _ = conn.Close() }()
	inner := context.WithoutCancel(ctx)
	if db.dialect.Patience > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeout(inner, db.dialect.Patience)
		defer cancel()
	}
	s, err := conn.BeginTx(inner, nil)
	switch {
	case err != nil && db.dialect.Again != nil && inner.Err() == nil:
		return again{err} // the connection was lost while nobody used it: the next is another
	case err != nil:
		return err
	}
	err = f(inner, tx{sql: s, db: db})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		// A failed rollback means the transaction is gone already (some
		// errors end it) or the connection is; either way nothing is kept.
		_ = s.Rollback()
		return err
	}
	if err := s.Commit(); err != nil {
		return unknown{err}
	}
	return nil
}

// commitFault words a failed commit. Whatever failed, the outcome is open until
// the database is read again, and whether the caller still waits does not
// matter: one kind, which callers know to mean that.
func (db *DB) commitFault(err error, what string) error {
	if _, advice := db.dialect.Fault(err); advice != "" {
		return problem.New(problem.Unavailable, "%s: commit: %w: %s", what, err, advice)
	}
	return problem.New(problem.Unavailable, "%s: commit: %w", what, err)
}

// fault gives an error its kind and story. Errors that have a kind were worded
// where they arose and pass unchanged.
func (db *DB) fault(ctx context.Context, err error, what string) error {
	var p *problem.Error
	switch {
	case errors.As(err, &p):
		return err
	case ctx.Err() != nil:
		// Drivers have their own words for an interrupted statement.
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone), errors.Is(err, context.DeadlineExceeded):
		// The last is our own patience: the caller's context has not ended.
		return problem.New(problem.Unavailable, "%s: %w", what, err)
	}
	kind, advice := db.dialect.Fault(err)
	if advice == "" {
		return problem.New(kind, "%s: %w", what, err)
	}
	return problem.New(kind, "%s: %w: %s", what, err, advice)
}

// text is a statement as this database understands it: "{now}" stands for its
// present instant.
func (db *DB) text(query string) string {
	return strings.ReplaceAll(query, "{now}", db.dialect.Now)
}

// exec runs a statement and returns the number of rows it changed.
func (t tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	var res sql.Result
	var err error
	if s, ok := t.db.hot[query]; ok {
		res, err = t.sql.StmtContext(ctx, s).ExecContext(ctx, args...) //nolint:sqlclosecheck // the transaction closes its copy
	} else {
		res, err = t.sql.ExecContext(ctx, t.db.text(query), args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s, ok := t.db.hot[query]; ok {
		return t.sql.StmtContext(ctx, s).QueryContext(ctx, args...) //nolint:sqlclosecheck // the transaction closes its copy
	}
	return t.sql.QueryContext(ctx, t.db.text(query), args...)
}

// querier reads: a tx, or the reading pool.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scanner is one row.
type scanner interface {
	Scan(dest ...any) error
}

// list runs a query and returns its rows as scan reads them.
func list[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // a second close is harmless; the first reports
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return out, rows.Close()
}

// one is list for a query that finds one row or none.
func one[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (T, bool, error) {
	all, err := list(ctx, q, scan, query, args...)
	if err != nil || len(all) == 0 {
		var zero T
		return zero, false, err
	}
	return all[0], true, nil
}

func scanText(row scanner) (string, error) {
	var s string
	err := row.Scan(&s)
	return s, err
}

func scanBool(row scanner) (bool, error) {
	var b bool
	err := row.Scan(&b)
	return b, err
}

func scanInt(row scanner) (int64, error) {
	var n int64
	err := row.Scan(&n)
	return n, err
}

// prose is a text for people, as every database takes it: an error may hold
// whatever some server sent.
func prose(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
