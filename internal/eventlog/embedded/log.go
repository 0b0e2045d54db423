package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Log is the embedded durable log. Make one with Open.
type Log struct {
	opts    Options
	dir     string
	db      *pebble.DB
	lock    *pebble.Lock
	pack    *packer
	sifters sync.Pool // of *sifter
	room    room

	idTables *tableMemory

	// life is held for reading while a method uses db, and for writing by Close.
	// A method must not take it twice: a waiting Close would come between.
	life   sync.RWMutex
	closed bool

	// wreck is set when a write failed and Options.Fatal came back, which only
	// tests let it do. Nothing is written after it.
	wreck atomic.Pointer[error]

	mu      sync.RWMutex // guards streams and next
	streams map[string]*streamState
	next    uint64 // number of the next stream

	version    atomic.Uint32 // of the stored form
	raising    sync.Mutex    // held while a batch that raises version goes into the engine's log
	subs       eventlog.Subscribers
	janitor    sync.Mutex    // one expiry step at a time
	packed     atomic.Int64  // bytes kept
	stored     atomic.Uint64 // bytes stored since Open
	appends    atomic.Uint64
	duplicates atomic.Uint64 // entries whose key or mark was known
	repeated   atomic.Uint64 // events whose id was known
	commits    atomic.Uint64
	refusals   atomic.Uint64
}

var _ eventlog.Log = (*Log)(nil)

// streamState is a stream in memory.
type streamState struct {
	id         string
	number     uint64
	partitions []*partition
	keys       claims
	marks      claims
	ids        streamIDs

	// life is held for reading by appends and trims, for writing by Drop.
	life    sync.RWMutex
	dropped atomic.Bool // set under life; readers look without it
}

// enter begins a use of the store; the caller must call leave if it is nil.
func (l *Log) enter() error {
	l.life.RLock()
	if l.closed {
		l.life.RUnlock()
		return errClosed
	}
	return nil
}

func (l *Log) leave() { l.life.RUnlock() }

// writable reports why nothing may be written any more.
func (l *Log) writable() error {
	if err := l.wreck.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends the log after a write whose outcome nobody knows: the engine's
// memory already holds it, the disk perhaps not. Serving on would show events
// that a restart takes back.
func (l *Log) fail(err error) error {
	err = fmt.Errorf("write to event log %s: %w", l.dir, err)
	l.wreck.CompareAndSwap(nil, &err)
	l.opts.Fatal(err)
	return err
}

// apply commits a batch durably and closes it.
func (l *Log) apply(b *pebble.Batch) error {
	defer func() { _ = b.Close() }() // returns memory to a pool, never fails
	if err := l.writable(); err != nil {
		return err
	}
	if err := guard(func() error { return l.db.Apply(b, pebble.Sync) }); err != nil {
		return l.fail(err)
	}
	return nil
}

// guard turns a panic of the engine into an error. The engine panics, with its
// locks held, when its log cannot be written or turned over; an HTTP server
// would swallow that and leave a process in which every append hangs.
func guard(write func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("engine: %v", r)
		}
	}()
	return write()
}

func (l *Log) stream(id string) (*streamState, error) {
	l.mu.RLock()
	s := l.streams[id]
	l.mu.RUnlock()
	if s == nil {
		return nil, noStream(id)
	}
	return s, nil
}

func (s *streamState) partition(p stream.Partition) (*partition, error) {
	if p < 0 || int(p) >= len(s.partitions) {
		return nil, problem.New(problem.Invalid, "stream %s has %d partitions, there is no partition %d", s.id, len(s.partitions), p)
	}
	return s.partitions[p], nil
}

// Create implements eventlog.Log. A stream that exists with another number of
// partitions is a conflict.
func (l *Log) Create(ctx context.Context, streamID string, partitions int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if streamID == "" || partitions < 1 || partitions > maxPartitions {
		return problem.New(problem.Invalid, "create stream %q with %d partitions: an id and 1 to %d partitions are needed", streamID, partitions, maxPartitions)
	}
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.streams[streamID]; s != nil {
		if len(s.partitions) != partitions {
			return problem.New(problem.Conflict, "stream %s has %d partitions, not %d", streamID, len(s.partitions), partitions)
		}
		return nil
	}
	// Record and counter together: a crash leaves both or neither, so no number
	// is given twice.
	b := l.db.NewBatch()
	key := streamKey(streamID)
	if err := errors.Join(
		b.Set(key, encodeStream(key, l.next, partitions), nil),
		b.Set([]byte{spaceNext}, be.AppendUint64(nil, l.next+1), nil),
	); err != nil {
		return fmt.Errorf("create stream %s: %w", streamID, err)
	}
	if err := l.apply(b); err != nil {
		return err
	}
	s := newStreamState(l, streamID, l.next, partitions)
	l.next++
	l.streams[streamID] = s
	return nil
}

func newStreamState(l *Log, id string, number uint64, partitions int) *streamState {
	s := &streamState{id: id, number: number, partitions: make([]*partition, partitions), ids: newStreamIDs()}
	s.keys.open, s.marks.open = make(map[string]chan struct{}), make(map[string]chan struct{})
	for i := range s.partitions {
		s.partitions[i] = newPartition(l, s, stream.Partition(i))
	}
	return s
}

// Drop implements eventlog.Log. It waits for the stream's running appends. Ages
// of its idempotency keys stay behind and are removed when their time comes.
func (l *Log) Drop(ctx context.Context, streamID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	s, err := l.stream(streamID)
	if err != nil {
		return nil // dropping what is not there is no error
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.dropped.Load() {
		return nil
	}
	b := l.db.NewBatch()
	errs := []error{b.Delete(streamKey(streamID), nil)}
	for _, space := range []byte{spaceFloor, spaceHeader, spacePayload, spaceKey, spaceIDs, spaceMark} {
		errs = append(errs, b.DeleteRange(spanStart(space, s.number), spanEnd(space, s.number), nil))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("drop stream %s: %w", streamID, err)
	}
	// Readers must learn it before the blocks go, or they would call the
	// missing ones damage. If we crash here the stream is simply still there.
	s.dropped.Store(true)
	if err := l.apply(b); err != nil {
		return err
	}
	for _, p := range s.partitions {
		v := p.view()
		l.packed.Add(-int64(v.endBefore - v.floorBefore))
	}
	l.mu.Lock()
	delete(l.streams, streamID)
	l.mu.Unlock()
	s.ids.free() // we hold life: no append is under way, and none comes
	return nil
}

// Streams implements eventlog.Log.
func (l *Log) Streams(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	l.mu.RLock()
	defer l.mu.RUnlock()
	ids := make([]string, 0, len(l.streams))
	for id := range l.streams {
		ids = append(ids, id)
	}
	return ids, nil
}

// Bounds implements eventlog.Log.
func (l *Log) Bounds(ctx context.Context, streamID string) ([]eventlog.Bound, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	s, err := l.stream(streamID)
	if err != nil {
		return nil, err
	}
	out := make([]eventlog.Bound, len(s.partitions))
	for i, p := range s.partitions {
		if p.damage != nil {
			return nil, p.damage
		}
		v := p.view()
		out[i] = eventlog.Bound{Floor: v.floor, End: v.end, Packed: int64(v.endBefore - v.floorBefore)}
	}
	return out, nil
}

// Close implements eventlog.Log. Closing again is no error. A log that is not
// closed keeps memory that the garbage collector does not see.
func (l *Log) Close() error {
	l.life.Lock()
	defer l.life.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	for _, s := range l.streams { // life is ours: nobody is in any method
		s.ids.free()
	}
	if err := errors.Join(l.db.Close(), l.lock.Close()); err != nil {
		return fmt.Errorf("close event log %s: %w", l.dir, err)
	}
	return nil
}

// Subscribe implements eventlog.Log. Appends that were merged into one commit
// are told together.
func (l *Log) Subscribe(fn func(eventlog.Advance)) (cancel func()) { return l.subs.Add(fn) }
