//go:build integration

package postgres

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"

	"strm/internal/problem"
)

// secret is a password that no error may hold.
const secret = "s3cr-tp%2Fss"

func refused(t *testing.T, url string, kind problem.Kind, words ...string) {
	t.Helper()
	db, err := Open(t.Context(), url, Options{})
	if err == nil {
		t.Errorf("opened, want kind %v", kind)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if problem.KindOf(err) != kind {
		t.Errorf("kind %v, want %v: %v", problem.KindOf(err), kind, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no %q in: %v", w, err)
		}
	}
	for _, w := range []string{"s3cr", "tp/ss", "tp%2F", "\n"} {
		if strings.Contains(err.Error(), w) {
			t.Errorf("%q in: %v", w, err)
		}
	}
}

func TestOpenRefused(t *testing.T) {
	ctx := t.Context()
	for _, sql := range []string{
		`CREATE ROLE guest LOGIN PASSWORD 'right'`, `CREATE ROLE poor LOGIN`, `CREATE ROLE lazy LOGIN`, `ALTER ROLE lazy SET synchronous_commit = off`,
		`CREATE ROLE crowd LOGIN CONNECTION LIMIT 0`, `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`, `CREATE DATABASE still`,
		`ALTER DATABASE still SET default_transaction_read_only = on`,
	} {
		if err := shared.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := shared.Trust(ctx, "host all guest 127.0.0.1/32 scram-sha-256\nhostssl all tls 127.0.0.1/32 trust\nhost all barred 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n"); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	as := func(user, database, query string) string {
		return "postgres://" + user + "@" + u.Host + "/" + database + "?" + query
	}
	const plain = "sslmode=disable"
	closed, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		url   string
		kind  problem.Kind
		words []string
	}{
		"wrong password":  {as("guest:"+secret, "postgres", plain), problem.Forbidden, []string{"guest", "28P01", "PGPASSWORD"}},
		"not let in":      {as("barred:"+secret, "postgres", plain), problem.Forbidden, []string{"pg_hba.conf"}},
		"no database":     {as("strm:"+secret, "nowhere", plain), problem.Invalid, []string{"nowhere", "CREATE DATABASE"}},
		"no TLS":          {as("strm:"+secret, "postgres", "sslmode=require"), problem.Forbidden, []string{"TLS", "sslmode=disable"}},
		"encoding":        {as("strm:"+secret, "latin", plain), problem.Conflict, []string{"LATIN1", "UTF8"}},
		"no right":        {as("poor:"+secret, "postgres", plain), problem.Forbidden, []string{"GRANT CREATE"}},
		"no schema":       {as("strm:"+secret, "postgres", plain+"&search_path=nowhere"), problem.Invalid, []string{"search_path"}},
		"standby":         {as("strm:"+secret, "still", plain), problem.Unavailable, []string{"primary"}},
		"lazy":            {as("lazy:"+secret, "postgres", plain), problem.Conflict, []string{"synchronous_commit"}},
		"too many":        {as("crowd:"+secret, "postgres", plain), problem.Unavailable, []string{"53300", "limit"}},
		"nobody there":    {"postgres://strm:" + secret + "@" + nobody + "/strm?" + plain, problem.Unavailable, []string{"refused", "host and port"}},
		"another scheme":  {"mysql://strm:" + secret + "@" + u.Host + "/strm", problem.Invalid, []string{"postgres://"}},
		"slash in it":     {"postgres://strm:s3cr/tp@" + u.Host + "/strm", problem.Invalid, nil},
		"percent in it":   {"postgres://strm:s3cr%zz@" + u.Host + "/strm", problem.Invalid, []string{"%XX"}},
		"bad setting":     {as("strm:"+secret, "postgres", "sslmode=perhaps"), problem.Invalid, []string{"sslmode"}},
		"no certificate":  {as("strm:"+secret, "postgres", "sslmode=verify-full&sslrootcert=/nowhere/ca.pem"), problem.Invalid, []string{"/nowhere/ca.pem"}},
		"unknown setting": {as("strm:"+secret, "postgres", plain+"&colour=red"), problem.Invalid, []string{"colour", "settings"}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, tt.url, tt.kind, tt.words...) })
	}
	// The right password is taken from the environment.
	t.Setenv("PGPASSWORD", "right")
	if err := shared.Exec(ctx, `CREATE SCHEMA guest AUTHORIZATION guest`); err != nil {
		t.Fatal(err)
	}
	db, err := Open(ctx, as("guest", "postgres", plain+"&search_path=guest"), Options{Writers: 1, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Open(over, shared.URL(), Options{}); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("with a context that is over: %v", err)
	}
}

// A later strm has been here: this one goes on if the schema's floor lets it.
func TestLaterSchema(t *testing.T) {
	later := func(t *testing.T, floor string) string {
		t.Helper()
		url, err := at(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := upgrade(t.Context(), url, floor); err != nil {
			t.Fatal(err)
		}
		return url
	}
	refused(t, later(t, "1000"), problem.Conflict, "schema version 1000", "newer strm")
	db, err := Open(t.Context(), later(t, "6"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Installation(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
