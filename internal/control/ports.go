package control

import (
	"context"
	"io"
	"iter"
	"time"

	"strm/internal/catalog"
	"strm/internal/eventlog"
	"strm/internal/exporter"
	"strm/internal/stream"
)

// Catalog is what control needs of the configuration store. Writes are atomic,
// and durable on nil. Errors carry kinds: NotFound for a name that is not
// there, Conflict for one that is taken or in use.
type Catalog interface {
	Installation(ctx context.Context) (string, error)
	// Revision rises with every change below, on whichever node it is made.
	Revision(ctx context.Context) (int64, error)
	// Nodes returns the processes that share the catalog; none where there is one.
	Nodes(ctx context.Context) ([]stream.Node, error)

	CreateStream(ctx context.Context, s stream.Stream) error
	Stream(ctx context.Context, name string) (stream.Stream, error)
	Streams(ctx context.Context) ([]stream.Stream, error)
	UpdateStream(ctx context.Context, s stream.Stream) error
	// DeleteStream takes the stream out of sight, with its sources and (if
	// recursive; else Conflict) its exporters and importers. Its id stays in DroppedStreams
	// until ForgetStream.
	DeleteStream(ctx context.Context, name string, recursive bool) (stream.Stream, []stream.Exporter, error)
	DroppedStreams(ctx context.Context) ([]string, error)
	ForgetStream(ctx context.Context, id string) error

	CreateSource(ctx context.Context, s stream.Source) error
	Source(ctx context.Context, name string) (stream.Source, error)
	Sources(ctx context.Context) ([]stream.Source, error)
	// UpdateSource stores DedupWindow and KeyHash of the source of that name;
	// Conflict if another has the key.
	UpdateSource(ctx context.Context, s stream.Source) error
	DeleteSource(ctx context.Context, name string) error

	PutSink(ctx context.Context, s stream.Sink) (stored stream.Sink, created bool, err error)
	Sink(ctx context.Context, name string) (stream.Sink, error)
	Sinks(ctx context.Context) ([]stream.Sink, error)
	DeleteSink(ctx context.Context, name string, recursive bool) (stream.Sink, []stream.Exporter, error)

	CreateExporter(ctx context.Context, e stream.Exporter) error
	ExporterNamed(ctx context.Context, streamName, name string) (stream.Exporter, error)
	Exporters(ctx context.Context) ([]stream.Exporter, error)
	ExportersOfStream(ctx context.Context, streamID string) ([]stream.Exporter, error)
	ExportersOfSink(ctx context.Context, sink string) ([]stream.Exporter, error)
	// UpdateExporter stores the settings and Paused; never the position,
	// which only the ledger moves.
	UpdateExporter(ctx context.Context, e stream.Exporter) error
	DeleteExporter(ctx context.Context, id string) error

	CreateImporter(ctx context.Context, i stream.Importer) error
	Importer(ctx context.Context, name string) (stream.Importer, error)
	Importers(ctx context.Context) ([]stream.Importer, error)
	ImportersOfStream(ctx context.Context, streamID string) ([]stream.Importer, error)
	ImportersOfSink(ctx context.Context, sink string) ([]stream.Importer, error)
	// UpdateImporter stores the settings and Paused. Conflict for a sink of
	// another place while files or reports wait at the present one.
	UpdateImporter(ctx context.Context, i stream.Importer) error
	DeleteImporter(ctx context.Context, id string) error
	ImporterTotals(ctx context.Context, id string) (catalog.ImporterTotals, error)
	Imports(ctx context.Context, q catalog.ImportQuery) ([]stream.Import, error)
	Import(ctx context.Context, id int64) (stream.Import, error)
	Entries(ctx context.Context, importID int64) ([]stream.StatusEntry, error)
	Report(ctx context.Context, id int64) (stream.Report, error)

	// AbandonReplay gives up what is unfinished of a replay: its hold on the
	// log and its keys. It returns the number of batches.
	AbandonReplay(ctx context.Context, exporterID, replayID string) (int64, error)
	Batch(ctx context.Context, id string) (stream.Batch, error)
	Batches(ctx context.Context, exporterID string, q catalog.BatchQuery) ([]stream.Batch, error)
	Totals(ctx context.Context, exporterID string) (catalog.Totals, error)
}

// Log is what control needs of eventlog.Log, whose contract holds.
type Log interface {
	Create(ctx context.Context, streamID string, partitions int) error
	Drop(ctx context.Context, streamID string) error
	Streams(ctx context.Context) ([]string, error)
	Bounds(ctx context.Context, streamID string) ([]eventlog.Bound, error)
	Index(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error]
	Read(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error]
	Subscribe(fn func(eventlog.Advance)) (cancel func())
}

// Runner is what control needs of the running exporters. It reads the catalog
// itself; control only tells it where to look again.
type Runner interface {
	// Validate writes the validation object of e. The error's text names what
	// is missing, and it wraps *objstore.Error where the store spoke.
	Validate(ctx context.Context, e stream.Exporter) error
	// TestSink writes the validation object of e, which need not be stored,
	// into the sink e.Sink, and remembers as the sink's health how that went.
	// Errors: NotFound, Invalid, the end of ctx by its caller.
	TestSink(ctx context.Context, e stream.Exporter) (stream.Health, error)
	// Reload reads the exporter anew (or finds it gone) and returns once the
	// old state no longer runs.
	Reload(ctx context.Context, exporterID string) error
	// SinkChanged makes exporters of the sink open it anew and retry at once.
	SinkChanged(ctx context.Context, sinkName string)
	Status(exporterID string) exporter.Status
	// Flush closes a batch with all that is durable now and returns the
	// position behind it.
	Flush(ctx context.Context, exporterID string) (stream.Position, error)
	// WaitDelivered returns once everything below target is in the bucket
	// (true), or the exporter is blocked or paused, or ctx ends (false).
	WaitDelivered(ctx context.Context, exporterID string, target stream.Position) (bool, error)
	Replay(ctx context.Context, exporterID, into string, from, to time.Time) (exporter.Replay, error)
	Verify(ctx context.Context, exporterID string) (exporter.Verification, error)
	Object(ctx context.Context, exporterID, key string) (body io.ReadCloser, size int64, err error)
}

// Sealer encrypts what must not be read from the disk.
type Sealer interface {
	Seal(plain, associated []byte) ([]byte, error)
}
