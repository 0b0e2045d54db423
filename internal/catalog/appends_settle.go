package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// $1 holds partition, start and end of each entry of the claim, 20 digits each: a key finds
// its own by the number of its entry. $2 is how many entries there are.
const sqlRanges = `UPDATE append_key SET part = CAST(substr(CAST($1 AS TEXT), CAST(entry * 60 + 1 AS INTEGER), 20) AS BIGINT),
		start_at = CAST(substr(CAST($1 AS TEXT), CAST(entry * 60 + 21 AS INTEGER), 20) AS BIGINT),
		end_at = CAST(substr(CAST($1 AS TEXT), CAST(entry * 60 + 41 AS INTEGER), 20) AS BIGINT)
	WHERE claim = CAST($3 AS BIGINT) AND entry < CAST($2 AS BIGINT)`

// mostEntries bounds the entries of a claim.
const mostEntries = 1 << 14

// byEntry is what sqlRanges asks for: zeros for an entry without a range. A number that no
// entry has is left out: what is read back of a claim comes from a topic.
func byEntry(ranges []eventlog.ClaimRange) (digits string, entries int) {
	known := map[int]stream.Range{}
	for _, r := range ranges {
		if r.Entry >= 0 && r.Entry < mostEntries {
			known[r.Entry], entries = r.Range, max(entries, r.Entry+1)
		}
	}
	var b strings.Builder
	for entry := range entries {
		r := known[entry]
		fmt.Fprintf(&b, "%020d%020d%020d", r.Partition, r.Start, r.End)
	}
	return b.String(), entries
}

// SettleClaim notes the outcome of a claim, unless it was noted before, and returns what
// is noted. ranges say where its entries with keys went, if done is true.
func (db *DB) SettleClaim(ctx context.Context, id int64, done bool, ranges []eventlog.ClaimRange) (isDone bool, err error) {
	err = db.change(ctx, "settle a claim of names", func(ctx context.Context, t tx) error {
		isDone = done
		query := `UPDATE append_claim SET state = 'void' WHERE id = $1 AND state = 'open'`
		if done {
			query = `DELETE FROM append_claim WHERE id = $1 AND state = 'open'`
		}
		n, err := t.exec(ctx, query, id)
		if err != nil {
			return err
		}
		if n == 0 {
			void, err := list(ctx, t, scanInt, `SELECT id FROM append_claim WHERE id = $1`, id)
			isDone = len(void) == 0
			return err
		}
		if done && len(ranges) > 0 {
			digits, entries := byEntry(ranges)
			if _, err := t.exec(ctx, sqlRanges, digits, entries, id); err != nil {
				return err
			}
		}
		query = `UPDATE append_mark SET at_next = at_done, claim = 0 WHERE claim = $1 AND claim <> 0`
		if done {
			query = `UPDATE append_mark SET at_done = at_next, claim = 0 WHERE claim = $1 AND claim <> 0`
		}
		_, err = t.exec(ctx, query, id)
		return err
	})
	return isDone, err
}

// OpenClaims returns at most limit claims that are open, numbered above after, by number.
func (db *DB) OpenClaims(ctx context.Context, after int64, limit int) ([]eventlog.Claim, error) {
	all, err := list(ctx, db.read, scanClaim, db.text(selectClaim+` WHERE c.state = 'open' AND c.id > $1 ORDER BY c.id LIMIT $2`), after, limit)
	if err != nil {
		return nil, db.fault(ctx, err, "list claims of names")
	}
	return all, nil
}

// FindClaim returns a claim that is not done.
func (db *DB) FindClaim(ctx context.Context, id int64) (c eventlog.Claim, found bool, err error) {
	c, found, err = one(ctx, db.read, scanClaim, db.text(selectClaim+` WHERE c.id = $1`), id)
	if err != nil {
		return c, false, db.fault(ctx, err, "look up a claim of names")
	}
	return c, found, nil
}

const selectClaim = `SELECT c.id, c.node, c.producer, c.parts, c.state,
	EXISTS (SELECT 1 FROM node n WHERE n.id = c.node AND ` + sqlLives + `) FROM append_claim c`

func scanClaim(row scanner) (c eventlog.Claim, err error) {
	var parts, state string
	if err := row.Scan(&c.ID, &c.Node, &c.Producer, &parts, &state, &c.Live); err != nil {
		return c, err
	}
	c.Void = state == "void"
	c.Parts, err = decodeParts(parts)
	return c, err
}

// part is a ClaimPart as it is stored.
type part struct {
	Stream    string           `json:"s"`
	Partition stream.Partition `json:"p"`
	From      stream.Offset    `json:"f"`
}

func encodeParts(parts []eventlog.ClaimPart) (string, error) {
	out := make([]part, len(parts))
	for i, p := range parts {
		out[i] = part{p.StreamID, p.Partition, p.From}
	}
	b, err := json.Marshal(out)
	return string(b), err
}

func decodeParts(s string) ([]eventlog.ClaimPart, error) {
	var in []part
	if err := json.Unmarshal([]byte(s), &in); err != nil {
		return nil, problem.New(problem.Corrupt, "parts of a claim: %w", err)
	}
	out := make([]eventlog.ClaimPart, len(in))
	for i, p := range in {
		out[i] = eventlog.ClaimPart{StreamID: p.Stream, Partition: p.Partition, From: p.From}
	}
	return out, nil
}

// FindMark returns how far a mark stands for certain, and the claim that is moving it on, 0 if none.
func (db *DB) FindMark(ctx context.Context, streamID, mark string) (at uint64, claim int64, err error) {
	m, _, err := one(ctx, db.read, scanMark, sqlMark, streamID, mark)
	if err != nil {
		return 0, 0, db.fault(ctx, err, "look up a mark")
	}
	return uint64(m.at), m.claim, nil
}

// ForgetMark forgets a mark, unless a claim is moving it on, which it returns then.
func (db *DB) ForgetMark(ctx context.Context, streamID, mark string) (claim int64, err error) {
	err = db.change(ctx, "forget a mark", func(ctx context.Context, t tx) error {
		claim = 0
		n, err := t.exec(ctx, `DELETE FROM append_mark WHERE stream_id = $1 AND mark = $2 AND claim = 0`, streamID, mark)
		if err != nil || n > 0 {
			return err
		}
		m, _, err := one(ctx, t, scanMark, sqlMark, streamID, mark)
		claim = m.claim
		return err
	})
	return claim, err
}

// forgetChunk is how many names are forgotten in one transaction.
const forgetChunk = 2000

// ForgetStreamNames forgets all names of a stream, in several transactions.
func (db *DB) ForgetStreamNames(ctx context.Context, streamID string) error {
	for _, q := range []string{
		`DELETE FROM append_id WHERE stream_id = $1 AND id IN (SELECT id FROM append_id WHERE stream_id = $1 LIMIT $2)`,
		`DELETE FROM append_key WHERE stream_id = $1 AND id IN (SELECT id FROM append_key WHERE stream_id = $1 LIMIT $2)`,
		`DELETE FROM append_mark WHERE stream_id = $1 AND mark IN (SELECT mark FROM append_mark WHERE stream_id = $1 LIMIT $2)`,
	} {
		if _, err := db.forget(ctx, q, streamID, allChunks); err != nil {
			return err
		}
	}
	return nil
}

// allChunks is more chunks than there are.
const allChunks = math.MaxInt

// forget runs a deletion of one chunk after another, at most so many.
func (db *DB) forget(ctx context.Context, query string, arg any, chunks int) (forgotten int, err error) {
	for range chunks {
		var n int64
		err := db.change(ctx, "forget names", func(ctx context.Context, t tx) error {
			n, err = t.exec(ctx, query, arg, forgetChunk)
			return err
		})
		forgotten += int(n)
		if err != nil || n < forgetChunk {
			return forgotten, err
		}
	}
	return forgotten, nil
}

// ForgetNames forgets ids and keys that have expired by now, at most so many chunks of
// each, and says whether there may be more. Void claims go when none of their names is left: a name
// whose claim is gone counts as stored.
func (db *DB) ForgetNames(ctx context.Context, now time.Time, chunks int) (more bool, err error) {
	for _, table := range []string{"append_id", "append_key"} {
		n, err := db.forget(ctx, `DELETE FROM `+table+` WHERE expires_at <= $1 AND (stream_id, id) IN (SELECT stream_id, id FROM `+table+
			` WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2`+db.dialect.Skip+`)`, now.Unix(), chunks)
		if err != nil {
			return false, err
		}
		more = more || n >= chunks*forgetChunk
	}
	if more {
		return true, nil
	}
	return false, db.change(ctx, "forget claims of names", func(ctx context.Context, t tx) error {
		// Names that others keep locked at this moment are still there, so look.
		_, err := t.exec(ctx, `DELETE FROM append_claim WHERE state = 'void' AND forget_at <= $1
			AND NOT EXISTS (SELECT 1 FROM append_id WHERE expires_at <= $1) AND NOT EXISTS (SELECT 1 FROM append_key WHERE expires_at <= $1)`, now.Unix())
		return err
	})
}
