package catalog

import (
	"context"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

const selectSource = `SELECT o.name, s.name, o.stream_id, o.kind, o.source_id, o.dedup_window, o.key_hash, o.created_at
	FROM source o JOIN stream s ON s.id = o.stream_id`

func scanSource(row scanner) (stream.Source, error) {
	var s stream.Source
	var created int64
	err := row.Scan(&s.Name, &s.Stream, &s.StreamID, &s.Kind, &s.ID, &s.DedupWindow, &s.KeyHash, &created)
	s.CreatedAt = instant(created)
	return s, err
}

// CreateSource stores a new source of an existing stream. Kind Conflict if the
// name or the key is taken.
func (db *DB) CreateSource(ctx context.Context, s stream.Source) error {
	if err := stream.CheckName("source", s.Name); err != nil {
		return err
	}
	if s.KeyHash == "" {
		return problem.New(problem.Invalid, "source %s needs a write key", s.Name)
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = time.Now()
	}
	return db.change(ctx, "create source "+s.Name, func(ctx context.Context, t tx) error {
		of, err := t.stream(ctx, s.StreamID, s.Stream)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO source (name, stream_id, kind, source_id, dedup_window, key_hash, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING`,
			s.Name, of.ID, string(s.Kind), s.ID, int64(s.DedupWindow), s.KeyHash, micros(s.CreatedAt))
		switch {
		case err != nil && db.dialect.Duplicate(err):
			return problem.New(problem.Conflict, "another source has the write key of source %s; give each source a key of its own", s.Name)
		case err == nil && n == 0:
			return problem.New(problem.Conflict, "source %s already exists", s.Name)
		}
		return err
	})
}

// UpdateSource stores DedupWindow and KeyHash of the source of that name; every
// other field stays as it is. Kind Conflict if another source has the key.
func (db *DB) UpdateSource(ctx context.Context, s stream.Source) error {
	if s.KeyHash == "" {
		return problem.New(problem.Invalid, "source %s needs a write key", s.Name)
	}
	return db.change(ctx, "update source "+s.Name, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, `UPDATE source SET dedup_window = $2, key_hash = $3 WHERE name = $1`, s.Name, int64(s.DedupWindow), s.KeyHash)
		switch {
		case err != nil && db.dialect.Duplicate(err):
			return problem.New(problem.Conflict, "another source has that write key; give each source a key of its own")
		case err == nil && n == 0:
			return problem.New(problem.NotFound, `source %s does not exist; see "strm list sources"`, s.Name)
		}
		return err
	})
}

// Source returns the source with this name.
func (db *DB) Source(ctx context.Context, name string) (stream.Source, error) {
	s, ok, err := one(ctx, db.read, scanSource, selectSource+` WHERE o.name = $1`, name)
	if err != nil {
		return s, db.fault(ctx, err, "read source "+name)
	}
	if !ok {
		return s, problem.New(problem.NotFound, `source %s does not exist; see "strm list sources"`, name)
	}
	return s, nil
}

// SourceByKeyHash returns the source with this hash of its write key (hex
// SHA-256). The hash is in no error.
func (db *DB) SourceByKeyHash(ctx context.Context, hash string) (stream.Source, error) {
	s, ok, err := one(ctx, db.read, scanSource, selectSource+` WHERE o.key_hash = $1`, hash)
	if err != nil {
		return s, db.fault(ctx, err, "look up a write key")
	}
	if !ok {
		return s, problem.New(problem.NotFound, `no source has this write key; see "strm list sources"`)
	}
	return s, nil
}

// Sources returns all sources by name.
func (db *DB) Sources(ctx context.Context) ([]stream.Source, error) {
	all, err := list(ctx, db.read, scanSource, selectSource+` ORDER BY o.name`)
	if err != nil {
		return nil, db.fault(ctx, err, "list sources")
	}
	return all, nil
}

// DeleteSource deletes a source; its write key is refused from then on.
func (db *DB) DeleteSource(ctx context.Context, name string) error {
	return db.change(ctx, "delete source "+name, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, `DELETE FROM source WHERE name = $1`, name)
		if err == nil && n == 0 {
			return problem.New(problem.NotFound, `source %s does not exist; see "strm list sources"`, name)
		}
		return err
	})
}
