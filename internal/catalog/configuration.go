package catalog

import (
	"context"

	"strm/internal/problem"
)

const sqlReconfigured = `UPDATE counter SET value = value + 1 WHERE name = 'configuration'`

// reconfigured raises the counter of the configuration's changes, by which every
// node learns that what it remembers of the configuration is old. The counter's
// row stays locked until the transaction ends, so changes of the configuration
// follow each other: it comes first in a transaction, before any other row is locked.
func (t tx) reconfigured(ctx context.Context) error {
	n, err := t.exec(ctx, sqlReconfigured)
	if err == nil && n != 1 {
		err = problem.New(problem.Corrupt, "the catalog has no counter of its changes; restore it from a backup")
	}
	return err
}

// configure is change for a change of the configuration. These are rare, so
// they follow each other; plans, batches and imports never wait for them as such.
func (db *DB) configure(ctx context.Context, what string, f func(ctx context.Context, t tx) error) error {
	return db.change(ctx, what, func(ctx context.Context, t tx) error {
		if err := t.reconfigured(ctx); err != nil {
			return err
		}
		return f(ctx, t)
	})
}

// Revision returns a number that rises with every change of streams, sources,
// sinks, exporters and importers, in the transaction of the change. Whoever read
// it before he read the configuration knows by it whether what he read is old.
// It may rise without a change; it never stays with one.
func (db *DB) Revision(ctx context.Context) (int64, error) {
	n, _, err := one(ctx, db.read, scanInt, `SELECT value FROM counter WHERE name = 'configuration'`)
	if err != nil {
		return 0, db.fault(ctx, err, "read the revision of the configuration")
	}
	return n, nil
}
