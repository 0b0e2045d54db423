package control

import (
	"context"
	"time"

	"strm/internal/layout"
	"strm/internal/problem"
	"strm/internal/stream"
)

// ExporterChange says what to change; nil fields stay. Batches already planned
// keep the settings they were planned with.
type ExporterChange struct {
	Sink         *string
	PathPrefix   *string
	StreamPrefix *string
	Interval     *time.Duration
	Offset       *time.Duration
	MaxBytes     *int64
	MaxPacked    *int64
	MaxEvents    *int64
	Layout       *string
	Format       *string
	Compression  *string
	Options      func(*stream.Output) // changes the options of the format; nil for none
}

// UpdateExporter changes a batch exporter. The sink is tried again, as at
// creation, if what is written or where has changed.
//
// The catalog is one write. Stopped after it, the runner goes on with the old
// settings until the process ends, and the next one starts with the new.
func (c *Control) UpdateExporter(ctx context.Context, streamName, name string, ch ExporterChange) (Exporter, error) {
	var moved bool
	e, err := c.amend(ctx, streamName, name, func(e *stream.Exporter) error {
		before := *e
		if err := c.apply(ctx, e, ch); err != nil {
			return err
		}
		moved = before.Sink != e.Sink || before.Output != e.Output
		return nil
	})
	if err != nil {
		return Exporter{}, err
	}
	if moved {
		return c.start(ctx, e)
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if err := c.runner.Reload(done, e.ID); err != nil {
		return Exporter{}, problem.New(problem.KindOf(err), "the change of batch exporter %q is stored, but does not work yet: %w", e.Name, err)
	}
	return c.status(done, e)
}

func (c *Control) apply(ctx context.Context, e *stream.Exporter, ch ExporterChange) error {
	if ch.Sink != nil {
		if *ch.Sink == "" {
			return problem.New(problem.Invalid, "a batch exporter needs a sink")
		}
		s, err := c.catalog.Sink(ctx, *ch.Sink)
		if err != nil {
			return err
		}
		e.Sink = s.Name
	}
	sink, err := c.catalog.Sink(ctx, e.Sink)
	if err != nil {
		return err
	}
	if err := ch.adopt(e); err != nil {
		return err
	}
	set(&e.Output.PathPrefix, ch.PathPrefix)
	set(&e.Output.StreamPrefix, ch.StreamPrefix)
	set(&e.Cut.Interval, ch.Interval)
	set(&e.Cut.Offset, ch.Offset)
	set(&e.Cut.MaxBytes, ch.MaxBytes)
	set(&e.Cut.MaxPacked, ch.MaxPacked)
	set(&e.Cut.MaxEvents, ch.MaxEvents)
	set(&e.Output.Layout, ch.Layout)
	if ch.Format != nil && *ch.Format != e.Output.Format {
		// What was said of the old format means nothing to the new one, and what
		// compresses files is not what compresses pages.
		e.Output.CSV, e.Output.Parquet = stream.CSV{}, stream.Parquet{}
		if *ch.Format == "parquet" || e.Output.Format == "parquet" {
			e.Output.Compression = ""
			if *ch.Format == "parquet" {
				e.Output.Flattening = stream.FlattenDefault
			}
		}
	}
	set(&e.Output.Format, ch.Format)
	set(&e.Output.Compression, ch.Compression)
	if ch.Options != nil {
		ch.Options(&e.Output)
	}
	e.Output, err = c.settings(ctx, *e, len(e.Start), sink.Prefix)
	return err
}

// adopt gives an exporter that gets a layout with a form of its own that form,
// and takes from it what the old layout had brought. Given another form, the
// change is refused further on.
func (ch ExporterChange) adopt(e *stream.Exporter) error {
	if ch.Layout == nil || *ch.Layout == e.Output.Layout {
		return nil
	}
	l, err := layout.Parse(*ch.Layout)
	if err != nil {
		return err
	}
	old, err := layout.Parse(e.Output.Layout)
	if err != nil {
		return err
	}
	if s := old.Defaults().Schema; s != "" && e.Output.Table.Schema == s {
		e.Output.Table.Schema = ""
	}
	if d := l.Defaults(); l.Fixed() {
		e.Output.Format, e.Output.Compression = d.Format, d.Compression
		e.Output.CSV, e.Output.Parquet = stream.CSV{}, stream.Parquet{}
		e.Output.Table = stream.Table{}
		if d.Format == "parquet" {
			e.Output.Flattening = stream.FlattenDefault
		}
	}
	return nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// PutExporter creates a batch exporter, or updates the one of that name on the
// stream: sink and interval where n gives them, the path prefix always, and
// whatever else n gives. Where an exporter begins cannot be changed.
func (c *Control) PutExporter(ctx context.Context, n NewExporter) (x Exporter, created bool, err error) {
	if n.Stream == "" || n.Name == "" {
		return Exporter{}, false, problem.New(problem.Invalid, "a batch exporter needs a stream and a name")
	}
	switch _, err := c.catalog.ExporterNamed(ctx, n.Stream, n.Name); {
	case isNotFound(err):
		x, err := c.CreateExporter(ctx, n)
		return x, err == nil, err
	case err != nil:
		return Exporter{}, false, err
	}
	if n.Start != (Start{}) {
		return Exporter{}, false, problem.New(problem.Conflict, "batch exporter %q exists already on stream %q, and where it begins cannot be changed; replay what is missing, or delete it and create it anew", n.Name, n.Stream)
	}
	x, err = c.UpdateExporter(ctx, n.Stream, n.Name, ExporterChange{
		Sink:         given(n.Sink),
		PathPrefix:   &n.Output.PathPrefix,
		StreamPrefix: given(n.Output.StreamPrefix),
		Interval:     given(n.Cut.Interval),
		Offset:       n.Offset,
		MaxPacked:    n.MaxPacked,
		MaxBytes:     given(n.Cut.MaxBytes),
		MaxEvents:    given(n.Cut.MaxEvents),
		Layout:       given(n.Output.Layout),
		Format:       given(n.Output.Format),
		Compression:  given(n.Output.Compression),
		Options:      n.options(),
	})
	return x, false, err
}

// given returns nil for the zero value.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// options puts the options of formats that n gives into an output.
func (n NewExporter) options() func(*stream.Output) {
	return func(o *stream.Output) {
		set(&o.Flattening, given(n.Output.Flattening))
		set(&o.Envelope, given(n.Output.Envelope))
		set(&o.Table, given(n.Output.Table))
		set(&o.CSV, given(n.Output.CSV))
		set(&o.Parquet, given(n.Output.Parquet))
	}
}
