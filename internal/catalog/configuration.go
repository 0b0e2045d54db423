package catalog

import "context"

const configuration = "configuration"

// reconfigured raises the counter of the configuration.
func (t tx) reconfigured(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE counter SET value = value + 1 WHERE name = $1`, configuration)
	return err
}

// Revision returns a number that rises with every change of streams, sources,
// sinks, exporters and importers, in the transaction of the change. Whoever read
// it before he read the configuration knows by it whether what he read is old.
// It may rise without a change; never the other way round.
func (db *DB) Revision(ctx context.Context) (int64, error) {
	n, _, err := one(ctx, db.read, scanInt, `SELECT value FROM counter WHERE name = $1`, configuration)
	if err != nil {
		return 0, db.fault(ctx, err, "read the revision of the configuration")
	}
	return n, nil
}
