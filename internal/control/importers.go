package control

import (
	"context"
	"slices"
	"time"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The defaults of a batch importer, and the bounds of how often it looks.
const (
	DefaultListEvery   = 15 * time.Minute
	DefaultReportEvery = 5 * time.Minute
	MinEvery           = time.Minute // a second with Options.AllowShortIntervals
	MaxListEvery       = 24 * time.Hour
	MaxReportEvery     = time.Hour
)

// DefaultSuffixes returns what the keys of event files end in unless told
// otherwise: Parquet, as such or with one of the known wrappers.
func DefaultSuffixes() []string {
	return []string{".parquet", ".parquet.gz", ".parquet.bz2", ".parquet.snappy", ".parquet.lzo"}
}

// Importer is a batch importer and how it fares.
type Importer struct {
	stream.Importer
	Totals catalog.ImporterTotals
	// Endpoint is where its topic sends notices: a URL if the server has a
	// public one with https, else only the path; empty without a topic.
	Endpoint string
}

// NewImporter says what batch importer to create. Zero values mean the defaults.
type NewImporter struct {
	Name         string
	Stream       string // made if it is not there; default one of the importer's name
	Sink         string // whose bucket is read; default the only sink
	Environments []string
	Prefix       string
	Suffixes     []string // default DefaultSuffixes
	StatusPrefix string
	TopicARN     string
	QueueURL     string
	ListEvery    time.Duration
	ReportEvery  time.Duration
	FromStart    bool
}

// CreateImporter creates a batch importer. made says whether its stream was made
// for it. Errors: Invalid, NotFound for the sink, Conflict for the name, or a
// stream that cannot take it.
//
// It is one write, but for the stream, which comes before it. Stopped between
// the two, that stream is there and empty: creating the importer again takes
// it. Stopped after the write, the importer exists and the next start runs it.
func (c *Control) CreateImporter(ctx context.Context, n NewImporter) (x Importer, made bool, err error) {
	i, err := c.describeImporter(n)
	if err != nil {
		return Importer{}, false, err
	}
	sink, err := c.chooseSink(ctx, n.Sink)
	if err != nil {
		return Importer{}, false, err
	}
	i.Sink = sink.Name
	if err := c.checkImporter(&i, sink); err != nil {
		return Importer{}, false, err
	}
	switch _, err := c.catalog.Importer(ctx, i.Name); {
	case err == nil:
		return Importer{}, false, problem.New(problem.Conflict, "batch importer %q exists already; update it, or delete it first", i.Name)
	case !isNotFound(err):
		return Importer{}, false, err
	}
	if made, err = c.streamForImporter(ctx, i.Stream); err != nil {
		return Importer{}, false, err
	}
	if i, err = c.createImporterRow(ctx, i); err != nil {
		return Importer{}, made, err
	}
	c.wakeImporters()
	x, err = c.showImporter(ctx, i)
	return x, made, err
}

// describeImporter fills in the defaults, without looking at what there is.
func (c *Control) describeImporter(n NewImporter) (stream.Importer, error) {
	t := now()
	i := stream.Importer{
		ID: newID(4), Name: n.Name, Stream: n.Stream, Environments: slices.Clone(n.Environments), Prefix: n.Prefix, Suffixes: slices.Clone(n.Suffixes),
		StatusPrefix: n.StatusPrefix, TopicARN: n.TopicARN, QueueURL: n.QueueURL, Token: newID(20), ListEvery: n.ListEvery, ReportEvery: n.ReportEvery,
		FromStart: n.FromStart, CreatedAt: t, UpdatedAt: t,
	}
	if i.Stream == "" {
		i.Stream = i.Name
	}
	if len(i.Suffixes) == 0 {
		i.Suffixes = DefaultSuffixes()
	}
	if i.ListEvery == 0 {
		i.ListEvery = DefaultListEvery
	}
	if i.ReportEvery == 0 {
		i.ReportEvery = DefaultReportEvery
	}
	return i, stream.CheckName("batch importer", i.Name)
}

// streamForImporter makes the stream if it is not there.
func (c *Control) streamForImporter(ctx context.Context, name string) (made bool, err error) {
	if _, err := c.catalog.Stream(ctx, name); !isNotFound(err) {
		return false, err
	}
	off := false
	_, err = c.CreateStream(ctx, NewStream{Name: name, StrmMeta: &off})
	if c.wasFaster(ctx, name, err) {
		return false, nil
	}
	return err == nil, err
}

func (c *Control) createImporterRow(ctx context.Context, i stream.Importer) (stream.Importer, error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return i, err
	}
	defer unlock()
	s, err := c.catalog.Stream(ctx, i.Stream)
	if err != nil {
		return i, err
	}
	i.StreamID = s.ID
	if err := c.mayImport(ctx, s); err != nil {
		return i, err
	}
	err = c.catalog.CreateImporter(ctx, i)
	if err == nil || !mayHaveHappened(err) {
		return i, err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if got, readErr := c.catalog.Importer(done, i.Name); readErr == nil && got.ID == i.ID {
		return got, nil
	}
	return i, err
}

// mayImport refuses a stream whose events have a form that imported ones lack.
func (c *Control) mayImport(ctx context.Context, s stream.Stream) error {
	if why := ownValues(s); why != "" {
		return problem.New(problem.Conflict, "stream %q %s", s.Name, why)
	}
	if s.StrmMeta {
		return problem.New(problem.Conflict, "stream %q adds strmMeta to its events, which imported events do not have; turn that off first "+
			"(strm update stream %s --strm-meta=false), or choose another stream", s.Name, s.Name)
	}
	src, ok, err := c.segmentSource(ctx, s.ID)
	if err == nil && ok {
		err = problem.New(problem.Conflict, "stream %q belongs to the source %q of kind %s; give the batch importer another stream", s.Name, src.Name, src.Kind)
	}
	return err
}

// ImporterChange says what to change; nil fields stay. Files that are being
// imported keep the environments that they began with.
type ImporterChange struct {
	Sink         *string
	Environments []string
	Prefix       *string
	Suffixes     []string
	StatusPrefix *string
	TopicARN     *string
	QueueURL     *string
	ListEvery    *time.Duration
	ReportEvery  *time.Duration
	Paused       *bool
}

// UpdateImporter changes a batch importer: one write, which may be repeated.
// Errors: Invalid, NotFound, Conflict.
func (c *Control) UpdateImporter(ctx context.Context, name string, ch ImporterChange) (Importer, error) {
	i, err := c.updateImporterRow(ctx, name, ch)
	c.wakeImporters() // a failed write may have happened
	if err != nil {
		return Importer{}, err
	}
	return c.showImporter(ctx, i)
}

func (c *Control) updateImporterRow(ctx context.Context, name string, ch ImporterChange) (stream.Importer, error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Importer{}, err
	}
	defer unlock()
	i, err := c.catalog.Importer(ctx, name)
	if err != nil {
		return i, err
	}
	set(&i.Sink, ch.Sink)
	sink, err := c.catalog.Sink(ctx, i.Sink)
	if err != nil {
		return i, err
	}
	if ch.Environments != nil {
		i.Environments = slices.Clone(ch.Environments)
	}
	if ch.Suffixes != nil {
		i.Suffixes = slices.Clone(ch.Suffixes)
	}
	set(&i.Prefix, ch.Prefix)
	set(&i.StatusPrefix, ch.StatusPrefix)
	set(&i.TopicARN, ch.TopicARN)
	set(&i.QueueURL, ch.QueueURL)
	set(&i.ListEvery, ch.ListEvery)
	set(&i.ReportEvery, ch.ReportEvery)
	set(&i.Paused, ch.Paused)
	if err := c.checkImporter(&i, sink); err != nil {
		return i, err
	}
	i.UpdatedAt = now()
	if err := c.catalog.UpdateImporter(ctx, i); err != nil {
		return i, err
	}
	return c.catalog.Importer(ctx, name)
}

// PauseImporter stops importing. Notices are taken all the same, and files that
// are being imported come to their end.
func (c *Control) PauseImporter(ctx context.Context, name string) (Importer, error) {
	on := true
	return c.UpdateImporter(ctx, name, ImporterChange{Paused: &on})
}

// ResumeImporter undoes PauseImporter.
func (c *Control) ResumeImporter(ctx context.Context, name string) (Importer, error) {
	off := false
	return c.UpdateImporter(ctx, name, ImporterChange{Paused: &off})
}

// DeleteImporter deletes a batch importer. What it imported stays, files that
// are being imported come to their end, and those that it has noticed and not
// begun are reported as refused.
func (c *Control) DeleteImporter(ctx context.Context, name string) error {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	defer c.wakeImporters()
	i, err := c.catalog.Importer(ctx, name)
	if err != nil {
		return err
	}
	err = c.catalog.DeleteImporter(ctx, i.ID)
	if err == nil || !mayHaveHappened(err) {
		return err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if _, gone := c.catalog.Importer(done, name); isNotFound(gone) {
		return nil
	}
	return err
}

// Importer returns a batch importer.
func (c *Control) Importer(ctx context.Context, name string) (Importer, error) {
	i, err := c.catalog.Importer(ctx, name)
	if err != nil {
		return Importer{}, err
	}
	return c.showImporter(ctx, i)
}

// Importers returns the batch importers into a stream, or all of them if
// streamName is empty, by name.
func (c *Control) Importers(ctx context.Context, streamName string) ([]Importer, error) {
	all, err := c.catalog.Importers(ctx)
	if err != nil {
		return nil, err
	}
	if streamName != "" {
		s, err := c.catalog.Stream(ctx, streamName)
		if err != nil {
			return nil, err
		}
		if all, err = c.catalog.ImportersOfStream(ctx, s.ID); err != nil {
			return nil, err
		}
	}
	out := make([]Importer, 0, len(all))
	for _, i := range all {
		x, err := c.showImporter(ctx, i)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func (c *Control) showImporter(ctx context.Context, i stream.Importer) (Importer, error) {
	totals, err := c.catalog.ImporterTotals(ctx, i.ID)
	x := Importer{Importer: i, Totals: totals}
	if i.TopicARN != "" {
		x.Endpoint = c.options.NoticeURL + i.Token
	}
	return x, err
}

// wakeImporters makes what imports look at the catalog anew.
func (c *Control) wakeImporters() {
	if c.wake != nil {
		c.wake()
	}
}
