package embedded

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/problem"
)

// Versions of the stored form that doc.go draws. A log gets the second with its
// first event ids and the third with its first mark: a program that does not know
// them would store events again.
const (
	versionFirst     = 1
	versionWithIDs   = 2
	versionWithMarks = 3
	versionNewest    = versionWithMarks
)

// versionFor is the version of the stored form that the group needs.
func versionFor(group []*waiter) uint32 {
	version := uint32(versionFirst)
	for _, w := range group {
		if w.entry.Mark != "" {
			return versionWithMarks
		}
		if len(w.ids) > 0 {
			version = versionWithIDs
		}
	}
	return version
}

// applyRaising puts the batch of a group into the engine's log, with the version
// of the stored form if that must rise. Batches that come later in the engine's log
// need not say it. Batches that raise it are put there one at a time, so none
// takes back what another has raised.
func (l *Log) applyRaising(b *pebble.Batch, group []*waiter) error {
	version := versionFor(group)
	if l.version.Load() >= version {
		return l.db.ApplyNoSyncWait(b, pebble.Sync)
	}
	l.raising.Lock()
	defer l.raising.Unlock()
	if l.version.Load() < version {
		if err := b.Set([]byte{spaceVersion}, be.AppendUint32(nil, version), nil); err != nil {
			return err
		}
	}
	if err := l.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return err
	}
	l.version.Store(max(l.version.Load(), version))
	return nil
}

func (l *Log) checkVersion() error {
	v, err := l.get([]byte{spaceVersion})
	if errors.Is(err, pebble.ErrNotFound) {
		l.version.Store(versionFirst)
		b := l.db.NewBatch()
		if err := b.Set([]byte{spaceVersion}, be.AppendUint32(nil, versionFirst), nil); err != nil {
			return err
		}
		return l.apply(b)
	}
	if err != nil {
		return openFault(l.dir, err)
	}
	if len(v) != 4 {
		return openFault(l.dir, pebble.ErrCorruption)
	}
	have := be.Uint32(v)
	if have < versionFirst || have > versionNewest {
		return problem.New(problem.Conflict, "event log %s has format version %d; this program knows versions %d to %d: use the version of strm that wrote it, or a newer one", l.dir, have, versionFirst, versionNewest)
	}
	l.version.Store(have)
	return nil
}
