package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// nameTables hold names of appends, which a move carries from elsewhere; they are
// emptied with the rest.
var nameTables = []string{"append_id", "append_key", "append_mark"}

// Migration tells of a move into this catalog; the zero value of none.
type Migration struct {
	From   string                  `json:"from"`   // where it was, for people
	Done   bool                    `json:"done"`   // false: begun, and to be gone on with
	Began  time.Time               `json:"began"`  // when the first try began
	Topics map[string]stream.Topic `json:"topics"` // of each stream, by id: where its events go
	Made   map[string]bool         `json:"made"`   // streams whose topic was made for the move
}

const metaMigration = "migration"

// Migration returns what is known of a move into this catalog.
func (db *DB) Migration(ctx context.Context) (Migration, error) {
	text, _, err := one(ctx, db.read, scanText, `SELECT value FROM meta WHERE name = $1`, metaMigration)
	if err != nil {
		return Migration{}, db.fault(ctx, err, "read about a migration")
	}
	return decodeMigration(text)
}

// decodeMigration reads what meta holds; "" is none.
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

// BeginMigration notes that the catalog from is about to be copied here, or again,
// with other topics for its streams. Kind Conflict, and nothing is changed, if
// this catalog holds anything of its own, a node lives on it, or a migration was
// completed. From then until CompleteMigration the catalog serves nobody.
func (db *DB) BeginMigration(ctx context.Context, from *DB, m Migration) error {
	installation, err := from.Installation(ctx)
	if err != nil {
		return err
	}
	return db.change(ctx, "note that a migration begins", func(ctx context.Context, t tx) error {
		text, err := t.meta(ctx, metaMigration, "")
		if err != nil {
			return err
		}
		before, err := decodeMigration(text)
		if err != nil {
			return err
		}
		if err := t.mayMigrate(ctx, before, installation); err != nil {
			return err
		}
		next := m
		next.Done, next.Began = false, before.Began
		if next.Began.IsZero() {
			next.Began = time.Now().UTC().Truncate(time.Second)
		}
		if err := t.setMigration(ctx, next); err != nil {
			return err
		}
		return t.setMeta(ctx, "installation", installation)
	})
}

// MayMigrate tells what BeginMigration would refuse, and changes nothing.
func (db *DB) MayMigrate(ctx context.Context, from *DB) error {
	installation, err := from.Installation(ctx)
	if err != nil {
		return err
	}
	before, err := db.Migration(ctx)
	if err != nil {
		return err
	}
	return db.change(ctx, "look at the new catalog", func(ctx context.Context, t tx) error {
		return t.mayMigrate(ctx, before, installation)
	})
}

// mayMigrate checks that the catalog may be overwritten.
func (t tx) mayMigrate(ctx context.Context, before Migration, installation string) error {
	alive, err := t.othersAlive(ctx, "")
	if err != nil {
		return err
	}
	if alive > 0 {
		return problem.New(problem.Conflict, "%d nodes work with this PostgreSQL: stop them first", alive)
	}
	have, _, err := one(ctx, t, scanText, `SELECT value FROM meta WHERE name = 'installation'`)
	if err != nil {
		return err
	}
	switch {
	case before.Done:
		return problem.New(problem.Conflict, "a migration into this PostgreSQL was completed already, from %s", before.From)
	case !before.Began.IsZero() && have != installation:
		return problem.New(problem.Conflict, "a migration of another installation into this PostgreSQL was begun, from %s", before.From)
	case before.Began.IsZero():
		for _, table := range []string{"stream", "sink", "importer"} {
			n, _, err := one(ctx, t, scanInt, `SELECT count(*) FROM `+table)
			if err != nil {
				return err
			}
			if n > 0 {
				return problem.New(problem.Conflict, "this PostgreSQL is in use: table %s has %d rows. Give an empty database", table, n)
			}
		}
	}
	return nil
}

// CopyFrom makes the rows of this catalog those of from, with the topics that
// BeginMigration has noted. What an earlier try copied is replaced. Broken off, it
// leaves a part, which the next call replaces. Nobody may write to from
// meanwhile. told is called after each table.
func (db *DB) CopyFrom(ctx context.Context, from *DB, told func(table string, rows int64)) error {
	m, err := db.Migration(ctx)
	if err != nil {
		return err
	}
	if m.Began.IsZero() || m.Done {
		return problem.New(problem.Internal, "no migration is under way")
	}
	for _, table := range slices.Backward(append(slices.Clone(copiedTables), nameTables...)) {
		err := db.change(ctx, "empty table "+table, func(ctx context.Context, t tx) error {
			_, err := t.exec(ctx, `DELETE FROM `+table)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, table := range copiedTables {
		rows, err := db.copyTable(ctx, from, table)
		if err != nil {
			return err
		}
		told(table, rows)
	}
	return db.change(ctx, "note the topics", func(ctx context.Context, t tx) error {
		for _, id := range slices.Sorted(maps.Keys(m.Topics)) {
			if err := t.setTopic(ctx, id, m.Topics[id]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t tx) setTopic(ctx context.Context, id string, topic stream.Topic) error {
	n, err := t.exec(ctx, `UPDATE stream SET topic = $1, topic_adopted = $2, topic_values = $3, topic_invalid = $4, topic_base = $5, topic_id = $6 WHERE id = $7`,
		topic.Name, topic.Adopted, string(topic.Values), string(topic.Invalid), encodeBase(topic.Base), topic.ID, id)
	if err == nil && n != 1 {
		err = noStream(id)
	}
	return err
}

// SetTopic gives a stream that is being moved here another topic.
func (db *DB) SetTopic(ctx context.Context, streamID string, topic stream.Topic) error {
	return db.configure(ctx, "note the topic of stream "+streamID, func(ctx context.Context, t tx) error {
		return t.setTopic(ctx, streamID, topic)
	})
}

// insertParams bounds the parameters of one INSERT.
const insertParams = 4000

// copyTable copies the rows of a table, an INSERT of many at a time.
func (db *DB) copyTable(ctx context.Context, from *DB, table string) (count int64, err error) {
	what := "copy table " + table
	rows, err := from.read.QueryContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		return 0, from.fault(ctx, err, what)
	}
	defer func() { _ = rows.Close() }() // a second close is harmless; the first reports
	types, err := rows.ColumnTypes()
	if err != nil {
		return 0, from.fault(ctx, err, what)
	}
	names := make([]string, len(types))
	for i, c := range types {
		names[i] = c.Name()
	}
	into := `INSERT INTO ` + table + ` (` + strings.Join(names, ", ") + `) VALUES `
	most := max(1, insertParams/len(names)) * len(names)
	var args []any
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		err := db.change(ctx, what, func(ctx context.Context, t tx) error {
			_, err := t.exec(ctx, into+placeholders(len(args)/len(names), len(names)), args...)
			return err
		})
		args = args[:0]
		return err
	}
	for rows.Next() {
		values, err := scanValues(rows, types)
		if err != nil {
			return count, fmt.Errorf("%s: %w", what, err)
		}
		args = append(args, values...)
		count++
		if len(args) == most {
			if err := flush(); err != nil {
				return count, err
			}
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return count, from.fault(ctx, err, what)
	}
	return count, flush()
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
