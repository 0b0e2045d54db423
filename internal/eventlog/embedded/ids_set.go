package embedded

import (
	"slices"
	"sync"
	"time"

	"strm/internal/eventlog"
)

// generation is a run of ids that are forgotten together.
type generation struct {
	number  uint64
	table   *idTable      // nil once it is forgotten
	first   int64         // ms when its first id was stored
	newest  int64         // ms when the newest was
	longest time.Duration // window asked for while it took ids
	next    uint32        // running number of the next id
	limit   uint32        // it takes no more ids from here on
	held    uint32        // ids in the table; next but for those in flight
}

// idSet is a stream's ids in memory: which slices to look at. The ids themselves
// are in the engine.
//
// Ids go to the last generation. It closes when a quarter of the window has
// passed or when it is full: tables never grow, the next generation gets a
// larger one. So a stream with few ids needs little memory, one with many has
// few tables, and no append ever waits for a table to be made anew.
type idSet struct {
	claims idClaims
	hash   idHash
	tables *tableMemory

	// mu guards all below, and the tables: whoever looks at one holds it, and
	// tables are freed under it, so nobody reads memory that was given back.
	mu   sync.RWMutex
	gens []*generation
	last uint64 // number of the newest generation there ever was
	room int    // ids for the next generation
}

func newIDSet(tables *tableMemory) *idSet {
	return &idSet{hash: newIDHash(), tables: tables, room: minGeneration}
}

// candidate is a place where an id of an entry may stand.
type candidate struct {
	generation uint64
	slice      uint32
	index      int32 // of the id in the entry
}

// find appends where the ids may stand that are not marked as again. It also
// takes note of the window that is asked for.
func (s *idSet) find(ids []eventlog.ID, again []bool, window time.Duration, out []candidate) []candidate {
	var hashes [touchIDs]uint64
	var heads [touchIDs]uint32
	var slices [8]uint32
	s.mu.RLock()
	known := len(s.gens) == 0 || s.gens[len(s.gens)-1].longest >= window
	for from := 0; from < len(ids); from += touchIDs {
		n := min(touchIDs, len(ids)-from)
		for i := range n {
			hashes[i] = s.hash.of(&ids[from+i])
		}
		for _, g := range s.gens {
			g.table.touch(hashes[:n], &heads)
			for i := range n {
				if again[from+i] || heads[i] == 0 {
					continue
				}
				for _, slice := range g.table.find(hashes[i], slices[:0]) {
					out = append(out, candidate{g.number, slice, int32(from + i)})
				}
			}
		}
	}
	s.mu.RUnlock()
	if !known {
		s.mu.Lock()
		s.want(window)
		s.mu.Unlock()
	}
	return out
}

// want notes a window with the open generation. The caller holds mu.
func (s *idSet) want(window time.Duration) {
	if n := len(s.gens); n > 0 {
		s.gens[n-1].longest = max(s.gens[n-1].longest, window)
	}
}

// window is the longest window that was asked for lately: since the oldest
// generation. The caller holds mu.
func (s *idSet) window() time.Duration {
	var w time.Duration
	for _, g := range s.gens {
		w = max(w, g.longest)
	}
	return w
}

// idRun is where some ids of an entry get stored.
type idRun struct {
	gen   *generation
	first uint32
	n     uint32
}

// reserve gives n ids their places, which the caller then stores, and tells of
// with insert. Numbers that are never used do no harm.
func (s *idSet) reserve(n int, now int64, window time.Duration, runs []idRun) []idRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n > 0 {
		g := s.open(now, window)
		run := idRun{gen: g, first: g.next, n: uint32(min(n, int(g.limit-g.next)))}
		g.next += run.n
		g.newest = max(g.newest, now)
		g.longest = max(g.longest, window)
		n -= int(run.n)
		runs = append(runs, run)
	}
	return runs
}

// open returns the generation that takes ids now. A clock that was set back or
// forward ends the one before, which then keeps what it has: were times of
// before and after mixed, new ids would wait for the old ones' future to pass.
func (s *idSet) open(now int64, window time.Duration) *generation {
	if n := len(s.gens); n > 0 {
		g := s.gens[n-1]
		quarter := max(max(window, s.window()).Milliseconds()/4, 1)
		aged := now-g.first >= quarter || g.first-now >= quarter
		switch {
		case g.next >= g.limit:
			s.room = min(4*int(g.limit), maxGeneration)
		case aged:
			s.room = min(max(int(g.next+g.next/4), minGeneration), maxGeneration)
		default:
			return g
		}
		g.limit = g.next
	}
	s.last++
	g := &generation{number: s.last, table: s.tables.table(s.room), first: now, newest: now, limit: uint32(s.room)}
	s.gens = append(s.gens, g)
	return g
}

// insert makes ids findable that are durable now. Where a generation was
// forgotten meanwhile, which a jump of the clock can do, there is nothing to find.
func (s *idSet) insert(ids []eventlog.ID, runs []idRun) {
	var hashes [touchIDs]uint64
	var heads [touchIDs]uint32
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, run := range runs {
		for from := uint32(0); from < run.n && run.gen.table != nil; from += touchIDs {
			n := min(touchIDs, run.n-from)
			for i := range n {
				hashes[i] = s.hash.of(&ids[from+i])
			}
			run.gen.table.touch(hashes[:n], &heads)
			for i := range n {
				run.gen.table.insert(hashes[i], (run.first+from+i)/sliceIDs)
			}
		}
		run.gen.held += run.n
		ids = ids[run.n:]
	}
}

// expire forgets the generations whose newest id is older than the window and
// returns their numbers.
func (s *idSet) expire(now int64) (gone []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	window := s.window().Milliseconds()
	s.gens = slices.DeleteFunc(s.gens, func(g *generation) bool {
		if now-g.newest <= window {
			return false
		}
		gone = append(gone, g.number)
		s.free(g)
		return true
	})
	return gone
}

// free gives back the table of a generation that is forgotten. The caller holds mu.
func (s *idSet) free(g *generation) {
	s.tables.free(g.table)
	g.table = nil
}

// drop forgets all generations.
func (s *idSet) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gens {
		s.free(g)
	}
	s.gens = nil
}

// loose returns a closed generation with nothing in flight whose table is larger
// than it needs to be, nil if there is none.
func (s *idSet) loose() *generation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.gens {
		if g.next >= g.limit && g.held == g.next && g.table.room > minGeneration && int(g.next) < g.table.room*3/4 {
			return g
		}
	}
	return nil
}

// fit puts a table in the place of the generation's, which holds the same. The
// set owns it from here on, also if the generation was forgotten meanwhile.
func (s *idSet) fit(g *generation, t *idTable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.table != nil {
		g.table, t = t, g.table
	}
	s.tables.free(t)
}

// size returns how many ids are findable, and the bytes of the tables.
func (s *idSet) size() (ids, bytes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.gens {
		ids += int64(g.held)
		bytes += g.table.bytes()
	}
	return ids, bytes
}
