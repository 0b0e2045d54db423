package kafka

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// known waits until the producer itself knows of the partitions, but for those whose entries
// have failed.
//
// A topic that the client meets for the first time comes into its list after the records that
// waited for it have been handed on. If they are sent while that goes on, an entry is divided, and
// other producers' records come between; and the client ends a transaction by its list: to one
// that knows of no partition a commit is the end of nothing, it sends an abort, or nothing at
// all, and says that all is well. So this comes before anything is sent.
func (s *slot) known(ctx context.Context, taken []*waiting, failed func(*waiting) bool) error {
	for _, w := range taken {
		for wait := 50 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
			leader, _, err := s.client.PartitionLeader(w.st.desc.Name, w.part.num)
			if err == nil && leader >= 0 || failed(w) {
				break
			}
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// shownWithin is how long an append waits at most, when its events are stored, until readers
// see them, and after how long it ends the transactions of nodes that are gone.
const (
	shownWithin = 2 * time.Second
	goneAfter   = 100 * time.Millisecond
)

// place is an offset of the topic that readers are to see.
type place struct {
	st   *topic
	part *partition
	last int64
}

func (p place) shown() bool { return p.part.stable.Load() > p.last }

func placesOf(taken []*waiting) []place {
	ps := make([]place, len(taken))
	for i, w := range taken {
		ps[i] = place{w.st, w.part, w.last}
	}
	return ps
}

// awaitShown waits until the last stable offsets have passed the places: brokers answer a
// commit before they have written its markers, and who is told that an event is in expects Bounds to
// cover it, on every node. So it comes before an append is answered, and before a claim is noted
// done, from which repeats are answered. Open transactions of others before the events are waited for,
// too, and ended if their nodes are gone; if it takes too long, the events are stored all the same.
func (l *Log) awaitShown(ctx context.Context, places []place) {
	ctx, cancel := context.WithTimeout(ctx, shownWithin)
	defer cancel()
	began, looked := time.Now(), false
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		var hidden []*topic
		for _, p := range places {
			if !p.shown() && !slices.Contains(hidden, p.st) {
				hidden = append(hidden, p.st)
			}
		}
		if len(hidden) == 0 {
			return
		}
		ends := l.offsets(ctx, hidden, atEnd)
		for _, p := range places {
			if at := ends[p.st.desc.Name]; int(p.part.num) < len(at) && at[p.part.num].err == nil {
				p.part.reached(at[p.part.num].offset)
			}
		}
		if !slices.ContainsFunc(places, func(p place) bool { return !p.shown() }) {
			return
		}
		if !looked && time.Since(began) > goneAfter {
			looked = true
			l.fenceGone(ctx)
		}
		if pause(ctx, wait) != nil {
			l.logger.Debug("kafka: events are stored and not to be seen yet", slog.String("topic", hidden[0].desc.Name))
			return
		}
	}
}

// fenceGone ends the open transactions of nodes that are gone. What became of their claims is
// found out when somebody asks.
func (l *Log) fenceGone(ctx context.Context) {
	open, err := l.opts.Names.OpenClaims(ctx, 0, claimsAtOnce)
	if err != nil {
		return
	}
	fenced := map[string]bool{}
	for _, c := range open {
		if c.Live || c.Node == l.opts.Node || fenced[c.Producer] {
			continue
		}
		fenced[c.Producer] = true
		if err := l.fence(ctx, c.Producer); err != nil {
			l.logger.Debug("kafka: end the transaction of a node that is gone", slog.Any("error", err))
		}
	}
}
