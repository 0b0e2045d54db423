package split

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"strm/internal/collect/answer"
	"strm/internal/collect/body"
	"strm/internal/problem"
)

// entries takes a body of impressions, events, counts or unique keys.
func (h *Handler) entries(w http.ResponseWriter, r *http.Request, e endpoint) {
	from, outcome, rf := h.take(w, r, e)
	if rf != nil {
		h.refuse(w, r, &from, e, rf)
		return
	}
	h.Observer.Answered(from.source.Name, outcome)
	succeed(w, e)
}

// telemetry lets the figures of SDKs about themselves fall.
func (h *Handler) telemetry(w http.ResponseWriter, r *http.Request, e endpoint) {
	body.Hurry(w, h.Limits.ReadTimeout)
	h.drain(r)
	succeed(w, e)
}

// succeed answers what every SDK takes for success, and what its page does not
// wait for.
func succeed(w http.ResponseWriter, e endpoint) {
	w.Header().Set("Cache-Control", "no-store")
	if e.beacon {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}\n")) // the client is gone; what it sent is stored
}

// drain reads what the sender still sends, within bounds.
func (h *Handler) drain(r *http.Request) { answer.Drain(r, 2*h.Limits.MaxWire) }

// take reads the request and stores its entries.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, e endpoint) (from sender, outcome string, rf *answer.Refusal) {
	arrived := body.Hurry(w, h.Limits.ReadTimeout)
	// A key in the head is looked up first: a stranger's body, or one there is no
	// room for, needs no memory.
	key := headerKey(r)
	if key == "" {
		key = e.name
	}
	if key != "" {
		if from, rf = h.identify(r.Context(), key); rf == nil {
			rf = h.room(r.Context(), &from, e)
		}
	}
	limits := body.Limits{Max: h.Limits.MaxBody, MaxWire: h.Limits.MaxWire, Timeout: h.Limits.ReadTimeout}
	if rf == nil {
		if err := body.Check(r, limits); err != nil {
			rf = refuseBody(err)
		}
	}
	if rf != nil {
		h.drain(r)
		return from, "", rf
	}
	read := func() {}
	if !from.known {
		leave, rf := h.strangers.Admit(r)
		if rf != nil {
			h.drain(r)
			return from, "", rf
		}
		read = sync.OnceFunc(leave)
		defer read()
	}
	held, err := h.Ingester.Reserve(r.Context(), body.First(r))
	if err != nil {
		h.drain(r)
		return from, "", answer.Ingest(err)
	}
	defer held.Release()
	buf := h.bodies.Buffer()
	defer h.bodies.GiveBack(buf)
	if err := h.bodies.Read(w, r, buf, limits, held); err != nil {
		rf := refuseBody(err)
		if !rf.Closing {
			h.drain(r)
		}
		return from, "", rf
	}
	arrived()
	read() // from here on nobody waits for the sender: the share is for others that arrive

	// A page that sent this on its way out is gone by now, and a process that
	// stops may be: what has come whole is stored all the same, for nobody will
	// send it again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.Limits.Store)
	defer cancel()
	outcome, rf = h.store(ctx, r, e, *buf, &from, held)
	return from, outcome, rf
}

// room waits for room in the stream that the request is for, if it has one.
func (h *Handler) room(ctx context.Context, from *sender, e endpoint) *answer.Refusal {
	s := from.stream(e.kind)
	if s.ID == "" {
		return nil
	}
	if err := h.Ingester.Room(ctx, s, h.Limits.Patience); err != nil {
		return answer.Ingest(err)
	}
	return nil
}

func refuseBody(err error) *answer.Refusal {
	rf := answer.Body(err)
	if rf.Kind == problem.TooLarge {
		rf.Status = http.StatusRequestEntityTooLarge
	}
	return rf
}

// refuse answers with a refusal, counts it and tells the operator: of faults of
// ours each time, of what senders do wrong now and then, for a sender that is
// wrong once is so with every request.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, from *sender, e endpoint, rf *answer.Refusal) {
	if !rf.Counted {
		h.Observer.Refused(from.stream(e.kind).Name, rf.Kind)
	}
	h.Observer.Answered(from.source.Name, rf.Kind.String())
	about := []slog.Attr{slog.String("path", LogPath(r.URL.Path)), slog.Int("status", rf.Status), slog.String("source", from.source.Name), slog.Any("error", rf.Cause)}
	switch {
	case rf.Status < 500:
		// Busy, too: what an SDK of Split is refused is lost.
		h.note(r.Context(), from.source.Name, rf.Code, "requests", 1, slog.String("last", rf.Message))
	case r.Context().Err() != nil && errors.Is(rf.Cause, context.Canceled):
		h.Logger.LogAttrs(r.Context(), slog.LevelDebug, "the client went away", about...)
	default:
		h.Logger.LogAttrs(r.Context(), slog.LevelError, "intake failed", about...)
	}
	rf.Write(w)
}

// note logs what senders do wrong, at the tally's pace: n entries, or requests.
func (h *Handler) note(ctx context.Context, source, reason, of string, n int, more ...slog.Attr) {
	if n = h.tally.Add(h.Now(), answer.Tallied{Source: source, Reason: reason}, n); n > 0 {
		h.Logger.LogAttrs(ctx, slog.LevelWarn, "split entries refused", append([]slog.Attr{slog.String("source", source), slog.String("reason", reason), slog.Int(of, n)}, more...)...)
	}
}
