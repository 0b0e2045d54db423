package catalog

import (
	"context"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

const selectSink = `SELECT name, sink_type, bucket, prefix, endpoint, region, path_style,
	role_arn, external_id, sts_endpoint, encryption, kms_key, credentials, shape, principal,
	revision, found_region, conditional, health_status, health_step, health_reason, health_at,
	created_at, updated_at FROM sink`

func scanSink(row scanner) (stream.Sink, error) {
	var s stream.Sink
	var tried, created, updated int64
	err := row.Scan(&s.Name, &s.Type, &s.Bucket, &s.Prefix, &s.Endpoint, &s.Region, &s.PathStyle,
		&s.Role.ARN, &s.Role.ExternalID, &s.Role.Endpoint, &s.Encryption, &s.KMSKey, &s.Credentials, &s.Shape, &s.Principal,
		&s.Revision, &s.FoundRegion, &s.Conditional, &s.Health.Status, &s.Health.Step, &s.Health.Reason, &tried, &created, &updated)
	s.CreatedAt, s.UpdatedAt, s.Health.At = instant(created), instant(updated), instant(tried)
	if len(s.Credentials) == 0 {
		s.Credentials = nil
	}
	return s, err
}

func noSink(name string) error {
	return problem.New(problem.NotFound, `sink %s does not exist; see "strm list sinks"`, name)
}

// PutSink creates the sink or replaces it, and returns it as stored. The
// revision rises by one; CreatedAt stays. What was found out about the bucket
// (FoundRegion, Conditional) stays as it was, and is forgotten when type,
// bucket, endpoint or region change. Its health is forgotten: that was of the
// settings before.
//
// A batch never moves, so while batches planned for the sink are unfinished, or
// files or reports of its importers wait, its place (type, endpoint, bucket)
// cannot change: kind Conflict, and nothing is changed. How it is reached (credentials, region, path style) always can.
func (db *DB) PutSink(ctx context.Context, s stream.Sink) (stored stream.Sink, created bool, err error) {
	if err := stream.CheckName("sink", s.Name); err != nil {
		return stream.Sink{}, false, err
	}
	if s.UpdatedAt.IsZero() {
		s.UpdatedAt = time.Now()
	}
	given := s
	err = db.configure(ctx, "store sink "+s.Name, func(ctx context.Context, t tx) error {
		s = given
		old, ok, err := one(ctx, t, scanSink, selectSink+` WHERE name = $1`+db.dialect.Lock, s.Name)
		if err != nil {
			return err
		}
		created = !ok
		if ok {
			s.Revision, s.CreatedAt = old.Revision, old.CreatedAt
			s.FoundRegion, s.Conditional = old.FoundRegion, old.Conditional
			if s.Type != old.Type || s.Bucket != old.Bucket || s.Endpoint != old.Endpoint || s.Region != old.Region {
				s.FoundRegion, s.Conditional = "", stream.SupportUnknown
			}
		} else {
			s.Revision = 0
			if s.CreatedAt.IsZero() {
				s.CreatedAt = s.UpdatedAt
			}
		}
		s.Revision++
		s.Health = stream.Health{}
		if ok && old.Place() != s.Place() {
			if err := t.mayMove(ctx, s.Name); err != nil {
				return err
			}
		}
		return t.storeSink(ctx, &s)
	})
	if err != nil {
		return stream.Sink{}, false, err
	}
	s.CreatedAt, s.UpdatedAt = instant(micros(s.CreatedAt)), instant(micros(s.UpdatedAt))
	return s, created, nil
}

// storeSink writes all of a sink but its health, which begins unknown.
func (t tx) storeSink(ctx context.Context, s *stream.Sink) error {
	credentials := s.Credentials
	if credentials == nil {
		credentials = []byte{} // the column is NOT NULL
	}
	_, err := t.exec(ctx, `INSERT INTO sink (name, sink_type, bucket, prefix, endpoint, region, path_style,
			role_arn, external_id, sts_endpoint, encryption, kms_key, credentials, shape, principal,
			revision, found_region, conditional, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT (name) DO UPDATE SET sink_type = excluded.sink_type, bucket = excluded.bucket, prefix = excluded.prefix,
			endpoint = excluded.endpoint, region = excluded.region, path_style = excluded.path_style, role_arn = excluded.role_arn,
			external_id = excluded.external_id, sts_endpoint = excluded.sts_endpoint, encryption = excluded.encryption,
			kms_key = excluded.kms_key, credentials = excluded.credentials, shape = excluded.shape,
			principal = excluded.principal, revision = excluded.revision, found_region = excluded.found_region,
			conditional = excluded.conditional, health_status = '', health_step = '', health_reason = '', health_at = 0,
			updated_at = excluded.updated_at`,
		s.Name, string(s.Type), s.Bucket, s.Prefix, s.Endpoint, s.Region, s.PathStyle,
		s.Role.ARN, s.Role.ExternalID, s.Role.Endpoint, string(s.Encryption), s.KMSKey, credentials, s.Shape, s.Principal,
		s.Revision, s.FoundRegion, string(s.Conditional), micros(s.CreatedAt), micros(s.UpdatedAt))
	return err
}

// mayMove refuses another place for a sink that batches wait to be delivered to.
func (t tx) mayMove(ctx context.Context, sink string) error {
	// Where writers run side by side: a planner of these exporters is either
	// done, and its batches are seen below, or will see the new place.
	if _, err := list(ctx, t, scanText, `SELECT id FROM exporter WHERE sink = $1 AND deleted_at = 0 ORDER BY id`+t.db.dialect.Lock, sink); err != nil {
		return err
	}
	files, err := t.importsOf(ctx, sink)
	if err != nil {
		return err
	}
	if files > 0 {
		return problem.New(problem.Conflict, "sink %s cannot point to another bucket yet: %d files or status reports of its batch importers wait at the present one. "+
			"Let them be imported and stored first, or make a sink of another name for the new bucket", sink, files)
	}
	waiting, _, err := one(ctx, t, scanInt, sqlWaitingFor, sink)
	if err != nil || waiting == 0 {
		return err
	}
	return problem.New(problem.Conflict, "sink %s cannot point to another bucket yet: %d batches were planned for the present one and wait to be delivered. "+
		"Let them first (strm flush), make a sink of another name for the new bucket, or delete their batch exporter", sink, waiting)
}

// sqlWaitingFor counts the batches that wait to be delivered to a sink. Those
// of deleted exporters are abandoned, so they do not count.
const sqlWaitingFor = `SELECT count(*) FROM batch WHERE sink = $1 AND state IN ('planned', 'attempted')`

// Sink returns the sink with this name.
func (db *DB) Sink(ctx context.Context, name string) (stream.Sink, error) {
	s, ok, err := one(ctx, db.read, scanSink, selectSink+` WHERE name = $1`, name)
	if err != nil {
		return s, db.fault(ctx, err, "read sink "+name)
	}
	if !ok {
		return s, noSink(name)
	}
	return s, nil
}

// Sinks returns all sinks by name.
func (db *DB) Sinks(ctx context.Context) ([]stream.Sink, error) {
	all, err := list(ctx, db.read, scanSink, selectSink+` ORDER BY name`)
	if err != nil {
		return nil, db.fault(ctx, err, "list sinks")
	}
	return all, nil
}

// SetSinkFound stores what was found out about the bucket of this revision of
// the sink. Kind Conflict, and no change, if the sink has another revision by
// now: what was found belongs to the old one.
func (db *DB) SetSinkFound(ctx context.Context, name string, revision int64, region string, conditional stream.Support) error {
	return db.change(ctx, "update sink "+name, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, `UPDATE sink SET found_region = $1, conditional = $2 WHERE name = $3 AND revision = $4`,
			region, string(conditional), name, revision)
		if err != nil || n == 1 {
			return err
		}
		return t.otherRevision(ctx, name, revision)
	})
}

// SetSinkHealth stores what a trial of this revision of the sink said. Kind
// Conflict, and no change, if the sink has another revision by now.
func (db *DB) SetSinkHealth(ctx context.Context, name string, revision int64, h stream.Health) error {
	return db.change(ctx, "update sink "+name, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, `UPDATE sink SET health_status = $1, health_step = $2, health_reason = $3, health_at = $4
			WHERE name = $5 AND revision = $6`, string(h.Status), string(h.Step), prose(h.Reason), micros(h.At), name, revision)
		if err != nil || n == 1 {
			return err
		}
		return t.otherRevision(ctx, name, revision)
	})
}

// otherRevision says why a sink has not this revision.
func (t tx) otherRevision(ctx context.Context, name string, revision int64) error {
	now, ok, err := one(ctx, t, scanInt, `SELECT revision FROM sink WHERE name = $1`, name)
	if err != nil {
		return err
	}
	if !ok {
		return noSink(name)
	}
	return problem.New(problem.Conflict, "sink %s is at revision %d, not %d; read it again", name, now, revision)
}

// DeleteSink deletes a sink and, if recursive, its exporters and importers (as
// DeleteExporter and DeleteImporter do); it returns the sink and the exporters.
// While some are linked and recursive is false, kind Conflict. Files and reports
// that wait there, also those of importers deleted before, keep the sink unless
// recursive, which gives them up.
func (db *DB) DeleteSink(ctx context.Context, name string, recursive bool) (stream.Sink, []stream.Exporter, error) {
	var s stream.Sink
	var linked []stream.Exporter
	err := db.configure(ctx, "delete sink "+name, func(ctx context.Context, t tx) error {
		var err error
		if s, err = t.sink(ctx, name); err != nil {
			return err
		}
		if linked, err = list(ctx, t, scanExporter, selectExporter+` WHERE e.sink = $1 AND e.deleted_at = 0 ORDER BY s.name, e.name`, name); err != nil {
			return err
		}
		if len(linked) > 0 && !recursive {
			return problem.New(problem.Conflict, "Cannot delete sink with name %s, as it still has exporters linked to it. "+
				"Delete those first before deleting this sink.", name)
		}
		now := time.Now()
		for i := range linked {
			if err := t.deleteExporter(ctx, linked[i].ID, now); err != nil {
				return err
			}
		}
		if err := t.noBatchesFor(ctx, name); err != nil {
			return err
		}
		if err := t.noImportsOf(ctx, name, recursive, now); err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM sink WHERE name = $1`, name)
		return err
	})
	if err != nil {
		return stream.Sink{}, nil, err
	}
	return s, linked, nil
}

// noBatchesFor refuses while an exporter that has since moved to another sink
// still has batches to deliver here: a batch stays with the sink it was planned for.
func (t tx) noBatchesFor(ctx context.Context, sink string) error {
	waiting, _, err := one(ctx, t, scanInt, sqlWaitingFor, sink)
	if err != nil || waiting == 0 {
		return err
	}
	return problem.New(problem.Conflict, "sink %s cannot be deleted yet: %d batches were planned for it and wait to be delivered. "+
		"Let them (strm flush), or delete their batch exporter", sink, waiting)
}

// sink finds a sink and keeps it until the transaction ends.
func (t tx) sink(ctx context.Context, name string) (stream.Sink, error) {
	s, ok, err := one(ctx, t, scanSink, selectSink+` WHERE name = $1`+t.db.dialect.Lock, name)
	if err == nil && !ok {
		err = noSink(name)
	}
	return s, err
}
