package sim

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/objstore/mem"
	"strm/internal/stream"
)

// world is what outlives every process: the bucket, the disks, the clients, and
// the witness who notes what really happened.
type world struct {
	t      *testing.T
	script *script
	dir    string
	began  time.Time
	bucket *mem.Bucket
	skew   atomic.Int64 // how far the intake's clock is off

	calm     atomic.Bool   // no more faults
	settling chan struct{} // closed when calm begins
	over     chan struct{} // closed when the count is done
	late     sync.WaitGroup
	lives    int
	crashes  int

	mu   sync.Mutex
	life *life         // nil while none runs
	up   chan struct{} // closed when one runs again

	seen witness
}

// witness notes facts at the moment they become true.
type witness struct {
	mu        sync.Mutex
	streams   []stream.Stream
	exporters map[string]*known
	order     []string // exporters' ids, by creation
	requests  []*request
	events    int
	puts      map[string]uint64 // key -> hash of the bytes of its first put
	replays   map[string]*replayed
	counts    map[string]int // what happened how often
}

type known struct {
	stream.Exporter
	deleted bool
}

// request is what a client sent as a whole.
type request struct {
	stream    int
	partition stream.Partition
	first, n  int // ids first..first+n-1
	key       string
	acked     bool
	at        stream.Range // once acked
}

// replayed is a replay that was answered.
type replayed struct {
	exporter string
	all      bool // without bounds of time
	events   int64
	batches  []string
	ends     stream.Position // acknowledged before it was asked for
}

func newWorld(t *testing.T, seed uint64, dir string) *world {
	w := &world{
		t: t, script: newScript(seed), dir: dir, began: time.Now(), settling: make(chan struct{}), over: make(chan struct{}), up: make(chan struct{}),
		seen: witness{exporters: map[string]*known{}, puts: map[string]uint64{}, replays: map[string]*replayed{}, counts: map[string]int{}},
	}
	w.bucket = mem.New(func(key string) { t.Errorf("%s was about to be overwritten", key) })
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Errorf("%v", err)
		panic(err) // from any goroutine: the run makes no sense any more
	}
}

func (w *world) log(format string, args ...any) {
	if testing.Verbose() {
		w.t.Logf(format, args...)
	}
}

func (w *world) elapsed() time.Duration { return time.Since(w.began) }

// clock is the intake's clock, which may have been set forward.
func (w *world) clock() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

func (w *world) freeBytes(string) (int64, error) {
	for _, f := range w.script.full {
		if !w.calm.Load() && f.holds(w.elapsed()) {
			return 100 << 20, nil // too little to take events in, enough to open
		}
	}
	return 1 << 40, nil
}

func (w *world) open(l *life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life = l
	close(w.up)
}

func (w *world) shut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life = nil
	w.up = make(chan struct{})
}

// with calls fn with the running process, and waits for one first if need be.
func (w *world) with(fn func(l *life)) {
	for {
		w.mu.Lock()
		l, up := w.life, w.up
		if l != nil {
			l.users.Add(1)
		}
		w.mu.Unlock()
		if l == nil {
			<-up
			continue
		}
		defer l.users.Done()
		fn(l)
		return
	}
}

func (s *witness) note(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

func (s *witness) count(what string) { s.note(func() { s.counts[what]++ }) }

// acked returns the acknowledged ends of a stream.
func (s *witness) acked(n int) stream.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := make(stream.Position, s.streams[n].Partitions)
	for _, r := range s.requests {
		if r.stream == n && r.acked {
			ends[r.partition] = max(ends[r.partition], r.at.End)
		}
	}
	return ends
}
