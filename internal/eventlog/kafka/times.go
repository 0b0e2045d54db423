package kafka

import (
	"context"
	"sync"
	"time"
)

const hourMillis = int64(time.Hour / time.Millisecond)

// hourOf is the UTC hour of a time in ms, counted from 1970. Records without a time are of the first.
func hourOf(ms int64) int64 { return max(ms, 0) / hourMillis }

// times is what is known of when the records of a partition were received: the time of an
// offset is the highest timestamp up to it, which makes hours runs of offsets. Offsets are
// the topic's. What is found once below the last stable offset never changes.
type times struct {
	mu     sync.Mutex
	begins map[int64]found // by hour: the first offset that is of it or of a later one
	absent map[int64]int64 // by hour: below this offset nothing is of it or of a later one
	firsts map[int64]int64 // by offset: the timestamp of the first event from there on
}

const (
	maxBegins = 1 << 14
	maxFirsts = 64
)

// begin returns the first offset below end that is of the hour or of a later one, and its
// time. end is at most a last stable offset that was seen.
func (l *Log) begin(ctx context.Context, st *topic, part *partition, hour, end int64) (f found, ok bool, err error) {
	t := &part.times
	t.mu.Lock()
	f, known := t.begins[hour]
	absent := !known && t.absent[hour] >= end
	t.mu.Unlock()
	switch {
	case known:
		return f, f.offset < end, nil
	case absent:
		return found{}, false, nil
	}
	if f, err = l.offsetAt(ctx, st, part, hour*hourMillis); err != nil {
		return found{}, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begins == nil || len(t.begins) > maxBegins {
		t.begins = map[int64]found{}
	}
	if t.absent == nil || len(t.absent) > maxFirsts {
		t.absent = map[int64]int64{}
	}
	if f.offset < 0 {
		t.absent[hour] = max(t.absent[hour], end)
		return found{}, false, nil
	}
	t.begins[hour] = f
	delete(t.absent, hour)
	return f, f.offset < end, nil
}

// first returns the timestamp of the first event from offset on, below end; ok is false if
// there is none.
func (l *Log) first(ctx context.Context, st *topic, part *partition, offset, end int64) (ms int64, ok bool, err error) {
	t := &part.times
	t.mu.Lock()
	ms, ok = t.firsts[offset]
	t.mu.Unlock()
	if ok {
		return ms, true, nil
	}
	for at := offset; at < end; {
		got, err := l.fetch(ctx, st, part, at, firstFetch)
		if err != nil {
			return 0, false, err
		}
		for _, r := range got.records {
			if r.Offset >= end {
				break
			}
			ms, ok = r.Timestamp.UnixMilli(), true
			break
		}
		at = got.next
		got.release()
		if ok {
			break
		}
	}
	if !ok {
		return 0, false, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.firsts == nil || len(t.firsts) > maxFirsts {
		t.firsts = map[int64]int64{}
	}
	t.firsts[offset] = ms
	return ms, true, nil
}

// hourAt returns the hour of an offset: the last that begins at or before it. guess is the
// hour of the record there, which is seldom wrong.
func (l *Log) hourAt(ctx context.Context, st *topic, part *partition, offset, end, guess int64) (int64, error) {
	begun := func(hour int64) (bool, error) {
		f, ok, err := l.begin(ctx, st, part, hour, end)
		return ok && f.offset <= offset, err
	}
	low, high := guess, guess+1 // in the end low has begun, high has not
	ok, err := begun(high)
	for step := int64(1); ok && err == nil; step *= 2 {
		low, high = high, high+step
		ok, err = begun(high)
	}
	if err != nil {
		return 0, err
	}
	if low == guess { // the record there lies behind a gap, in which a later hour may begin
		ok, err = begun(low)
		for step := int64(1); !ok && err == nil && low > 0; step *= 2 {
			low, high = max(0, low-step), low
			ok, err = begun(low)
		}
	}
	for err == nil && high-low > 1 {
		mid := low + (high-low)/2
		if ok, err = begun(mid); ok {
			low = mid
		} else {
			high = mid
		}
	}
	return low, err
}
