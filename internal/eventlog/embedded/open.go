package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Open opens the log in dir, which it makes if need be, and locks it against
// other processes. Damage that leaves the store readable shows when the damaged
// place is used; damage that does not is an error here that wraps ErrCorrupt.
func Open(dir string, opts Options) (*Log, error) {
	opts.setDefaults()
	if err := makeDir(opts.FS, dir); err != nil {
		return nil, fmt.Errorf("make event log directory: %w", err)
	}
	lock, err := pebble.LockDirectory(dir, opts.FS)
	if err != nil {
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			return nil, problem.New(problem.Conflict, "event log %s is in use by another process: %w", dir, err)
		}
		return nil, problem.New(problem.Conflict, "lock event log %s (is it in use?): %w", dir, err)
	}
	if err := checkOpenRoom(dir, opts.FreeBytes); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	db, err := pebble.Open(dir, engineOptions(&opts, lock))
	if err != nil {
		err = openFault(dir, err)
		return nil, errors.Join(err, lock.Close())
	}
	l := &Log{opts: opts, dir: dir, db: db, lock: lock, pack: newPacker(), idTables: newTableMemory(), streams: make(map[string]*streamState)}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, db.Close(), lock.Close())
	}
	return l, nil
}

// makeDir makes dir and its missing parents durably.
func makeDir(fs vfs.FS, dir string) error {
	parent := fs.PathDir(dir)
	if _, err := fs.Stat(dir); err != nil && parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
		if err := fs.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	// Also when dir was there: a process that died right after making it may
	// have left it in memory only.
	d, err := fs.OpenDir(parent)
	if errors.Is(err, os.ErrPermission) {
		return nil // somebody else's directory, and ours was there
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func openFault(dir string, err error) error {
	if pebble.IsCorruptionError(err) {
		return problem.New(problem.Corrupt, "open event log %s: %w: %w", dir, eventlog.ErrCorrupt, err)
	}
	return fmt.Errorf("open event log %s: %w", dir, err)
}

// load brings the streams and the ends of their partitions into memory.
func (l *Log) load() error {
	if err := l.checkVersion(); err != nil {
		return err
	}
	next, err := l.get([]byte{spaceNext})
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		l.next = 1
	case err != nil:
		return openFault(l.dir, err)
	case len(next) != 8:
		return openFault(l.dir, pebble.ErrCorruption)
	default:
		l.next = be.Uint64(next)
	}
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceStream}, UpperBound: []byte{spaceStream + 1}})
	if err != nil {
		return openFault(l.dir, err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		id := string(it.Key()[1:])
		number, partitions, err := decodeStream(it.Key(), it.Value())
		if err != nil {
			err = problem.New(problem.Corrupt, "open event log %s: record of stream %q: %w: %w", l.dir, id, eventlog.ErrCorrupt, err)
			return errors.Join(err, it.Close())
		}
		l.streams[id] = newStreamState(l, id, number, partitions)
		// The counter has no checksum of its own; a number in use proves it wrong.
		l.next = max(l.next, number+1)
	}
	if err := it.Close(); err != nil {
		return openFault(l.dir, err)
	}
	for _, s := range l.streams {
		for _, p := range s.partitions {
			if p.damage = l.loadPartition(p); p.damage != nil {
				l.opts.Logger.Error("partition is damaged and refuses reads and appends", slog.Any("error", p.damage))
				continue
			}
			l.packed.Add(int64(p.seen.endBefore - p.seen.floorBefore))
		}
	}
	return nil
}

// get returns a copy of a small value.
func (l *Log) get(key []byte) ([]byte, error) {
	v, c, err := l.db.Get(key)
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), v...)
	return out, c.Close()
}

// loadPartition finds the floor and the end. What the engine shows at opening
// has been recovered from disk, so all of it is durable.
func (l *Log) loadPartition(p *partition) error {
	var f floor
	f.last = -1 << 63
	key := partitionKey(spaceFloor, p.stream.number, p.n)
	switch v, err := l.get(key); {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return readFault(p.stream.id, p.n, 0, err)
	default:
		if f, err = decodeFloor(key, v); err != nil {
			return damaged(p.stream.id, p.n, 0, err)
		}
	}
	p.seen = view{floor: f.offset, end: f.offset, floorBefore: f.before, endBefore: f.before}
	p.lastMs = f.last
	off, h, found, err := l.lastBlock(p, 1<<63-1)
	if err != nil {
		return err
	}
	if found {
		if off < f.offset || h.before < f.before {
			return damaged(p.stream.id, p.n, off, errors.New("last block lies below the floor"))
		}
		p.seen.end = off + stream.Offset(h.events)
		p.seen.endBefore = h.before + h.packed
		p.lastMs = max(p.lastMs, h.last)
	}
	p.next, p.nextBefore = p.seen.end, p.seen.endBefore
	return nil
}

// lastBlock finds the last block that begins below before.
func (l *Log) lastBlock(p *partition, before stream.Offset) (off stream.Offset, h header, found bool, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: partitionKey(spaceHeader, p.stream.number, p.n),
		UpperBound: partitionEnd(spaceHeader, p.stream.number, p.n),
	})
	if err != nil {
		return 0, header{}, false, readFault(p.stream.id, p.n, before, err)
	}
	if it.SeekLT(blockKey(spaceHeader, p.stream.number, p.n, before)) {
		found = true
		if off, h, err = decodeHeader(it.Key(), it.Value()); err != nil {
			at, _ := offsetOf(it.Key())
			return 0, header{}, false, errors.Join(damaged(p.stream.id, p.n, at, err), it.Close())
		}
	}
	if err := it.Close(); err != nil {
		return 0, header{}, false, readFault(p.stream.id, p.n, before, err)
	}
	return off, h, found, nil
}
