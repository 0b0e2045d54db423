package catalog

import (
	"context"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

const selectStream = `SELECT id, name, partitions, strm_meta, description, tags, max_age, max_bytes, created_at, ` + topicColumns + ` FROM stream`

func scanStream(row scanner) (stream.Stream, error) {
	var s stream.Stream
	var tags, base string
	var age, created int64
	err := row.Scan(append([]any{&s.ID, &s.Name, &s.Partitions, &s.StrmMeta, &s.Description, &tags, &age, &s.Retention.MaxBytes, &created},
		topicFields(&s.Topic, &base)...)...)
	if err != nil {
		return s, err
	}
	if s.Topic.Base, err = decodeBase(base); err != nil {
		return s, err
	}
	s.Retention.MaxAge = time.Duration(age)
	s.CreatedAt = instant(created)
	s.Tags, err = decodeTexts("tags", tags)
	return s, err
}

func noStream(name string) error {
	return problem.New(problem.NotFound, `stream %s does not exist; see "strm list streams"`, name)
}

// CreateStream stores a new stream. Its log must exist already: a log without
// a row is an orphan that the next start drops, a row without a log is a
// stream that takes no events. Kind Conflict if the name is taken, the id was
// ever used, or the topic belongs to another stream (also to a deleted one, until
// ForgetStream).
func (db *DB) CreateStream(ctx context.Context, s stream.Stream) error {
	if s.ID == "" || s.Partitions < 1 {
		return problem.New(problem.Invalid, "stream %s needs an id and at least one partition", s.Name)
	}
	if err := stream.CheckName("stream", s.Name); err != nil {
		return err
	}
	if err := checkTopic(s); err != nil {
		return err
	}
	tags, err := encodeTexts(s.Tags)
	if err != nil {
		return problem.New(problem.Invalid, "tags of stream %s: %w", s.Name, err)
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = time.Now()
	}
	return db.configure(ctx, "create stream "+s.Name, func(ctx context.Context, t tx) error {
		if err := t.topicFree(ctx, s.Topic.Name); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO stream (id, name, partitions, strm_meta, description, tags, max_age, max_bytes, created_at, `+topicColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			s.ID, s.Name, s.Partitions, s.StrmMeta, s.Description, tags, int64(s.Retention.MaxAge), s.Retention.MaxBytes, micros(s.CreatedAt),
			s.Topic.Name, s.Topic.Adopted, string(s.Topic.Values), string(s.Topic.Invalid), encodeBase(s.Topic.Base), s.Topic.ID)
		if err != nil && db.dialect.Duplicate(err) {
			if s.Topic.Name != "" {
				return problem.New(problem.Conflict, "stream %s already exists, or another has the topic %s", s.Name, s.Topic.Name)
			}
			return problem.New(problem.Conflict, "stream %s already exists", s.Name)
		}
		return err
	})
}

// Stream returns the stream with this name.
func (db *DB) Stream(ctx context.Context, name string) (stream.Stream, error) {
	s, ok, err := one(ctx, db.read, scanStream, selectStream+` WHERE name = $1 AND deleted_at = 0`, name)
	if err != nil {
		return s, db.fault(ctx, err, "read stream "+name)
	}
	if !ok {
		return s, noStream(name)
	}
	return s, nil
}

// StreamByID returns the stream with this id, unless it is deleted.
func (db *DB) StreamByID(ctx context.Context, id string) (stream.Stream, error) {
	s, ok, err := one(ctx, db.read, scanStream, selectStream+` WHERE id = $1 AND deleted_at = 0`, id)
	if err != nil {
		return s, db.fault(ctx, err, "read stream "+id)
	}
	if !ok {
		return s, problem.New(problem.NotFound, `there is no stream with id %s; see "strm list streams"`, id)
	}
	return s, nil
}

// Streams returns all streams by name. A log whose id is neither here nor in
// DroppedStreams is an orphan of a creation that did not come to its end.
func (db *DB) Streams(ctx context.Context) ([]stream.Stream, error) {
	all, err := list(ctx, db.read, scanStream, selectStream+` WHERE deleted_at = 0 ORDER BY name`)
	if err != nil {
		return nil, db.fault(ctx, err, "list streams")
	}
	return all, nil
}

// UpdateStream stores StrmMeta, Description, Tags, Retention and Topic.Invalid of
// the stream named s.Name. Everything else is fixed at creation: another id is
// kind NotFound (the stream was made anew meanwhile), another number of
// partitions or another topic kind Invalid.
func (db *DB) UpdateStream(ctx context.Context, s stream.Stream) error {
	tags, err := encodeTexts(s.Tags)
	if err != nil {
		return problem.New(problem.Invalid, "tags of stream %s: %w", s.Name, err)
	}
	return db.configure(ctx, "update stream "+s.Name, func(ctx context.Context, t tx) error {
		old, err := t.stream(ctx, s.ID, s.Name)
		if err != nil {
			return err
		}
		if old.Partitions != s.Partitions {
			return problem.New(problem.Invalid, "stream %s has %d partitions; their number cannot change, create another stream", s.Name, old.Partitions)
		}
		if old.Topic.Name != s.Topic.Name || old.Topic.Adopted != s.Topic.Adopted || old.Topic.Values != s.Topic.Values {
			return problem.New(problem.Invalid, "the topic of stream %s cannot change, create another stream", s.Name)
		}
		_, err = t.exec(ctx, `UPDATE stream SET strm_meta = $1, description = $2, tags = $3, max_age = $4, max_bytes = $5, topic_invalid = $6 WHERE id = $7`,
			s.StrmMeta, s.Description, tags, int64(s.Retention.MaxAge), s.Retention.MaxBytes, string(s.Topic.Invalid), old.ID)
		return err
	})
}

// stream finds a stream by name, by id, or by both if both are given, and
// keeps it until the transaction ends.
func (t tx) stream(ctx context.Context, id, name string) (stream.Stream, error) {
	s, ok, err := one(ctx, t, scanStream, selectStream+
		` WHERE deleted_at = 0 AND ($1 = '' OR id = $1) AND ($2 = '' OR name = $2) AND ($1 <> '' OR $2 <> '')`+t.db.dialect.Lock, id, name)
	if err != nil {
		return s, err
	}
	if !ok {
		if name == "" {
			name = "with id " + id
		}
		return s, noStream(name)
	}
	return s, nil
}

// DeleteStream deletes a stream with its sources and, if recursive, its
// exporters and importers (as DeleteExporter and DeleteImporter do); it returns
// the stream and the exporters. While some are linked, or a source that writes
// elsewhere sends its events there, and recursive is false, kind Conflict. Counts
// that went there are dropped. The stream's log is not touched: its id is in
// DroppedStreams until ForgetStream.
func (db *DB) DeleteStream(ctx context.Context, name string, recursive bool) (stream.Stream, []stream.Exporter, error) {
	var s stream.Stream
	var linked []stream.Exporter
	err := db.configure(ctx, "delete stream "+name, func(ctx context.Context, t tx) error {
		var err error
		if s, err = t.stream(ctx, "", name); err != nil {
			return err
		}
		if linked, err = list(ctx, t, scanExporter, selectExporter+` WHERE e.stream_id = $1 AND e.deleted_at = 0 ORDER BY e.name`, s.ID); err != nil {
			return err
		}
		if len(linked) > 0 && !recursive {
			return problem.New(problem.Conflict, "Cannot delete stream with name %s, as it still has exporters linked to it. "+
				"Delete those first before deleting this stream.", name)
		}
		now := time.Now()
		for i := range linked {
			if err := t.deleteExporter(ctx, linked[i].ID, now); err != nil {
				return err
			}
		}
		// A source of kind split without a stream for its events would lose them.
		others, err := list(ctx, t, scanText, `SELECT source FROM split_source WHERE events_stream_id = $1 AND source NOT IN (SELECT name FROM source WHERE stream_id = $1) ORDER BY source`, s.ID)
		if err != nil {
			return err
		}
		if len(others) > 0 && !recursive {
			return problem.New(problem.Conflict, "Cannot delete stream with name %s: source %s sends its events there. "+
				"Give that another stream (strm update source %s --events-stream STREAM), or delete it first.", name, others[0], others[0])
		}
		for _, source := range others {
			if _, err := t.exec(ctx, `DELETE FROM source WHERE name = $1`, source); err != nil {
				return err
			}
		}
		importers, err := list(ctx, t, scanText, `SELECT id FROM importer WHERE stream_id = $1 AND deleted_at = 0`, s.ID)
		if err != nil {
			return err
		}
		if len(importers) > 0 && !recursive {
			return problem.New(problem.Conflict, "Cannot delete stream with name %s, as it still has importers linked to it. "+
				"Delete those first before deleting this stream.", name)
		}
		for _, id := range importers {
			if err := t.deleteImporter(ctx, id, now); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `DELETE FROM source WHERE stream_id = $1`, s.ID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE split_source SET counts_stream_id = '' WHERE counts_stream_id = $1`, s.ID); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE stream SET deleted_at = $1 WHERE id = $2`, micros(now), s.ID)
		return err
	})
	if err != nil {
		return stream.Stream{}, nil, err
	}
	return s, linked, nil
}

// DroppedStreams returns the ids of deleted streams whose logs are still to be
// dropped. A server drops them when it starts, and after each DeleteStream.
func (db *DB) DroppedStreams(ctx context.Context) ([]string, error) {
	ids, err := list(ctx, db.read, scanText, `SELECT id FROM stream WHERE deleted_at <> 0 AND NOT log_dropped ORDER BY id`)
	if err != nil {
		return nil, db.fault(ctx, err, "list dropped streams")
	}
	return ids, nil
}

// ForgetStream notes that the log of a deleted stream is gone. Doing it twice
// is harmless. Kind Conflict if the stream is not deleted.
func (db *DB) ForgetStream(ctx context.Context, id string) error {
	return db.change(ctx, "forget stream "+id, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, `UPDATE stream SET log_dropped = TRUE WHERE id = $1 AND deleted_at <> 0`, id)
		if err != nil || n == 1 {
			return err
		}
		return problem.New(problem.Conflict, "stream with id %s is not deleted", id)
	})
}
