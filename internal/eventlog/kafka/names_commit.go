package kafka

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// known waits until the producer itself knows that it has written to the partitions.
//
// The client ends a transaction by its list of topics. A topic that it meets for the first time
// comes into that list after its first records have been handed on; these may be stored
// and answered for before. To a client that knows of no partition, a commit is the end of nothing: it
// sends an abort, or nothing at all, and says that all is well.
func (s *slot) known(ctx context.Context, taken []*waiting) error {
	deadline := time.Now().Add(s.names.log.opts.AppendWait)
	for _, w := range taken {
		for wait := 50 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
			leader, _, err := s.client.PartitionLeader(w.st.desc.Name, w.part.num)
			if err == nil && leader >= 0 {
				break
			}
			if time.Now().After(deadline) {
				return errTooLong
			}
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// shownWithin is how long an append waits at most, when its events are stored, until readers
// see them.
const shownWithin = 2 * time.Second

// awaitShown waits until the last stable offsets have passed the events: brokers answer a
// commit before they have written its markers, and who was told that an event is in expects Bounds to
// cover it, on every node. Another's open transaction before the events may take longer; then the events
// are stored all the same.
func (l *Log) awaitShown(ctx context.Context, taken []*waiting) {
	ctx, cancel := context.WithTimeout(ctx, shownWithin)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		var hidden []*topic
		for _, w := range taken {
			if w.part.stable.Load() <= w.last && !slices.Contains(hidden, w.st) {
				hidden = append(hidden, w.st)
			}
		}
		if len(hidden) == 0 {
			return
		}
		for name, ends := range l.offsets(ctx, hidden, atEnd) {
			for _, st := range hidden {
				if st.desc.Name != name {
					continue
				}
				for _, part := range st.parts {
					if at := ends[part.num]; at.err == nil {
						part.reached(at.offset)
					}
				}
			}
		}
		behind := slices.ContainsFunc(taken, func(w *waiting) bool { return w.part.stable.Load() <= w.last })
		if !behind {
			return
		}
		if pause(ctx, wait) != nil {
			l.logger.Debug("kafka: events are stored and not to be seen yet", slog.String("topic", hidden[0].desc.Name))
			return
		}
	}
}
