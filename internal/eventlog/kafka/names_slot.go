package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// transactionTimeout is how long the transaction of a node that died holds readers up, if
// nobody ends it before. It is over what a group takes when brokers are slow.
const transactionTimeout = 15 * time.Second

// claimHeader of a record names its claim and entry: "claim.entry", in decimal.
const claimHeader = "strm-claim"

// slot is one transactional producer. It is used by one goroutine at a time.
//
// Why a claim's outcome can be known. The producer is initialised before the claim is
// made, and every record of the claim and the commit carry the epoch it had then.
// Whoever wants to know the outcome initialises the same transactional id: from then on
// that epoch can do nothing more, and its transaction has ended. What the partitions hold then is the answer.
type slot struct {
	names  *names
	number int
	client *kgo.Client
}

func (s *slot) id() string { return fmt.Sprintf("strm-%s-%d", s.names.log.opts.Node, s.number) }

// claimed is what a slot has in hand.
type claimed struct {
	claim  eventlog.Claim
	pid    int64
	epoch  int16
	commit bool // it may be committed: a commit was sent
	done   chan struct{}
}

func (s *slot) run() {
	for {
		group := s.names.take(s)
		if len(group) == 0 {
			return
		}
		s.do(s.names.ctx, group)
	}
}

func (s *slot) close() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// newProducer makes a client for a transactional id. It sends when it is told to: so an entry's
// records travel together, and other slots' do not come between them unless they fill a batch.
func (l *Log) newProducer(id string) (*kgo.Client, error) {
	opts := append(l.opts.connection(), l.opts.producing(l.largestBatch)...)
	return kgo.NewClient(append(opts, kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout), kgo.ManualFlushing())...)
}

// ready makes the slot's producer ready. If it is new, that ends its predecessor's transaction.
func (s *slot) ready(ctx context.Context) (pid int64, epoch int16, err error) {
	if s.client == nil {
		if s.client, err = s.names.log.newProducer(s.id()); err != nil {
			return 0, 0, problem.New(problem.Internal, "kafka: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.names.log.opts.AppendWait)
	defer cancel()
	if pid, epoch, err = s.client.ProducerID(ctx); err != nil {
		s.close()
		return 0, 0, fmt.Errorf("initialise transactions: %w", err)
	}
	return pid, epoch, nil
}

// do takes a group through its claim and its transaction, and answers.
func (s *slot) do(ctx context.Context, group []*waiting) {
	n := s.names
	pid, epoch, away := s.ready(ctx)
	group = s.late(ctx, group)
	if len(group) == 0 {
		return
	}
	c := &claimed{pid: pid, epoch: epoch, done: make(chan struct{})}
	var err error
	if c.claim, err = s.claim(ctx, group); err != nil {
		n.fail(group, err)
		return
	}
	n.mu.Lock()
	n.open[c.claim.ID] = c.done
	n.mu.Unlock()
	taken, err := s.take(ctx, c, group, away)
	switch {
	case err != nil: // nothing was written, and nothing will be; if there is a claim, it is void
		n.fail(group, err)
		s.settle(ctx, c, false, nil)
	case len(taken) == 0:
		n.close(c)
	default:
		s.write(ctx, c, taken)
	}
}

// late answers nobody; it notes of stamped entries whether their hour is over.
func (s *slot) late(ctx context.Context, group []*waiting) (rest []*waiting) {
	l := s.names.log
	for _, w := range group {
		w.fault = nil
		if w.entry.Stamped {
			at, err := l.reachedAfter(ctx, w, -1)
			if err != nil {
				w.err = err
				s.names.tell(w)
				continue
			}
			if at != nil {
				w.fault = at
			}
		}
		rest = append(rest, w)
	}
	return rest
}

// claim numbers a claim and says where its events will be at the earliest.
func (s *slot) claim(ctx context.Context, group []*waiting) (c eventlog.Claim, err error) {
	n, l := s.names, s.names.log
	if c.ID, err = n.claimNumber(ctx); err != nil {
		return c, err
	}
	c.Node, c.Producer = l.opts.Node, s.id()
	known := map[*partition]bool{}
	for _, w := range group {
		if known[w.part] {
			continue
		}
		known[w.part] = true
		from := w.part.stable.Load()
		if from == 0 {
			if from, err = l.stableEnd(ctx, w.st, w.part); err != nil {
				return c, err
			}
		}
		p := stream.Partition(w.part.num)
		c.Parts = append(c.Parts, eventlog.ClaimPart{StreamID: w.st.streamID, Partition: p, From: stream.Offset(from) + w.st.base(p)})
	}
	return c, nil
}

// take claims the names and answers what needs no writing; it returns the others. If
// the producer is not ready, nothing is taken, and whoever would be told so.
func (s *slot) take(ctx context.Context, c *claimed, group []*waiting, away error) (taken []*waiting, err error) {
	l := s.names.log
	entries := make([]eventlog.ClaimEntry, len(group))
	now := time.Now()
	for i, w := range group {
		e := &w.entry
		entries[i] = eventlog.ClaimEntry{StreamID: w.st.streamID, Partition: e.Partition, Key: e.Key, Digest: e.Digest, Events: e.Events,
			IDs: w.ids, Mark: e.Mark, MarkAt: e.MarkAt, MarkFrom: e.MarkFrom, Until: now.Add(l.opts.KeyTTL), Late: w.fault != nil || away != nil}
		if len(w.ids) > 0 {
			entries[i].Until = now.Add(e.IDWindow)
		}
	}
	verdicts, err := l.opts.Names.ClaimNames(ctx, c.claim, entries, now)
	if err != nil {
		return nil, err
	}
	if len(verdicts) != len(group) {
		return nil, problem.New(problem.Internal, "kafka: %d verdicts on %d entries", len(verdicts), len(group))
	}
	for i, w := range group {
		v := &verdicts[i]
		switch {
		case len(v.Wait) > 0:
			w.wait = v.Wait
		case errors.Is(v.Err, eventlog.ErrLate) && w.fault != nil:
			w.err = w.fault
		case errors.Is(v.Err, eventlog.ErrLate):
			w.err = l.unready(ctx, away)
		case v.Err != nil:
			w.err = problem.New(problem.Conflict, "kafka: stream %s: %s: %w", w.st.streamID, named(&w.entry), v.Err)
		case !v.Take:
			w.answer = v.First
			if w.entry.Key == "" {
				w.answer.Range = stream.Range{Partition: w.entry.Partition}
				w.answer.Repeated = 0
			}
			if len(w.ids) > 0 {
				w.answer.Repeated = w.entry.Events
			}
		default:
			w.number = i
			w.load(c.claim.ID, v.Repeated)
			taken = append(taken, w)
			continue
		}
		s.names.tell(w)
	}
	return taken, nil
}

func named(e *eventlog.Entry) string {
	if e.Key != "" {
		return "idempotency key " + strconv.Quote(e.Key)
	}
	return "mark " + strconv.Quote(e.Mark)
}

// load makes the records of the events that are new.
func (w *waiting) load(claim int64, repeated []bool) {
	headers := []kgo.RecordHeader{{Key: claimHeader, Value: fmt.Appendf(nil, "%d.%d", claim, w.number)}}
	w.recs, w.text, w.first, w.last = w.recs[:0], 0, -1, -1
	next := 0 // of w.lines
	rest := w.entry.Data
	for line := 0; len(rest) > 0; line++ {
		i := bytes.IndexByte(rest, '\n')
		keep := len(w.ids) == 0
		if !keep && next < len(w.lines) && w.lines[next] == line {
			keep = repeated == nil || !repeated[next]
			next++
		}
		if keep {
			w.recs = append(w.recs, kgo.Record{Topic: w.st.desc.Name, Partition: w.part.num, Value: rest[:i:i], Headers: headers})
			w.text += i + 1
		}
		rest = rest[i+1:]
	}
	w.repeated = w.entry.Events - len(w.recs)
}

// write writes the events in a transaction, and answers.
func (s *slot) write(ctx context.Context, c *claimed, taken []*waiting) {
	n := s.names
	// Entries that came at the same time may go in any order, so in that in which fewer are late.
	if slices.ContainsFunc(taken, func(w *waiting) bool { return w.entry.Stamped }) {
		slices.SortStableFunc(taken, func(a, b *waiting) int { return a.entry.Received.Compare(b.entry.Received) })
	}
	err := s.produce(ctx, c, taken)
	if err == nil {
		if late := s.lateNow(ctx, taken); len(late) > 0 {
			err = errLateGroup
		}
	}
	if err == nil {
		c.commit = true
		err = s.client.EndTransaction(ctx, kgo.TryCommit)
	}
	if err == nil {
		n.log.awaitShown(ctx, placesOf(taken))
		s.stored(taken)
		s.settle(ctx, c, true, taken)
		return
	}
	n.log.logger.Debug("kafka: transaction", slog.Int64("claim", c.claim.ID), slog.Any("error", err))
	if !c.commit {
		// No commit was sent and none will be: it is void, whatever becomes of the transaction.
		s.abort(ctx, err)
		s.settle(ctx, c, false, nil)
		s.refused(ctx, taken, err)
		return
	}
	s.close()
	s.recover(ctx, c, taken, err)
}

var (
	errLateGroup = errors.New("an entry of the group is late")
	errTooLong   = errors.New("no broker took the events in time")
)

// produce writes the records and looks that all of them carry the epoch of the claim.
func (s *slot) produce(ctx context.Context, c *claimed, taken []*waiting) error {
	if err := s.client.BeginTransaction(); err != nil {
		return err
	}
	var mu sync.Mutex
	var fault error
	left, all := 0, make(chan struct{})
	for _, w := range taken {
		left += len(w.recs)
	}
	for _, w := range taken {
		promise := func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil && (r.ProducerID != c.pid || r.ProducerEpoch != c.epoch) {
				err = errors.New("the producer was initialised anew meanwhile")
			}
			if err != nil {
				if w.fault == nil {
					w.fault = err
				}
				if fault == nil {
					fault = err
				}
			}
			if w.first < 0 || r.Offset < w.first {
				w.first = r.Offset
			}
			w.last = max(w.last, r.Offset)
			if left--; left == 0 {
				close(all)
			}
		}
		w.part.append.Lock()
		at := w.entry.Received
		if clock := w.part.clock(at); !w.entry.Stamped {
			at = clock
		}
		for i := range w.recs {
			w.recs[i].Timestamp = s.names.log.stampOf(at)
			s.client.TryProduce(ctx, &w.recs[i], promise)
		}
		w.part.append.Unlock()
	}
	// The client itself waits without end for the answer to what it has sent.
	soon, cancel := context.WithTimeout(ctx, s.names.log.opts.AppendWait)
	defer cancel()
	err := s.known(soon, taken, func(w *waiting) bool {
		mu.Lock()
		defer mu.Unlock()
		return w.fault != nil
	})
	if err == nil {
		err = s.client.Flush(soon)
	}
	if err != nil {
		s.close()
	}
	<-all
	mu.Lock()
	defer mu.Unlock()
	if fault != nil {
		return fault
	}
	if s.client == nil { // and yet all were answered
		return errTooLong
	}
	pid, epoch, err := s.client.ProducerID(ctx)
	if err == nil && (pid != c.pid || epoch != c.epoch) {
		err = errors.New("the producer was initialised anew meanwhile")
	}
	return err
}

// lateNow finds stamped entries whose hour had ended before their last record. Records do not
// come before others later, so what it finds is final.
func (s *slot) lateNow(ctx context.Context, taken []*waiting) (late []*waiting) {
	for _, w := range taken {
		if !w.entry.Stamped {
			continue
		}
		at, err := s.names.log.reachedAfter(ctx, w, w.last)
		if err == nil && at == nil {
			continue
		}
		w.fault = err
		if at != nil {
			w.fault = at
		}
		late = append(late, w)
	}
	return late
}

// stored answers entries whose transaction is committed.
func (s *slot) stored(taken []*waiting) {
	n := s.names
	for _, w := range taken {
		at := w.entry.Received
		n.log.stored(w.st, w.part, eventlog.Advance{StreamID: w.st.streamID, Events: int64(len(w.recs)), Raw: int64(w.text), First: at, At: at}, w.first, w.last+1)
		w.answer, w.err = eventlog.Appended{Range: w.rangeOf(), Events: len(w.recs), Repeated: w.repeated}, nil
		n.tell(w)
	}
}

// refused answers entries of which nothing was stored. What the group was refused for the
// sake of others in it is tried again: alone, if it is not clear whose fault it was.
func (s *slot) refused(ctx context.Context, taken []*waiting, err error) {
	n := s.names
	var back []*waiting
	for _, w := range taken {
		var late *eventlog.LateError
		mine := w.fault
		w.fault = nil
		switch {
		case errors.As(mine, &late):
			w.err = late
		case errors.Is(err, errLateGroup) && mine == nil:
			back = append(back, w)
			continue
		case !w.alone && (len(taken) > 1 && permanent(err) || isUnknownTopic(err)): // a new producer looks at topics anew
			w.alone = true
			back = append(back, w)
			continue
		default:
			if mine == nil {
				mine = err
			}
			w.err = n.log.voided(ctx, w, mine)
		}
		n.tell(w)
	}
	n.again(back)
}

// permanent reports whether the fault is of an entry or its topic, and not of the brokers.
func permanent(err error) bool {
	return isUnknownTopic(err) || denied(err) || errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidTimestamp) || errors.Is(err, kerr.InvalidRecord)
}

// voided is the error of an entry of which nothing was stored.
func (l *Log) voided(ctx context.Context, w *waiting, err error) error {
	if permanent(err) {
		return l.notStored(ctx, w.st, &flight{fault: err})
	}
	if ctx.Err() != nil {
		return errClosed()
	}
	var pe *problem.Error
	if errors.As(err, &pe) {
		return err
	}
	return l.refuse("topic %s: the transaction was given up: %v", w.st.desc.Name, err)
}

// unready is the error of entries when the producer could not be made ready.
func (l *Log) unready(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return errClosed()
	case denied(err):
		return classify("write transactions", err)
	}
	return l.refuse("no broker could be asked in time: %v", err)
}

// fail answers all with an error.
func (n *names) fail(group []*waiting, err error) {
	for _, w := range group {
		w.err = err
		n.tell(w)
	}
}

// close lets a claim go: it is settled, or not this process's affair any more.
func (n *names) close(c *claimed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, c.claim.ID)
	close(c.done)
}
