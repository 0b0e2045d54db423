package catalog_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/stream"
)

// The ledger keeps every batch for ever, so no query may read all of a table,
// or sort what it found among done batches.
func TestQueriesUseIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := raw.Close(); err != nil {
			t.Error(err)
		}
	}()
	type query struct {
		name  string
		index string // that must appear in the plan
		text  string
		args  []any
	}
	queries := []query{
		{"unfinished", "batch_unfinished", catalog.SQLUnfinished, []any{"e"}},
		{"one batch", "sqlite_autoindex_batch_1", catalog.SQLBatch, []any{"e", 1}},
		{"stored object", "batch_object_key", catalog.SQLStored, []any{"e", "p", "k"}},
		{"each batch", "sqlite_autoindex_batch_1", catalog.SQLAfter, []any{"e", 1, 10}},
		{"totals", "batch_unfinished", catalog.SQLTotals, []any{"e"}},
		{"held next", "exporter_name", catalog.SQLHeldNext, []any{"s"}},
		{"held ranges", "batch_unfinished", catalog.SQLHeldRanges, []any{"s"}},
		{"waiting for a sink", "batch_unfinished", catalog.SQLWaitingFor, []any{"s"}},
		{"a replay", "batch_replay", catalog.SQLReplay, []any{"e", "r"}},
	}
	for index, q := range map[string]catalog.BatchQuery{
		"sqlite_autoindex_batch_1": {BeforeSeq: 5, State: stream.BatchDone},
		"batch_unfinished":         {State: stream.BatchAttempted},
		"batch_abandoned":          {State: stream.BatchAbandoned, BeforeSeq: 9},
		"batch_replay":             {Replay: "r"},
	} {
		text, args := q.Text("e")
		queries = append(queries, query{"page by " + index, index, text, args})
	}
	for _, q := range queries {
		plan := explain(t, raw, q.text, q.args)
		if !strings.Contains(plan, q.index) {
			t.Errorf("%s does not use %s:\n%s", q.name, q.index, plan)
		}
		for line := range strings.Lines(plan) {
			// "SCAN b" reads the chosen page, which is bounded, as are the
			// batches that wait.
			if strings.HasPrefix(line, "SCAN ") && strings.TrimSpace(line) != "SCAN b" && !strings.Contains(line, "INDEX batch_unfinished") {
				t.Errorf("%s reads a whole table:\n%s", q.name, plan)
			}
		}
	}
}

func explain(t *testing.T, db *sql.DB, query string, args []any) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		out.WriteString(detail + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
