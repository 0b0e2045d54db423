// Package sqlite is the catalog in one SQLite file, for a server on one
// machine.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"strm/internal/catalog"
	"strm/internal/problem"
)

// readers bounds the reading pool; the machine's page cache does the rest.
const readers = 4

// Open opens the catalog at path, making the file (mode 0600: it holds sealed
// credentials) if there is none. The directory must exist. While open, SQLite
// keeps two more files beside it, ending in -wal and -shm; they are part of the
// database until Close.
func Open(ctx context.Context, path string) (*catalog.DB, error) {
	return open(ctx, path)
}

// open is Open with more pragmas for both pools.
func open(ctx context.Context, path string, pragmas ...string) (*catalog.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("catalog path %s: %w", path, err)
	}
	if err := prepare(path); err != nil {
		return nil, problem.New(problem.Unavailable, "catalog %s: %w; check that the directory exists and that strm may write to it", path, err)
	}
	// Each commit is on disk before it is answered: synchronous FULL.
	common := append([]string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}, pragmas...)
	// A transaction that will write takes the lock when it begins: it cannot
	// find out half way that another writer was first.
	write, err := sql.Open("sqlite", dsn(path, "immediate", common))
	if err != nil {
		return nil, fmt.Errorf("catalog %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	write.SetMaxIdleConns(1)
	read, err := sql.Open("sqlite", dsn(path, "deferred", append(common, "query_only(1)")))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("catalog %s: %w", path, err), write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	db, err := catalog.Open(ctx, write, read, dialect())
	if err != nil {
		return nil, fmt.Errorf("catalog %s: %w", path, err)
	}
	return db, nil
}

func dsn(path, lock string, pragmas []string) string {
	q := url.Values{"_pragma": pragmas, "_txlock": {lock}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// prepare makes the file, so that it never exists with a wider mode, and makes
// its name durable. SQLite gives its other files the mode of the first.
func prepare(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return narrow(path)
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// narrow takes the file from other users of the machine, whoever put it there
// (a restore, a copy).
func narrow(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(path, info.Mode().Perm()&0o700)
}

func dialect() catalog.Dialect {
	return catalog.Dialect{
		Goose: goose.DialectSQLite3, Now: `CAST(unixepoch('subsec') * 1000000 AS INTEGER)`,
		Duplicate: duplicate, Fault: fault, Finish: finish,
	}
}

// finish moves the write-ahead log into the main file, so that a copy of that
// one file is a backup.
func finish(write *sql.DB) error {
	var busy, frames, moved int64
	err := write.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	// busy means that another process reads. Nothing is lost: the log stays
	// beside the file, and the last to close it cleans up.
	return nil
}

func duplicate(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && (e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY)
}

func fault(err error) (problem.Kind, string) {
	var e *driver.Error
	if !errors.As(err, &e) {
		return problem.Internal, ""
	}
	switch e.Code() & 0xff { // the high bits say more about the same thing
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return problem.Busy, "another process is writing to the catalog"
	case lib.SQLITE_FULL:
		return problem.Unavailable, "free space on the disk that holds the catalog"
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return problem.Unavailable, "check that strm may write to the catalog and its directory"
	case lib.SQLITE_IOERR:
		return problem.Unavailable, "check the disk that holds the catalog"
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return problem.Corrupt, "the catalog is damaged; restore it from a backup"
	}
	return problem.Internal, ""
}
