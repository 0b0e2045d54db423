package catalog

import (
	"context"
	"fmt"
	"strings"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Many names go to the database in one value, one behind another, and are taken apart there:
// one text for all numbers of names, and for every database. The first part tells
// PostgreSQL the type of the value, by comparing it; CROSS JOIN keeps SQLite from
// beginning with the large table.
const (
	sqlUnpackIDs = `WITH RECURSIVE typed(x) AS (SELECT id FROM append_id WHERE id = $1 AND stream_id = ''),
		n(i) AS (SELECT 1 UNION ALL SELECT i + 16 FROM n WHERE i + 16 < CAST($2 AS BIGINT)) `
	sqlTakeIDs = sqlUnpackIDs + `INSERT INTO append_id (stream_id, id, claim, expires_at)
		SELECT CAST($3 AS TEXT), substr($1, i, 16), CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM n WHERE TRUE
		ON CONFLICT (stream_id, id) DO UPDATE SET claim = excluded.claim, expires_at = excluded.expires_at
		WHERE append_id.expires_at <= CAST($6 AS BIGINT)
			OR EXISTS (SELECT 1 FROM append_claim c WHERE c.id = append_id.claim AND c.state = 'void')`
	sqlOtherIDs = sqlUnpackIDs + `SELECT i, a.claim, c.state IS NOT NULL
		FROM n CROSS JOIN append_id a
			LEFT JOIN append_claim c ON c.id = a.claim
		WHERE a.stream_id = CAST($3 AS TEXT) AND a.id = substr($1, i, 16) AND a.claim <> CAST($4 AS BIGINT)`
	sqlGiveIDs = sqlUnpackIDs + `DELETE FROM append_id
		WHERE stream_id = CAST($3 AS TEXT) AND claim = CAST($4 AS BIGINT) AND id IN (SELECT substr($1, i, 16) FROM n)`

	// $2 holds entry, digest and number of events of each key, 20 digits each.
	sqlUnpackKeys = `WITH RECURSIVE typed(x) AS (SELECT id FROM append_key WHERE id = $1 AND stream_id = ''),
		n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < CAST($2 AS BIGINT)) `
	sqlTakeKeys = sqlUnpackKeys + `INSERT INTO append_key (stream_id, id, claim, entry, digest, part, events, start_at, end_at, expires_at)
		SELECT CAST($3 AS TEXT), substr($1, i * 32 + 1, 32), CAST($4 AS BIGINT),
			CAST(substr(CAST($5 AS TEXT), i * 60 + 1, 20) AS BIGINT), CAST(substr(CAST($5 AS TEXT), i * 60 + 21, 20) AS BIGINT), 0,
			CAST(substr(CAST($5 AS TEXT), i * 60 + 41, 20) AS BIGINT), 0, 0, CAST($6 AS BIGINT)
		FROM n WHERE TRUE
		ON CONFLICT (stream_id, id) DO UPDATE SET claim = excluded.claim, entry = excluded.entry, digest = excluded.digest, part = 0,
			events = excluded.events, start_at = 0, end_at = 0, expires_at = excluded.expires_at
		WHERE append_key.expires_at <= CAST($7 AS BIGINT)
			OR EXISTS (SELECT 1 FROM append_claim c WHERE c.id = append_key.claim AND c.state = 'void')`
	sqlOtherKeys = sqlUnpackKeys + `SELECT i, a.claim, c.state IS NOT NULL, a.digest, a.part, a.events, a.start_at, a.end_at
		FROM n CROSS JOIN append_key a
			LEFT JOIN append_claim c ON c.id = a.claim
		WHERE a.stream_id = CAST($3 AS TEXT) AND a.id = substr($1, i * 32 + 1, 32) AND a.claim <> CAST($4 AS BIGINT)`

	sqlTakeMark = `INSERT INTO append_mark (stream_id, mark, at_done, at_next, claim) VALUES ($1, $2, 0, $3, $4)
		ON CONFLICT (stream_id, mark) DO UPDATE SET at_next = excluded.at_next, claim = excluded.claim
		WHERE append_mark.claim = 0 AND append_mark.at_done <= CAST($5 AS BIGINT) AND append_mark.at_done < excluded.at_next`
)

func idsOf(entries []eventlog.ClaimEntry, i int) []name {
	out := make([]name, 0, len(entries[i].IDs))
	for k := range entries[i].IDs {
		out = append(out, name{hash: entries[i].IDs[k][:], entry: i, at: k})
	}
	return out
}

// ids takes the ids that are free.
func (g *claiming) ids(ctx context.Context) error {
	return g.byStream(func(i int) []name { return idsOf(g.entries, i) }, func(streamID string, names []name) error {
		blob, size := packed(names), len(names)*16
		n, err := g.tx.exec(ctx, sqlTakeIDs, blob, size, streamID, g.claim.ID, g.until(names), g.now)
		if err != nil || n == int64(len(names)) {
			return err
		}
		type other struct {
			at, claim int64
			open      bool
		}
		others, err := list(ctx, g.tx, func(row scanner) (o other, err error) { return o, row.Scan(&o.at, &o.claim, &o.open) },
			sqlOtherIDs, blob, size, streamID, g.claim.ID)
		if err != nil {
			return err
		}
		if n+int64(len(others)) != int64(len(names)) {
			return problem.New(problem.Internal, "of %d ids %d were taken and %d are others'", len(names), n, len(others))
		}
		for _, o := range others {
			m := names[(o.at-1)/16]
			if o.open { // or void since: then it is soon seen to be
				g.wait(m.entry, o.claim)
				continue
			}
			v := &g.verdicts[m.entry]
			if v.Repeated == nil {
				v.Repeated = make([]bool, len(g.entries[m.entry].IDs))
			}
			v.Repeated[m.at] = true
			g.repeats[m.entry]++
		}
		return nil
	})
}

// keys takes the keys that are free.
func (g *claiming) keys(ctx context.Context) error {
	keyOf := func(i int) []name {
		if g.entries[i].Key == "" {
			return nil
		}
		return []name{{hash: hashOf(g.entries[i].Key), entry: i}}
	}
	return g.byStream(keyOf, func(streamID string, names []name) error {
		var numbers strings.Builder
		for _, n := range names {
			e := &g.entries[n.entry]
			fmt.Fprintf(&numbers, "%020d%020d%020d", n.entry, int64(e.Digest), e.Events)
		}
		blob := packed(names)
		n, err := g.tx.exec(ctx, sqlTakeKeys, blob, len(names), streamID, g.claim.ID, numbers.String(), g.until(names), g.now)
		if err != nil || n == int64(len(names)) {
			return err
		}
		others, err := list(ctx, g.tx, scanOtherKey, sqlOtherKeys, blob, len(names), streamID, g.claim.ID)
		if err != nil {
			return err
		}
		if n+int64(len(others)) != int64(len(names)) {
			return problem.New(problem.Internal, "of %d keys %d were taken and %d are others'", len(names), n, len(others))
		}
		for _, o := range others {
			m := names[o.at]
			v := &g.verdicts[m.entry]
			switch {
			case o.open:
				g.wait(m.entry, o.claim)
			case uint64(o.digest) != g.entries[m.entry].Digest:
				v.Err = eventlog.ErrKeyReused
			default:
				v.First = eventlog.Appended{Duplicate: true, Events: int(o.events), Range: o.where}
			}
		}
		return nil
	})
}

type otherKey struct {
	at, claim, digest, events int64
	open                      bool
	where                     stream.Range
}

func scanOtherKey(row scanner) (o otherKey, err error) {
	return o, row.Scan(&o.at, &o.claim, &o.open, &o.digest, &o.where.Partition, &o.events, &o.where.Start, &o.where.End)
}

// markRow is a mark: where it stands, and which claim moves it on, 0 if none.
type markRow struct{ at, claim int64 }

func scanMark(row scanner) (m markRow, err error) { return m, row.Scan(&m.at, &m.claim) }

const sqlMark = `SELECT at_done, claim FROM append_mark WHERE stream_id = $1 AND mark = $2`

// marks takes the marks that may be moved.
func (g *claiming) marks(ctx context.Context) error {
	for _, i := range byMark(g.entries) {
		e, v := &g.entries[i], &g.verdicts[i]
		n, err := g.tx.exec(ctx, sqlTakeMark, e.StreamID, e.Mark, int64(e.MarkAt), g.claim.ID, int64(e.MarkFrom))
		if err != nil {
			return err
		}
		if n == 1 {
			continue
		}
		m, ok, err := one(ctx, g.tx, scanMark, sqlMark, e.StreamID, e.Mark)
		switch {
		case err != nil:
			return err
		case !ok:
			return problem.New(problem.Conflict, "mark %q of stream %s was forgotten meanwhile", e.Mark, e.StreamID)
		case m.claim != 0:
			g.wait(i, m.claim)
		case m.at >= int64(e.MarkAt):
			v.First = eventlog.Appended{Duplicate: true}
		case m.at > int64(e.MarkFrom):
			v.Err = eventlog.ErrMarkMoved
		default: // another claim of it was settled between the two statements
			return problem.New(problem.Busy, "mark %q of stream %s is in use", e.Mark, e.StreamID)
		}
	}
	return nil
}
