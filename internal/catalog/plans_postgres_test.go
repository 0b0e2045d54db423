//go:build integration

package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"strm/internal/catalog/postgres"
	"strm/test/servers"
)

// PostgreSQL can answer each query from an index as well: with whole scans
// forbidden, none of a table that grows is left.
func TestQueriesUseIndexesOfPostgreSQL(t *testing.T) {
	server := servers.Postgres(t)
	db, err := postgres.Open(t.Context(), server.URL(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), server.URL()+"&enable_seqscan=off&default_query_exec_mode=simple_protocol")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, q := range ledgerQueries() {
		rows, err := c.Query(t.Context(), "EXPLAIN "+strings.ReplaceAll(q.text, "{now}", "0"), q.args...)
		if err != nil {
			t.Fatal(q.name, err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
		plan := strings.Join(lines, "\n")
		for _, table := range []string{"batch", "batch_object", "import_file", "status_entry", "report"} {
			if strings.Contains(plan+" ", "Seq Scan on "+table+" ") {
				t.Errorf("%s reads all of %s:\n%s", q.name, table, plan)
			}
		}
		// The indexes of what is rare among what stays for ever.
		if slices.Contains([]string{"batch_unfinished", "batch_replay", "batch_abandoned", "import_file_open", "import_file_unreported", "import_file_report", "report_open"}, q.index) &&
			!strings.Contains(plan, q.index) {
			t.Errorf("%s does not use %s:\n%s", q.name, q.index, plan)
		}
	}
}
