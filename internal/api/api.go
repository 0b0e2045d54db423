package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/control"
	"strm/internal/stream"
)

const (
	maxBody  = 1 << 20 // bytes of a request
	maxTails = 64      // readings of events at one time; each holds a block

	maxSourceBody = control.MaxFlagsFile + maxBody // bytes of a request with flags to serve
)

// Deps is what the API works with.
type Deps struct {
	Control *control.Control
	// AdminToken is what a request must bear. Empty refuses them all.
	AdminToken string
	Version    string
	// IdempotencyWindow is how long the intake remembers a key; senders ask.
	IdempotencyWindow time.Duration
	Logger            *slog.Logger
	// Unknown tells what a source of kind split has seen that its catalogue does
	// not know; may be nil.
	Unknown func(*stream.Source) stream.Unknown
	// Stopping ends when the server begins to stop: requests that wait end
	// then. Nil means never.
	Stopping context.Context
}

type server struct {
	Deps
	tails   chan struct{} // one token per reading of events
	objects chan struct{} // one per reading of an object
}

// New returns the handler of the control plane, to be mounted at /v1/ and
// /openapi.json and /openapi.yaml. It starts nothing.
func New(d Deps) (http.Handler, error) {
	s := &server{Deps: d, tails: make(chan struct{}, maxTails), objects: make(chan struct{}, maxObjects)}
	mux := http.NewServeMux()
	api := newHuma(mux, d.Version)
	s.streams(api)
	s.sources(api)
	s.sinks(api)
	s.exporters(api)
	s.deliveries(api)
	s.batches(api)
	s.importers(api)
	s.imports(api)
	s.nodes(api)
	s.info(api)
	mux.HandleFunc("GET "+eventsPath, s.events)
	describeEvents(api.OpenAPI())
	mux.HandleFunc("GET "+objectsPath, s.object)
	describeObjects(api.OpenAPI())
	describeIntake(api.OpenAPI())

	public := http.NewServeMux()
	if err := serveDocument(public, api); err != nil {
		return nil, err
	}
	public.Handle("GET /debug/pprof/", s.requireToken(profiles()))
	public.Handle("/", s.requireToken(s.orProblem(mux)))
	return safeHeaders(public), nil
}

// profiles serves what Go's profiler knows of the process.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	return mux
}

// serveDocument renders the OpenAPI document once and serves it.
func serveDocument(mux *http.ServeMux, api huma.API) error {
	asJSON, asYAML, err := document(api)
	if err != nil {
		return err
	}
	serve := func(contentType string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(body) // a failed write means that the reader has gone
		}
	}
	mux.Handle("GET /openapi.json", serve("application/openapi+json", asJSON))
	mux.Handle("GET /openapi.yaml", serve("application/openapi+yaml", asYAML))
	return nil
}

// safeHeaders keeps answers out of caches and browsers from guessing at them.
func safeHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// untilStopping returns a context that ends with ctx or when the server begins
// to stop, whichever is first.
func (s *server) untilStopping(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if s.Stopping == nil {
		return ctx, cancel
	}
	release := context.AfterFunc(s.Stopping, cancel)
	return ctx, func() {
		release()
		cancel()
	}
}
