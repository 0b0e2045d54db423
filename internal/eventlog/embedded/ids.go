package embedded

import (
	"bytes"
	"context"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// sifter is the working memory of an append with ids.
type sifter struct {
	again []bool // which events are repeats
	found []candidate
	fresh []eventlog.ID
}

const keepSifter = 1 << 16 // ids; larger ones go back to the garbage collector

func (l *Log) sifter(n int) *sifter {
	f, ok := l.sifters.Get().(*sifter)
	if !ok {
		f = new(sifter)
	}
	f.again = slices.Grow(f.again[:0], n)[:n]
	f.found, f.fresh = f.found[:0], f.fresh[:0]
	return f
}

func (l *Log) putSifter(f *sifter) {
	if cap(f.again) <= keepSifter {
		l.sifters.Put(f)
	}
}

// appendFresh stores the events of an entry with ids that are not repeats.
//
// Why each event is stored once. An id is looked up and stored only by the
// holder of its claim. What an earlier holder stored was durable and in the
// table before it let go; what is stored by an earlier process is read back
// before the first look-up. An append that failed before the engine had it
// stored neither event nor id; if the failure leaves that open, the process ends.
// Events and ids are one atomic batch: after a crash both are there or neither,
// and sending the entry again stores what is missing.
func (l *Log) appendFresh(ctx context.Context, s *streamState, p *partition, e *eventlog.Entry) (eventlog.Appended, error) {
	none := eventlog.Appended{}
	set, err := l.idSetOf(ctx, s, e.IDWindow)
	if err != nil {
		return none, err
	}
	f := l.sifter(len(e.IDs))
	defer l.putSifter(f)
	claim, err := set.claims.take(ctx, e.IDs, f.again)
	if err != nil {
		return none, err
	}
	defer set.claims.release(claim, e.IDs)
	if err := l.writable(); err != nil {
		return none, err // memory may hold what the disk does not
	}
	f.found = set.find(e.IDs, f.again, e.IDWindow, f.found)
	if err := l.confirm(s, e.IDs, f.found, f.again); err != nil {
		return none, err
	}
	w := &waiter{entry: e, ids: e.IDs, set: set}
	repeated := f.sift(w)
	if w.entry.Events == 0 {
		l.repeated.Add(uint64(repeated))
		return eventlog.Appended{Range: stream.Range{Partition: e.Partition}, Repeated: repeated}, nil
	}
	a, err := l.store(ctx, p, w)
	if err != nil {
		return none, err
	}
	set.insert(w.ids, w.runs)
	l.repeated.Add(uint64(repeated))
	a.Repeated = repeated
	return a, nil
}

// sift leaves the repeats out of the waiter's entry, and returns how many they were.
func (f *sifter) sift(w *waiter) (repeated int) {
	for _, again := range f.again {
		if again {
			repeated++
		}
	}
	if repeated == 0 {
		return 0
	}
	e := *w.entry
	e.Events -= repeated
	w.entry, w.ids = &e, nil
	if e.Events == 0 {
		return repeated
	}
	data := make([]byte, 0, len(e.Data))
	rest := e.Data
	for i, again := range f.again {
		n := bytes.IndexByte(rest, '\n') + 1
		if !again {
			data = append(data, rest[:n]...)
			f.fresh = append(f.fresh, e.IDs[i])
		}
		rest = rest[n:]
	}
	e.Data, w.ids = data, f.fresh
	return repeated
}

// fillIDs writes the ids of the group's events to the batch, a record for each
// slice that an entry's touch, and returns the size of the values.
func (p *partition) fillIDs(b *pebble.Batch, group []*waiter) (size int, err error) {
	var value []byte
	now := int64(0)
	for _, w := range group {
		if len(w.ids) == 0 {
			continue
		}
		if now == 0 {
			now = p.log.opts.Now().UnixMilli()
		}
		w.runs = w.set.reserve(len(w.ids), now, w.entry.IDWindow, w.runs[:0])
		ids := w.ids
		for _, run := range w.runs {
			for first, end := run.first, run.first+run.n; first < end; {
				n := min(end-first, sliceIDs-first%sliceIDs)
				key := idKey(p.stream.number, run.gen.number, first)
				value = appendIDs(key, now, ids[:n], value[:0])
				if err := b.Set(key, value, nil); err != nil {
					return 0, err
				}
				size += len(value)
				ids = ids[n:]
				first += n
			}
		}
	}
	return size, nil
}
