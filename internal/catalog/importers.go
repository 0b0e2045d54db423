package catalog

import (
	"context"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

const selectImporter = `SELECT i.id, i.name, s.name, i.stream_id, i.sink, i.environments, i.prefix, i.suffixes, i.status_prefix,
	i.topic_arn, i.queue_url, i.token, i.list_every, i.report_every, i.from_start, i.paused,
	i.sub_state, i.sub_arn, i.sub_at, i.tested_at, i.test_bucket, i.problem, i.listed_at, i.noticed_at,
	i.created_at, i.updated_at, i.deleted_at
	FROM importer i JOIN stream s ON s.id = i.stream_id`

func scanImporter(row scanner) (stream.Importer, error) {
	var i stream.Importer
	var environments, suffixes string
	var list, report, sub, tested, listed, noticed, created, updated, deleted int64
	err := row.Scan(&i.ID, &i.Name, &i.Stream, &i.StreamID, &i.Sink, &environments, &i.Prefix, &suffixes, &i.StatusPrefix,
		&i.TopicARN, &i.QueueURL, &i.Token, &list, &report, &i.FromStart, &i.Paused,
		&i.Subscription.State, &i.Subscription.ARN, &sub, &tested, &i.Subscription.TestBucket, &i.Problem, &listed, &noticed,
		&created, &updated, &deleted)
	if err != nil {
		return i, err
	}
	i.ListEvery, i.ReportEvery = time.Duration(list), time.Duration(report)
	i.Subscription.At, i.Subscription.TestedAt = instant(sub), instant(tested)
	i.ListedAt, i.NoticedAt = instant(listed), instant(noticed)
	i.CreatedAt, i.UpdatedAt, i.DeletedAt = instant(created), instant(updated), instant(deleted)
	if i.Environments, err = decodeTexts("environments", environments); err != nil {
		return i, err
	}
	i.Suffixes, err = decodeTexts("suffixes", suffixes)
	return i, err
}

func noImporter(name string) error {
	return problem.New(problem.NotFound, `batch importer %s does not exist; see "strm list batch-importers"`, name)
}

// CreateImporter stores a new importer into an existing stream from the bucket
// of an existing sink. Kind NotFound if stream or sink do not exist, Conflict
// if the name is taken. Repeating it after a lost answer gets Conflict.
func (db *DB) CreateImporter(ctx context.Context, i stream.Importer) error {
	if err := stream.CheckName("batch importer", i.Name); err != nil {
		return err
	}
	if i.ID == "" || i.Token == "" {
		return problem.New(problem.Invalid, "batch importer %s needs an id and a token", i.Name)
	}
	environments, suffixes, err := importerTexts(&i)
	if err != nil {
		return err
	}
	if i.CreatedAt.IsZero() {
		i.CreatedAt = time.Now()
	}
	if i.UpdatedAt.IsZero() {
		i.UpdatedAt = i.CreatedAt
	}
	return db.configure(ctx, "create batch importer "+i.Name, func(ctx context.Context, t tx) error {
		of, err := t.stream(ctx, i.StreamID, i.Stream)
		if err != nil {
			return err
		}
		if _, err := t.sink(ctx, i.Sink); err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO importer (id, name, stream_id, sink, environments, prefix, suffixes, status_prefix,
				topic_arn, queue_url, token, list_every, report_every, from_start, paused, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
			i.ID, i.Name, of.ID, i.Sink, environments, i.Prefix, suffixes, i.StatusPrefix,
			i.TopicARN, i.QueueURL, i.Token, int64(i.ListEvery), int64(i.ReportEvery), i.FromStart, i.Paused, micros(i.CreatedAt), micros(i.UpdatedAt))
		if err != nil && db.dialect.Duplicate(err) {
			return problem.New(problem.Conflict, "batch importer %s already exists", i.Name)
		}
		return err
	})
}

func importerTexts(i *stream.Importer) (environments, suffixes string, err error) {
	if environments, err = encodeTexts(i.Environments); err != nil {
		return "", "", problem.New(problem.Invalid, "environments of batch importer %s: %w", i.Name, err)
	}
	if suffixes, err = encodeTexts(i.Suffixes); err != nil {
		return "", "", problem.New(problem.Invalid, "suffixes of batch importer %s: %w", i.Name, err)
	}
	return environments, suffixes, nil
}

const (
	sqlTryLater = `SELECT id FROM import_file WHERE importer_id = $1 AND state IN ('noticed', 'running') AND next_try_at > 0 ORDER BY id`
	sqlTryAgain = `UPDATE import_file SET next_try_at = 0 WHERE importer_id = $1 AND state IN ('noticed', 'running') AND next_try_at > 0`
)

// UpdateImporter stores Sink, Environments, Prefix, Suffixes, StatusPrefix,
// TopicARN, QueueURL, ListEvery, ReportEvery and Paused of the importer with
// i.ID; every other field stays as it is. With another topic the subscription
// is unknown again. Files that wait to be tried again are due at once: who
// changes an importer may have mended what they wait for. Kind Conflict
// if the sink is of another place and files or reports wait at the present one.
// Doing it again is harmless.
func (db *DB) UpdateImporter(ctx context.Context, i stream.Importer) error {
	environments, suffixes, err := importerTexts(&i)
	if err != nil {
		return err
	}
	if i.UpdatedAt.IsZero() {
		i.UpdatedAt = time.Now()
	}
	return db.configure(ctx, "update batch importer "+i.Name, func(ctx context.Context, t tx) error {
		// The files before their importer, as where one is finished.
		if lock := db.dialect.Lock; lock != "" {
			if _, err := list(ctx, t, scanInt, sqlTryLater+lock, i.ID); err != nil {
				return err
			}
		}
		old, err := t.importer(ctx, i.ID)
		if err != nil {
			return err
		}
		if err := t.mayRead(ctx, &old, i.Sink); err != nil {
			return err
		}
		if old.TopicARN != i.TopicARN {
			old.Subscription = stream.Subscription{}
		}
		s := &old.Subscription
		_, err = t.exec(ctx, `UPDATE importer SET sink = $1, environments = $2, prefix = $3, suffixes = $4, status_prefix = $5,
			topic_arn = $6, queue_url = $7, list_every = $8, report_every = $9, paused = $10, updated_at = $11,
			sub_state = $12, sub_arn = $13, sub_at = $14, tested_at = $15, test_bucket = $16 WHERE id = $17`,
			i.Sink, environments, i.Prefix, suffixes, i.StatusPrefix, i.TopicARN, i.QueueURL, int64(i.ListEvery), int64(i.ReportEvery), i.Paused,
			micros(i.UpdatedAt), string(s.State), s.ARN, micros(s.At), micros(s.TestedAt), s.TestBucket, i.ID)
		if err == nil {
			_, err = t.exec(ctx, sqlTryAgain, i.ID)
		}
		return err
	})
}

// mayRead refuses a sink of another place while files or entries of the importer wait.
func (t tx) mayRead(ctx context.Context, i *stream.Importer, sink string) error {
	to, err := t.sink(ctx, sink)
	if err != nil || sink == i.Sink {
		return err
	}
	from, err := t.sink(ctx, i.Sink)
	if err != nil || from.Place() == to.Place() {
		return err
	}
	waiting, _, err := one(ctx, t, scanInt, sqlImporterWaits, i.ID)
	if err != nil || waiting == 0 {
		return err
	}
	return problem.New(problem.Conflict, "batch importer %s cannot read another bucket yet: %d files of the present one are not imported and reported. "+
		"Let them first, or create another batch importer for the new bucket", i.Name, waiting)
}

// sqlImporterWaits counts the files of an importer that are not done or not in a report.
const sqlImporterWaits = `SELECT (SELECT count(*) FROM import_file WHERE importer_id = $1 AND state IN ('noticed', 'running'))
	+ (SELECT count(*) FROM import_file WHERE importer_id = $1 AND state = 'done' AND report_id = 0)`

// DeleteImporter deletes an importer: its name is free again, and it notices
// nothing more. Its row, its imports and their entries stay; what is not done
// still ends, and is reported. Deleting it twice gets kind NotFound.
func (db *DB) DeleteImporter(ctx context.Context, id string) error {
	return db.configure(ctx, "delete batch importer "+id, func(ctx context.Context, t tx) error {
		return t.deleteImporter(ctx, id, time.Now())
	})
}

func (t tx) deleteImporter(ctx context.Context, id string, now time.Time) error {
	n, err := t.exec(ctx, `UPDATE importer SET deleted_at = $1, problem = '' WHERE id = $2 AND deleted_at = 0`, micros(now), id)
	if err == nil && n == 0 {
		err = noImporter(id)
	}
	return err
}

// importer finds a live importer by id and keeps it until the transaction ends.
func (t tx) importer(ctx context.Context, id string) (stream.Importer, error) {
	// The lock of a join would be one of the stream too: first the row alone.
	if _, err := list(ctx, t, scanText, `SELECT id FROM importer WHERE id = $1`+t.db.dialect.Lock, id); err != nil {
		return stream.Importer{}, err
	}
	i, ok, err := one(ctx, t, scanImporter, selectImporter+` WHERE i.id = $1 AND i.deleted_at = 0`, id)
	if err == nil && !ok {
		err = noImporter(id)
	}
	return i, err
}

// Importer returns the importer with this name.
func (db *DB) Importer(ctx context.Context, name string) (stream.Importer, error) {
	return db.oneImporter(ctx, name, ` WHERE i.name = $1 AND i.deleted_at = 0`, name)
}

// ImporterByToken returns the importer with this token of a notification
// endpoint. The token is in no error.
func (db *DB) ImporterByToken(ctx context.Context, token string) (stream.Importer, error) {
	return db.oneImporter(ctx, "of this notification endpoint", ` WHERE i.token = $1 AND i.deleted_at = 0`, token)
}

func (db *DB) oneImporter(ctx context.Context, name, where string, args ...any) (stream.Importer, error) {
	i, ok, err := one(ctx, db.read, scanImporter, selectImporter+where, args...)
	if err != nil {
		return i, db.fault(ctx, err, "read batch importer "+name)
	}
	if !ok {
		return i, noImporter(name)
	}
	return i, nil
}

// Importers returns all importers by name.
func (db *DB) Importers(ctx context.Context) ([]stream.Importer, error) {
	return db.importers(ctx, ` WHERE i.deleted_at = 0 ORDER BY i.name`)
}

// DeletedImporters returns the deleted importers that have files that are not
// done, oldest deletion first.
func (db *DB) DeletedImporters(ctx context.Context) ([]stream.Importer, error) {
	return db.importers(ctx, whereDeletedImporter+` ORDER BY i.deleted_at, i.id`)
}

const whereDeletedImporter = ` WHERE i.deleted_at <> 0
	AND EXISTS (SELECT 1 FROM import_file f WHERE f.importer_id = i.id AND f.state IN ('noticed', 'running'))`

// ImportersOfStream returns the importers into the stream with this id, by name.
func (db *DB) ImportersOfStream(ctx context.Context, streamID string) ([]stream.Importer, error) {
	return db.importers(ctx, ` WHERE i.stream_id = $1 AND i.deleted_at = 0 ORDER BY i.name`, streamID)
}

// ImportersOfSink returns the importers that read the bucket of the sink with
// this name, by name.
func (db *DB) ImportersOfSink(ctx context.Context, sink string) ([]stream.Importer, error) {
	return db.importers(ctx, ` WHERE i.sink = $1 AND i.deleted_at = 0 ORDER BY i.name`, sink)
}

func (db *DB) importers(ctx context.Context, where string, args ...any) ([]stream.Importer, error) {
	all, err := list(ctx, db.read, scanImporter, selectImporter+where, args...)
	if err != nil {
		return nil, db.fault(ctx, err, "list batch importers")
	}
	return all, nil
}

// SetSubscription stores State, ARN and At of an importer's subscription.
func (db *DB) SetSubscription(ctx context.Context, importerID string, s stream.Subscription) error {
	return db.setImporter(ctx, importerID, `UPDATE importer SET sub_state = $2, sub_arn = $3, sub_at = $4 WHERE id = $1 AND deleted_at = 0`,
		string(s.State), s.ARN, micros(s.At))
}

// SetTested stores that the bucket was configured to notify at that time,
// unless a later time is known.
func (db *DB) SetTested(ctx context.Context, importerID string, at time.Time, bucket string) error {
	return db.setImporter(ctx, importerID, `UPDATE importer SET tested_at = CASE WHEN tested_at < $2 THEN $2 ELSE tested_at END,
		test_bucket = CASE WHEN tested_at < $2 THEN $3 ELSE test_bucket END WHERE id = $1 AND deleted_at = 0`, micros(at), bucket)
}

// SetImporterProblem stores what keeps an importer from noticing files; "" when
// nothing does.
func (db *DB) SetImporterProblem(ctx context.Context, importerID, why string) error {
	return db.setImporter(ctx, importerID, `UPDATE importer SET problem = $2 WHERE id = $1 AND deleted_at = 0`, prose(why))
}

// SetListed stores the end of a whole listing.
func (db *DB) SetListed(ctx context.Context, importerID string, at time.Time) error {
	return db.setImporter(ctx, importerID, `UPDATE importer SET listed_at = $2 WHERE id = $1 AND deleted_at = 0`, micros(at))
}

func (db *DB) setImporter(ctx context.Context, id, query string, args ...any) error {
	return db.change(ctx, "update batch importer "+id, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, query, append([]any{id}, args...)...)
		if err == nil && n == 0 {
			err = noImporter(id)
		}
		return err
	})
}
