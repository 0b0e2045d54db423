package control

import (
	"context"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// lookAgain is how long a SinkChecker sleeps at most: sinks come and change.
const lookAgain = time.Minute

// SinksDuty is what SinkChecker.Owns asks for.
const SinksDuty = "sinks"

// notOurs is how soon a SinkChecker looks again whether sinks have become its duty.
const notOurs = 10 * time.Second

// SinkChecker tries sinks again of which nothing was heard for a while: one
// that nobody uses fails as silently as it works. It tries them one at a time,
// as TestSink does, whose object is there already: so nothing new comes into the
// bucket, and a store that refuses to replace it has looked at credentials,
// permission and bucket first.
type SinkChecker struct {
	Control *Control
	Logger  *slog.Logger
	Every   time.Duration // how old the news of a sink may be, and up to a tenth more

	// Owns says whether this node is to do it; nil: it is.
	Owns func() bool

	// Run's: when sinks were tried in vain to learn anything of their health,
	// or said what they had said a moment before, which is not written again.
	tried map[string]time.Time
}

// Run works until ctx ends, which also ends the trial under way; nothing is
// learnt from that one.
func (k *SinkChecker) Run(ctx context.Context) error {
	k.tried = map[string]time.Time{}
	// Exporters that start now try most of the sinks themselves.
	most := min(k.Every, lookAgain)
	t := time.NewTimer(most/2 + rand.N(most/2+1))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if k.Owns != nil && !k.Owns() {
			t.Reset(min(most, notOurs))
			continue
		}
		wait, err := k.once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			k.Logger.Error("look for sinks to try", slog.Any("error", err))
			wait = most
		}
		t.Reset(wait)
	}
}

// once tries the sink that is due the longest and returns how long nobody is.
func (k *SinkChecker) once(ctx context.Context) (time.Duration, error) {
	sinks, err := k.Control.catalog.Sinks(ctx)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	wait, first, there := lookAgain, -1, map[string]time.Time{}
	for i := range sinks {
		s := &sinks[i]
		if at, ok := k.tried[s.Name]; ok {
			there[s.Name] = at
		}
		if d := k.due(s, now).Sub(now); d < wait {
			wait, first = d, i
		}
	}
	k.tried = there // those of sinks that are gone go too
	if first < 0 || wait > 0 {
		return wait, nil
	}
	k.try(ctx, &sinks[first])
	return 0, nil
}

// due returns when a sink is to be tried.
func (k *SinkChecker) due(s *stream.Sink, now time.Time) time.Time {
	news, limit := s.Health.At, k.Every
	if s.Health.Status == stream.HealthUnknown {
		// Whoever saved it is trying it, unless that was cut off.
		news, limit = s.UpdatedAt, min(k.Every, lookAgain)
	}
	if news.After(now) {
		news = time.Time{} // the clock was set back
	}
	if at := k.tried[s.Name]; at.After(news) {
		news, limit = at, k.Every
	}
	return news.Add(limit + jitter(s, news, limit/10))
}

// jitter spreads sinks that were heard of at the same time. It is one number
// for as long as there are no other news.
func jitter(s *stream.Sink, news time.Time, most time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt([]byte(s.Name), news.UnixMicro(), 10)) // a hash never fails
	return time.Duration(h.Sum64() % uint64(most+1))
}

func (k *SinkChecker) try(ctx context.Context, before *stream.Sink) {
	s, err := k.Control.TestSink(ctx, before.Name, "")
	if ctx.Err() != nil {
		return
	}
	k.tried[before.Name] = time.Now()
	of := slog.String("sink", before.Name)
	switch h := s.Health; {
	case problem.KindOf(err) == problem.NotFound: // deleted meanwhile
	case err != nil:
		k.Logger.Warn("try the sink again", of, slog.Any("error", err))
	case h.Status == before.Health.Status && h.Step == before.Health.Step:
	case h.Status == stream.HealthFailing:
		k.Logger.Warn("the sink cannot be written to", of, slog.String("step", string(h.Step)), slog.String("reason", h.Reason))
	case before.Health.Status == stream.HealthFailing:
		k.Logger.Info("the sink can be written to again", of)
	}
}
