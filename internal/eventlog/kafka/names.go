package kafka

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Bounds of a group: entries that share a claim and a transaction.
const (
	slots        = 3 // transactions of a node that run side by side
	groupEntries = 1024
	groupBytes   = 4 << 20
	groupNames   = 1 << 15
	groupStreams = 16 // the claim costs statements per stream
)

// names is what a log knows of entries with names that are on their way.
//
// An entry's names are held by one append of this process at a time; that append waits in
// the queue for a slot. A slot takes what waits, claims its names, writes its events in a
// transaction of its own producer, and notes the outcome.
type names struct {
	log *Log
	ctx context.Context // of the slots; ends a while after Close has begun
	end context.CancelFunc
	wg  sync.WaitGroup // of slots that work

	mu     sync.Mutex
	closed bool
	queue  []*waiting
	idle   []*slot
	held   map[string]*waiting     // by stream, kind and name
	open   map[int64]chan struct{} // this node's claims that a slot has in hand; closed when it lets go
	number numbers
}

// numbers are those of claims that were given to this process.
type numbers struct {
	mu         sync.Mutex
	next, last int64
}

// numberBlock is how many are fetched at once.
const numberBlock = 1000

func (n *names) claimNumber(ctx context.Context) (int64, error) {
	n.number.mu.Lock()
	defer n.number.mu.Unlock()
	if n.number.next >= n.number.last {
		first, err := n.log.opts.Names.ClaimNumbers(ctx, numberBlock)
		if err != nil {
			return 0, err
		}
		n.number.next, n.number.last = first, first+numberBlock
	}
	n.number.next++
	return n.number.next - 1, nil
}

func newNames(l *Log) *names {
	n := &names{log: l, held: map[string]*waiting{}, open: map[int64]chan struct{}{}}
	n.ctx, n.end = context.WithCancel(context.Background())
	for i := range slots {
		n.idle = append(n.idle, &slot{names: n, number: i})
	}
	return n
}

// waiting is an entry with names on its way.
type waiting struct {
	st    *topic
	part  *partition
	entry eventlog.Entry // Data and IDs are copies
	ids   []eventlog.ID  // each once
	lines []int          // of ids: which line of Data
	holds []string
	ready chan struct{} // closed when the names are free again
	wake  chan struct{} // one token: there is an answer, or it is to wait

	// Guarded by names.mu.
	queued  bool
	left    bool // nobody waits for the answer
	answers bool // answer and err are set

	alone  bool // goes in a group of its own
	wait   []int64
	answer eventlog.Appended
	err    error

	// Of the group under way.
	recs     []kgo.Record
	text     int // bytes in recs
	number   int // of the entry in the claim
	repeated int
	first    int64
	last     int64
	fault    error
}

// settle appends an entry that has a Key, IDs or a Mark, or is Stamped. The entry has been
// checked. If ctx ends while the entry is being written, it settles by itself.
func (l *Log) settle(ctx context.Context, st *topic, part *partition, e eventlog.Entry) (eventlog.Appended, error) {
	none := eventlog.Appended{}
	if l.opts.Names == nil {
		return none, errNoNames(st.streamID)
	}
	weight := l.weigh(2*len(e.Data), e.Events)
	if err := l.reserve(ctx, weight); err != nil {
		return none, l.ended(ctx, err)
	}
	defer l.release(weight)
	w := newWaiting(st, part, e)
	giveUp := l.giveUp()
	defer giveUp.Stop()
	if err := l.names.hold(ctx, giveUp.C, w); err != nil {
		return none, l.ended(ctx, err)
	}
	for {
		l.names.push(w)
		select {
		case <-w.wake:
		case <-ctx.Done():
			return none, l.names.leave(w, l.ended(ctx, context.Cause(ctx)))
		case <-giveUp.C:
			return none, l.names.leave(w, problem.New(problem.Unavailable, "kafka: append to topic %s: it is not known in time whether the events are stored; append them again", st.desc.Name))
		}
		if len(w.wait) == 0 {
			l.names.letGo(w)
			return w.answer, w.err
		}
		if err := l.awaitClaims(ctx, giveUp.C, w.wait); err != nil {
			l.names.letGo(w)
			return none, l.ended(ctx, err)
		}
	}
}

func newWaiting(st *topic, part *partition, e eventlog.Entry) *waiting {
	w := &waiting{st: st, part: part, entry: e, ready: make(chan struct{}), wake: make(chan struct{}, 1)}
	w.entry.Data = bytes.Clone(e.Data)
	w.entry.IDs = nil
	if len(e.IDs) > 0 {
		seen := make(map[eventlog.ID]struct{}, len(e.IDs))
		for i, id := range e.IDs {
			if _, again := seen[id]; !again {
				seen[id] = struct{}{}
				w.ids, w.lines = append(w.ids, id), append(w.lines, i)
			}
		}
	}
	switch {
	case e.Key != "":
		w.holds = []string{"k" + st.streamID + "\x00" + e.Key}
	case e.Mark != "":
		w.holds = []string{"m" + st.streamID + "\x00" + e.Mark}
	default:
		for i := range w.ids {
			w.holds = append(w.holds, "i"+st.streamID+"\x00"+string(w.ids[i][:]))
		}
	}
	return w
}

// hold waits until no other append of this process has one of the names, and takes them
// together: nobody waits while holding something.
func (n *names) hold(ctx context.Context, giveUp <-chan time.Time, w *waiting) error {
	for {
		other := n.tryHold(w)
		if other == nil {
			return nil
		}
		select {
		case <-other.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-giveUp: // nobody knows yet what became of the other
			return errNotSettled()
		}
	}
}

func (n *names) tryHold(w *waiting) (other *waiting) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range w.holds {
		if other := n.held[name]; other != nil {
			return other
		}
	}
	for _, name := range w.holds {
		n.held[name] = w
	}
	return nil
}

// letGo gives the names back.
func (n *names) letGo(w *waiting) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop(w)
}

func (n *names) drop(w *waiting) {
	for _, name := range w.holds {
		delete(n.held, name)
	}
	if len(n.held) == 0 {
		n.held = map[string]*waiting{} // maps do not shrink
	}
	close(w.ready)
}

// push puts the entry in the queue and sets a slot to work.
func (n *names) push(w *waiting) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.wait, w.queued, w.answers = nil, true, false
	n.queue = append(n.queue, w)
	if last := len(n.idle) - 1; last >= 0 && !n.closed {
		s := n.idle[last]
		n.idle = n.idle[:last]
		n.wg.Go(s.run)
	}
}

// leave is called by an append that waits no longer. If the answer has come meanwhile, its
// error is lost with it: err says that nothing is known.
func (n *names) leave(w *waiting, err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.queued {
		for i, o := range n.queue {
			if o == w {
				n.queue = append(n.queue[:i], n.queue[i+1:]...)
				break
			}
		}
		w.queued = false
		n.drop(w)
		return err
	}
	if w.answers {
		n.drop(w)
		return err
	}
	w.left = true
	return err
}

// tell wakes the append with what is in w: an answer, or claims to wait for.
func (n *names) tell(w *waiting) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.answers = true
	if w.left {
		n.drop(w)
		return
	}
	w.wake <- struct{}{}
}

// again puts entries of a group back to the queue's front.
func (n *names) again(ws []*waiting) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var back []*waiting
	for _, w := range ws {
		if w.left {
			n.drop(w)
			continue
		}
		w.wait, w.queued = nil, true
		back = append(back, w)
	}
	n.queue = append(back, n.queue...)
}

// take takes a group off the queue; without one the slot is idle from then on.
func (n *names) take(s *slot) (group []*waiting) {
	n.mu.Lock()
	defer n.mu.Unlock()
	size, count := 0, 0
	streams := map[string]bool{}
	for len(group) < len(n.queue) && len(group) < groupEntries {
		w := n.queue[len(group)]
		size += len(w.entry.Data)
		count += len(w.ids)
		streams[w.st.streamID] = true
		if len(group) > 0 && (size > groupBytes || count > groupNames || len(streams) > groupStreams || w.alone) {
			break
		}
		group = append(group, w)
		w.queued = false
		if w.alone {
			break
		}
	}
	group = append([]*waiting(nil), group...)
	rest := copy(n.queue, n.queue[len(group):])
	clear(n.queue[rest:])
	n.queue = n.queue[:rest]
	if len(group) == 0 {
		n.idle = append(n.idle, s)
	}
	return group
}

// closeGrace is how long transactions under way may take when the log closes.
const closeGrace = 5 * time.Second

// closeNames ends what settling has opened. Calls have ended before it.
func (l *Log) closeNames() {
	n := l.names
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	stop := time.AfterFunc(closeGrace, n.end)
	n.wg.Wait()
	stop.Stop()
	n.end()
	for _, s := range n.idle {
		s.close()
	}
}

func errNoNames(streamID string) error {
	return problem.New(problem.Unavailable, "kafka: stream %s: entries with keys, ids, marks or stamps are not available: names are settled nowhere", streamID)
}

// rangeOf is where the group has put the entry.
func (w *waiting) rangeOf() stream.Range {
	base := w.st.base(stream.Partition(w.part.num))
	return stream.Range{Partition: stream.Partition(w.part.num), Start: stream.Offset(w.first) + base, End: stream.Offset(w.last) + 1 + base}
}
