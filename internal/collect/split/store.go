package split

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"unicode/utf8"

	"strm/internal/collect/answer"
	"strm/internal/collect/split/wire"
	"strm/internal/ingest"
	"strm/internal/problem"
)

const (
	// keepLines is how large the buffers may be that are used again.
	keepLines = 4 << 20
	// maxLines is how many bytes of lines are stored in one go. The full queues of
	// SDKs stay below it: 30,000 impressions are about 12 MB.
	maxLines = 32 << 20
)

// store reads the entries of a body and appends their lines. Without a known
// sender in from, the key in the body counts.
//
// The lines of a body go in together, durable before the answer, unless they
// are over maxLines: then in parts, and a crash between two of them leaves the
// first ones stored. Crash or lost answer before the 200: an SDK that sends
// impressions again has them twice, as with the vendor; there are no ids.
func (h *Handler) store(ctx context.Context, r *http.Request, e endpoint, text []byte, from *sender, held *ingest.Reservation) (outcome string, rf *answer.Refusal) {
	if !utf8.Valid(text) {
		if err := held.Grow(ctx, 3*int64(len(text))); err != nil {
			return "", answer.Memory(err)
		}
		text = wire.Mend(text)
	}
	env, err := wire.Open(text)
	if err != nil {
		return "", answer.Invalid(problem.Invalid, "invalid_json", err.Error(), nil)
	}
	if !from.known {
		if *from, rf = h.identify(ctx, env.Token); rf != nil {
			return "", rf
		}
		if rf := h.room(ctx, from, e); rf != nil {
			return "", rf
		}
	}
	s := from.stream(e.kind)
	if s.ID == "" {
		what := "counts"
		if e.kind == wire.Keys {
			what = "keys"
		}
		if n := wire.Count(e.kind, env.Entries); n > 0 {
			h.Observer.Discarded(from.source.Name, what, n)
		}
		return OutcomeDropped, nil
	}
	w := h.works.Get().(*work)
	defer h.release(w)
	w.writer.Begin(e.kind, env.Entries, h.facts(r, &env, from))
	if rf = h.append(ctx, w, from, e, held, len(env.Entries)); rf != nil {
		return "", rf
	}
	h.reject(ctx, r, from, w.writer.Rejected())
	if w.writer.Lines() == 0 {
		return OutcomeDropped, nil
	}
	return OutcomeStored, nil
}

// append stores the lines of the writer. size is that of the entries.
func (h *Handler) append(ctx context.Context, w *work, from *sender, e endpoint, held *ingest.Reservation, size int) *answer.Refusal {
	// Lines are three to ten times as long as impressions, and as long as events.
	room := min(3*size+4096, maxLines)
	if err := held.Grow(ctx, int64(room)); err != nil {
		return answer.Memory(err)
	}
	for more := true; more; {
		w.lines = w.lines[:0]
		for {
			w.lines = slices.Grow(w.lines, room-len(w.lines))
			if w.lines, more = w.writer.Append(w.lines, room); !more || room == maxLines {
				break
			}
			step := min(room, maxLines-room)
			if err := held.Grow(ctx, int64(step)); err != nil {
				return answer.Memory(err)
			}
			room += step
		}
		if len(w.lines) == 0 {
			return nil
		}
		// No partition key: the entries of a request stay together, requests take turns.
		if _, err := h.Ingester.Ingest(ctx, ingest.Request{
			Stream: *from.stream(e.kind), Body: w.lines, Form: ingest.FormNDJSON, Reservation: held, Patience: h.Limits.Patience,
		}); err != nil {
			return answer.Ingest(err)
		}
	}
	return nil
}

// facts gathers what goes into every line of a request: from its head, or where
// that is silent from its envelope.
func (h *Handler) facts(r *http.Request, env *wire.Envelope, from *sender) wire.Facts {
	head := func(name string) string { return r.Header.Get(name) }
	name := from.source.Name
	return wire.Facts{
		Split: from.source.Split, Received: h.Now(), MaxLine: h.Limits.MaxLine,
		SDK:     cmp.Or(head("SplitSDKVersion"), head("X-Harness-FME-SDK-Version"), env.SDK),
		Mode:    cmp.Or(head("SplitSDKImpressionsMode"), env.Mode),
		Machine: cmp.Or(head("SplitSDKMachineName"), env.Machine),
		IP:      cmp.Or(head("SplitSDKMachineIP"), env.IP),
		Unknown: func(what []byte, trafficType bool, n int) { h.Unseen.add(name, what, trafficType, n) },
	}
}

// release gives w back, without buffers that are larger than usual.
func (h *Handler) release(w *work) {
	w.writer.End()
	if cap(w.lines) > keepLines {
		w.lines = nil
	}
	h.works.Put(w)
}

// reject counts the entries that were left out.
func (h *Handler) reject(ctx context.Context, r *http.Request, from *sender, rejected wire.Rejected) {
	for i, n := range rejected {
		if n == 0 {
			continue
		}
		reason := wire.Reason(i).String()
		h.Observer.Rejected(from.source.Name, reason, n)
		h.note(ctx, from.source.Name, reason, "entries", n, slog.String("path", LogPath(r.URL.Path)))
	}
}
