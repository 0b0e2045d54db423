package postgres

import (
	"context"
	"database/sql"

	"strm/internal/problem"
)

// server is what must be right of a server.
type server struct {
	number   int    // of its version: 150004 for 15.4
	version  string // as people write it
	encoding string // of the database
	standby  bool   // follows another, or takes no writes
	lazy     bool   // answers a commit before it is on disk
	homeless bool   // the search path names no schema that is there
}

// oldest is the oldest version that strm is for, as a number.
const oldest = 130000

func check(ctx context.Context, db *sql.DB) error {
	var s server
	err := db.QueryRowContext(ctx, `SELECT CAST(current_setting('server_version_num') AS INTEGER), current_setting('server_version'), current_setting('server_encoding'),
		pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', current_setting('synchronous_commit') = 'off',
		current_schema() IS NULL`).
		Scan(&s.number, &s.version, &s.encoding, &s.standby, &s.lazy, &s.homeless)
	if err != nil {
		return err
	}
	return s.usable()
}

func (s *server) usable() error {
	switch {
	case s.number < oldest:
		return problem.New(problem.Conflict, "catalog: PostgreSQL %s: strm needs 13 or later", s.version)
	case s.encoding != "UTF8":
		return problem.New(problem.Conflict, "catalog: the database has encoding %s, strm needs UTF8: CREATE DATABASE strm ENCODING 'UTF8' TEMPLATE template0", s.encoding)
	case s.standby:
		return problem.New(problem.Unavailable, "catalog: the PostgreSQL server takes no writes, as a standby does: name the primary, or several hosts and target_session_attrs=read-write")
	case s.homeless: // else tables of another schema would be taken for ours
		return problem.New(problem.Invalid, "catalog: no schema of the search path is there: %s", adviceNoSchema)
	case s.lazy:
		return problem.New(problem.Conflict, "catalog: synchronous_commit is off for this user or database, so a crash of PostgreSQL would lose what strm has promised: "+
			"say synchronous_commit=on in the URL, or ALTER ROLE or DATABASE ... SET synchronous_commit = on")
	}
	return nil
}
