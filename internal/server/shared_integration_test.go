//go:build integration

package server_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/internal/problem"
	"strm/internal/secrets"
	"strm/internal/server"
	"strm/test/servers"
)

// Two nodes on one PostgreSQL do what one does, and know each other's changes; one
// with other secrets is kept out; the database may go away for a while.
func TestNodesOnPostgreSQL(t *testing.T) {
	pg := servers.Postgres(t)
	_, log := brokers(t)
	dir, bucket := t.TempDir(), filepath.Join(t.TempDir(), "bucket")
	cfg := func() server.Config {
		return server.Config{Data: t.TempDir(), Log: log, Catalog: pg.URL(), Secrets: dir, Lease: 3 * time.Second, StartTimeout: 5 * time.Second}
	}
	refused(t, cfg(), problem.NotFound, "strm init")
	if _, err := secrets.Init(dir); err != nil {
		t.Fatal(err)
	}
	one := start(t, cfg())
	two := start(t, cfg())
	one.deliver(bucket, 10)
	for _, r := range []*running{two, one, two} {
		if status, out, _ := r.post("demo", "key", "{\"id\":10}\n{\"id\":11}\n"); status != 200 {
			t.Fatalf("%d %s", status, out)
		}
	}
	if out := two.must("GET", "/v1/nodes", ""); strings.Count(out, `"alive":true`) != 2 {
		t.Errorf("nodes: %s", out)
	}
	two.until("a flush through the other node", func() bool {
		status, out := two.do("POST", "/v1/batch-exporters/files-demo/flush?wait=30s", "")
		return status == 200 && strings.Contains(out, `"done":true`)
	})
	if out := two.must("POST", "/v1/batch-exporters/files-demo/verify", ""); !strings.Contains(out, `"ok":true`) || !strings.Contains(out, `"events":12`) {
		t.Errorf("verify: %s", out)
	}
	if lines := delivered(t, bucket); len(lines) != 12 {
		t.Errorf("%d lines", len(lines))
	}

	other := cfg()
	other.Secrets = t.TempDir()
	if _, err := secrets.Init(other.Secrets); err != nil {
		t.Fatal(err)
	}
	refused(t, other, problem.Conflict, "seal.keys")
	if err := secrets.Copy(dir, filepath.Join(t.TempDir(), "x")); err != nil {
		t.Fatal(err)
	}

	_, out, _ := strings.Cut(one.must("POST", "/v1/sources", `{"name":"web","stream":"demo"}`), `"writeKey":"`)
	key, _, _ := strings.Cut(out, `"`)
	if status, out, _ := one.postAs(key, "demo", "", "{\"id\":99}\n"); status != 200 {
		t.Fatalf("with a write key: %d %s", status, out)
	}

	// PostgreSQL goes: events without a key are taken on, others are told to come again.
	pg.Stop(servers.Immediate)
	if status, out, _ := one.postAs(key, "demo", "", "{\"id\":12}\n"); status != 200 {
		t.Errorf("without a key: %d %s", status, out)
	}
	status, out, h := one.postAs(key, "demo", "other", "{\"id\":13}\n")
	if status != 503 && status != 429 || h.Get("Retry-After") == "" {
		t.Errorf("with a key: %d %s, Retry-After %q", status, out, h.Get("Retry-After"))
	}
	if status, _ := one.do("GET", "/readyz", ""); status != 503 {
		t.Errorf("ready without a catalog: %d", status)
	}
	if status, out := one.do("GET", "/v1/streams", ""); status != 503 {
		t.Errorf("list: %d %s", status, out)
	}
	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	one.until("readiness", func() bool { status, _ := one.do("GET", "/readyz", ""); return status == 200 })
	two.until("readiness of the other", func() bool { status, _ := two.do("GET", "/readyz", ""); return status == 200 })
	if status, out, _ := one.post("demo", "other", "{\"id\":13}\n"); status != 200 {
		t.Errorf("again: %d %s", status, out)
	}
	// A node that stops in order leaves its work to the other at once.
	one.stop()
	two.until("delivery by the other node", func() bool {
		_, out := two.do("POST", "/v1/batch-exporters/files-demo/flush?wait=5s", "")
		return strings.Contains(out, `"done":true`) && len(delivered(t, bucket)) == 15
	})
	for _, r := range []*running{one, two} {
		for _, secret := range []string{one.s.AdminToken()} {
			if strings.Contains(r.log.String(), secret) {
				t.Error("the token is in a log")
			}
		}
	}
}

// A single machine moves to PostgreSQL.
func TestMigrateToPostgreSQL(t *testing.T) {
	pg := servers.Postgres(t)
	_, log := brokers(t)
	from, to, bucket := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "bucket")
	single(t, from, bucket)
	m := server.Migration{Config: server.Config{Data: from, Log: log, Catalog: pg.URL(), Secrets: to}, Tell: func(f string, a ...any) { t.Logf(f, a...) }}
	m.Check = true
	if err := server.Migrate(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	m.Check = false
	for range 2 {
		if err := server.Migrate(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	if _, err := secrets.Init(other); err != nil {
		t.Fatal(err)
	}
	refused(t, server.Config{Data: t.TempDir(), Log: log, Catalog: pg.URL(), Secrets: other}, problem.Conflict, "seal.keys")
	r := start(t, server.Config{Data: t.TempDir(), Log: log, Catalog: pg.URL(), Secrets: to})
	if status, out, _ := r.post("demo", "again", "{\"id\":12}\n{\"id\":13}\n"); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	r.must("PUT", "/v1/sinks/files", fmt.Sprintf(`{"type":"DIR","bucket":%q}`, bucket))
	for _, name := range []string{"files-demo", "files-wide"} {
		r.flush(name)
	}
	if n := len(delivered(t, filepath.Join(bucket, "demo"))); n != 14 {
		t.Errorf("%d lines of demo", n)
	}
	if n := len(delivered(t, filepath.Join(bucket, "wide"))); n != 80 {
		t.Errorf("%d lines of wide", n)
	}
}
