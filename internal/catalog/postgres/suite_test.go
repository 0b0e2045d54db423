//go:build integration

package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/catalog"
	"strm/internal/catalog/catalogtest"
	"strm/test/servers"
)

// shared is the server of all tests here that leave it as it is.
var shared *servers.PostgreSQL

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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

func open(ctx context.Context, place string) (*catalog.DB, error) {
	url, err := at(ctx, place)
	if err != nil {
		return nil, err
	}
	return Open(ctx, url, Options{})
}

func TestCatalog(t *testing.T) { catalogtest.Run(t, open) }
