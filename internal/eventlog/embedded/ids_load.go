package embedded

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
)

// streamIDs are a stream's event ids. Nothing of them is in memory before the
// first entry with ids: opening a log takes no longer for them, and streams
// without ids cost nothing.
type streamIDs struct {
	loading chan struct{} // holds a token while somebody reads them back
	set     atomic.Pointer[idSet]
	damage  error // guarded by loading: stays until the log is opened again
}

// free gives the memory of the ids back. Nobody uses them any more, or reads
// them back; statistics may still look.
func (i *streamIDs) free() {
	if set := i.set.Load(); set != nil {
		set.drop()
	}
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
	set := newIDSet(l.idTables)
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
		if g, err = set.readGeneration(it, s.number, numbers[i], now, grows); err != nil {
			break
		}
		set.room = min(max(int(g.next+g.next/4), minGeneration), maxGeneration)
		g.longest = window
		set.gens, set.last = append(set.gens, g), numbers[i]
	}
	if err := errors.Join(err, it.Close()); err != nil {
		set.drop()
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

// readGeneration reads a generation back. An error leaves no table behind.
func (s *idSet) readGeneration(it *pebble.Iterator, stream, number uint64, now int64, grows time.Duration) (*generation, error) {
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
			g.table, g.limit = s.tables.table(room), uint32(room)
		}
		g.newest = max(g.newest, r.storedMs)
		s.hash.insertRecord(g.table, r)
	})
	if err != nil {
		s.free(g) // nobody else knows it yet
		return nil, err
	}
	return g, nil
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
