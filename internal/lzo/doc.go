// Package lzo holds LZO1X, the compression that older Hadoop tools write: an
// encoder of our own, a decoder, and the two containers that carry it, which are
// the pages of Parquet files (Hadoop's framing) and the files of the tool lzop.
//
// LZO1X has no checksum, and Hadoop's framing none either: a damaged page can
// decode to the right number of wrong bytes. lzop's files have one per block.
//
// All functions are pure and safe for concurrent use. What they allocate is
// bounded by the size of their input and by the raw size that the caller names.
package lzo
