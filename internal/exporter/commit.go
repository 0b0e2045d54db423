package exporter

import (
	"context"
	"log/slog"
	"time"

	"strm/internal/stream"
)

// commitPolls is how often positions are told to the log's own tools, in Options.Poll.
const commitPolls = 3

// complainEvery bounds how often a failure to do so is logged.
const complainEvery = time.Minute

// Group is the consumer group that stands for an exporter in Kafka's own tools.
func Group(exporterID string) string { return "strm-" + exporterID }

// progress is where an exporter has got to.
type progress struct {
	streamID string
	at       stream.Position
}

// moved notes that a lane's delivered position may have moved.
func (r *Runner) moved(l *lane) {
	if r.commit == nil {
		return
	}
	l.mu.Lock()
	at := l.delivered.Clone()
	l.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress[l.id] = progress{l.streamID, at}
}

// commits tells the log's own tools how far exporters have got. Nothing waits for it,
// and nothing is lost with it: the positions are in the ledger.
func (r *Runner) commits(ctx context.Context) {
	tick := time.NewTicker(commitPolls * r.poll)
	defer tick.Stop()
	var complained time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		all := r.progress
		r.progress = map[string]progress{}
		r.mu.Unlock()
		for id, p := range all {
			err := r.commit(ctx, p.streamID, Group(id), p.at)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				r.uncommitted(id, p)
			}
			if now := r.now(); err != nil && now.Sub(complained) >= complainEvery {
				complained = now
				r.logger.Warn("commit the exporter's offsets for Kafka's own tools", slog.String("exporter", id), slog.Any("error", err))
			}
		}
	}
}

// uncommitted keeps a position that could not be told for the next time, unless there is
// a newer one, or the exporter is not ours any more.
func (r *Runner) uncommitted(id string, p progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[id]
	if _, newer := r.progress[id]; !newer && l != nil && l.mine {
		r.progress[id] = p
	}
}
