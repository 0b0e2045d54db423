// Package format is the port to file formats: how the blocks of a planned
// object become bytes. Implementations live below it and must pass formattest.
//
// Encoding is deterministic: the same blocks give the same bytes for as long as
// Variant.Encoder stays the same. A retry, another process and a replay depend
// on that, so an implementation changes the Encoder whenever its bytes change,
// the upgrade of a compressor included.
package format

import (
	"io"
	"iter"

	"strm/internal/stream"
)

// Blocks is the source of an encoding: the blocks of one planned object, in
// order. A block's bytes are valid only until the iteration goes on.
type Blocks = iter.Seq2[stream.Block, error]

// Variant is a format with a compression chosen.
type Variant struct {
	Compression string // as given, or the default
	Ext         string // without a leading dot: "jsonl.gz"
	ContentType string
	Encoding    string // Content-Encoding, or empty
	Encoder     string // name and version of the encoder
}

// Format turns blocks into files. Methods are pure and safe for concurrent use.
type Format interface {
	// Name is what --format takes.
	Name() string
	// Variant returns the variant for a compression ("" for the default), or
	// an error of kind Invalid that lists what there is.
	Variant(compression string) (Variant, error)
	// Encode writes the file and returns the number of events in it. Memory
	// stays bounded whatever the size. No blocks make a valid empty file.
	Encode(w io.Writer, compression string, blocks Blocks) (events int64, err error)
	// Count reads a file and returns the number of events in it. Errors of
	// kind Corrupt say what is wrong with it.
	Count(r io.Reader, compression string) (events int64, err error)
}

// Concatenator is a Format that can sometimes make a file by concatenating
// stored blocks, without looking into them. The bytes are those of Encode.
type Concatenator interface {
	Concatenates(compression string, headers []stream.BlockHeader) bool
}
