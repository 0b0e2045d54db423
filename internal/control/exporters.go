package control

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"strm/internal/layout"
	"strm/internal/problem"
	"strm/internal/stream"
)

// MaxBatchBytes is the largest size to cut at: what one PUT can carry.
const MaxBatchBytes = 5 << 30

// Exporter is a batch exporter and how it fares.
type Exporter struct {
	stream.Exporter
	Status Status
}

// NewExporter says what batch exporter to create. Zero values mean the defaults.
type NewExporter struct {
	Name   string // default <sink>-<stream>
	Stream string
	Sink   string        // default the only sink
	Cut    stream.Cut    // Offset and MaxPacked are those below
	Output stream.Output // Source is the stream's own
	Start  Start

	// nil: the layout's.
	Offset    *time.Duration // for an interval of its own, where it is below that
	MaxPacked *int64
}

// CreateExporter creates a batch exporter and tries its sink. It returns the
// exporter also when the trial failed: then Status.State is "blocked" or
// "retrying" and Reason says why. Errors: Invalid, NotFound, Conflict.
//
// The exporter is stored first, because it owes every event from that moment
// on; only then is the sink tried, which may take long. Stopped after the
// store, the exporter exists and the next start of the server runs it. A
// creation whose answer was lost says Conflict when repeated.
func (c *Control) CreateExporter(ctx context.Context, n NewExporter) (Exporter, error) {
	e, err := c.createExporterRow(ctx, n)
	if err != nil {
		return Exporter{}, err
	}
	return c.start(ctx, e)
}

func (c *Control) createExporterRow(ctx context.Context, n NewExporter) (stream.Exporter, error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Exporter{}, err
	}
	defer unlock()
	e, s, err := c.describeExporter(ctx, n)
	if err != nil {
		return stream.Exporter{}, err
	}
	mayTrim, err := c.trimming.Lock(ctx)
	if err != nil {
		return stream.Exporter{}, err
	}
	defer mayTrim()
	if e.Start, err = c.startPosition(ctx, s, n.Start); err != nil {
		return stream.Exporter{}, err
	}
	e.Next = e.Start.Clone()
	defer c.namesSource(e)
	if err := c.catalog.CreateExporter(ctx, e); err != nil {
		// It may have happened all the same. Were it left at that, an exporter
		// that nobody runs would hold the log, so settle it.
		return c.exporterAfterAll(ctx, e, err)
	}
	return e, nil
}

func (c *Control) exporterAfterAll(ctx context.Context, e stream.Exporter, cause error) (stream.Exporter, error) {
	done, cancel := c.finishing(ctx)
	defer cancel()
	if got, err := c.catalog.ExporterNamed(done, e.Stream, e.Name); err == nil && got.ID == e.ID {
		return got, nil
	}
	return stream.Exporter{}, cause
}

// describeExporter resolves names and defaults, and checks all that can be
// checked without the bucket. The result lacks its position.
func (c *Control) describeExporter(ctx context.Context, n NewExporter) (stream.Exporter, stream.Stream, error) {
	t := now()
	fail := func(err error) (stream.Exporter, stream.Stream, error) {
		return stream.Exporter{}, stream.Stream{}, err
	}
	if n.Stream == "" {
		return fail(problem.New(problem.Invalid, "a batch exporter needs a stream"))
	}
	s, err := c.catalog.Stream(ctx, n.Stream)
	if err != nil {
		return fail(err)
	}
	sink, err := c.chooseSink(ctx, n.Sink)
	if err != nil {
		return fail(err)
	}
	e := stream.Exporter{
		ID:        newID(4),
		Name:      n.Name,
		Stream:    s.Name,
		StreamID:  s.ID,
		Sink:      sink.Name,
		Output:    n.Output,
		TestID:    uuid.NewString(),
		FromStart: n.Start.Existing,
		CreatedAt: t,
		UpdatedAt: t,
	}
	if e.Name == "" {
		e.Name = defaultName(sink.Name, s.Name)
	}
	if err := stream.CheckName("batch exporter", e.Name); err != nil {
		return fail(err)
	}
	l, err := layout.Parse(n.Output.Layout)
	if err != nil {
		return fail(err)
	}
	e.Cut, e.Output.Source = n.cut(l.Defaults().Cut), ""
	if e.Output, err = c.settings(ctx, e, s.Partitions, sink.Prefix); err != nil {
		return fail(err)
	}
	if err := n.Start.check(t); err != nil {
		return fail(err)
	}
	switch _, err := c.catalog.ExporterNamed(ctx, s.Name, e.Name); {
	case err == nil:
		return fail(problem.New(problem.Conflict, "batch exporter %q exists already on stream %q; update it, or delete it first", e.Name, s.Name))
	case problem.KindOf(err) != problem.NotFound:
		return fail(err)
	}
	return e, s, nil
}

// cut returns when to close batches: as asked for, else as the layout has it.
func (n NewExporter) cut(def stream.Cut) stream.Cut {
	cut := n.Cut
	if cut.Interval == 0 {
		cut.Interval = def.Interval
	}
	cut.Offset, cut.MaxPacked = 0, def.MaxPacked
	switch {
	case n.Offset != nil:
		cut.Offset = *n.Offset
	case def.Offset < cut.Interval:
		cut.Offset = def.Offset
	}
	if n.MaxPacked != nil {
		cut.MaxPacked = *n.MaxPacked
	}
	return cut
}

// defaultName is "<sink>-<stream>", cut where it would be too long for a name.
func defaultName(sink, streamName string) string {
	name := sink + "-" + streamName
	return name[:min(len(name), stream.MaxName)]
}

func (c *Control) chooseSink(ctx context.Context, name string) (stream.Sink, error) {
	if name != "" {
		return c.catalog.Sink(ctx, name)
	}
	sinks, err := c.catalog.Sinks(ctx)
	if err != nil {
		return stream.Sink{}, err
	}
	if len(sinks) != 1 {
		return stream.Sink{}, problem.New(problem.Invalid, "You must provide a sink name when creating a batch exporter")
	}
	return sinks[0], nil
}

// settings checks what an exporter was told and returns its output with its
// defaults and its source filled in. The source that e names stays if the stream
// has none any more. The caller holds c.change.
func (c *Control) settings(ctx context.Context, e stream.Exporter, partitions int, sinkPrefix string) (stream.Output, error) {
	cut, out := e.Cut, e.Output
	if err := c.checkInterval(cut.Interval); err != nil {
		return out, err
	}
	if err := checkOffset(cut.Offset, cut.Interval); err != nil {
		return out, err
	}
	if cut.MaxPacked < 0 || cut.MaxPacked > MaxBatchBytes {
		return out, problem.New(problem.Invalid, "max packed bytes: %d is not between 0 (no bound) and %d (what one object can hold)", cut.MaxPacked, int64(MaxBatchBytes))
	}
	if cut.MaxBytes < 0 || cut.MaxBytes > MaxBatchBytes {
		return out, problem.New(problem.Invalid, "max bytes: %d is not between 0 (no bound) and %d (what one object can hold)", cut.MaxBytes, int64(MaxBatchBytes))
	}
	if cut.MaxEvents < 0 {
		return out, problem.New(problem.Invalid, "max events: %d is below 0 (no bound)", cut.MaxEvents)
	}
	if err := stream.CheckPathPrefix(out.PathPrefix); err != nil {
		return out, err
	}
	l, err := layout.Parse(out.Layout)
	if err != nil {
		return out, err
	}
	if out.Source, err = c.sourceOf(ctx, l, e.StreamID, e.Stream, out.Source); err != nil {
		return out, err
	}
	return c.checkOutput(out, sinkPrefix, e.Stream, partitions)
}

// start tries the sink of an exporter that is in the catalog and makes the
// runner take it up as it is there now.
func (c *Control) start(ctx context.Context, e stream.Exporter) (Exporter, error) {
	failed := c.try(ctx, e)
	done, cancel := c.finishing(ctx)
	defer cancel()
	if err := c.runner.Reload(done, e.ID); err != nil {
		return Exporter{}, problem.New(problem.KindOf(err), "batch exporter %q is stored, but it does not run: %w", e.Name, err)
	}
	x, err := c.status(done, e)
	if err != nil {
		return Exporter{}, err
	}
	if failed != nil {
		x.Status.failed(failed, e.Paused)
	}
	return x, nil
}

// try writes the validation object, within bounds of time.
func (c *Control) try(ctx context.Context, e stream.Exporter) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.ValidateTimeout)
	defer cancel()
	return c.runner.Validate(ctx, e)
}

// Exporters returns all batch exporters and how they fare.
func (c *Control) Exporters(ctx context.Context) ([]Exporter, error) {
	exporters, err := c.catalog.Exporters(ctx)
	if err != nil {
		return nil, err
	}
	return c.withStatus(ctx, exporters)
}

// ExportersOf returns the batch exporters of a stream, or all of them if
// streamName is empty.
func (c *Control) ExportersOf(ctx context.Context, streamName string) ([]Exporter, error) {
	if streamName == "" {
		return c.Exporters(ctx)
	}
	s, err := c.catalog.Stream(ctx, streamName)
	if err != nil {
		return nil, err
	}
	exporters, err := c.catalog.ExportersOfStream(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return c.withStatus(ctx, exporters)
}

// Exporter returns a batch exporter. streamName may be empty where the name is
// unique; name may be STREAM/NAME. Errors: NotFound; Conflict when several
// streams have one of that name.
func (c *Control) Exporter(ctx context.Context, streamName, name string) (Exporter, error) {
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return Exporter{}, err
	}
	return c.status(ctx, e)
}

// Pause stops planning and delivering. What is planned stays planned, and
// holds the log. It returns once nothing of the exporter runs.
func (c *Control) Pause(ctx context.Context, streamName, name string) (Exporter, error) {
	e, err := c.amend(ctx, streamName, name, func(e *stream.Exporter) error {
		e.Paused = true
		return nil
	})
	if err != nil {
		return Exporter{}, err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if err := c.runner.Reload(done, e.ID); err != nil {
		return Exporter{}, problem.New(problem.KindOf(err), "batch exporter %q is stored as paused, but it has not stopped: %w", e.Name, err)
	}
	return c.status(done, e)
}

// Resume undoes Pause, and makes an exporter that is blocked try at once. The
// sink is tried as at creation.
func (c *Control) Resume(ctx context.Context, streamName, name string) (Exporter, error) {
	e, err := c.amend(ctx, streamName, name, func(e *stream.Exporter) error {
		e.Paused = false
		return nil
	})
	if err != nil {
		return Exporter{}, err
	}
	return c.start(ctx, e)
}

// DeleteExporter deletes a batch exporter. What it delivered stays; batches
// not yet delivered are abandoned.
//
// The catalog is one write. Stopped after it, nothing starts the exporter
// again. Until the runner lets go, the ledger refuses its plans and saves.
func (c *Control) DeleteExporter(ctx context.Context, streamName, name string) error {
	e, err := c.deleteExporterRow(ctx, streamName, name)
	if err != nil {
		return err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if err := c.runner.Reload(done, e.ID); err != nil {
		return problem.New(problem.Internal, "batch exporter %q is deleted, but it still runs: %w", e.Name, err)
	}
	return nil
}

func (c *Control) deleteExporterRow(ctx context.Context, streamName, name string) (stream.Exporter, error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Exporter{}, err
	}
	defer unlock()
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return stream.Exporter{}, err
	}
	defer c.namesSource(e)
	err = c.catalog.DeleteExporter(ctx, e.ID)
	if err == nil || !mayHaveHappened(err) {
		return e, err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if _, gone := c.catalog.ExporterNamed(done, e.Stream, e.Name); isNotFound(gone) {
		return e, nil
	}
	return stream.Exporter{}, err
}

// amend reads one exporter, changes it and stores it: one write, which may
// be repeated. If the answer to it is lost, the runner looks for itself, so
// that it does what the catalog holds, whichever that is.
func (c *Control) amend(ctx context.Context, streamName, name string, change func(*stream.Exporter) error) (stream.Exporter, error) {
	e, unsure, err := c.amendRow(ctx, streamName, name, change)
	if unsure {
		done, cancel := c.finishing(ctx)
		defer cancel()
		err = errors.Join(err, c.runner.Reload(done, e.ID))
	}
	return e, err
}

func (c *Control) amendRow(ctx context.Context, streamName, name string, change func(*stream.Exporter) error) (e stream.Exporter, unsure bool, err error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return e, false, err
	}
	defer unlock()
	if e, err = c.catalog.ExporterNamed(ctx, streamName, name); err != nil {
		return e, false, err
	}
	defer c.namesSource(e) // as it was
	if err := change(&e); err != nil {
		return e, false, err
	}
	defer c.namesSource(e)
	e.UpdatedAt = now()
	err = c.catalog.UpdateExporter(ctx, e)
	return e, err != nil && mayHaveHappened(err), err
}
