package embedded

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
)

const (
	expireEvery = time.Minute
	expireStep  = 1024 // keys forgotten in one batch
)

// Run does what is due from time to time, until ctx ends or the log is closed:
// it forgets idempotency keys older than KeyTTL and event ids older than their
// window. It returns nil then, and an error only if the log cannot go on.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			var err error
			more, err = l.expire(l.opts.Now().Add(-l.opts.KeyTTL))
			if errors.Is(err, eventlog.ErrClosed) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if err := l.forgetIDs(ctx); errors.Is(err, eventlog.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// expire forgets one step of the keys stored before the given time, and reports
// whether there may be more.
//
// A key that is looked up before this commits is a duplicate, after it is new
// and may be stored again under a later age; both are right. It cannot be
// stored in between, because storing needs a look-up that did not find it.
func (l *Log) expire(before time.Time) (more bool, err error) {
	if err := l.enter(); err != nil {
		return false, err
	}
	defer l.leave()
	l.janitor.Lock()
	defer l.janitor.Unlock()
	if before.UnixMilli() <= 0 {
		return false, nil
	}
	end := ageKey(before.UnixMilli(), 0, "")
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceAge}, UpperBound: end})
	if err != nil {
		return false, readAges(err)
	}
	b := l.db.NewBatch()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n == expireStep {
			end = append([]byte(nil), it.Key()...)
			more = true
			break
		}
		n++
		_, number, key, err := parseAgeKey(it.Key())
		if err != nil {
			continue // not ours; the range delete takes it away
		}
		if err := b.Delete(keyKey(number, key), nil); err != nil {
			return false, errors.Join(err, it.Close(), b.Close())
		}
	}
	if err := it.Close(); err != nil {
		return false, errors.Join(readAges(err), b.Close())
	}
	if n == 0 {
		return false, b.Close()
	}
	if err := b.DeleteRange([]byte{spaceAge}, end, nil); err != nil {
		return false, errors.Join(err, b.Close())
	}
	return more, l.apply(b)
}
