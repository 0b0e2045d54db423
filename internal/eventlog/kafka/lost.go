package kafka

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// lost is a stream whose topic is not there, or is another than it was.
type lost struct {
	reason string
	again  time.Time // when to look for it
}

const (
	lostPolls = 3  // polls between looks for a topic that is not there: each may take newsWithin
	lookers   = 16 // looks at once
)

// rebind looks at the topics of streams that are not bound, and tells of those that are
// lost, or have come back. ids are all streams, if that is so.
func (l *Log) rebind(ctx context.Context, ids []string, all bool) {
	now := time.Now()
	known := make(map[string]bool, len(ids))
	errs := make([]error, len(ids))
	looked := make([]bool, len(ids))
	var g errgroup.Group
	g.SetLimit(lookers)
	for i, id := range ids {
		known[id] = true
		if now.Before(l.lost[id].again) {
			continue
		}
		looked[i] = true
		if l.bound(id) {
			continue
		}
		g.Go(func() error {
			_, errs[i] = l.stream(ctx, id)
			return nil
		})
	}
	_ = g.Wait() // errors are in errs
	for i, id := range ids {
		if looked[i] && ctx.Err() == nil {
			l.judge(id, errs[i])
		}
	}
	for id := range l.lost {
		if all && !known[id] {
			delete(l.lost, id)
		}
	}
}

func (l *Log) bound(id string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.streams[id] != nil
}

// judge takes up what a look at a stream's topic has found.
func (l *Log) judge(id string, err error) {
	was, waslost := l.lost[id]
	switch {
	case err == nil:
		delete(l.lost, id)
	case problem.KindOf(err) == problem.Conflict:
		l.lost[id] = lost{err.Error(), time.Now().Add(lostPolls * l.opts.PollEvery)}
	default:
		l.logger.Debug("kafka: a stream to watch", slog.String("stream", id), slog.Any("err", err))
		return // whoever reads it meets the failure
	}
	if is, islost := l.lost[id]; waslost != islost || was.reason != is.reason {
		l.subs.Tell(eventlog.Advance{StreamID: id, Turned: true})
	}
}

// compare looks whether topics are still those that streams were bound to, with as many
// partitions. Those that are not are forgotten: whoever needs one next, rebind at the
// latest, meets what it is now, and those who wait for events of it are woken to do so.
func (l *Log) compare(ctx context.Context, doubted []*topic) {
	if len(doubted) == 0 { // a request for no topics would be one for all
		return
	}
	req := kmsg.NewPtrMetadataRequest()
	bound := make(map[string][]*topic, len(doubted)) // two streams may be bound to one: see offsets
	for _, st := range doubted {
		if bound[st.desc.Name] == nil {
			rt := kmsg.NewMetadataRequestTopic()
			rt.Topic = &st.desc.Name
			req.Topics = append(req.Topics, rt)
		}
		bound[st.desc.Name] = append(bound[st.desc.Name], st)
	}
	resp, err := req.RequestWith(ctx, l.client)
	if err != nil {
		l.logger.Debug("kafka: look at topics again", slog.Any("err", err))
		return
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.Topic == nil {
			continue
		}
		err := kerr.ErrorForCode(t.ErrorCode)
		for _, st := range bound[*t.Topic] {
			if isUnknownTopic(err) || err == nil && (t.TopicID != st.id || len(t.Partitions) != len(st.parts)) {
				l.forget(st)
				l.subs.Tell(eventlog.Advance{StreamID: st.streamID, First: now, At: now})
			}
		}
	}
}
