package importer

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"strm/internal/notice"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// Catalog is the configuration that importing reads beside the ledger, and the
// little it learns.
type Catalog interface {
	// StreamByID and Sink fail with kind NotFound once it was deleted.
	StreamByID(ctx context.Context, id string) (stream.Stream, error)
	Sink(ctx context.Context, name string) (stream.Sink, error)
	// SetSinkFound remembers what was learnt of a sink, unless the sink has
	// changed since revision (kind Conflict).
	SetSinkFound(ctx context.Context, name string, revision int64, region string, conditional stream.Support) error
}

// Opener opens a sink's bucket. It does not talk to the store.
type Opener func(ctx context.Context, s stream.Sink) (objstore.Bucket, error)

// OpenFile takes a file's bytes from src, which are as many as size says, and
// opens it. What is wrong with the file is a *FileError; any other error is ours or src's.
type OpenFile func(ctx context.Context, src io.Reader, size int64) (EventFile, error)

// FileError is what is wrong with a file, as opposed to what went wrong while it
// was read. Reading the file again ends in the same.
type FileError struct{ Detail string }

// Error returns the detail.
func (e *FileError) Error() string { return e.Detail }

// EventFile is an opened file, for one goroutine.
type EventFile interface {
	// Read begins a reading that takes the rows of the environments.
	Read(environments []string) Reading
	Close() error
}

// Reading checks and counts the rows of a file.
type Reading interface {
	// Chunks checks every row from the first on, and yields those from row number
	// from on. An error ends it; a *FileError says that the rest is damaged: the rows before it were
	// counted and yielded, the same whenever the file is read.
	Chunks(ctx context.Context, from int64) iter.Seq2[Chunk, error]
	// Refuse adds that the file, or the rest of it, was refused.
	Refuse(code stream.RowError, detail string)
	// Entries, Rows and Accepted tell of what was read so far.
	Entries() []stream.StatusEntry
	Rows() int64
	Accepted() int64
}

// Chunk is the rows [From,To) of a file, counted from 0. Data holds the accepted
// ones as JSON lines, until the next chunk.
type Chunk struct {
	From, To int64
	Data     []byte
	Accepted int
}

// Poll hears of an importer's files from its queue until ctx ends. If it returns
// while ctx lives, it is called again later.
type Poll func(ctx context.Context, i stream.Importer, h Hearer) error

// Hearer is told what came from a queue.
type Hearer struct {
	// Take makes a notice durable, or says why not; then it must be told again.
	Take func(ctx context.Context, n notice.Notice) error
	// Problem is told what keeps notices from being heard, and "" when nothing does.
	Problem func(ctx context.Context, text string)
}

// buckets keeps one open bucket per sink.
type buckets struct {
	catalog Catalog
	open    Opener

	mu   sync.Mutex
	held map[string]*openSink
}

type openSink struct {
	stream.Sink
	bucket objstore.Bucket
}

// get returns the sink as it is now, with its bucket.
func (b *buckets) get(ctx context.Context, name string) (*openSink, error) {
	sink, err := b.catalog.Sink(ctx, name)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.held[name]; o != nil && o.Revision == sink.Revision && o.CreatedAt.Equal(sink.CreatedAt) {
		return &openSink{Sink: sink, bucket: o.bucket}, nil
	}
	bucket, err := b.open(ctx, sink)
	if err != nil {
		return nil, err
	}
	b.held[name] = &openSink{Sink: sink, bucket: bucket}
	return b.held[name], nil
}

// close lets go of all buckets; nothing may use them any more.
func (b *buckets) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for name, o := range b.held {
		delete(b.held, name)
		if c, ok := o.bucket.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Observer is told what happens, for metrics. Its methods are called
// concurrently and must return at once.
type Observer interface {
	// FileDone: an import is done. outcome is "imported", or the code for which all of
	// the file, or the rest of it, was refused.
	FileDone(importer, outcome string, took time.Duration)
	// Rows: so many rows of a file that is done were accepted (code is empty), or
	// refused with the code; a row may have several.
	Rows(importer string, code stream.RowError, rows int64)
	// Fetched: so many bytes of a file were read from its bucket.
	Fetched(importer string, bytes int64)
	// FileFailed: an attempt failed, and another will be made.
	FileFailed(importer string)
	// Report: a PUT of a status report ended: "stored" or an objstore.Outcome.
	Report(outcome string)
	// Listed: a listing ended; found is how many files it found that nobody had told of.
	Listed(importer string, ok bool, found int)
}
