package catalog

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"

	"github.com/pressly/goose/v3"

	"strm/internal/problem"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies each pending migration in a transaction of its own. A crash
// between two leaves a whole older schema; the next Open goes on from there.
// Nodes that start together follow each other.
//
// Migrations only add, with defaults, so that nodes of the version before go on
// during an upgrade, and can be started again. A migration that asks more of a
// program raises meta's schema_floor: the lowest version that it must know.
// A program that is older than the schema but not than the floor takes it as it is.
func (db *DB) migrate(ctx context.Context) error {
	unlock, err := db.Exclusive(ctx, "schema")
	if err != nil {
		return err
	}
	defer unlock()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if db.dialect.Text != "" {
		dir = texts{dir, db.dialect.Text}
	}
	p, err := goose.NewProvider(db.dialect.Goose, db.write, dir,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	have, know, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return err
	case have > know:
		return db.older(ctx, have, know)
	case have == know:
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate from version %d to %d: %w", have, know, err)
	}
	return nil
}

// older decides whether this program, which knows an older schema, may use it.
func (db *DB) older(ctx context.Context, have, know int64) error {
	text, ok, err := one(ctx, db.write, scanText, `SELECT value FROM meta WHERE name = 'schema_floor'`)
	if err != nil {
		return err
	}
	if floor, err := strconv.ParseInt(text, 10, 64); ok && err == nil && floor <= know {
		return nil
	}
	return problem.New(problem.Conflict, "the catalog has schema version %d, this strm knows versions up to %d: "+
		"a newer strm has used it; run that version or a later one, or restore the backup made before the upgrade", have, know)
}

// texts are the migrations with another type for texts.
type texts struct {
	fs.FS
	text string
}

var textType = regexp.MustCompile(`\bTEXT\b`)

// Open opens a file, changed if it is a migration.
func (t texts) Open(name string) (fs.File, error) {
	f, err := t.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		return f, nil
	}
	old, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	b := textType.ReplaceAllLiteral(old, []byte(t.text))
	return &changed{bytes.NewReader(b), info, int64(len(b))}, nil
}

// changed is a file with another content than it had.
type changed struct {
	*bytes.Reader
	fs.FileInfo
	size int64
}

// Stat returns what the file is.
func (c *changed) Stat() (fs.FileInfo, error) { return c, nil }

// Size returns the length of what is read.
func (c *changed) Size() int64 { return c.size }

// Close does nothing: the file was read when it was opened.
func (c *changed) Close() error { return nil }
