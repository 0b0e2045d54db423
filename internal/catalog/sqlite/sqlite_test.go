package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func mustOpen(t *testing.T, path string, pragmas ...string) *catalog.DB {
	t.Helper()
	db, err := open(t.Context(), path, pragmas...)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func mustClose(t *testing.T, db interface{ Close() error }) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// edit changes the file behind the catalog's back.
func edit(t *testing.T, path, statement string) {
	t.Helper()
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, raw)
	if _, err := raw.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// A path may hold what a URL and a DSN give a meaning to.
func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20&e=é")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "catalog.db")
	db := mustOpen(t, path)
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(name), info.Mode())
		}
	}
	mustClose(t, db)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("after Close the directory holds %v, %v; want the one file", left, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, path))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file open to others stays so: %v, %v", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), filepath.Join(dir, "missing", "catalog.db"))
	if problem.KindOf(err) != problem.Unavailable {
		t.Errorf("no directory: %v", err)
	}
	if _, err := Open(t.Context(), dir); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("a directory: %v", err)
	}
	junk := filepath.Join(dir, "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), junk); problem.KindOf(err) != problem.Corrupt {
		t.Errorf("junk: kind %v, %v", problem.KindOf(err), err)
	}
}

func TestNewerSchemaRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	mustClose(t, mustOpen(t, path))
	mustClose(t, mustOpen(t, path)) // migrating what is migrated changes nothing
	edit(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	edit(t, path, `UPDATE meta SET value = '9999' WHERE name = 'schema_floor'`)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path)
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "schema version 9999") || !strings.Contains(err.Error(), "newer strm") {
		t.Fatalf("error %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("the refused database was changed")
	}
}

// An interrupted first start leaves a file with nothing or little in it.
func TestOpenAfterInterruptedStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, path))
	edit(t, path, `DELETE FROM meta`)
	db := mustOpen(t, path)
	defer mustClose(t, db)
	if _, err := db.Installation(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A lease that ends later than any may was given before the clock was set back: its
// node is dead for whoever asks.
func TestLeaseFromBeforeTheClockWasSetBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	db := mustOpen(t, path)
	defer mustClose(t, db)
	ctx := t.Context()
	if err := db.AgreeOnToken(ctx, "old", "a"); err != nil {
		t.Fatal(err)
	}
	claim := eventlog.Claim{ID: 1, Node: "old", Producer: "p"}
	if _, err := db.ClaimNames(ctx, claim, []eventlog.ClaimEntry{{StreamID: "s", Mark: "m", MarkAt: 1}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		lease time.Duration
		lives bool
	}{{catalog.MaxLease / 2, true}, {time.Hour, false}} {
		edit(t, path, `INSERT OR REPLACE INTO node (id, name, version, started_at, lease_until) VALUES ('old', 'old', 'v1', 1, `+
			strconv.FormatInt(time.Now().Add(tt.lease).UnixMicro(), 10)+`)`)
		if c, found, err := db.FindClaim(ctx, 1); err != nil || !found || c.Live != tt.lives {
			t.Errorf("a lease of %v: claim %+v, %v, %v; want live %v", tt.lease, c, found, err, tt.lives)
		}
		if err := db.AgreeOnToken(ctx, "new", "b"); (err != nil) != tt.lives {
			t.Errorf("a lease of %v: another token: %v", tt.lease, err)
		}
	}
}

func fill(t *testing.T, db *catalog.DB) (int, error) {
	t.Helper()
	for i := range 10_000 {
		name := "s" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + strings.Repeat("y", i%47)
		_, _, err := db.PutSink(t.Context(), stream.Sink{Name: name, Type: stream.SinkS3, Credentials: make([]byte, 2000)})
		if err != nil {
			return i, err
		}
	}
	return 0, nil
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	mustClose(t, mustOpen(t, path))
	db := mustOpen(t, path, "max_page_count(60)")
	stored, err := fill(t, db)
	if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "free space") {
		t.Fatalf("error %v of kind %v", err, problem.KindOf(err))
	}
	if stored == 0 {
		t.Fatal("nothing fitted")
	}
	// What was answered is there, and reading and deleting go on.
	all, err := db.Sinks(t.Context())
	if err != nil || len(all) != stored {
		t.Fatalf("%d sinks, %v; want %d", len(all), err, stored)
	}
	mustClose(t, db)
	db = mustOpen(t, path)
	defer mustClose(t, db)
	if all, err := db.Sinks(t.Context()); err != nil || len(all) != stored {
		t.Fatalf("%d sinks, %v; want %d", len(all), err, stored)
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	mustClose(t, mustOpen(t, path))
	// Every connection refuses to write; Open notices before it returns.
	_, err := open(t.Context(), path, "query_only(1)")
	if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "may write") {
		t.Fatalf("error %v of kind %v", err, problem.KindOf(err))
	}
}

func TestSecondWriterIsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	db := mustOpen(t, path, "busy_timeout(1)")
	defer mustClose(t, db)
	raw, err := sql.Open("sqlite", dsn(path, "immediate", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, raw)
	tx, err := raw.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := stream.Stream{ID: "i", Name: "n", Partitions: 1}
	if err := db.CreateStream(t.Context(), s); problem.KindOf(err) != problem.Busy {
		t.Fatalf("error %v of kind %v", err, problem.KindOf(err))
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateStream(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	db := mustOpen(t, path)
	if err := db.CreateStream(t.Context(), stream.Stream{ID: "i", Name: "n", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	edit(t, path, `UPDATE stream SET tags = '[1]'`)
	if _, err := db.Stream(t.Context(), "n"); problem.KindOf(err) != problem.Corrupt {
		t.Fatalf("error %v", err)
	}
	mustClose(t, db)
	if _, err := db.Stream(t.Context(), "n"); err == nil {
		t.Fatal("a closed database answers")
	}
	if err := db.DeleteSource(t.Context(), "n"); err == nil {
		t.Fatal("a closed database answers")
	}
}
