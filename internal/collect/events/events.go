// Package events is what sources of kind "events" speak over HTTP: batches of
// JSON objects at POST /v1/streams/{stream}/events, and one event a request at
// POST /event in the manner of the STRM gateways. It turns requests into calls
// of ingest and answers into statuses; it decides nothing about events.
package events

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"strm/internal/collect/body"
	"strm/internal/ingest"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Sources finds out who sends.
type Sources interface {
	// Source returns the source whose write key has this hex SHA-256, and its
	// stream. Kind NotFound means there is none. It is asked for every request,
	// so the implementer caches.
	Source(ctx context.Context, keyHash string) (stream.Source, stream.Stream, error)
}

// Admin is the one token that opens every stream.
type Admin struct {
	KeyHash string // hex SHA-256; empty for none
	// Stream finds a stream by name; kind NotFound if there is none, Conflict if
	// a source of another kind has it to itself.
	Stream func(ctx context.Context, name string) (stream.Stream, error)
}

// Limits bound a request. Zero fields get their defaults.
type Limits struct {
	MaxBody     int64         // bytes of a body, decompressed; default 16 MiB
	MaxWire     int64         // bytes of a body as sent; default MaxBody
	ReadTimeout time.Duration // from the end of the headers to the end of the body; default 30 s
}

// Deps are what the handlers work with.
type Deps struct {
	Ingester  *ingest.Ingester
	Sources   Sources
	Admin     Admin
	Limits    Limits
	BillingID string          // for strmMeta; null in the events when empty
	Observer  ingest.Observer // is told of refusals that never reach the Ingester; may be nil
	Logger    *slog.Logger    // may be nil
}

// Handler serves both ways in. It is safe for concurrent use.
type Handler struct {
	Deps
	bodies body.Reader
}

// New returns a Handler.
func New(d Deps) *Handler {
	if d.Limits.MaxBody <= 0 {
		d.Limits.MaxBody = 16 << 20
	}
	if d.Limits.MaxWire <= 0 {
		d.Limits.MaxWire = d.Limits.MaxBody
	}
	if d.Limits.ReadTimeout <= 0 {
		d.Limits.ReadTimeout = 30 * time.Second
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{Deps: d}
}

// Register adds the routes. Other methods of the events path are left to
// others; the mux answers 405 for those nobody serves.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/streams/{stream}/events", h.postEvents)
	mux.HandleFunc("POST /event", h.postEvent)
	mux.HandleFunc("/event", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send events with POST", http.StatusMethodNotAllowed)
	})
}

// postEvents answers 200 {"accepted": N}, or a problem (RFC 9457).
func (h *Handler) postEvents(w http.ResponseWriter, r *http.Request) {
	res, rf := h.take(w, r, r.PathValue("stream"), formOf(r.Header.Get("Content-Type")), ingest.MetaDefaults{
		SchemaID: r.Header.Get("Strm-Schema-Id"), EventContractRef: r.Header.Get("Strm-Schema-Ref"), BillingID: h.BillingID,
	})
	if rf != nil {
		h.log(r, rf)
		rf.writeProblem(w)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json")
	if res.Duplicate {
		head.Set("Idempotent-Replayed", "true")
	}
	body := strconv.AppendInt([]byte(`{"accepted":`), int64(res.Accepted), 10)
	_, _ = w.Write(append(body, "}\n"...)) // the client is gone: it will ask again
}

// postEvent answers 204, or the reason as plain text.
func (h *Handler) postEvent(w http.ResponseWriter, r *http.Request) {
	rf := checkSerialisation(r.Header.Get("Strm-Serialization-Type"))
	var res ingest.Result
	if rf == nil {
		res, rf = h.take(w, r, "", ingest.FormOne, ingest.MetaDefaults{
			SchemaID: r.Header.Get("Strm-Schema-Id"), EventContractRef: r.Header.Get("Strm-Schema-Ref"), BillingID: h.BillingID,
		})
	} else {
		h.refused("", rf.kind)
	}
	if rf != nil {
		h.log(r, rf)
		rf.writeText(w)
		return
	}
	if res.Duplicate {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// take does what both ways in have in common. streamName is empty where the
// write key alone chooses the stream.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, streamName string, form ingest.Form, meta ingest.MetaDefaults) (ingest.Result, *refusal) {
	// The sender has ReadTimeout for the whole body, from the end of the headers.
	arrived := body.Hurry(w, h.Limits.ReadTimeout)
	s, rf := h.authorise(r, streamName)
	if rf != nil {
		h.refused("", rf.kind)
		return ingest.Result{}, rf
	}
	key, rf := idempotencyKey(r.Header)
	limits := body.Limits{Max: h.Limits.MaxBody, MaxWire: h.Limits.MaxWire, Timeout: h.Limits.ReadTimeout}
	if rf == nil {
		if err := body.Check(r, limits); err != nil {
			rf = refuseBody(err)
		}
	}
	if rf != nil {
		h.refused(s.Name, rf.kind)
		return ingest.Result{}, rf
	}
	// From here on the Ingester counts its own refusals.
	held, err := h.Ingester.Admit(r.Context(), &s, body.First(r))
	if err != nil {
		return ingest.Result{}, refuse(err)
	}
	defer held.Release()
	buf := h.bodies.Buffer()
	defer h.bodies.GiveBack(buf)
	if err := h.bodies.Read(w, r, buf, limits, held); err != nil {
		rf := refuseBody(err)
		h.refused(s.Name, rf.kind)
		return ingest.Result{}, rf
	}
	arrived()
	if form == ingest.FormOne {
		if rf := looksBinary(*buf); rf != nil {
			h.refused(s.Name, rf.kind)
			return ingest.Result{}, rf
		}
	}
	res, err := h.Ingester.Ingest(r.Context(), ingest.Request{
		Stream: s, Body: *buf, Form: form, IdempotencyKey: key,
		PartitionKey: r.Header.Get("Strm-Partition-Key"), Meta: meta, Received: time.Now(), Reservation: held,
	})
	if err != nil {
		return ingest.Result{}, refuse(err)
	}
	return res, nil
}

func (h *Handler) refused(streamName string, kind problem.Kind) {
	if h.Observer != nil {
		h.Observer.Refused(streamName, kind)
	}
}

// log tells the operator of faults of ours. A client that went away is none: it
// ends the request's context, and what fails by that alone is the ordinary end
// of a broken connection. Whether the events were stored it finds out by its
// key, as after any lost answer.
func (h *Handler) log(r *http.Request, rf *refusal) {
	if rf.status < 500 {
		return
	}
	about := []slog.Attr{slog.String("path", r.URL.Path), slog.Int("status", rf.status), slog.Any("error", rf.cause)}
	if r.Context().Err() != nil && errors.Is(rf.cause, context.Canceled) {
		h.Logger.LogAttrs(r.Context(), slog.LevelDebug, "the client went away", about...)
		return
	}
	h.Logger.LogAttrs(r.Context(), slog.LevelError, "intake failed", about...)
}
