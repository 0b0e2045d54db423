package catalog

import (
	"context"
	"database/sql"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

const selectSource = `SELECT o.name, s.name, o.stream_id, o.kind, o.source_id, o.dedup_window, o.key_hash, o.created_at,
	p.environment, p.events_stream_id, e.name, p.counts_stream_id, c.name, p.traffic_types, p.flags, p.served
	FROM source o JOIN stream s ON s.id = o.stream_id
	LEFT JOIN split_source p ON p.source = o.name LEFT JOIN stream e ON e.id = p.events_stream_id LEFT JOIN stream c ON c.id = p.counts_stream_id`

func scanSource(row scanner) (stream.Source, error) {
	var s stream.Source
	var created int64
	var environment, eventsID, events, countsID, counts, types, flags, served sql.NullString
	if err := row.Scan(&s.Name, &s.Stream, &s.StreamID, &s.Kind, &s.ID, &s.DedupWindow, &s.KeyHash, &created,
		&environment, &eventsID, &events, &countsID, &counts, &types, &flags, &served); err != nil {
		return s, err
	}
	s.CreatedAt = instant(created)
	if !environment.Valid {
		return s, nil
	}
	s.Split = &stream.Split{Environment: environment.String, EventsID: eventsID.String, Events: events.String, CountsID: countsID.String, Counts: counts.String}
	if err := decode("traffic types", types.String, &s.Split.TrafficTypes); err != nil {
		return s, err
	}
	if err := decode("flags", flags.String, &s.Split.Flags); err != nil {
		return s, err
	}
	return s, decode("served flags", served.String, &s.Split.Served)
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
	return db.configure(ctx, "create source "+s.Name, func(ctx context.Context, t tx) error {
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
		case err != nil || s.Split == nil:
			return err
		}
		return t.putSplit(ctx, s.Name, s.Split, true)
	})
}

// putSplit stores what a source of kind split has beside others.
func (t tx) putSplit(ctx context.Context, source string, p *stream.Split, create bool) error {
	events, err := t.stream(ctx, p.EventsID, p.Events)
	if err != nil {
		return err
	}
	countsID := ""
	if p.Counts != "" || p.CountsID != "" {
		counts, err := t.stream(ctx, p.CountsID, p.Counts)
		if err != nil {
			return err
		}
		countsID = counts.ID
	}
	var texts [3]string
	for i, v := range []any{p.TrafficTypes, p.Flags, p.Served} {
		if texts[i], err = encodeAsIs(v); err != nil {
			return problem.New(problem.Invalid, "settings of source %s: %w", source, err)
		}
	}
	if create {
		_, err = t.exec(ctx, `INSERT INTO split_source (source, environment, events_stream_id, counts_stream_id, traffic_types, flags, served) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			source, p.Environment, events.ID, countsID, texts[0], texts[1], texts[2])
		return err
	}
	n, err := t.exec(ctx, `UPDATE split_source SET environment = $2, events_stream_id = $3, counts_stream_id = $4, traffic_types = $5, flags = $6, served = $7 WHERE source = $1`,
		source, p.Environment, events.ID, countsID, texts[0], texts[1], texts[2])
	if err == nil && n == 0 {
		return problem.New(problem.Conflict, "source %s is of another kind", source)
	}
	return err
}

// UpdateSource stores DedupWindow, KeyHash and, unless it is nil, Split of the
// source of that name; every other field stays as it is. Kind Conflict if another source has the key.
func (db *DB) UpdateSource(ctx context.Context, s stream.Source) error {
	if s.KeyHash == "" {
		return problem.New(problem.Invalid, "source %s needs a write key", s.Name)
	}
	return db.configure(ctx, "update source "+s.Name, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, `UPDATE source SET dedup_window = $2, key_hash = $3 WHERE name = $1`, s.Name, int64(s.DedupWindow), s.KeyHash)
		switch {
		case err != nil && db.dialect.Duplicate(err):
			return problem.New(problem.Conflict, "another source has that write key; give each source a key of its own")
		case err == nil && n == 0:
			return problem.New(problem.NotFound, `source %s does not exist; see "strm list sources"`, s.Name)
		case err != nil || s.Split == nil:
			return err
		}
		return t.putSplit(ctx, s.Name, s.Split, false)
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
	return db.configure(ctx, "delete source "+name, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, `DELETE FROM source WHERE name = $1`, name)
		if err == nil && n == 0 {
			return problem.New(problem.NotFound, `source %s does not exist; see "strm list sources"`, name)
		}
		return err
	})
}
