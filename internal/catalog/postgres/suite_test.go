//go:build integration

package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"strm/internal/catalog"
	"strm/internal/catalog/catalogtest"
	"strm/test/servers"
)

// shared is the server of all tests here that leave it as it is.
var shared *servers.PostgreSQL

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	p, err := servers.StartPostgres(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "PostgreSQL:", err)
		os.Exit(1)
	}
	shared = p
	code := m.Run()
	if err := p.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// at is the URL of a schema for one place, made if there is none.
func at(ctx context.Context, place string) (string, error) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(place))
	schema := fmt.Sprintf("s%x", h.Sum64())
	if err := shared.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+schema); err != nil && !strings.Contains(err.Error(), "23505") {
		return "", err
	}
	return shared.URL() + "&search_path=" + schema, nil
}

func openAt(ctx context.Context, place string) (*catalog.DB, error) {
	url, err := at(ctx, place)
	if err != nil {
		return nil, err
	}
	return Open(ctx, url, Options{})
}

func TestCatalog(t *testing.T) { catalogtest.Run(t, openAt) }

// upgrade does to a catalog what a later strm does: it adds, with defaults.
func upgrade(ctx context.Context, url, floor string) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	for _, table := range []string{"stream", "source", "sink", "exporter", "batch", "batch_object", "importer", "import_file", "status_entry", "report", "node"} {
		_, err = c.Exec(ctx, `ALTER TABLE `+table+` ADD COLUMN later TEXT NOT NULL DEFAULT 'x'`)
		if err != nil {
			break
		}
	}
	if err == nil {
		_, err = c.Exec(ctx, `CREATE TABLE later (n BIGINT); INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, true);
			UPDATE meta SET value = '`+floor+`' WHERE name = 'schema_floor'`)
	}
	return errors.Join(err, c.Close(ctx))
}

// Everything works on the schema of a later version.
func TestCatalogOfLaterVersion(t *testing.T) {
	upgraded := map[string]bool{}
	catalogtest.Run(t, func(ctx context.Context, place string) (*catalog.DB, error) {
		if upgraded[place] {
			return openAt(ctx, place)
		}
		upgraded[place] = true
		db, err := openAt(ctx, place)
		if err != nil {
			return nil, err
		}
		url, err := at(ctx, place)
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, err
		}
		if err := upgrade(ctx, url, "6"); err != nil {
			return nil, err
		}
		return openAt(ctx, place)
	})
}

func TestShared(t *testing.T) { catalogtest.RunShared(t, openAt, true) }
