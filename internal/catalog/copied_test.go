package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"strm/internal/catalog"
)

// A table that a migration adds must be copied when a catalog moves, or there
// must be a reason that it is not.
func TestEveryTableIsCopiedOrNot(t *testing.T) {
	raw := tables(t)
	rows, err := raw.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	known := slices.Concat(catalog.CopiedTables, catalog.NameTables, []string{
		"meta",         // the copy sets what it needs
		"node",         // lives on one catalog
		"append_claim", // of a log that is not moved
		"goose_db_version",
	})
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "sqlite_") && !slices.Contains(known, name) {
			t.Errorf("table %s is neither copied nor left out on purpose", name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
