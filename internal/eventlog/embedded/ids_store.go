package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

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
		t, err := l.fitted(s, set, g)
		if err != nil {
			l.opts.Logger.Error("a table of event ids stays larger than it need be", slog.Any("error", err))
			return nil
		}
		set.fit(g, t)
	}
	return nil
}

// fitted makes a table for a closed generation, just large enough. The caller
// gives it to the set.
func (l *Log) fitted(s *streamState, set *idSet, g *generation) (*idTable, error) {
	start, end := generationStart(s.number, g.number), generationEnd(s.number, g.number)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return nil, idFault(s.id, err)
	}
	t := set.tables.table(int(g.next))
	err = scanIDs(it, start, end, func(r *idRecord) { set.hash.insertRecord(t, r) })
	if err := errors.Join(err, it.Close()); err != nil {
		set.tables.free(t)
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
