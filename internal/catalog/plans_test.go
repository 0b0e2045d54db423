package catalog_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/stream"
)

// query is one that must not become dearer as tables grow.
type query struct {
	name  string
	index string // that must appear in SQLite's plan
	text  string
	args  []any
}

func ledgerQueries() []query {
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
		{"spare batches", "batch_unfinished", catalog.SQLSpare, []any{10}},
		{"what a node has", "batch_claimed", catalog.SQLRelease, []any{"n"}},
		{"who works for an exporter", "batch_claimed", catalog.SQLClaimed, []any{"e"}},
		{"entries taken", "import_file_known", catalog.SQLTakenEntries, []any{1}},
		{"known version", "import_file_identity", catalog.SQLKnownVersion, []any{"i", "k", "v"}},
		{"known time", "import_file_known", catalog.SQLKnownTime, []any{"i", "k", 1, 2, "e"}},
		{"known file", "import_file_known", catalog.SQLKnown, []any{"i", "k", "v", 1, 2, "e"}},
		{"importers with files to do", "import_file_page", catalog.SQLWorking, nil},
		{"due imports, new", "import_file_open", catalog.SQLDueNew, []any{"i", 10, "n"}},
		{"due imports, again", "import_file_open", catalog.SQLDueAgain, []any{"i", 1, 10, "n"}},
		{"due imports, later", "import_file_open", catalog.SQLDueLater, []any{"i", 1}},
		{"deleted importers", "import_file_page", catalog.SQLDeletedImporter, nil},
		{"files that wait", "import_file_unreported", catalog.SQLImporterWaits, []any{"i"}},
		{"importer totals", "import_file_unreported", catalog.SQLImporterTotals, []any{"i"}},
		{"imports of a sink", "import_file_unreported", catalog.SQLImportsOf, []any{"s"}},
		{"files given up", "import_file_page", catalog.SQLGiveUpFiles, []any{"i", 1}},
		{"entries given up", "import_file_unreported", catalog.SQLGiveUpEntries, []any{"i"}},
		{"imports by state", "import_file_page", catalog.SQLImportPage, []any{"i", "done", 0, 10}},
		{"imports by key", "COVERING INDEX import_file_known", catalog.SQLImportKeys, []any{"i", "a", "b", 0, 10}},
		{"imports by key and state", "import_file", catalog.SQLImportKeysIn, []any{"i", "a", "b", 0, 10, "done"}},
		{"entries", "sqlite_autoindex_status_entry_1", catalog.SQLEntries, []any{1}},
		{"what is to be reported", "import_file_unreported", catalog.SQLReporting, nil},
		{"files for a report", "import_file_unreported", catalog.SQLUnreported, []any{"i", 10}},
		{"entries of a report", "import_file_report", catalog.SQLReportEntries, []any{1}},
		{"open reports", "report_open", catalog.SQLOpenReports, nil},
		{"reports", "sqlite_autoindex_report_1", catalog.SQLReports, []any{"", 0, 10}},
		{"reports of a place", "report_page", catalog.SQLReportsOf, []any{"", 0, 10, "p", "s"}},
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
	return queries
}

// tables is the file of a new catalog, behind the catalog's back.
func tables(t *testing.T) *sql.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalog.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raw.Close(); err != nil {
			t.Error(err)
		}
	})
	return raw
}

// The ledger keeps every batch for ever, so no query may read all of a table,
// or sort what it found among done batches.
func TestQueriesUseIndexes(t *testing.T) {
	raw := tables(t)
	for _, q := range ledgerQueries() {
		plan := explain(t, raw, strings.ReplaceAll(q.text, "{now}", "0"), q.args)
		if !strings.Contains(plan, q.index) {
			t.Errorf("%s does not use %s:\n%s", q.name, q.index, plan)
		}
		// Of these the first few of very many are wanted, in order.
		if strings.Contains(plan, "TEMP B-TREE") && slices.Contains([]string{"due imports, new", "due imports, again", "due imports, later",
			"imports by state", "files for a report", "reports", "reports of a place", "open reports"}, q.name) {
			t.Errorf("%s sorts all it finds:\n%s", q.name, plan)
		}
		for line := range strings.Lines(plan) {
			if step := strings.TrimLeft(line, " "); strings.HasPrefix(step, "SCAN ") && !bounded(q.name, step) {
				t.Errorf("%s reads a whole table:\n%s", q.name, plan)
			}
		}
	}
}

// bounded reports whether a scan reads few rows: the chosen page, which is "b";
// what waits; importers and sinks, which people make; or what a query goes
// through in the order of its index, and stops.
func bounded(name, step string) bool {
	table := strings.Fields(step)[1]
	switch {
	case table == "b", table == "CONSTANT", table == "i", table == "importer", table == "s", table == "sink", table == "stream":
		return true
	case name == "reports":
		return true
	}
	return strings.Contains(step, "INDEX batch_unfinished") || strings.Contains(step, "INDEX report_open")
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
