package segment

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"strm/internal/collect/answer"
	"strm/internal/collect/body"
	"strm/internal/collect/segment/rawlog"
	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/problem"
)

const (
	// keepLines is how large the buffers may be that are used again.
	keepLines = 4 << 20
	// lateTries is how often the lines of a request are stamped anew. The second
	// time already is the log's own; more are needed only if hours pass meanwhile.
	lateTries = 3
)

// calls takes one call or a batch of them.
func (h *Handler) calls(w http.ResponseWriter, r *http.Request, e endpoint) {
	from, outcome, rf := h.take(w, r, e)
	if rf != nil {
		h.tell(r, from, rf)
		rf.Write(w)
		return
	}
	h.Observer.Answered(from.source.Name, outcome)
	succeed(w)
}

// metrics lets the figures of analytics.js about itself fall.
func (h *Handler) metrics(w http.ResponseWriter, r *http.Request, _ endpoint) {
	body.Hurry(w, h.Limits.ReadTimeout)
	h.drain(r)
	succeed(w)
}

// drain reads what the sender still sends, within bounds.
func (h *Handler) drain(r *http.Request) { answer.Drain(r, 2*h.Limits.MaxWire) }

// take reads the request and stores its calls.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, e endpoint) (from sender, outcome string, rf *answer.Refusal) {
	arrived := body.Hurry(w, h.Limits.ReadTimeout)
	// A key in the header is looked up first: a stranger's body, or one there is
	// no room for, needs no memory.
	if key := headerKey(r); key != "" {
		if from, rf = h.identify(r.Context(), key); rf == nil {
			if err := h.Ingester.Room(r.Context(), &from.stream, 0); err != nil {
				rf = answer.Ingest(err)
			}
		}
	}
	limits := body.Limits{Max: h.Limits.MaxBody, MaxWire: h.Limits.MaxWire, Timeout: h.Limits.ReadTimeout}
	if rf == nil {
		if err := body.Check(r, limits); err != nil {
			rf = answer.Body(err)
		}
	}
	if rf != nil {
		h.drain(r)
		return from, "", rf
	}
	read := func() {}
	if from.key == "" {
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
		rf := answer.Body(err)
		if !rf.Closing {
			h.drain(r)
		}
		return from, "", rf
	}
	arrived()
	read() // from here on nobody waits for the sender: the share is for others that arrive
	outcome, rf = h.store(r, e, *buf, &from, held)
	return from, outcome, rf
}

// store reads the calls of a body and appends their lines. Without a key in
// from, the body's counts.
//
// Crash or lost answer before the 200: the SDK sends again, and what was stored
// is known by its message id, where the source de-duplicates.
func (h *Handler) store(r *http.Request, e endpoint, text []byte, from *sender, held *ingest.Reservation) (outcome string, rf *answer.Refusal) {
	if err := held.Grow(r.Context(), parsing(text)); err != nil {
		return "", answer.Memory(err)
	}
	w := h.works.Get().(*work)
	defer h.release(w)
	batch, err := w.parser.Parse(text, e.callType, rawlog.Limits{MaxEvent: h.Limits.MaxEvent, MaxEvents: h.Limits.MaxEvents})
	if err != nil {
		return "", refuseBatch(err)
	}
	if from.key == "" {
		var rf *answer.Refusal
		if *from, rf = h.identify(r.Context(), batch.WriteKey()); rf != nil {
			return "", rf
		}
		if err := h.Ingester.Room(r.Context(), &from.stream, 0); err != nil {
			return "", answer.Ingest(err)
		}
	}
	worst := h.reject(r, from, batch)
	if batch.Len() == 0 {
		if worst != nil {
			return "", answer.Invalid(problem.Invalid, string(worst.Reason), "call "+strconv.Itoa(worst.Index)+": "+string(worst.Reason)+"; the request has no call that can be taken", nil)
		}
		return OutcomeDropped, nil
	}
	if err := h.append(r, e, from, w, batch, held); err != nil {
		rf := answer.Ingest(err)
		if errors.Is(err, ingest.ErrUnsettled) {
			rf.Message += "; send the calls again with the same messageId, then each counts once"
		}
		return "", rf
	}
	return OutcomeStored, nil
}

// parsing is about how much memory the parser needs: so much for each value, of
// which there are at most as many as commas and opening brackets. A body of
// nothing but brackets needs many times its size.
func parsing(text []byte) int64 {
	const node = 64
	return node * int64(1+bytes.Count(text, []byte{','})+bytes.Count(text, []byte{'['})+bytes.Count(text, []byte{'{'}))
}

// release gives w back, without buffers that are larger than usual.
func (h *Handler) release(w *work) {
	if cap(w.lines) > keepLines {
		w.lines = nil
	}
	h.works.Put(w)
}

// refuseBatch turns an error of the parser into an answer.
func refuseBatch(err error) *answer.Refusal {
	var e *rawlog.Error
	if errors.As(err, &e) {
		return answer.Invalid(problem.Invalid, e.Code, e.Message, nil)
	}
	return answer.Invalid(problem.Invalid, "invalid_request", err.Error(), nil)
}

// reject counts the calls that are left out and returns the first of those that
// Segment itself would not have taken.
func (h *Handler) reject(r *http.Request, from *sender, batch *rawlog.Batch) (worst *rawlog.Rejection) {
	rejected := batch.Rejected()
	if len(rejected) == 0 {
		return nil
	}
	counts := map[rawlog.Reason]int{}
	for i := range rejected {
		counts[rejected[i].Reason]++
		if worst == nil && !rejected[i].Reason.Dropped() {
			worst = &rejected[i]
		}
	}
	for reason, n := range counts {
		h.Observer.Rejected(from.source.Name, string(reason), n)
		h.note(r.Context(), from.source.Name, string(reason), "calls", n, slog.String("path", LogPath(r.URL.Path)))
	}
	return worst
}

// append stores the lines of the batch.
func (h *Handler) append(r *http.Request, e endpoint, from *sender, w *work, batch *rawlog.Batch, held *ingest.Reservation) error {
	facts := rawlog.Facts{
		Received: h.Now().UTC().Truncate(time.Millisecond), ProjectID: from.source.ID, Channel: e.channel, IP: h.clientIP(r), NewMessageID: uuid.NewString,
	}
	if h.WriteKeyInLines {
		facts.WriteKey = from.key
	}
	if err := held.Grow(r.Context(), int64(batch.Size(facts))); err != nil {
		h.Observer.Refused(from.stream.Name, problem.KindOf(err))
		return err
	}
	for try := 1; ; try++ {
		w.lines, w.ids = batch.AppendLines(w.lines[:0], w.ids[:0], facts)
		req := ingest.Request{
			Stream: from.stream, Body: w.lines, Form: ingest.FormNDJSON, Received: facts.Received, Stamped: true, Reservation: held,
		}
		if from.source.DedupWindow > 0 {
			req.IDs, req.IDWindow = w.ids, from.source.DedupWindow
		}
		// No partition key: the calls of a request stay together, requests take turns.
		res, err := h.Ingester.Ingest(r.Context(), req)
		var late *eventlog.LateError
		switch {
		case err == nil:
			if res.Repeated > 0 {
				h.Observer.Repeated(from.stream.Name, res.Repeated)
			}
			return nil
		case !errors.As(err, &late) || try == lateTries:
			return err
		}
		// Nothing was stored. The lines must say an hour that the log still takes.
		facts.Received = h.Now().UTC().Truncate(time.Millisecond)
		if at := late.At.UTC(); at.After(facts.Received) {
			facts.Received = at.Truncate(time.Millisecond)
			if facts.Received.Before(at) {
				facts.Received = facts.Received.Add(time.Millisecond)
			}
		}
	}
}
