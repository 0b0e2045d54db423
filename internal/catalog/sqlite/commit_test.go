package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"testing"

	modernc "modernc.org/sqlite"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// sqliteConn is what database/sql uses of the driver's connections.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

// connector opens connections whose commits a test can spoil.
type connector struct {
	dsn    string
	commit func(driver.Tx) error // nil: as ever
}

func (c *connector) Driver() driver.Driver { return &modernc.Driver{} }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &spoiled{conn.(sqliteConn), c}, nil
}

type spoiled struct {
	sqliteConn
	c *connector
}

func (s *spoiled) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := s.sqliteConn.BeginTx(ctx, o)
	return spoiledTx{tx, s.c}, err
}

type spoiledTx struct {
	driver.Tx
	c *connector
}

func (t spoiledTx) Commit() error {
	if t.c.commit != nil {
		return t.c.commit(t.Tx)
	}
	return t.Tx.Commit()
}

// A commit that fails leaves the outcome open, so it must never look like the
// end of the caller's context, which promises that nothing has changed.
func TestFailedCommitIsNoEndOfTheContext(t *testing.T) {
	broken := errors.New("the disk went away")
	for name, tt := range map[string]struct {
		commit func(driver.Tx) error
		stored bool
	}{
		"request lost": {func(tx driver.Tx) error { return errors.Join(broken, tx.Rollback()) }, false},
		"answer lost":  {func(tx driver.Tx) error { return errors.Join(broken, tx.Commit()) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "catalog.db")
			link := &connector{dsn: dsn(path, "immediate", []string{"journal_mode(WAL)", "foreign_keys(1)"})}
			write, read := sql.OpenDB(link), sql.OpenDB(&connector{dsn: link.dsn})
			write.SetMaxOpenConns(1)
			db, err := catalog.Open(t.Context(), write, read, dialect())
			if err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, db)
			ctx, cancel := context.WithCancel(t.Context())
			link.commit = func(tx driver.Tx) error {
				cancel() // the caller goes while the disk is asked
				return tt.commit(tx)
			}
			_, _, err = db.PutSink(ctx, stream.Sink{Name: "s", Type: stream.SinkS3, Bucket: "b"})
			if problem.KindOf(err) != problem.Unavailable || !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
				t.Errorf("error %v of kind %v; want Unavailable with its cause, not the end of the context", err, problem.KindOf(err))
			}
			link.commit = nil
			if _, err := db.Sink(t.Context(), "s"); (err == nil) != tt.stored {
				t.Errorf("read again: %v, want stored: %v", err, tt.stored)
			}
			if _, _, err := db.PutSink(t.Context(), stream.Sink{Name: "s", Type: stream.SinkS3, Bucket: "b"}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
