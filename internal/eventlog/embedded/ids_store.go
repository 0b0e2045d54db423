package embedded

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// streamIDs are a stream's event ids. Nothing of them is in memory before the
// first entry with ids: opening a log takes no longer for them, and streams
// without ids cost nothing.
type streamIDs struct {
	loading chan struct{} // holds a token while somebody reads them back
	set     atomic.Pointer[idSet]
	damage  error // guarded by loading: stays until the log is opened again
}

func newStreamIDs() streamIDs { return streamIDs{loading: make(chan struct{}, 1)} }

// idSetOf returns the stream's ids. The first caller reads them back from the engine,
// the others wait for it. It goes on even if the caller's ctx ends: senders
// with less patience than it takes would never get anywhere.
func (l *Log) idSetOf(ctx context.Context, s *streamState, window time.Duration) (*idSet, error) {
	if set := s.ids.set.Load(); set != nil {
		return set, nil
	}
	select {
	case s.ids.loading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.ids.loading }()
	if set := s.ids.set.Load(); set != nil {
		return set, nil
	}
	if s.ids.damage != nil {
		return nil, s.ids.damage
	}
	set, err := l.loadIDs(s, window)
	if errors.Is(err, eventlog.ErrCorrupt) {
		s.ids.damage = err
	}
	if err != nil {
		return nil, err
	}
	s.ids.set.Store(set)
	return set, nil
}

// loadIDs reads all ids of the stream. Nothing of the stream's ids is in flight
// meanwhile, so all the engine shows was recovered from disk.
func (l *Log) loadIDs(s *streamState, window time.Duration) (*idSet, error) {
	set := newIDSet()
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: spanStart(spaceIDs, s.number), UpperBound: spanEnd(spaceIDs, s.number)})
	if err != nil {
		return nil, idFault(s.id, err)
	}
	now := l.opts.Now().UnixMilli()
	numbers, err := generations(it, s.number)
	for i := 0; i < len(numbers) && err == nil; i++ {
		var g *generation
		// The last one goes on taking ids if its time is not over, so a process
		// that starts often does not leave many small ones.
		grows := time.Duration(0)
		if i == len(numbers)-1 {
			grows = window / 4
		}
		if g, err = readGeneration(it, &set.hash, s.number, numbers[i], now, grows); err != nil {
			break
		}
		set.room = min(max(int(g.next+g.next/4), minGeneration), maxGeneration)
		g.longest = window
		set.gens, set.last = append(set.gens, g), numbers[i]
	}
	if err := errors.Join(err, it.Close()); err != nil {
		return nil, idFault(s.id, err)
	}
	return set, nil
}

// generations finds the numbers of the stream's generations.
func generations(it *pebble.Iterator, stream uint64) (numbers []uint64, err error) {
	for ok := it.First(); ok; ok = it.SeekGE(generationEnd(stream, numbers[len(numbers)-1])) {
		if len(it.Key()) != idKeyLen {
			return nil, errIDKey
		}
		number := be.Uint64(it.Key()[9:])
		if number == 0 || number == 1<<64-1 {
			return nil, errIDKey
		}
		numbers = append(numbers, number)
	}
	return numbers, it.Error()
}

// readGeneration reads a generation back.
func readGeneration(it *pebble.Iterator, hash *idHash, stream, number uint64, now int64, grows time.Duration) (*generation, error) {
	end := generationEnd(stream, number)
	if !it.SeekLT(end) {
		return nil, errors.Join(errRecordValue, it.Error())
	}
	last, err := readIDs(it)
	if err != nil {
		return nil, err
	}
	next := last.first + last.count()
	g := &generation{number: number, newest: last.storedMs, next: next, held: next} // numbers missing between were never stored
	err = scanIDs(it, generationStart(stream, number), end, func(r *idRecord) {
		if g.table == nil {
			g.first = r.storedMs
			room := int(next)
			if now-g.first < grows.Milliseconds() {
				room = min(max(2*room, minGeneration), maxGeneration)
			}
			g.table, g.limit = newIDTable(room), uint32(room)
		}
		g.newest = max(g.newest, r.storedMs)
		hash.insertRecord(g.table, r)
	})
	return g, err
}

// insertRecord inserts the ids of a record into the table.
func (s *idHash) insertRecord(t *idTable, r *idRecord) {
	var hashes [touchIDs]uint64
	var heads [touchIDs]uint32
	for from := uint32(0); from < r.count(); from += touchIDs {
		n := min(touchIDs, r.count()-from)
		for i := range n {
			id := r.id(from + i)
			hashes[i] = s.of(&id)
		}
		t.touch(hashes[:n], &heads)
		for i := range n {
			t.insert(hashes[i], r.first/sliceIDs)
		}
	}
}

// readIDs reads the record at the iterator.
func readIDs(it *pebble.Iterator) (idRecord, error) {
	v, err := it.ValueAndErr()
	if err != nil {
		return idRecord{}, err
	}
	return decodeIDs(it.Key(), v)
}

// scanIDs calls fn for every record from start to end of one generation.
func scanIDs(it *pebble.Iterator, start, end []byte, fn func(*idRecord)) error {
	next := uint32(0)
	for ok := it.SeekGE(start); ok && bytes.Compare(it.Key(), end) < 0; ok = it.Next() {
		r, err := readIDs(it)
		if err != nil {
			return err
		}
		if r.first < next {
			return errRecordValue // two records claim the same numbers
		}
		next = r.first + r.count()
		fn(&r)
	}
	return it.Error()
}

// confirm settles candidates: it reads the slices and marks as again which ids of
// the entry stand there, all 128 bits of them. A slice that was forgotten
// meanwhile holds nothing.
func (l *Log) confirm(s *streamState, ids []eventlog.ID, found []candidate, again []bool) error {
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.generation, b.generation), cmp.Compare(a.slice, b.slice))
	})
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: spanStart(spaceIDs, s.number), UpperBound: spanEnd(spaceIDs, s.number)})
	if err != nil {
		return idFault(s.id, err)
	}
	for len(found) > 0 && err == nil {
		n := 1
		for n < len(found) && found[n].generation == found[0].generation && found[n].slice == found[0].slice {
			n++
		}
		err = confirmSlice(it, s.number, ids, found[:n], again)
		found = found[n:]
	}
	if err := errors.Join(err, it.Close()); err != nil {
		return idFault(s.id, err)
	}
	return nil
}

// fewIDs are compared one by one, more through a map.
const fewIDs = 8

func confirmSlice(it *pebble.Iterator, number uint64, ids []eventlog.ID, found []candidate, again []bool) error {
	first := found[0].slice * sliceIDs
	start, end := idKey(number, found[0].generation, first), idKey(number, found[0].generation, first+sliceIDs)
	if len(found) <= fewIDs {
		return scanIDs(it, start, end, func(r *idRecord) {
			for _, c := range found {
				for i := 0; i < len(r.ids) && !again[c.index]; i += idSize {
					again[c.index] = eventlog.ID(r.ids[i:]) == ids[c.index]
				}
			}
		})
	}
	sought := make(map[eventlog.ID]int32, len(found))
	for _, c := range found {
		sought[ids[c.index]] = c.index
	}
	return scanIDs(it, start, end, func(r *idRecord) {
		for i := range r.count() {
			if at, ok := sought[r.id(i)]; ok {
				again[at] = true
			}
		}
	})
}

// forgetIDs forgets the generations of all streams whose time is over, and fits
// tables that have become too large. A generation leaves memory first: whoever
// has found it there before finds nothing in the engine, or what is old enough.
// A crash in between leaves it to the next reading back.
func (l *Log) forgetIDs(ctx context.Context) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	l.mu.RLock()
	streams := slices.Collect(maps.Values(l.streams))
	l.mu.RUnlock()
	for _, s := range streams {
		set := s.ids.set.Load()
		if set == nil || ctx.Err() != nil {
			continue
		}
		if err := l.forgetStreamIDs(s, set); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) forgetStreamIDs(s *streamState, set *idSet) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.dropped.Load() {
		return nil
	}
	if gone := set.expire(l.opts.Now().UnixMilli()); len(gone) > 0 {
		b := l.db.NewBatch()
		for _, g := range gone {
			if err := b.DeleteRange(generationStart(s.number, g), generationEnd(s.number, g), nil); err != nil {
				return errors.Join(err, b.Close())
			}
		}
		if err := l.apply(b); err != nil {
			return err
		}
	}
	for g := set.loose(); g != nil; g = set.loose() {
		t, err := l.fitted(s, &set.hash, g)
		if err != nil {
			l.opts.Logger.Error("a table of event ids stays larger than it need be", slog.Any("error", err))
			return nil
		}
		set.fit(g, t)
	}
	return nil
}

// fitted makes a table for a closed generation, just large enough.
func (l *Log) fitted(s *streamState, hash *idHash, g *generation) (*idTable, error) {
	start, end := generationStart(s.number, g.number), generationEnd(s.number, g.number)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return nil, idFault(s.id, err)
	}
	t := newIDTable(int(g.next))
	err = scanIDs(it, start, end, func(r *idRecord) { hash.insertRecord(t, r) })
	if err := errors.Join(err, it.Close()); err != nil {
		return nil, idFault(s.id, err)
	}
	return t, nil
}

// idFault names the stream of an error met while reading its ids. Whoever cannot
// read them cannot tell whether an event is a repeat.
func idFault(id string, err error) error {
	if pebble.IsCorruptionError(err) || errors.Is(err, errRecordSize) || errors.Is(err, errRecordCRC) || errors.Is(err, errRecordValue) || errors.Is(err, errIDKey) {
		return problem.New(problem.Corrupt, "stream %s: ids of events: %w: %w", id, eventlog.ErrCorrupt, err)
	}
	return fmt.Errorf("read ids of events of stream %s: %w", id, err)
}
