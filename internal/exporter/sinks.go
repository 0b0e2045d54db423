package exporter

import (
	"context"
	"errors"
	"io"
	"sync"

	"strm/internal/objstore"
	"strm/internal/stream"
)

// Catalog is the configuration the exporter reads, and the little it learns.
type Catalog interface {
	Exporters(ctx context.Context) ([]stream.Exporter, error)
	// Exporter fails with kind NotFound once it was deleted.
	Exporter(ctx context.Context, id string) (stream.Exporter, error)
	// ExporterState and ExporterStates are the same with what nodes tell each other.
	ExporterState(ctx context.Context, id string) (stream.ExporterState, error)
	ExporterStates(ctx context.Context) ([]stream.ExporterState, error)
	// SetFlush makes the node that carries an exporter cut everything below a position, or
	// with nil look again; SetTrouble is what it says of its trouble.
	SetFlush(ctx context.Context, exporterID string, to stream.Position) error
	SetTrouble(ctx context.Context, exporterID, trouble string) error
	Sink(ctx context.Context, name string) (stream.Sink, error)
	// SetSinkFound remembers what was learnt of a sink, unless the sink has
	// changed since revision (kind Conflict).
	SetSinkFound(ctx context.Context, name string, revision int64, region string, conditional stream.Support) error
	// SetSinkHealth remembers how a trial of the sink went; Conflict likewise.
	SetSinkHealth(ctx context.Context, name string, revision int64, h stream.Health) error
	// EachBatch calls fn for every batch of an exporter in order of Seq.
	EachBatch(ctx context.Context, exporterID string, fn func(*stream.Batch) error) error
	// StoredObject returns what the exporter has stored under a key in a
	// stream.Sink.Place; kind NotFound if the ledger has none.
	StoredObject(ctx context.Context, exporterID, place, key string) (stream.Object, error)
}

// Opener opens a sink's bucket: unseals the credentials and makes a client. It
// does not talk to the store.
type Opener func(ctx context.Context, s stream.Sink) (objstore.Bucket, error)

// sinks keeps one open bucket per sink, so that connections, clock correction
// and the region found are shared by its exporters.
type sinks struct {
	catalog Catalog
	open    Opener

	mu   sync.Mutex // guards all; never held while talking to a store
	held map[string]*openSink
}

type openSink struct {
	stream.Sink
	bucket objstore.Bucket
}

// openError says that a sink's bucket could not be opened, which happens on
// this machine: the sink is there, nothing was asked of the store.
type openError struct {
	sink stream.Sink
	err  error
}

func (e *openError) Error() string { return e.err.Error() }
func (e *openError) Unwrap() error { return e.err }

// get returns the sink as it is now, with its bucket.
func (s *sinks) get(ctx context.Context, name string) (*openSink, error) {
	sink, err := s.catalog.Sink(ctx, name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.held[name]; o != nil && o.Revision == sink.Revision && o.CreatedAt.Equal(sink.CreatedAt) {
		if o.Conditional == sink.Conditional && o.Health == sink.Health {
			return o, nil
		}
		s.held[name] = &openSink{Sink: sink, bucket: o.bucket}
		return s.held[name], nil
	}
	b, err := s.open(ctx, sink)
	if err != nil {
		return nil, &openError{sink: sink, err: err}
	}
	s.held[name] = &openSink{Sink: sink, bucket: b}
	return s.held[name], nil
}

// learn stores what was found out about a sink. Losing it costs a probe, so a
// failure is not the caller's: the sink may have changed meanwhile.
func (s *sinks) learn(ctx context.Context, o *openSink, conditional stream.Support) error {
	region := o.FoundRegion
	if l, ok := o.bucket.(objstore.Locator); ok {
		if r, err := l.Region(ctx); err == nil {
			region = r
		}
	}
	if region == o.FoundRegion && conditional == o.Conditional {
		return nil
	}
	return s.catalog.SetSinkFound(ctx, o.Name, o.Revision, region, conditional)
}

// close lets go of all buckets; nothing may use them any more.
func (s *sinks) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for name, o := range s.held {
		delete(s.held, name)
		if c, ok := o.bucket.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
