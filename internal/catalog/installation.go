package catalog

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"

	"strm/internal/problem"
)

// install makes the installation's id. Two servers opening a new database at
// once agree on one, because only the first insert counts.
func (db *DB) install(ctx context.Context) error {
	n, err := rand.Int(rand.Reader, big.NewInt(10_000_000_000))
	if err != nil {
		return fmt.Errorf("make an installation id: %w", err)
	}
	return db.change(ctx, "store the installation id", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES ('installation', $1) ON CONFLICT (name) DO NOTHING`,
			fmt.Sprintf("strm%010d", n.Int64()))
		return err
	})
}

// Installation returns the id of this installation, made when the database
// was: "strm" and ten digits.
func (db *DB) Installation(ctx context.Context) (string, error) {
	id, ok, err := one(ctx, db.read, scanText, `SELECT value FROM meta WHERE name = 'installation'`)
	if err != nil {
		return "", db.fault(ctx, err, "read the installation id")
	}
	if !ok {
		return "", problem.New(problem.Corrupt, "the catalog has no installation id; restore it from a backup")
	}
	return id, nil
}
