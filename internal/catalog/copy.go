package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// copiedTables are what a catalog hands on when it moves to another database,
// row by row as it is, in an order in which rows may refer to each other.
var copiedTables = []string{
	"counter", "stream", "source", "split_source", "sink", "exporter", "batch", "batch_object",
	"importer", "import_file", "status_entry", "report",
}

// Migration tells of a move into this catalog; the zero value of none.
type Migration struct {
	From  string    `json:"from"`  // where it was, for people
	Done  bool      `json:"done"`  // false: begun, and to be gone on with
	Began time.Time `json:"began"` // when the first try began
}

const metaMigration = "migration"

// Migration returns what is known of a move into this catalog.
func (db *DB) Migration(ctx context.Context) (Migration, error) {
	text, ok, err := one(ctx, db.read, scanText, `SELECT value FROM meta WHERE name = $1`, metaMigration)
	if err != nil {
		return Migration{}, db.fault(ctx, err, "read about a migration")
	}
	if !ok || text == "" {
		return Migration{}, nil
	}
	return decodeMigration(text)
}

func decodeMigration(text string) (m Migration, err error) {
	if text == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, problem.New(problem.Corrupt, "meta %s: %w", metaMigration, err)
	}
	return m, nil
}

// CompleteMigration notes that all that was to move is here. Before it the
// catalog serves nobody.
func (db *DB) CompleteMigration(ctx context.Context) error {
	return db.change(ctx, "note that the migration is complete", func(ctx context.Context, t tx) error {
		text, err := t.meta(ctx, metaMigration, "")
		if err != nil {
			return err
		}
		m, err := decodeMigration(text)
		if err != nil {
			return err
		}
		if m.Began.IsZero() {
			return problem.New(problem.Conflict, "no migration was begun")
		}
		m.Done = true
		return t.setMigration(ctx, m)
	})
}

func (t tx) setMigration(ctx context.Context, m Migration) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return t.setMeta(ctx, metaMigration, string(b))
}

// Moving is what CopyFrom is told beside the catalogs.
type Moving struct {
	From   string                  // where the other catalog is, for people
	Topics map[string]stream.Topic // of each stream, by id
	Told   func(table string, rows int64)
}

// CopyFrom makes this catalog what from is, with other topics for its streams, in
// one transaction, and notes that a migration has begun. What an earlier try
// copied is replaced. Kind Conflict, and nothing is changed, if this catalog
// holds anything of its own, or a node lives on it, or a migration was completed.
// Nobody may write to from meanwhile.
func (db *DB) CopyFrom(ctx context.Context, from *DB, m Moving) error {
	installation, err := from.Installation(ctx)
	if err != nil {
		return err
	}
	return db.change(ctx, "copy the catalog", func(inner context.Context, t tx) error {
		if err := t.beginMigration(inner, installation, m.From); err != nil {
			return err
		}
		for _, table := range slices.Backward(append(slices.Clone(copiedTables), nameTables...)) {
			if _, err := t.exec(inner, `DELETE FROM `+table); err != nil {
				return err
			}
		}
		for _, table := range copiedTables {
			// The statements take no context (see change), so it is looked at here.
			rows, err := t.copyTable(ctx, inner, from, table)
			if err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
			if m.Told != nil {
				m.Told(table, rows)
			}
		}
		for id, topic := range m.Topics {
			if err := t.setTopic(inner, id, topic); err != nil {
				return err
			}
		}
		return t.setMeta(inner, "installation", installation)
	})
}

// beginMigration checks that the catalog may be overwritten.
func (t tx) beginMigration(ctx context.Context, installation, from string) error {
	text, err := t.meta(ctx, metaMigration, "")
	if err != nil {
		return err
	}
	m, err := decodeMigration(text)
	if err != nil {
		return err
	}
	if alive, err := t.othersAlive(ctx, ""); err != nil {
		return err
	} else if alive > 0 {
		return problem.New(problem.Conflict, "%d nodes work with this PostgreSQL: stop them first", alive)
	}
	have, _, err := one(ctx, t, scanText, `SELECT value FROM meta WHERE name = 'installation'`)
	if err != nil {
		return err
	}
	switch {
	case m.Done:
		return problem.New(problem.Conflict, "a migration into this PostgreSQL was completed already, from %s", m.From)
	case !m.Began.IsZero() && have != installation:
		return problem.New(problem.Conflict, "a migration of another installation into this PostgreSQL was begun, from %s", m.From)
	case m.Began.IsZero():
		for _, table := range []string{"stream", "sink", "importer"} {
			n, _, err := one(ctx, t, scanInt, `SELECT count(*) FROM `+table)
			if err != nil {
				return err
			}
			if n > 0 {
				return problem.New(problem.Conflict, "this PostgreSQL is in use: table %s has %d rows. Give an empty database", table, n)
			}
		}
		m = Migration{From: from, Began: time.Now().UTC().Truncate(time.Second)}
	}
	return t.setMigration(ctx, m)
}

// insertParams bounds the parameters of one INSERT.
const insertParams = 4000

// copyTable copies the rows of a table. outer ends it between two statements.
func (t tx) copyTable(outer, inner context.Context, from *DB, table string) (count int64, err error) {
	rows, err := from.read.QueryContext(outer, `SELECT * FROM `+table)
	if err != nil {
		return 0, from.fault(outer, err, "read "+table)
	}
	defer func() { _ = rows.Close() }() // a second close is harmless; the first reports
	types, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	names := make([]string, len(types))
	for i, c := range types {
		names[i] = c.Name()
	}
	into := `INSERT INTO ` + table + ` (` + strings.Join(names, ", ") + `) VALUES `
	most := max(1, insertParams/len(names))
	var args []any
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		if err := outer.Err(); err != nil {
			return err
		}
		_, err := t.sql.ExecContext(inner, into+placeholders(len(args)/len(names), len(names)), args...)
		args = args[:0]
		return err
	}
	for rows.Next() {
		values, err := scanValues(rows, types)
		if err != nil {
			return count, err
		}
		args = append(args, values...)
		count++
		if len(args) == most*len(names) {
			if err := flush(); err != nil {
				return count, err
			}
		}
	}
	return count, errors.Join(rows.Err(), rows.Close(), flush())
}

// scanValues reads a row as it goes into another database, whose drivers know
// booleans and texts from numbers and bytes.
func scanValues(rows *sql.Rows, types []*sql.ColumnType) ([]any, error) {
	values, into := make([]any, len(types)), make([]any, len(types))
	for i, c := range types {
		switch c.DatabaseTypeName() {
		case "BIGINT", "INTEGER", "INT8":
			into[i] = new(int64)
		case "BOOLEAN", "BOOL":
			into[i] = new(bool)
		case "BYTEA", "BLOB":
			into[i] = new([]byte)
		case "TEXT":
			into[i] = new(string)
		default:
			return nil, problem.New(problem.Internal, "column %s is of type %s, which nobody has thought of", c.Name(), c.DatabaseTypeName())
		}
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	for i := range into {
		switch v := into[i].(type) {
		case *int64:
			values[i] = *v
		case *bool:
			values[i] = *v
		case *[]byte:
			values[i] = slices.Clone(*v)
			if *v == nil {
				values[i] = []byte{}
			}
		case *string:
			values[i] = *v
		}
	}
	return values, nil
}

// placeholders returns ($1, $2), ($3, $4).
func placeholders(rows, columns int) string {
	var b strings.Builder
	for r := range rows {
		if r > 0 {
			b.WriteString(", ")
		}
		for c := range columns {
			if c == 0 {
				b.WriteByte('(')
			} else {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "$%d", r*columns+c+1)
		}
		b.WriteByte(')')
	}
	return b.String()
}
