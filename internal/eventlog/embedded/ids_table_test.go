package embedded

import (
	"context"
	"errors"
	"testing"
	"time"

	"strm/internal/eventlog"
)

// fillSet puts ids into a set as appends do, without an engine.
func fillSet(s *idSet, from uint64, n int, now int64) {
	for n > 0 {
		ids := serialIDs(from, min(n, 1000))
		s.insert(ids, s.reserve(len(ids), now, time.Hour, nil))
		from += uint64(len(ids))
		n -= len(ids)
	}
}

// The figure that is promised: 10 million ids of a stream in at most 64 MB.
func TestTenMillionIDsInMemory(t *testing.T) {
	base := heap()
	s := newIDSet(newTableMemory())
	defer s.drop()
	fillSet(s, 0, manyIDs, 1)
	onHeap, mapped := heap()-base, s.tables.mapped.Load()
	if onHeap+mapped > manyIDBytes {
		t.Errorf("%d ids take %d bytes of the heap and %d outside, at most %d are allowed", manyIDs, onHeap, mapped, manyIDBytes)
	}
	const look = 20_000
	again := make([]bool, look)
	// Every id is found, in the slice where it is.
	for _, from := range []int{0, 100, manyIDs / 3, manyIDs - look} {
		at := map[int32]bool{}
		for _, c := range s.find(serialIDs(uint64(from), look), again, time.Hour, nil) {
			g := s.gens[c.generation-1]
			before := 0
			for _, o := range s.gens[:c.generation-1] {
				before += int(o.next)
			}
			if n := from + int(c.index) - before; n >= 0 && n < int(g.next) && n/sliceIDs == int(c.slice) {
				at[c.index] = true
			}
		}
		if len(at) != look {
			t.Errorf("from %d on %d of %d ids are found", from, len(at), look)
		}
	}
	// Others are rarely thought to be there.
	if n := len(s.find(serialIDs(1<<40, look), again, time.Hour, nil)); n > 30 {
		t.Errorf("%d of %d new ids call for a look at a slice", n, look)
	}
	ids, bytes := s.size()
	t.Logf("%d ids in %d generations, %.2f bytes of tables an id; %d bytes of the heap, %d outside", ids, len(s.gens), float64(bytes)/float64(ids), onHeap, mapped)
}

// A thousand streams with few ids each.
func TestFewIDsTakeLittleMemory(t *testing.T) {
	const streams = 1000
	base := heap()
	tables := newTableMemory()
	sets := make([]*idSet, streams)
	for i := range sets {
		sets[i] = newIDSet(tables)
		fillSet(sets[i], uint64(i)<<32, 100, 1)
	}
	if used := heap() - base; used > streams*4096 {
		t.Errorf("%d streams with 100 ids take %d bytes", streams, used)
	}
	unmapped(t, tables, "small tables")
	for _, s := range sets {
		if len(s.gens) != 1 {
			t.Fatal("ids are gone")
		}
	}
}

// Generations follow the stream: larger when full, of the size before when their
// quarter is over. A jump of the clock begins a new one.
func TestGenerationsFollowTheStream(t *testing.T) {
	s := newIDSet(newTableMemory())
	now := int64(1_800_000_000_000)
	quarter := time.Hour.Milliseconds() / 4
	step := func(n int, rooms ...int) {
		t.Helper()
		fillSet(s, 7, n, now)
		if len(s.gens) != len(rooms) {
			t.Fatalf("%d generations, want %d", len(s.gens), len(rooms))
		}
		for i, g := range s.gens {
			if g.table.room != rooms[i] {
				t.Errorf("generation %d has room for %d ids, want %d", i, g.table.room, rooms[i])
			}
		}
	}
	step(100, 512)
	step(412, 512)
	step(1, 512, 2048)
	step(2047, 512, 2048)
	step(1, 512, 2048, 8192)
	now += quarter - 1
	step(999, 512, 2048, 8192)
	now++
	step(1, 512, 2048, 8192, 1250)
	now += quarter
	step(1, 512, 2048, 8192, 1250, 512)
	now -= quarter
	step(1, 512, 2048, 8192, 1250, 512, 512)
	// The one whose ids seem to come from the future stays until then.
	if gone := s.expire(now + time.Hour.Milliseconds() + 1); len(gone) != 5 || len(s.gens) != 1 || s.gens[0].number != 5 {
		t.Errorf("forgotten are %v", gone)
	}
	if gone := s.expire(now + quarter + time.Hour.Milliseconds()); len(gone) != 0 {
		t.Errorf("forgotten are %v", gone)
	}
	if gone := s.expire(now + quarter + time.Hour.Milliseconds() + 1); len(gone) != 1 || len(s.gens) != 0 {
		t.Errorf("forgotten are %v", gone)
	}
}

func TestTheLongestWindowOfLateCounts(t *testing.T) {
	s := newIDSet(newTableMemory())
	const ms = int64(time.Hour / time.Millisecond)
	ids := serialIDs(1, 1)
	again := []bool{false}
	s.insert(ids, s.reserve(1, 0, time.Hour, nil))
	s.find(ids, again, 10*time.Hour, nil) // somebody asks for more: nothing was stored, it counts still
	if gone := s.expire(10 * ms); len(gone) != 0 {
		t.Errorf("forgotten: %v", gone)
	}
	s.insert(ids, s.reserve(1, 9*ms, time.Hour, nil))
	if gone := s.expire(10*ms + 1); len(gone) != 1 {
		t.Errorf("forgotten: %v", gone)
	}
	// That wish is forgotten with the generation of its time.
	if gone := s.expire(10*ms + 2); len(gone) != 1 {
		t.Errorf("forgotten: %v", gone)
	}
}

func TestClaimsAreTakenTogether(t *testing.T) {
	var c idClaims
	ids := serialIDs(1, 5)
	again := make([]bool, 3)
	held, err := c.take(t.Context(), []eventlog.ID{ids[0], ids[1], ids[0]}, again)
	if err != nil || again[0] || again[1] || !again[2] {
		t.Fatalf("%v, %v", again, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, wanted := range [][]eventlog.ID{{ids[2], ids[1]}, {ids[0]}, {ids[3], ids[4], ids[0]}} {
		if _, err := c.take(ctx, wanted, again); !errors.Is(err, context.Canceled) {
			t.Errorf("take of what is held: %v", err)
		}
	}
	if len(c.open) != 2 {
		t.Errorf("whoever waits holds something: %d ids are taken", len(c.open))
	}
	other, err := c.take(ctx, []eventlog.ID{ids[2], ids[3]}, again) // free: nobody waits
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *idClaim)
	go func() {
		claim, err := c.take(context.Background(), []eventlog.ID{ids[3], ids[0]}, make([]bool, 2))
		if err != nil {
			t.Error(err)
		}
		got <- claim
	}()
	c.release(other, []eventlog.ID{ids[2], ids[3]})
	c.release(held, []eventlog.ID{ids[0], ids[1], ids[0]})
	c.release(<-got, []eventlog.ID{ids[3], ids[0]})
	if len(c.open) != 0 {
		t.Errorf("%d ids stay taken", len(c.open))
	}
	many := serialIDs(100, keepClaims+1)
	claim, err := c.take(t.Context(), many, make([]bool, len(many)))
	if err != nil {
		t.Fatal(err)
	}
	if c.release(claim, many); c.open != nil {
		t.Error("a large map of claims stays")
	}
}
