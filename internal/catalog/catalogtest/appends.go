package catalogtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

const day = 24 * time.Hour

func withIDs(of string, names ...string) eventlog.ClaimEntry {
	e := eventlog.ClaimEntry{StreamID: of, Events: len(names), Until: noon.Add(day)}
	for _, n := range names {
		e.IDs = append(e.IDs, eventlog.NewID([]byte(n)))
	}
	return e
}

func withKey(of, key string, digest uint64) eventlog.ClaimEntry {
	return eventlog.ClaimEntry{StreamID: of, Events: 3, Key: key, Digest: digest, Until: noon.Add(day)}
}

func withMark(mark string, from, at uint64) eventlog.ClaimEntry {
	return eventlog.ClaimEntry{StreamID: "s", Events: 1, Mark: mark, MarkFrom: from, MarkAt: at}
}

// claim takes names under a new number.
func (b *bench) claim(now time.Time, entries ...eventlog.ClaimEntry) (int64, []eventlog.Verdict) {
	b.t.Helper()
	id := must(b.db.ClaimNumbers(b.t.Context(), 1))(b.t)
	c := eventlog.Claim{ID: id, Node: "n1", Producer: "p1", Parts: []eventlog.ClaimPart{{StreamID: "s", Partition: 2, From: 7}}}
	return id, must(b.db.ClaimNames(b.t.Context(), c, entries, now))(b.t)
}

func (b *bench) settle(id int64, done bool, ranges ...eventlog.ClaimRange) {
	b.t.Helper()
	if got := must(b.db.SettleClaim(b.t.Context(), id, done, ranges))(b.t); got != done {
		b.t.Fatalf("claim %d is noted as done: %v, want %v", id, got, done)
	}
}

// said is a verdict in short.
func said(v eventlog.Verdict) string {
	s := fmt.Sprintf("take=%v wait=%v", v.Take, v.Wait)
	if v.Err != nil {
		s += " " + v.Err.Error()
	}
	for _, r := range v.Repeated {
		s += map[bool]string{true: " r", false: " n"}[r]
	}
	if v.First.Duplicate {
		s += fmt.Sprintf(" first=%v/%d", v.First.Range, v.First.Events)
	}
	return s
}

func wantVerdicts(t fataler, got []eventlog.Verdict, want ...string) {
	t.Helper()
	for i, v := range got {
		if i >= len(want) || said(v) != want[i] {
			t.Fatalf("verdict %d of %d: %s, want %v", i, len(got), said(v), want)
		}
	}
}

func testAppendIDs(t *testing.T, b *bench) {
	one, v := b.claim(noon, withIDs("s", "a", "b", "c"), withIDs("s", "d"), withIDs("other", "a"))
	wantVerdicts(t, v, "take=true wait=[]", "take=true wait=[]", "take=true wait=[]")
	waits := fmt.Sprintf("take=false wait=[%d]", one)
	two, v := b.claim(noon, withIDs("s", "x", "b", "y"), withIDs("s", "z"))
	wantVerdicts(t, v, waits, "take=true wait=[]")
	// What waits has taken nothing: x and y are free.
	three, v := b.claim(noon, withIDs("s", "y", "x"), withIDs("s", "c"))
	wantVerdicts(t, v, "take=true wait=[]", waits)
	b.settle(three, false)
	b.settle(two, true)
	b.settle(one, true)
	four, v := b.claim(noon, withIDs("s", "x", "b", "y"), withIDs("s", "z", "d"), withIDs("s", "c", "w"))
	wantVerdicts(t, v, "take=true wait=[] n r n", "take=false wait=[] r r", "take=true wait=[] r n")
	b.settle(four, false)
	b.reopen()
	if _, found, err := b.db.FindClaim(t.Context(), one); found || err != nil {
		t.Fatalf("a claim that is done is found: %v", err)
	}
	// Late entries take nothing, and are told whether anything of them is new.
	late := withIDs("s", "w", "a")
	late.Late = true
	old := withIDs("s", "a", "b")
	old.Late = true
	five, v := b.claim(noon, late, old, withIDs("s", "q"))
	wantVerdicts(t, v, "take=false wait=[] "+eventlog.ErrLate.Error(), "take=false wait=[] r r", "take=true wait=[]")
	b.settle(five, true)
	_, v = b.claim(noon, withIDs("s", "w"))
	wantVerdicts(t, v, "take=true wait=[]")
	// What has expired is new.
	_, v = b.claim(noon.Add(day-time.Second), withIDs("s", "a"))
	wantVerdicts(t, v, "take=false wait=[] r")
	_, v = b.claim(noon.Add(day+time.Second), withIDs("s", "a"))
	wantVerdicts(t, v, "take=true wait=[]")
	// Nothing to do makes no claim.
	open := must(b.db.OpenClaims(t.Context(), 0, 100))(t)
	for _, c := range open {
		if c.ID <= five {
			t.Fatalf("claim %d is open", c.ID)
		}
	}
	if len(open) != 2 {
		t.Fatalf("open are %+v", open)
	}
}

func testAppendKeys(t *testing.T, b *bench) {
	one, v := b.claim(noon, withKey("s", "k1", 1), withKey("s", "k2", 1<<63+5), withKey("other", "k1", 9))
	wantVerdicts(t, v, "take=true wait=[]", "take=true wait=[]", "take=true wait=[]")
	_, v = b.claim(noon, withKey("s", "k1", 2))
	wantVerdicts(t, v, fmt.Sprintf("take=false wait=[%d]", one))
	where := func(entry int) eventlog.ClaimRange {
		return eventlog.ClaimRange{Entry: entry, Range: stream.Range{Partition: 2, Start: stream.Offset(1<<40 + 10*entry), End: stream.Offset(1<<40 + 10*entry + 3)}}
	}
	b.settle(one, true, where(0), where(1), where(2))
	if !must(b.db.SettleClaim(t.Context(), one, false, nil))(t) {
		t.Fatal("a claim that is done became void")
	}
	first := func(entry int) string { return fmt.Sprintf("take=false wait=[] first=%v/3", where(entry).Range) }
	_, v = b.claim(noon, withKey("s", "k1", 1), withKey("s", "k2", 1<<63+5), withKey("s", "k3", 0), withKey("other", "k1", 1))
	wantVerdicts(t, v, first(0), first(1), "take=true wait=[]", "take=false wait=[] "+eventlog.ErrKeyReused.Error())
	two, v := b.claim(noon, withKey("s", "k4", 1))
	wantVerdicts(t, v, "take=true wait=[]")
	b.settle(two, false)
	if must(b.db.SettleClaim(t.Context(), two, true, nil))(t) {
		t.Fatal("a void claim became done")
	}
	_, v = b.claim(noon, withKey("s", "k4", 7))
	wantVerdicts(t, v, "take=true wait=[]")
	late := withKey("s", "k5", 1)
	late.Late = true
	_, v = b.claim(noon, late, withKey("s", "k6", 1))
	wantVerdicts(t, v, "take=false wait=[] "+eventlog.ErrLate.Error(), "take=true wait=[]")
	_, v = b.claim(noon.Add(2*day), withKey("s", "k1", 2), withKey("s", "k5", 1))
	wantVerdicts(t, v, "take=true wait=[]", "take=true wait=[]")
}

// testManyAppendKeys settles a claim as large as a log makes one: other writers may wait
// for it, so it must not take long.
func testManyAppendKeys(t *testing.T, b *bench) {
	const keys = 1024
	var entries []eventlog.ClaimEntry
	var ranges []eventlog.ClaimRange
	for i := range keys {
		if i%3 == 1 { // among them are others, which nobody asks where they went
			entries = append(entries, withIDs("s", fmt.Sprint("id", i)))
			continue
		}
		entries = append(entries, withKey("s", fmt.Sprint("key", i), uint64(i)))
		ranges = append(ranges, eventlog.ClaimRange{Entry: i, Range: stream.Range{Partition: stream.Partition(i % 7), Start: stream.Offset(1<<50 + 3*i), End: stream.Offset(1<<50 + 3*i + 3)}})
	}
	one, _ := b.claim(noon, entries...)
	ranges = append(ranges, eventlog.ClaimRange{Entry: 1 << 30}, eventlog.ClaimRange{Entry: -1}) // nobody's
	began := time.Now()
	b.settle(one, true, ranges...)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("settling %d keys took %v", len(ranges), took)
	} else {
		t.Logf("settling %d keys took %v", len(ranges), took)
	}
	_, got := b.claim(noon, entries...)
	for _, r := range ranges[:len(ranges)-2] {
		if first := got[r.Entry].First; !first.Duplicate || first.Range != r.Range {
			t.Fatalf("entry %d went to %+v, want %+v", r.Entry, first, r.Range)
		}
	}
}

func testAppendMarks(t *testing.T, b *bench) {
	ctx := t.Context()
	at := func(want uint64, claim int64) {
		t.Helper()
		if got, by, err := b.db.FindMark(ctx, "s", "m"); err != nil || got != want || by != claim {
			t.Fatalf("the mark is at %d under claim %d, %v; want %d under %d", got, by, err, want, claim)
		}
	}
	at(0, 0)
	one, v := b.claim(noon, withMark("m", 0, 10), withMark("n", 5, 6))
	wantVerdicts(t, v, "take=true wait=[]", "take=true wait=[]")
	at(0, one)
	_, v = b.claim(noon, withMark("m", 0, 10))
	wantVerdicts(t, v, fmt.Sprintf("take=false wait=[%d]", one))
	if by := must(b.db.ForgetMark(ctx, "s", "m"))(t); by != one {
		t.Fatalf("a mark that is moving was forgotten: %d", by)
	}
	b.settle(one, true)
	at(10, 0)
	two, v := b.claim(noon, withMark("m", 10, 20), withMark("n", 5, 7))
	wantVerdicts(t, v, "take=true wait=[]", "take=false wait=[] "+eventlog.ErrMarkMoved.Error())
	b.settle(two, false)
	at(10, 0)
	_, v = b.claim(noon, withMark("m", 9, 20), withMark("n", 0, 6))
	wantVerdicts(t, v, "take=false wait=[] "+eventlog.ErrMarkMoved.Error(), "take=false wait=[] first="+fmt.Sprint(stream.Range{})+"/0")
	if by := must(b.db.ForgetMark(ctx, "s", "m"))(t); by != 0 {
		t.Fatalf("the mark is under claim %d", by)
	}
	at(0, 0)
	late := withMark("m", 0, 1)
	late.Late = true
	_, v = b.claim(noon, late, withMark("o", 0, 1))
	wantVerdicts(t, v, "take=false wait=[] "+eventlog.ErrLate.Error(), "take=true wait=[]")
	at(0, 0)
}

func testAppendsForgotten(t *testing.T, b *bench) {
	ctx := t.Context()
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprint("many", i)
	}
	one, _ := b.claim(noon, withIDs("s", many...), withIDs("kept", "a"), withKey("s", "k", 1), withMark("m", 0, 3))
	b.settle(one, true)
	void, _ := b.claim(noon, withIDs("s", "v"))
	b.settle(void, false)
	ok(t, b.db.ForgetStreamNames(ctx, "s"))
	two, v := b.claim(noon, withIDs("s", many...), withIDs("kept", "a"), withKey("s", "k", 2), withMark("m", 0, 3))
	wantVerdicts(t, v, "take=true wait=[]", "take=false wait=[] r", "take=true wait=[]", "take=true wait=[]")
	b.settle(two, true)
	// A void claim stays as long as one of its names.
	if more := must(b.db.ForgetNames(ctx, noon.Add(day-time.Second), 1))(t); more {
		t.Fatal("there is more to forget before anything has expired")
	}
	if _, found, err := b.db.FindClaim(ctx, void); !found || err != nil {
		t.Fatalf("the void claim is gone: %v", err)
	}
	rounds := 0
	for must(b.db.ForgetNames(ctx, noon.Add(day+time.Second), 1))(t) {
		rounds++
	}
	if rounds != 2 {
		t.Fatalf("%d rounds of 2000 for 5001 ids", rounds)
	}
	if _, found, err := b.db.FindClaim(ctx, void); found || err != nil {
		t.Fatalf("the void claim is still there: %v", err)
	}
	// By a clock that is behind nothing is left either.
	_, v = b.claim(noon, withIDs("s", "v", "many7"), withIDs("kept", "a"), withKey("s", "k", 3), withMark("m", 0, 3))
	wantVerdicts(t, v, "take=true wait=[]", "take=true wait=[]", "take=true wait=[]", "take=false wait=[] first="+fmt.Sprint(stream.Range{})+"/0")
}

// testAppendRace lets claims race for names, in every order: each name is taken once
// until its claim is void, and nobody waits for a claim that is not there.
func testAppendRace(t *testing.T, b *bench) {
	ctx := t.Context()
	var mu sync.Mutex
	stored := map[string]int{}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 25 {
				var names []string
				for k := range 20 {
					names = append(names, fmt.Sprint("n", (w*7+i*3+k*(1+w%3))%90))
				}
				if w%2 == 1 {
					for x, y := 0, len(names)-1; x < y; x, y = x+1, y-1 {
						names[x], names[y] = names[y], names[x]
					}
				}
				if err := claimAll(b, w, i, names, func(n string) {
					mu.Lock()
					defer mu.Unlock()
					stored[n]++
				}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for n, times := range stored {
		if times != 1 {
			t.Errorf("%s was stored %d times", n, times)
		}
	}
	if open := must(b.db.OpenClaims(ctx, 0, 10))(t); len(open) > 0 {
		t.Errorf("open are %+v", open)
	}
	if len(stored) != 90 {
		t.Errorf("%d names were stored", len(stored))
	}
}

// claimAll stores an entry as a log does, every third time failing first.
func claimAll(b *bench, w, i int, names []string, store func(string)) error {
	ctx := b.t.Context()
	for try := 0; ; try++ {
		id, err := b.db.ClaimNumbers(ctx, 1)
		if err != nil {
			return err
		}
		e := withIDs("s", names...)
		vs, err := b.db.ClaimNames(ctx, eventlog.Claim{ID: id, Node: "n", Producer: "p"}, []eventlog.ClaimEntry{e}, noon)
		if err != nil {
			return err
		}
		v := vs[0]
		if len(v.Wait) > 0 {
			for _, c := range v.Wait { // as a log waits: until the claim is settled
				for found := true; found; {
					var claim eventlog.Claim
					if claim, found, err = b.db.FindClaim(ctx, c); err != nil {
						return err
					}
					if claim.Void {
						break
					}
				}
			}
			continue
		}
		if !v.Take {
			return nil
		}
		fail := (w+i+try)%3 == 0
		for k, n := range names {
			if !fail && (v.Repeated == nil || !v.Repeated[k]) {
				store(n)
			}
		}
		if done, err := b.db.SettleClaim(ctx, id, !fail, nil); err != nil || done == fail {
			return errors.Join(err, fmt.Errorf("claim %d: done %v", id, done))
		}
		if !fail {
			return nil
		}
	}
}

// testAppendClaims looks at what is said of claims.
func testAppendClaims(t *testing.T, b *bench) {
	ctx := t.Context()
	a := must(b.db.ClaimNumbers(ctx, 10))(t)
	if next := must(b.db.ClaimNumbers(ctx, 1))(t); next < a+10 {
		t.Fatalf("numbers from %d, then %d", a, next)
	}
	id, _ := b.claim(noon, withIDs("s", "a"))
	c, found, err := b.db.FindClaim(ctx, id)
	if err != nil || !found || c.ID != id || c.Node != "n1" || c.Producer != "p1" || c.Void || c.Live || len(c.Parts) != 1 || c.Parts[0] != (eventlog.ClaimPart{StreamID: "s", Partition: 2, From: 7}) {
		t.Fatalf("claim %+v, %v, %v", c, found, err)
	}
	if all := must(b.db.OpenClaims(ctx, 0, 5))(t); len(all) != 1 || all[0].ID != id {
		t.Fatalf("open are %+v", all)
	}
	if all := must(b.db.OpenClaims(ctx, id, 5))(t); len(all) != 0 {
		t.Fatalf("open above are %+v", all)
	}
	b.settle(id, false)
	if c, found, err := b.db.FindClaim(ctx, id); err != nil || !found || !c.Void {
		t.Fatalf("void claim %+v, %v, %v", c, found, err)
	}
}
