package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"strm/internal/eventlog"
)

// growth is how far a partition has been told to have grown. Offsets are the topic's.
type growth struct {
	mu    sync.Mutex
	known bool
	end   int64 // told up to here
	ahead []run // own appends beyond end, told already; in order
}

type run struct{ start, end int64 }

// own notes what this log has appended and told.
func (g *growth) own(start, end int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known {
		return // what was there before the first look is not told anyway
	}
	i := len(g.ahead)
	for i > 0 && g.ahead[i-1].start > start {
		i--
	}
	if i > 0 && g.ahead[i-1].end >= start { // usually they follow each other
		g.ahead[i-1].end = max(g.ahead[i-1].end, end)
		return
	}
	g.ahead = append(g.ahead, run{})
	copy(g.ahead[i+1:], g.ahead[i:])
	g.ahead[i] = run{start, end}
}

// beyond reports whether the partition had reached further than this end.
func (g *growth) beyond(end int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known && end < g.end
}

// reach notes the end of the partition and returns how many offsets up to it are
// others', untold so far.
func (g *growth) reach(end int64) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known {
		g.known, g.end = true, end
		// Whoever has looked at the partition before, and sleeps, may have seen less.
		return min(end, 1)
	}
	if end <= g.end {
		return 0
	}
	others, at := int64(0), g.end
	keep := g.ahead[:0]
	for _, r := range g.ahead {
		if r.end <= at {
			continue
		}
		if r.start < end {
			others += max(0, r.start-at)
			at = max(at, min(r.end, end))
		}
		if r.end > end {
			keep = append(keep, r)
		}
	}
	g.ahead, g.end = keep, end
	return others + end - at
}

// Subscribe implements eventlog.Log. What this log appends is told at once; growth by
// others when Run looks, with Events at most and Raw about right.
func (l *Log) Subscribe(fn func(eventlog.Advance)) (cancel func()) { return l.subs.Add(fn) }

// Run watches the ends of the streams that this log knows and tells subscribers of growth
// by others, until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	var settling sync.WaitGroup
	defer settling.Wait()
	settling.Go(func() { l.runNames(ctx) })
	t := time.NewTicker(l.opts.PollEvery)
	defer t.Stop()
	for n := 1; ; n++ {
		l.poll(ctx, n%lookEvery == 0)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// lookEvery is after how many looks at the ends all the topics themselves are looked at.
const lookEvery = 10

// poll looks at the ends of all streams once, and at the topics whose ends are odd or, if so
// asked, at all. What fails is looked at the next time: whoever reads the stream meets the
// failure.
func (l *Log) poll(ctx context.Context, topics bool) {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return
	}
	defer leave()
	if l.opts.Topics != nil {
		known, err := l.opts.Topics.TopicStreams(ctx)
		if err != nil {
			l.logger.Debug("kafka: streams to watch", slog.Any("err", err))
		}
		l.outdated(known)
		ids := make([]string, len(known))
		for i := range known {
			ids[i] = known[i].ID
		}
		l.rebind(ctx, ids, err == nil)
	}
	l.mu.RLock()
	all := make([]*topic, 0, len(l.streams))
	for _, st := range l.streams {
		all = append(all, st)
	}
	l.mu.RUnlock()
	if len(all) == 0 {
		return
	}
	ends := l.offsets(ctx, all, atEnd)
	now := time.Now().UTC().Truncate(time.Millisecond)
	var doubted []*topic
	for _, st := range all {
		at := ends[st.desc.Name]
		var events int64
		doubt := false
		for _, part := range st.parts {
			if int(part.num) >= len(at) || at[part.num].err != nil {
				doubt = doubt || int(part.num) < len(at) && isUnknownTopic(at[part.num].err)
				continue
			}
			// A last stable offset goes back where a topic was made anew, or events were lost.
			doubt = doubt || part.seen.beyond(at[part.num].offset)
			events += part.seen.reach(at[part.num].offset)
		}
		if doubt || topics {
			doubted = append(doubted, st)
		}
		if events > 0 {
			l.subs.Tell(eventlog.Advance{StreamID: st.streamID, Events: events, Raw: st.rawOf(events), First: now, At: now})
		}
	}
	l.compare(ctx, doubted)
}
