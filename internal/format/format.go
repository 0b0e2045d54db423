// Package format is the port to file formats: how the blocks of a planned
// object, or rows one by one, become the bytes of a file. Implementations live
// below it and must pass formattest.
//
// Encoding is deterministic: the same input and options give the same bytes for
// as long as Variant.Encoder stays the same. A retry, another process and a
// replay depend on that, so an implementation changes the Encoder whenever its
// bytes change, the upgrade of a compressor included.
package format

import (
	"io"
	"iter"

	"strm/internal/columns"
	"strm/internal/stream"
)

// Blocks is the source of an encoding: the blocks of one planned object, in
// order. A block's bytes are valid only until the iteration goes on.
type Blocks = iter.Seq2[stream.Block, error]

// Input is what a file is made of.
type Input struct {
	// Blocks may be asked for more than once, and yields the same each time: a
	// format that must know the columns first reads twice.
	Blocks func() Blocks
	// StreamID and Seq are in the envelope, where there is one: ids of events
	// derive from the stream, and the batch's number is the id of the sync.
	StreamID string
	Seq      int64
	// Losses, if not nil, is added to by Encode. What it counts is as much a
	// function of the input as the bytes are.
	Losses *Losses
}

// Variant is a format with its options chosen.
type Variant struct {
	Compression string // as given, or the default
	Ext         string // without a leading dot: "jsonl.gz"
	ContentType string
	Encoding    string // Content-Encoding, or empty
	Encoder     string // name and version of the encoder
}

// Format turns blocks into files. Of an output it reads the compression and
// what stream/table.go declares. Methods are pure and safe for concurrent use.
type Format interface {
	// Name is what --format takes.
	Name() string
	// Variant returns the variant for an output's options, or an error of kind
	// Invalid that says which of them cannot be, and what there is.
	Variant(o stream.Output) (Variant, error)
	// Encode writes the file and returns the number of events in it. Memory
	// stays bounded whatever the size. No blocks make a valid empty file.
	Encode(w io.Writer, o stream.Output, in Input) (events int64, err error)
	// Count reads a file and returns the number of events in it. Errors of
	// kind Corrupt say what is wrong with it.
	Count(r io.Reader, o stream.Output) (events int64, err error)
}

// Concatenator is a Format that can sometimes make a file by concatenating
// stored blocks, without looking into them. The bytes are those of Encode.
type Concatenator interface {
	Concatenates(o stream.Output, headers []stream.BlockHeader) bool
}

// RowFormat is a Format that also takes rows one by one.
type RowFormat interface {
	Format
	// Rows begins a file. Columns come from the output's schema: formats with
	// columns refuse one that is empty with an error of kind Invalid.
	Rows(w io.Writer, o stream.Output, run Run) (RowWriter, error)
}

// Run is what the rows of a file have in common.
type Run struct {
	SyncID       int64
	GenerationID int64
	// Shared lets many writers that are open at once share what is large. They
	// must then be used by one goroutine. Nil: the writer has its own.
	Shared *Shared
	// Stage is how many bytes of rows a Parquet writer collects before it makes
	// columns of them, which take more room than the rows until the row group
	// ends; 0 means 64 KiB. Where many writers are open, choose it large, watch
	// Buffered, and Flush the largest: then no columns are held between calls.
	Stage int64
	// Losses, if not nil, is added to by Close.
	Losses *Losses
}

// Row is what is known of an event beside its JSON.
type Row struct {
	ID      [16]byte         // UUID
	At      int64            // when it was emitted, or received: milliseconds since 1970
	Changes []columns.Change // what the source noted; kept by reference until the row is written
}

// RowWriter writes a file row by row. It is not safe for concurrent use. After
// an error of the underlying writer it is of no further use.
type RowWriter interface {
	// Append adds an event: one JSON object, checked by the caller (encoding/json's
	// Valid, or intake), without line breaks between its tokens where the file has lines. The
	// bytes may be used again after the call. What is not an object is refused
	// with an error of kind Invalid, and leaves the file as it was.
	Append(r Row, event []byte) error
	// Buffered returns about how many bytes of memory the writer holds for rows
	// not yet written.
	Buffered() int64
	// Flush writes what is buffered: it ends the compressed member or row group.
	// Files that are flushed often are larger.
	Flush() error
	// Close writes what a file ends with; it does not close the underlying writer.
	Close() error
}
