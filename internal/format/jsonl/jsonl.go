// Package jsonl writes newline-delimited JSON, plain or compressed.
//
// With gzip, stored blocks go into the file as they are, since concatenated
// gzip members are a gzip file. Only runs of small blocks are packed anew, by a
// fixed rule (see pack), because small members compress badly. With an envelope
// around each event, and row by row, members are written as format.Packer does.
//
// Blocks of plain lines are written as they are, compressed as one text: the bytes do
// not depend on where blocks end.
package jsonl

import (
	"bytes"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"strm/internal/format"
	"strm/internal/format/envelope"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The compressions.
const (
	none  = format.None
	gz    = format.Gzip
	zstd1 = format.Zstd
)

// Format is newline-delimited JSON.
type Format struct{}

var (
	_ format.RowFormat    = Format{}
	_ format.Concatenator = Format{}
)

// Name returns "jsonl".
func (Format) Name() string { return "jsonl" }

// Variant returns the variant for none (the default), gzip or zstd.
//
// The version after the slash pins the bytes; TestEncodersArePinned fails when
// they change, and the version must then rise.
func (Format) Variant(o stream.Output) (format.Variant, error) {
	env, err := envelope.Of(o, false)
	if err != nil {
		return format.Variant{}, err
	}
	if o.CSV != (stream.CSV{}) || o.Parquet != (stream.Parquet{}) {
		return format.Variant{}, problem.New(problem.Invalid, "options of csv or parquet are set, but the format is jsonl; leave them out, or choose that format")
	}
	var v format.Variant
	switch o.Compression {
	case "", none:
		v = format.Variant{Compression: none, Ext: "jsonl", ContentType: "application/x-ndjson", Encoder: "jsonl/1"}
	case gz:
		v = format.Variant{Compression: gz, Ext: "jsonl.gz", ContentType: "application/gzip", Encoder: "jsonl-gzip/1"}
	case zstd1:
		v = format.Variant{Compression: zstd1, Ext: "jsonl.zst", ContentType: "application/zstd", Encoder: "jsonl-zstd/1"}
	default:
		return v, problem.New(problem.Invalid, "compression %q is not known for jsonl; use none, gzip or zstd", o.Compression)
	}
	if env.Style != stream.EnvelopeNone {
		v.Encoder = "enveloped-" + strings.TrimSuffix(v.Encoder, "1") + "2"
	}
	return v, nil
}

// Encode writes the events of the blocks, one a line.
func (f Format) Encode(w io.Writer, o stream.Output, in format.Input) (int64, error) {
	v, err := f.Variant(o)
	if err != nil {
		return 0, err
	}
	if o.Envelope.Style != stream.EnvelopeNone {
		rows, err := newRows(w, o, v, envelope.RunOf(in))
		if err != nil {
			return 0, err
		}
		return rows.env.Rows(in, rows)
	}
	switch v.Compression {
	case gz:
		return pack(w, in.Blocks())
	case zstd1:
		// One goroutine: the bytes must not depend on how work is divided.
		enc, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(1<<20))
		if err != nil {
			return 0, err
		}
		n, err := decodeTo(enc, in.Blocks())
		if err != nil {
			return n, err
		}
		return n, enc.Close()
	}
	return decodeTo(w, in.Blocks())
}

// Concatenates reports whether the gzip file of these blocks is the blocks
// themselves: pack would find no run of two small ones.
func (Format) Concatenates(o stream.Output, headers []stream.BlockHeader) bool {
	if o.Compression != gz || o.Envelope.Style != stream.EnvelopeNone || len(headers) == 0 {
		return false
	}
	for _, h := range headers {
		if h.Estimated || h.Packed == 0 {
			return false // there is no member to take
		}
	}
	for i := 1; i < len(headers); i++ {
		if small(headers[i-1]) && small(headers[i]) {
			return false
		}
	}
	return true
}

// decodeTo writes the events of the blocks uncompressed.
func decodeTo(w io.Writer, blocks format.Blocks) (int64, error) {
	var (
		events int64
		in     bytes.Reader
		zr     = new(gzip.Reader)
	)
	for b, err := range blocks {
		if err != nil {
			return events, err
		}
		if b.Gzip == nil {
			if err := plainTo(w, &b); err != nil {
				return events, err
			}
			events += b.Events
			continue
		}
		in.Reset(b.Gzip)
		if err := inflate(w, zr, &in, b.BlockHeader); err != nil {
			return events, err
		}
		events += b.Events
	}
	return events, nil
}

// plainTo writes the lines of a block that holds no member.
func plainTo(w io.Writer, b *stream.Block) error {
	lines, err := format.Plain(b)
	if err != nil {
		return damaged(b.BlockHeader, err)
	}
	_, err = w.Write(lines)
	return err
}

func inflate(w io.Writer, zr *gzip.Reader, in *bytes.Reader, h stream.BlockHeader) error {
	if err := zr.Reset(in); err != nil {
		return damaged(h, err)
	}
	out := &writer{w: w}
	n, err := io.Copy(out, zr)
	if out.err != nil {
		return out.err // where the file goes is at fault, not the block
	}
	if err != nil {
		return damaged(h, err)
	}
	if n != h.Raw {
		return problem.New(problem.Corrupt, "block %v holds %d bytes of events, its header says %d", h.Range, n, h.Raw)
	}
	return nil
}

// writer keeps the failures of a writer apart from those of what is read.
type writer struct {
	w   io.Writer
	err error
}

// Write passes on.
func (w *writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

func damaged(h stream.BlockHeader, err error) error {
	return problem.New(problem.Corrupt, "block %v is damaged: %w", h.Range, err)
}

// Count returns the number of lines.
func (f Format) Count(r io.Reader, o stream.Output) (int64, error) {
	v, err := f.Variant(o)
	if err != nil {
		return 0, err
	}
	r, end, err := format.Unpacked(r, v.Compression)
	if err != nil {
		return 0, problem.New(problem.Corrupt, "not a %s file: %w", v.Compression, err)
	}
	defer end()
	return countLines(r)
}

func countLines(r io.Reader) (int64, error) {
	var (
		events int64
		buf    = make([]byte, 64<<10)
		last   = byte('\n')
	)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			events += int64(bytes.Count(buf[:n], []byte{'\n'}))
			last = buf[n-1]
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return events, problem.New(problem.Corrupt, "after %d events: %w", events, err)
		}
	}
	if last != '\n' {
		return events, problem.New(problem.Corrupt, "the file ends inside a line, after %d events", events)
	}
	return events, nil
}
