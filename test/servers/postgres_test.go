//go:build integration

package servers_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"strm/test/servers"
)

// What was committed is there after each kind of stop.
func TestPostgresRestarts(t *testing.T) {
	p := servers.Postgres(t)
	ctx := t.Context()
	if err := p.Exec(ctx, `CREATE TABLE n (v BIGINT); INSERT INTO n VALUES (0)`); err != nil {
		t.Fatal(err)
	}
	for _, m := range []servers.Mode{servers.Fast, servers.Immediate, servers.Kill} {
		if err := p.Exec(ctx, `UPDATE n SET v = v + 1`); err != nil {
			t.Fatal(err)
		}
		before := p.URL()
		if err := p.Restart(ctx, m); err != nil {
			t.Fatal(err)
		}
		if p.URL() != before {
			t.Errorf("another URL: %s", p.URL())
		}
	}
	c, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	var v int
	if err := c.QueryRow(ctx, `SELECT v FROM n`).Scan(&v); err != nil || v != 3 {
		t.Errorf("%d, %v after three updates", v, err)
	}
}
