package exporter

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// told is a lane's trouble as other nodes read it, from the exporter's row.
type told struct {
	Problem string    `json:"problem"`
	Blocked bool      `json:"blocked,omitempty"`
	Since   time.Time `json:"since"`
	RetryAt time.Time `json:"retryAt,omitzero"`
}

func (t trouble) told() string {
	if t.problem == "" || t.batch {
		return "" // what keeps a batch is in its row
	}
	text, err := json.Marshal(told{Problem: t.problem, Blocked: t.blocked, Since: t.since.UTC(), RetryAt: t.retryAt.UTC()})
	if err != nil {
		return "" // texts and times can be written
	}
	return string(text)
}

func troubleTold(text string) trouble {
	var t told
	if text == "" || json.Unmarshal([]byte(text), &t) != nil {
		return trouble{} // of a later version, perhaps
	}
	return trouble{problem: t.Problem, blocked: t.Blocked, since: t.Since, retryAt: t.RetryAt}
}

// tellWithin bounds the write of a lane's trouble.
const tellWithin = 5 * time.Second

// tell writes a lane's trouble for other nodes, if it has changed. A failure is no
// failure of the step: the next one tells anew.
func (r *Runner) tell(ctx context.Context, l *lane) {
	if !r.shared || !r.isMine(l) {
		return
	}
	l.mu.Lock()
	text := l.status.troubles[ofExport].told()
	l.mu.Unlock()
	if text == l.told {
		return
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer cancel()
	if err := r.catalog.SetTrouble(within, l.id, text); err != nil {
		r.logger.Warn("note the exporter's trouble for other nodes", slog.String("exporter", l.id), slog.Any("error", err))
		return
	}
	l.told = text
}

// remote is an exporter that another node carries, as the ledger has it.
type remote struct {
	state     stream.ExporterState
	delivered stream.Position
	trouble   trouble // of the export, else of a replay
	stuck     bool    // the export needs a person
}

func (r *Runner) remote(ctx context.Context, exporterID string) (remote, error) {
	st, err := r.catalog.ExporterState(ctx, exporterID)
	if err != nil {
		return remote{}, err
	}
	batches, err := r.ledger.Unfinished(ctx, exporterID)
	if err != nil {
		return remote{}, err
	}
	out := remote{state: st, delivered: delivered(st.Next, batches), trouble: troubleTold(st.Trouble)}
	var replay trouble
	for i := range batches {
		b := &batches[i]
		switch {
		case b.Problem == "":
		case b.Replay != "" && replay.problem == "":
			replay = troubleIn(b)
		case b.Replay == "" && out.trouble.problem == "":
			out.trouble = troubleIn(b)
		}
	}
	out.stuck = out.trouble.blocked
	if out.trouble.problem == "" {
		out.trouble = replay
	}
	return out, nil
}

// statusWithin bounds the look into the ledger for a status.
const statusWithin = 5 * time.Second

// remoteStatus is Status for an exporter that another node carries.
func (r *Runner) remoteStatus(exporterID string) Status {
	ctx, cancel := context.WithTimeout(context.Background(), statusWithin)
	defer cancel()
	is, err := r.remote(ctx, exporterID)
	if err != nil {
		if problem.KindOf(err) == problem.NotFound {
			return Status{}
		}
		return Status{State: StateRetrying, Reason: "how the exporter fares on its node cannot be read: " + err.Error(), Since: r.now()}
	}
	st := statusOf(is.state.Paused, is.trouble)
	st.LastDeliveryAt, st.Delivered, st.Waiting = is.state.LastDoneAt, is.delivered, r.waiting(ctx, is.state.StreamID, is.delivered)
	return st
}

// oldNews is how long, in Options.Poll, a blocked exporter of another node is waited for:
// it may be trying anew just now, as it was asked to.
const oldNews = 4

// waitRemote is one look of WaitDelivered at an exporter of another node.
func (r *Runner) waitRemote(ctx context.Context, exporterID string, target stream.Position, since time.Time) (done, over bool, err error) {
	is, err := r.remote(ctx, exporterID)
	if err != nil {
		if ctx.Err() != nil { // who waits has had enough, which is no failure
			err = nil
		}
		return false, true, err
	}
	switch {
	case !is.delivered.Before(target):
		return true, true, nil
	case is.state.Paused, is.stuck && r.now().Sub(since) > oldNews*r.poll:
		return false, true, nil
	}
	return false, false, nil
}
