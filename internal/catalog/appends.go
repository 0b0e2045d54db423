package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"slices"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// claimNumbers is the counter that claims are numbered from.
const claimNumbers = "append claim"

// ClaimNumbers gives out n numbers for claims and returns the first: nobody else
// gets them, ever.
func (db *DB) ClaimNumbers(ctx context.Context, n int) (first int64, err error) {
	err = db.change(ctx, "number claims", func(ctx context.Context, t tx) error {
		last, _, err := one(ctx, t, scanInt, `UPDATE counter SET value = value + $1 WHERE name = $2 RETURNING value`, n, claimNumbers)
		first = last - int64(n) + 1
		return err
	})
	return first, err
}

// errNothingTaken ends a claim that would claim nothing.
var errNothingTaken = errors.New("nothing was taken")

// ClaimNames takes the names of the entries for the claim, each entry's all or none,
// and says of each what to do with it. If nothing is to be done for any, no claim is
// kept. It costs a fixed number of statements per stream, however many names there are,
// and one per mark. now is when keys and ids that expire by then are over.
func (db *DB) ClaimNames(ctx context.Context, c eventlog.Claim, entries []eventlog.ClaimEntry, now time.Time) ([]eventlog.Verdict, error) {
	if len(entries) > mostEntries {
		return nil, problem.New(problem.Internal, "a claim of %d entries: %d at most", len(entries), mostEntries)
	}
	g := claiming{claim: c, entries: entries, now: now.Unix()}
	for i := range entries {
		if entries[i].MarkAt > math.MaxInt64 || entries[i].MarkFrom > math.MaxInt64 {
			return nil, problem.New(problem.Invalid, "a mark stands at %d at most", int64(math.MaxInt64))
		}
	}
	parts, err := encodeParts(c.Parts)
	if err != nil {
		return nil, err
	}
	err = db.change(ctx, "claim names", func(ctx context.Context, t tx) error {
		g.tx, g.verdicts, g.repeats = t, make([]eventlog.Verdict, len(entries)), make([]int, len(entries))
		forget := g.now
		for i := range entries {
			forget = max(forget, seconds(entries[i].Until))
		}
		_, err := t.exec(ctx, sqlInsertClaim, c.ID, c.Node, c.Producer, parts, g.now, forget)
		if err != nil {
			return err
		}
		for _, step := range []func(context.Context) error{g.ids, g.keys, g.marks} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return g.judge(ctx)
	})
	if err != nil && !errors.Is(err, errNothingTaken) {
		return nil, err
	}
	return g.verdicts, nil
}

const sqlInsertClaim = `INSERT INTO append_claim (id, node, producer, parts, state, made_at, forget_at) VALUES ($1, $2, $3, $4, 'open', $5, $6)`

// seconds is an instant as names keep it, rounded up.
func seconds(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}

// claiming is one run of ClaimNames. Rows are locked in one order by everybody: ids, keys,
// marks, each by stream and name.
type claiming struct {
	tx       tx
	claim    eventlog.Claim
	entries  []eventlog.ClaimEntry
	now      int64
	verdicts []eventlog.Verdict
	repeats  []int // ids of the entry that were stored before
}

// name is an id or a key of an entry.
type name struct {
	hash  []byte
	entry int
	at    int // place among the entry's ids
}

// byStream calls fn for each stream that has names, in order, with its names in order.
func (g *claiming) byStream(namesOf func(i int) []name, fn func(streamID string, names []name) error) error {
	all := map[string][]name{}
	for i := range g.entries {
		if ns := namesOf(i); len(ns) > 0 {
			all[g.entries[i].StreamID] = append(all[g.entries[i].StreamID], ns...)
		}
	}
	ids := make([]string, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		slices.SortFunc(all[id], func(a, b name) int { return slices.Compare(a.hash, b.hash) })
		if err := fn(id, all[id]); err != nil {
			return err
		}
	}
	return nil
}

// until is when the last of the names expires.
func (g *claiming) until(names []name) (last int64) {
	for _, n := range names {
		last = max(last, seconds(g.entries[n.entry].Until))
	}
	return last
}

// wait notes that the entry waits for a claim.
func (g *claiming) wait(entry int, claim int64) {
	v := &g.verdicts[entry]
	if !slices.Contains(v.Wait, claim) {
		v.Wait = append(v.Wait, claim)
	}
}

// judge gives back what was taken for entries that are not to be appended now.
func (g *claiming) judge(ctx context.Context) error {
	taken := false
	give := make([]bool, len(g.entries))
	for i := range g.entries {
		e, v := &g.entries[i], &g.verdicts[i]
		fresh := v.Err == nil && !v.First.Duplicate && (len(e.IDs) == 0 || g.repeats[i] < len(e.IDs))
		if len(v.Wait) > 0 {
			v.Repeated, give[i] = nil, true
			continue
		}
		if fresh && e.Late {
			v.Err, v.Repeated, give[i] = eventlog.ErrLate, nil, true
			continue
		}
		v.Take = fresh
		taken = taken || fresh
	}
	if !taken {
		return errNothingTaken
	}
	err := g.byStream(func(i int) []name {
		if give[i] {
			return idsOf(g.entries, i)
		}
		return nil
	}, func(streamID string, names []name) error {
		_, err := g.tx.exec(ctx, sqlGiveIDs, packed(names), len(names)*16, streamID, g.claim.ID)
		return err
	})
	if err != nil {
		return err
	}
	for i := range g.entries {
		if !errors.Is(g.verdicts[i].Err, eventlog.ErrLate) || g.entries[i].Key == "" && g.entries[i].Mark == "" {
			continue // a key or a mark that waits was not taken
		}
		if err := g.giveOne(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// giveOne gives back the key or the mark of an entry, which was late.
func (g *claiming) giveOne(ctx context.Context, i int) error {
	e := &g.entries[i]
	if e.Key != "" {
		_, err := g.tx.exec(ctx, `DELETE FROM append_key WHERE stream_id = $1 AND id = $2 AND claim = $3`, e.StreamID, hashOf(e.Key), g.claim.ID)
		return err
	}
	_, err := g.tx.exec(ctx, `UPDATE append_mark SET at_next = at_done, claim = 0 WHERE stream_id = $1 AND mark = $2 AND claim = $3`, e.StreamID, e.Mark, g.claim.ID)
	return err
}

func hashOf(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

func packed(names []name) []byte {
	out := make([]byte, 0, len(names)*len(names[0].hash))
	for _, n := range names {
		out = append(out, n.hash...)
	}
	return out
}

// byMark is the order in which marks are locked.
func byMark(entries []eventlog.ClaimEntry) []int {
	var order []int
	for i := range entries {
		if entries[i].Mark != "" {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &entries[a], &entries[b]
		return cmp.Or(cmp.Compare(x.StreamID, y.StreamID), cmp.Compare(x.Mark, y.Mark))
	})
	return order
}
