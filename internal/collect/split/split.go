// Package split is what sources of kind "split" speak over HTTP: the APIs that
// SDKs of Split (Harness FME) call, so that they can be pointed here unchanged.
// It reads requests, finds out who sends, and answers what an SDK understands;
// package wire says how the lines of a body look, package flags how flags are served.
//
// SDKs send events once and impressions at most twice, and heed no Retry-After:
// a refusal is a loss. So whatever can be kept is, one bad entry never takes its
// neighbours with it, want of room is waited for, and a body that has come whole
// is stored even if its sender has gone.
package split

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"strm/internal/collect/answer"
	"strm/internal/collect/body"
	"strm/internal/collect/split/wire"
	"strm/internal/ingest"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Sources finds out who sends.
type Sources interface {
	// SplitSource returns the source whose write key has this hex SHA-256, of
	// whatever kind, and the streams of one of kind split. Kind NotFound means
	// there is none. It is asked for every request, so the implementer caches.
	SplitSource(ctx context.Context, keyHash string) (stream.Source, stream.SplitStreams, error)
}

// Observer is told what became of requests, for metrics. Its methods are called
// concurrently and must return at once. A source's name is empty where the key
// is not known; no other text of a request ever gets here.
type Observer interface {
	// Refused tells of refusals that never reach the Ingester. See ingest.Observer.
	Refused(streamName string, kind problem.Kind)
	// Answered: a request was answered. outcome is one of a fixed few words: an
	// Outcome, or the name of a problem.Kind.
	Answered(sourceName, outcome string)
	// Rejected: entries within a request were left out. reason is one of wire's.
	Rejected(sourceName, reason string, entries int)
	// Discarded: counts or unique keys came that the source has no stream for.
	// what is "counts" or "keys".
	Discarded(sourceName, what string, entries int)
}

// The outcomes that are no failures.
const (
	OutcomeStored  = "stored"  // lines are durable
	OutcomeDropped = "dropped" // answered well, without a line that is kept
	OutcomeServed  = "served"  // an SDK was told flags, or that there are none
)

// Limits bound a request. Zero fields get their defaults.
type Limits struct {
	MaxBody     int64         // bytes of a body, decompressed; default 16 MiB
	MaxWire     int64         // bytes of a body as sent; default MaxBody and 64 KiB
	MaxLine     int           // bytes of one line; default 1 MiB, and never more than the Ingester takes
	ReadTimeout time.Duration // from the end of the headers to the end of the body; default 30 s
	Patience    time.Duration // how long room in the log is waited for; default 5 s, as SDKs wait 15 to 30 s
	Store       time.Duration // how long a body that has come may take to be stored; default 1 min
}

// Deps are what the handlers work with.
type Deps struct {
	Ingester *ingest.Ingester
	Sources  Sources
	Limits   Limits
	Unseen   *Unseen          // what catalogues do not know is counted there; may be nil
	Observer Observer         // may be nil
	Logger   *slog.Logger     // may be nil
	Now      func() time.Time // time.Now if nil
}

// Handler serves the APIs. It is safe for concurrent use.
type Handler struct {
	Deps
	paths     map[string]endpoint
	bodies    body.Reader
	works     sync.Pool // *work
	tally     answer.Tally
	strangers *answer.Strangers
}

// work is what one request needs while its entries are written anew.
type work struct {
	writer wire.Writer
	lines  []byte
}

// New returns a Handler.
func New(d Deps) *Handler {
	l := &d.Limits
	if l.MaxBody <= 0 {
		l.MaxBody = 16 << 20
	}
	if l.MaxWire <= 0 {
		l.MaxWire = l.MaxBody + 64<<10 // gzip may make a little more of what it cannot compress
	}
	if l.MaxLine <= 0 {
		l.MaxLine = 1 << 20
	}
	if l.ReadTimeout <= 0 {
		l.ReadTimeout = 30 * time.Second
	}
	if l.Patience <= 0 {
		l.Patience = 5 * time.Second
	}
	if l.Store <= 0 {
		l.Store = time.Minute
	}
	if d.Unseen == nil {
		d.Unseen = new(Unseen)
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
	return &Handler{Deps: d, paths: paths(), works: sync.Pool{New: func() any { return new(work) }}, tally: answer.Tally{Every: time.Minute}, strangers: answer.NewStrangers()}
}

// Wrap serves the paths of the APIs and leaves all others to next. It stands
// before a ServeMux, not in it, as a mux answers //api/events/bulk and its like
// with a redirect, which SDKs do not follow with a body.
func (h *Handler) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, ours := h.find(r.URL.EscapedPath()); ours {
			h.serve(w, r, e)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// silent is the Observer of nobody.
type silent struct{}

func (silent) Refused(string, problem.Kind)  {}
func (silent) Answered(string, string)       {}
func (silent) Rejected(string, string, int)  {}
func (silent) Discarded(string, string, int) {}
