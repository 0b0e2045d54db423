// Package segment is what sources of kind "segment" speak over HTTP: the tracking
// API that Segment's SDKs, its pixel and its HTML snippet call, so that they can be
// pointed here unchanged. It reads requests, finds out who sends, and answers what
// an SDK understands; package rawlog says what a call is and how its line looks.
//
// Three rules hold for every answer: never a 3xx, which SDKs take for success;
// never a 5xx for want of room, as they heed Retry-After with 429 only; and CORS
// headers on failures too, or a browser cannot read how long to wait.
package segment

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"strm/internal/collect/answer"
	"strm/internal/collect/body"
	"strm/internal/collect/segment/rawlog"
	"strm/internal/eventlog"
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

// Observer is told what became of requests, for metrics. Its methods are called
// concurrently and must return at once. A source's name is empty where the write
// key is not known; no other text of a request ever gets here.
type Observer interface {
	// Refused tells of refusals that never reach the Ingester. See ingest.Observer.
	Refused(streamName string, kind problem.Kind)
	// Answered: a request was answered. outcome is one of a fixed few words: an
	// Outcome, or the name of a problem.Kind.
	Answered(sourceName, outcome string)
	// Rejected: calls within a request were left out. reason is one of rawlog's.
	Rejected(sourceName, reason string, calls int)
	// Repeated: calls were left out because their message id was known.
	Repeated(streamName string, calls int)
}

// The outcomes that are no failures.
const (
	OutcomeStored   = "stored"   // calls are durable, now or since an earlier request
	OutcomeDropped  = "dropped"  // answered 200, as Segment does, without a call that is kept
	OutcomeSettings = "settings" // a browser or a phone was told its settings
)

// Limits bound a request. Zero fields get their defaults, which are Segment's
// own with room for what its SDKs put around a full batch.
type Limits struct {
	MaxBody     int64         // bytes of a body, decompressed; default 512,000 and 16 KiB
	MaxWire     int64         // bytes of a body as sent; default MaxBody and 4 KiB
	MaxEvent    int           // bytes of one call; default 32 KiB
	MaxEvents   int           // calls of one request; default 2500
	ReadTimeout time.Duration // from the end of the headers to the end of the body; default 30 s
}

// Deps are what the handlers work with.
type Deps struct {
	Ingester *ingest.Ingester
	Sources  Sources
	Limits   Limits

	// PublicURL is where browsers and phones reach this server: scheme, host and
	// perhaps a path. With nil the settings name what the request was sent to.
	PublicURL *url.URL
	// TrustedProxies may say in X-Forwarded-For, or Forwarded, for whom they ask.
	TrustedProxies []netip.Prefix
	// WriteKeyInLines keeps the write key in the stored lines, as some of
	// Segment's own have it.
	WriteKeyInLines bool
	// Scripts is analytics.js for the HTML snippet; nil for none.
	Scripts *Scripts

	Observer Observer         // may be nil
	Logger   *slog.Logger     // may be nil
	Now      func() time.Time // time.Now if nil
}

// Handler serves the tracking API. It is safe for concurrent use.
type Handler struct {
	Deps
	paths  map[string]endpoint
	bodies body.Reader
	works  sync.Pool // *work
	tally  answer.Tally

	strangers *answer.Strangers
}

// work is what one request needs while its calls are read and written anew.
type work struct {
	parser rawlog.Parser
	lines  []byte
	ids    []eventlog.ID
}

// New returns a Handler.
func New(d Deps) *Handler {
	l := &d.Limits
	if l.MaxBody <= 0 {
		l.MaxBody = 512_000 + 16<<10
	}
	if l.MaxWire <= 0 {
		l.MaxWire = l.MaxBody + 4<<10 // gzip may make a little more of what it cannot compress
	}
	if l.MaxEvent <= 0 {
		l.MaxEvent = 32 << 10
	}
	if l.MaxEvents <= 0 {
		l.MaxEvents = 2500
	}
	if l.ReadTimeout <= 0 {
		l.ReadTimeout = 30 * time.Second
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Observer == nil {
		d.Observer = silent{}
	}
	return &Handler{Deps: d, paths: paths(), works: sync.Pool{New: func() any { return new(work) }}, tally: answer.Tally{Every: time.Minute},
		strangers: answer.NewStrangers()}
}

// Wrap serves the paths of the tracking API and leaves all others to next. It
// stands before a ServeMux, not in it, as a mux answers //v1/batch and its like
// with a redirect.
func (h *Handler) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, ok := h.find(r.URL.Path); ok {
			h.serve(w, r, e)
			return
		}
		if r.Method == http.MethodPost && redirected(r.URL.Path) {
			h.nobody(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// silent is the Observer of nobody.
type silent struct{}

func (silent) Refused(string, problem.Kind) {}
func (silent) Answered(string, string)      {}
func (silent) Rejected(string, string, int) {}
func (silent) Repeated(string, int)         {}
