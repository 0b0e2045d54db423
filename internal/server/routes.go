package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"strm/internal/api"
	"strm/internal/collect/events"
	"strm/internal/collect/notices"
	"strm/internal/collect/segment"
	"strm/internal/collect/split"
	"strm/internal/control"
)

// routes is the whole HTTP surface. The intake is not behind the control
// plane's token: a source's write key opens it.
func (s *Server) routes(ctx, stopping context.Context) (http.Handler, error) {
	installation, err := s.catalog.Installation(ctx)
	if err != nil {
		return nil, err
	}
	plane, err := api.New(api.Deps{
		Control: s.control, AdminToken: s.secrets.Token, Version: s.cfg.Version, IdempotencyWindow: s.cfg.IdempotencyWindow, Logger: s.cfg.Logger, Stopping: stopping, Unknown: s.unseen.Of,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", plane)
	mux.Handle("/openapi.json", plane)
	mux.Handle("/openapi.yaml", plane)
	mux.Handle("/debug/pprof/", plane)
	events.New(events.Deps{
		Ingester: s.ingester, Sources: s.control.WriteKeys(), Admin: events.Admin{KeyHash: control.KeyHash(s.secrets.Token), Stream: s.control.OpenStream}, Limits: events.Limits{MaxBody: s.cfg.MaxBody}, BillingID: installation,
		Observer: s.metrics, Logger: s.cfg.Logger,
	}).Register(mux)
	s.newNotices().Register(mux)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	calls := segment.New(segment.Deps{
		Ingester: s.ingester, Sources: s.control.WriteKeys(), PublicURL: s.public, TrustedProxies: s.cfg.TrustedProxies, WriteKeyInLines: s.cfg.SegmentWriteKeyInLines,
		Scripts: s.scripts, Observer: s.metrics, Logger: s.cfg.Logger,
	})
	evaluations := split.New(split.Deps{
		Ingester: s.ingester, Sources: s.control.WriteKeys(), Limits: split.Limits{MaxBody: s.cfg.MaxBody, MaxLine: s.cfg.MaxEvent}, Unseen: &s.unseen,
		Observer: splitMetrics{s.metrics}, Logger: s.cfg.Logger,
	})
	return s.watched(evaluations.Wrap(calls.Wrap(mux))), nil
}

// readyWithin bounds how long catalog and brokers may take to answer readyz.
const readyWithin = 2 * time.Second

// readyz answers 200 while the server takes events and can reach its state.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if !s.ready.Load() {
		say(w, http.StatusServiceUnavailable, "not serving")
		return
	}
	// A connection that was cut answers no sooner than this.
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	if _, err := s.catalog.Installation(ctx); err != nil {
		s.cfg.Logger.Debug("not ready", slog.Any("error", err))
		say(w, http.StatusServiceUnavailable, "the catalog does not answer")
		return
	}
	if s.member != nil && s.member.Live() == 0 {
		say(w, http.StatusServiceUnavailable, "this node has no lease: it does not reach the catalog, or has stood still")
		return
	}
	if s.kafka != nil {
		if err := s.kafka.Ping(ctx); err != nil {
			s.cfg.Logger.Debug("not ready", slog.Any("error", err))
			say(w, http.StatusServiceUnavailable, "Kafka does not answer")
			return
		}
	}
	say(w, http.StatusOK, "ready")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // a failed write means that the asker has gone
}

// watched counts answers and turns a panic of a handler into a 500 with its
// stack in the log, so that one bad request never takes the process down.
func (s *Server) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		began := time.Now()
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler { //nolint:errorlint // the sentinel panic of net/http
					panic(v)
				}
				s.cfg.Logger.Error("handler panicked", slog.Any("panic", v), slog.String("path", logPath(r.URL.Path)), slog.String("stack", string(debug.Stack())))
				if !sw.wrote {
					say(sw, http.StatusInternalServerError, "internal error; the server's log has the details")
				}
			}
			s.metrics.answered(sw.status)
			s.cfg.Logger.Debug("request", slog.String("method", r.Method), slog.String("path", logPath(r.URL.Path)), slog.Int("status", sw.status),
				slog.Duration("took", time.Since(began)))
		}()
		next.ServeHTTP(sw, r)
	})
}

// logPath is a path as it may stand in a log: some hold secrets.
func logPath(p string) string { return notices.LogPath(split.LogPath(segment.LogPath(p))) }

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes that the answer has begun.
func (w *statusWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
