package exporter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"strm/internal/layout"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Replay names what a replay planned.
type Replay struct {
	ID      string
	Events  int64
	Batches []string
}

// planRetries bounds how often a replay plans anew because the exporter planned
// a batch of its own meanwhile.
const planRetries = 20

// maxReplayBatches bounds one replay, because all of it is one transaction.
const maxReplayBatches = 10_000

// Replay plans the events received in [from, to) once more, into another path
// prefix below the sink's, with the exporter's present settings. Zero times mean the earliest
// event kept, and now. They select whole blocks: exact to the events of one
// request or of those merged with it, some milliseconds. All batches are planned
// in one ledger transaction: if the answer is lost, the replay is either in the
// ledger or it is not; it is never half there. The exporter's position and its
// own batches are untouched. The caller keeps retention from trimming meanwhile.
func (r *Runner) Replay(ctx context.Context, exporterID, into string, from, to time.Time) (Replay, error) {
	id, err := newReplayID()
	if err != nil {
		return Replay{}, err
	}
	var cutAt time.Time
	for range planRetries {
		e, err := r.catalog.Exporter(ctx, exporterID)
		if err != nil {
			return Replay{}, err
		}
		if now := r.now(); cutAt.Before(now) {
			cutAt = now
		}
		batches, out, err := r.planReplay(ctx, e, id, into, cutAt, from, to)
		if err != nil || len(batches) == 0 {
			return out, err
		}
		err = r.ledger.Plan(ctx, batches, nil)
		// Whatever the answer, the plan may be stored; then it must be run.
		r.adopt(exporterID)
		r.nudge(ctx, exporterID)
		if err == nil {
			return out, nil
		}
		if l, lerr := layout.Parse(e.Output.Layout); lerr == nil && l.ByMoment() && taken(err) {
			cutAt = batches[len(batches)-1].CutAt.Add(time.Millisecond)
			continue
		}
		now, rerr := r.catalog.Exporter(ctx, exporterID)
		if problem.KindOf(err) != problem.Conflict || rerr != nil || now.LastSeq == e.LastSeq {
			return Replay{}, fmt.Errorf("plan the replay: %w", err)
		}
	}
	return Replay{}, problem.New(problem.Busy, "the exporter planned batches all the while; try again")
}

func newReplayID() (string, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return "replay-" + hex.EncodeToString(b[:]), nil
}

// adopt makes the exporter's lane read its unfinished batches again.
func (r *Runner) adopt(exporterID string) {
	if l := r.lane(exporterID); l != nil && r.isMine(l) {
		l.mu.Lock()
		l.reread = true
		l.mu.Unlock()
		r.wake(l)
	}
}

// nudge makes the node that carries an exporter look at its batches. One that does not
// hear of it looks within refreshEvery.
func (r *Runner) nudge(ctx context.Context, exporterID string) {
	if !r.shared || r.Owns(exporterID) {
		return
	}
	if err := r.catalog.SetFlush(context.WithoutCancel(ctx), exporterID, nil); err != nil {
		r.logger.Warn("tell the exporter's node of a replay", slog.String("exporter", exporterID), slog.Any("error", err))
	}
}

func (r *Runner) planReplay(ctx context.Context, e stream.Exporter, id, into string, cutAt, from, to time.Time) ([]stream.Batch, Replay, error) {
	out := Replay{ID: id}
	if into == e.Output.PathPrefix {
		return nil, out, problem.New(problem.Invalid, "replay into another path prefix than the exporter's own (%q), or readers there would see events twice", into)
	}
	lay, err := layout.Parse(e.Output.Layout)
	if err != nil {
		return nil, out, err
	}
	// Both prefixes are below the sink's, so they are the same place if they are the same.
	output, v, err := r.target(ctx, e, lay, into)
	if err != nil {
		return nil, out, err
	}
	start, end, err := r.span(ctx, e.StreamID, from, to)
	if err != nil {
		return nil, out, err
	}
	for p := range end {
		// Again: nothing from before the exporter's own start.
		start[p] = min(max(start[p], e.Start[p]), end[p])
	}
	now := r.now()
	var batches []stream.Batch
	for seq := e.LastSeq + 1; ; seq++ {
		blocks, w, err := survey(ctx, r.log, e.StreamID, start, end, limitsOf(e.Cut), lay.Division())
		if err != nil {
			return nil, out, err
		}
		if w.events == 0 {
			return batches, out, nil
		}
		if len(batches) == maxReplayBatches {
			return nil, out, problem.New(problem.Invalid,
				"the range makes more than %d batches; replay it in parts (--from, --to), or allow larger batches first (strm update batch-exporter)", maxReplayBatches)
		}
		b := plan(planned{
			exporter: e, seq: seq, reason: stream.CutReplay, cutAt: cutAt, now: now, replay: id, output: output, layout: lay, variant: v,
		}, blocks)
		if lay.ByMoment() {
			cutAt = b.CutAt.Add(time.Millisecond) // each batch has a moment of its own
		}
		batches = append(batches, b)
		out.Batches = append(out.Batches, b.ID)
		out.Events += w.events
		start = after(start, blocks)
	}
}

// span returns the positions that enclose the blocks received in [from, to).
func (r *Runner) span(ctx context.Context, streamID string, from, to time.Time) (start, end stream.Position, err error) {
	bounds, err := r.log.Bounds(ctx, streamID)
	if err != nil {
		return nil, nil, err
	}
	for p, b := range bounds {
		s, e := b.Floor, b.End
		whole := stream.Range{Partition: stream.Partition(p), Start: b.Floor, End: b.End}
		first := true
		if !from.IsZero() || !to.IsZero() {
			s = b.End
			for h, err := range r.log.Index(ctx, streamID, whole) {
				if err != nil {
					return nil, nil, err
				}
				if first && b.Floor > 0 && !from.IsZero() && h.FirstAt.After(from) {
					return nil, nil, problem.New(problem.Invalid,
						"events received before %s were removed by retention; replay from then on, or leave out the beginning", h.FirstAt.UTC().Format(time.RFC3339))
				}
				first = false
				if !to.IsZero() && !h.FirstAt.Before(to) {
					e = h.Range.Start
					break
				}
				if s == b.End && !h.LastAt.Before(from) {
					s = h.Range.Start
				}
			}
			s = min(s, e)
		}
		start, end = append(start, s), append(end, e)
	}
	return start, end, nil
}
