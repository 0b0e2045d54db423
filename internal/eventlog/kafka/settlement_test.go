package kafka

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/eventlog"
	"strm/internal/problem"
)

// ledger opens the database in which names are settled.
func ledger(t *testing.T) *catalog.DB {
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// remote is a settlement behind a network: before and after may fail a call, whose request
// or answer is lost then.
type remote struct {
	Settlement
	before, after func(call string) error
}

func (r *remote) lose(f func(string) error, call string, err error) error {
	if f == nil || err != nil {
		return err
	}
	if lost := f(call); lost != nil {
		return problem.New(problem.Unavailable, "settlement: %w", lost)
	}
	return nil
}

func (r *remote) ClaimNumbers(ctx context.Context, n int) (first int64, err error) {
	if err = r.lose(r.before, "numbers", nil); err == nil {
		first, err = r.Settlement.ClaimNumbers(ctx, n)
	}
	return first, err
}

func (r *remote) ClaimNames(ctx context.Context, c eventlog.Claim, es []eventlog.ClaimEntry, now time.Time) (vs []eventlog.Verdict, err error) {
	if err = r.lose(r.before, "claim", nil); err == nil {
		vs, err = r.Settlement.ClaimNames(ctx, c, es, now)
	}
	return vs, r.lose(r.after, "claim", err)
}

func (r *remote) SettleClaim(ctx context.Context, id int64, done bool, ranges []eventlog.ClaimRange) (is bool, err error) {
	if err = r.lose(r.before, "settle", nil); err == nil {
		is, err = r.Settlement.SettleClaim(ctx, id, done, ranges)
	}
	return is, r.lose(r.after, "settle", err)
}

func (r *remote) OpenClaims(ctx context.Context, after int64, limit int) (cs []eventlog.Claim, err error) {
	if err = r.lose(r.before, "open", nil); err == nil {
		cs, err = r.Settlement.OpenClaims(ctx, after, limit)
	}
	return cs, err
}

func (r *remote) FindClaim(ctx context.Context, id int64) (c eventlog.Claim, found bool, err error) {
	if err = r.lose(r.before, "find", nil); err == nil {
		c, found, err = r.Settlement.FindClaim(ctx, id)
	}
	return c, found, err
}

// behind is the settlement as a node sees it through its line.
func (n *line) behind(s Settlement) Settlement {
	lost := func(string) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.cut {
			return errCut
		}
		return nil
	}
	return &remote{Settlement: s, before: lost, after: lost}
}

// Keys are kept as long as the options say, and event ids as long as their entry does.
func TestNamesAreKeptForTheirTime(t *testing.T) {
	s := newStore(t)
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	var until []time.Time
	s.log.opts.KeyTTL = 72 * time.Hour
	s.log.opts.Names = claims{s.log.opts.Names, func(es []eventlog.ClaimEntry) {
		for i := range es {
			until = append(until, es[i].Until)
		}
	}}
	l := catalogued{s.log, &s.book}
	if err := l.Create(t.Context(), testID, 1); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, e := range []eventlog.Entry{{Key: "k"}, {IDs: []eventlog.ID{{1}}, IDWindow: time.Hour}} {
		e.Events, e.Data, e.Received = 1, []byte("{}\n"), noon
		if _, err := l.Append(t.Context(), testID, e); err != nil {
			t.Fatal(err)
		}
	}
	if len(until) != 2 {
		t.Fatalf("%d entries were claimed", len(until))
	}
	for i, want := range []time.Duration{72 * time.Hour, time.Hour} {
		if d := until[i].Sub(began); d < want || d > want+time.Since(began)+time.Second {
			t.Errorf("entry %d is kept for %v, not %v", i, d, want)
		}
	}
}

// claims is a settlement that shows what is claimed.
type claims struct {
	Settlement
	see func([]eventlog.ClaimEntry)
}

func (c claims) ClaimNames(ctx context.Context, claim eventlog.Claim, es []eventlog.ClaimEntry, now time.Time) ([]eventlog.Verdict, error) {
	c.see(es)
	return c.Settlement.ClaimNames(ctx, claim, es, now)
}

// Who waits for an append of the same name does not wait without end.
func TestHeldNamesAreWaitedForAWhile(t *testing.T) {
	s := newStore(t)
	wait := s.wait
	s.wait = 200 * time.Millisecond
	l := made(t, s, 1)
	e := withKey("k", 1)
	under := newWaiting(&topic{streamID: testID}, nil, e)
	if err := l.names.hold(t.Context(), nil, under); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := l.Append(ctx, testID, e); problem.KindOf(err) != problem.Unavailable {
		t.Fatalf("%v (%v)", err, problem.KindOf(err))
	}
	l.names.letGo(under)
	l.opts.AppendWait = wait
	if _, err := l.Append(ctx, testID, e); err != nil {
		t.Fatal(err)
	}
}
