// Package ingest is the flow that takes events in: it admits a request,
// brings its events into the form the log keeps (one JSON object a line) and
// appends them, all or none. Whoever speaks a protocol (collect/...) calls it.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/semaphore"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Options bound what an Ingester takes. Zero fields get their defaults.
type Options struct {
	MaxEventBytes    int           // of one event as stored, without its strmMeta; default 1 MiB
	MaxEntryBytes    int           // of one request's events as stored, with strmMeta; default 64 MiB
	MaxInFlightBytes int64         // of all bodies in work at once; default 64 MiB
	InFlightWait     time.Duration // how long a request waits for its share; default 5 s
	RoomInterval     time.Duration // how often a stream's size is looked up at most; default 250 ms
	Observer         Observer      // may be nil
}

// Observer is told what became of requests, for metrics. Its methods are
// called concurrently and must return at once.
type Observer interface {
	// Accepted: events are durable; bytes is their size as stored, before compression.
	Accepted(streamName string, events int, bytes int64)
	// Duplicate: a request with a known idempotency key was answered from its first append.
	Duplicate(streamName string, events int)
	// Refused: nothing of the request is stored, or with kind Unavailable
	// perhaps nothing. streamName is empty when the caller did not prove a
	// right to any stream.
	Refused(streamName string, kind problem.Kind)
}

// Ingester takes requests in. All methods are safe for concurrent use.
type Ingester struct {
	log   eventlog.Log
	opts  Options
	sem   *semaphore.Weighted
	rooms rooms
	works sync.Pool
}

// New returns an Ingester that appends to log.
func New(log eventlog.Log, opts Options) *Ingester {
	def(&opts.MaxEventBytes, 1<<20)
	def(&opts.MaxEntryBytes, 64<<20)
	def(&opts.MaxInFlightBytes, 64<<20)
	def(&opts.InFlightWait, 5*time.Second)
	def(&opts.RoomInterval, 250*time.Millisecond)
	return &Ingester{
		log:   log,
		opts:  opts,
		sem:   semaphore.NewWeighted(opts.MaxInFlightBytes),
		rooms: rooms{log: log, every: opts.RoomInterval, byID: map[string]*room{}},
		works: sync.Pool{New: func() any { return newWork() }},
	}
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Request is one request's worth of events for one stream.
type Request struct {
	Stream stream.Stream

	// Body holds the events, decompressed. It is not kept after Ingest
	// returns. Ingest may overwrite white space at its end, and the byte
	// behind it if its capacity reaches that far, with a '\n'.
	Body []byte
	Form Form

	IdempotencyKey string // at most 255 bytes; empty for none
	PartitionKey   string // equal keys go to the same partition; empty for round robin
	Meta           MetaDefaults
	Received       time.Time // time of acceptance; now if zero

	// IDs, one per event of Body, and IDWindow de-duplicate as eventlog.Entry says.
	IDs      []eventlog.ID
	IDWindow time.Duration
	// Stamped: the events say when they were received. See eventlog.Entry.
	Stamped bool

	// Patience is how long a log without room is asked again before the request
	// is refused; for senders that do not send again.
	Patience time.Duration

	// Reservation covers Body if the caller has admitted the request before
	// it read the body. With nil Ingest admits it itself.
	Reservation *Reservation
}

// Result says what became of a request.
type Result struct {
	Accepted  int // events; those of the first append if Duplicate
	Repeated  int // events left out because of their ID
	Range     stream.Range
	Duplicate bool
}

// Admit checks that the stream has room and reserves n bytes of the memory for
// requests in work; it waits for them some seconds at most. Release the
// reservation when the request is done. Errors: kind Busy (ErrStreamFull,
// ErrInFlight), those of the log, and those of ctx.
func (g *Ingester) Admit(ctx context.Context, s *stream.Stream, n int64) (*Reservation, error) {
	r, err := g.admit(ctx, s, n)
	if err != nil {
		g.refused(s.Name, err)
		return nil, err
	}
	return r, nil
}

// Reserve reserves n bytes of the memory for requests in work, for callers that
// learn only from the body which stream it is for; they ask Room then. Release
// the reservation when the request is done. Errors: kind Busy (ErrInFlight), and
// those of ctx.
func (g *Ingester) Reserve(ctx context.Context, n int64) (*Reservation, error) {
	r, err := g.reserve(ctx, n)
	if err != nil {
		g.refused("", err)
		return nil, err
	}
	return r, nil
}

// Room checks that the stream has room, and waits for it as long as patience
// says. Errors: kind Busy (ErrStreamFull), and those of the log.
func (g *Ingester) Room(ctx context.Context, s *stream.Stream, patience time.Duration) error {
	err := patiently(ctx, patience, ErrStreamFull, func() error { return g.rooms.check(ctx, s, time.Now()) })
	if err != nil {
		g.refused(s.Name, err)
	}
	return err
}

// HasRoom is Room for callers that wait for it by themselves: nothing was
// refused to anybody, so nothing is counted.
func (g *Ingester) HasRoom(ctx context.Context, s *stream.Stream) error {
	return g.rooms.check(ctx, s, time.Now())
}

func (g *Ingester) reserve(ctx context.Context, n int64) (*Reservation, error) {
	r := &Reservation{sem: g.sem, size: g.opts.MaxInFlightBytes, wait: g.opts.InFlightWait}
	if err := r.Grow(ctx, n); err != nil {
		return nil, err
	}
	return r, nil
}

func (g *Ingester) admit(ctx context.Context, s *stream.Stream, n int64) (*Reservation, error) {
	if err := g.rooms.check(ctx, s, time.Now()); err != nil {
		return nil, err
	}
	return g.reserve(ctx, n)
}

// Ingest appends the events of the request durably, all of them or none.
//
// Errors: *EventError (kinds Invalid, TooLarge) names the event at fault;
// Invalid also for a body without events; Busy (ErrStreamFull, ErrInFlight,
// eventlog.ErrFull) when the same request may succeed later; Conflict
// (eventlog.ErrKeyReused, *eventlog.LateError); NotFound (eventlog.ErrNoStream); Unavailable
// otherwise. Only after an error that is ErrUnsettled may the events be stored.
func (g *Ingester) Ingest(ctx context.Context, req Request) (Result, error) {
	if req.Reservation == nil {
		r, err := g.admit(ctx, &req.Stream, int64(len(req.Body)))
		if err != nil {
			g.refused(req.Stream.Name, err)
			return Result{}, err
		}
		defer r.Release()
		req.Reservation = r
	}
	w := g.works.Get().(*work)
	defer func() {
		w.reset()
		g.works.Put(w)
	}()
	res, size, err := g.ingest(ctx, w, &req)
	switch {
	case errors.Is(err, eventlog.ErrLate):
		return Result{}, err // no refusal: the caller stamps the events anew and goes on
	case err != nil:
		g.refused(req.Stream.Name, err)
		return Result{}, err
	case g.opts.Observer == nil:
	case res.Duplicate:
		g.opts.Observer.Duplicate(req.Stream.Name, res.Accepted)
	default:
		g.opts.Observer.Accepted(req.Stream.Name, res.Accepted, size)
	}
	return res, nil
}

func (g *Ingester) ingest(ctx context.Context, w *work, req *Request) (Result, int64, error) {
	if len(req.IdempotencyKey) > 255 {
		return Result{}, 0, problem.New(problem.Invalid, "the idempotency key has %d bytes; at most 255 are allowed", len(req.IdempotencyKey))
	}
	if req.Received.IsZero() {
		req.Received = time.Now()
	}
	// The digest is of what the client sent, so it comes first: a retry gets
	// new nonces and a new timestamp but is the same request.
	var digest uint64
	if req.IdempotencyKey != "" {
		digest = xxhash.Sum64(req.Body)
	}
	w.ctx, w.res = ctx, req.Reservation
	w.maxEvent, w.maxOut = g.opts.MaxEventBytes, g.opts.MaxEntryBytes
	w.meta.on = false
	if req.Stream.StrmMeta {
		if err := w.meta.begin(req.Meta, req.Received); err != nil {
			return Result{}, 0, err
		}
	}
	data, err := w.normalise(req.Body, req.Form)
	if err != nil {
		return Result{}, 0, err
	}
	if n := len(req.IDs); n > 0 && (n != w.events || req.IDWindow <= 0 || req.IdempotencyKey != "") {
		// Also what the log says, but it would leave open whether something was stored.
		return Result{}, 0, problem.New(problem.Invalid, "%d ids for %d events, with a window of %s: one each is needed, with a window and without an idempotency key", n, w.events, req.IDWindow)
	}
	// Crash or lost answer here: the client gets no 2xx and sends again. With
	// a key the log finds the first append, in whatever partition it is;
	// without one the events are stored twice, which is what a key is for.
	var a eventlog.Appended
	entry := eventlog.Entry{
		Partition: g.partition(req),
		Events:    w.events,
		Data:      data,
		Received:  req.Received,
		Key:       req.IdempotencyKey,
		Digest:    digest,
		IDs:       req.IDs,
		IDWindow:  req.IDWindow,
		Stamped:   req.Stamped,
	}
	if err := patiently(ctx, req.Patience, eventlog.ErrFull, func() (err error) {
		a, err = g.log.Append(ctx, req.Stream.ID, entry)
		return err
	}); err != nil {
		return Result{}, 0, logError(err, true)
	}
	return Result{Accepted: a.Events, Repeated: a.Repeated, Range: a.Range, Duplicate: a.Duplicate}, int64(len(data)), nil
}

// partition picks by the hash of the key, else round robin by request.
func (g *Ingester) partition(req *Request) stream.Partition {
	n := uint64(max(req.Stream.Partitions, 1))
	if n == 1 {
		return 0
	}
	if req.PartitionKey != "" {
		return stream.Partition(xxhash.Sum64String(req.PartitionKey) % n)
	}
	r := g.rooms.of(req.Stream.ID, req.Received)
	return stream.Partition((r.turn.Add(1) - 1) % n)
}

func (g *Ingester) refused(streamName string, err error) {
	if g.opts.Observer != nil {
		g.opts.Observer.Refused(streamName, problem.KindOf(err))
	}
}

// logError gives an error of the log its kind. written says that the log was
// asked to write, so a fault leaves the outcome open.
func logError(err error, written bool) error {
	switch {
	case errors.Is(err, eventlog.ErrFull):
		return problem.New(problem.Busy, "%w: nothing was stored; send again later, when batch exporters have delivered more or the server's disk has room", err)
	case errors.Is(err, eventlog.ErrLate):
		return err // for the caller, who stamps the events anew
	case errors.Is(err, eventlog.ErrKeyReused):
		return problem.New(problem.Conflict, "%w", err)
	case errors.Is(err, eventlog.ErrNoStream):
		return problem.New(problem.NotFound, "%w", err)
	case errors.Is(err, eventlog.ErrClosed):
		return problem.New(problem.Unavailable, "%w: the server is stopping", err)
	case written:
		return problem.New(problem.Unavailable, "%w: %w", ErrUnsettled, err)
	}
	return problem.New(problem.Unavailable, "%w", fmt.Errorf("looking up the stream's size: %w", err))
}
