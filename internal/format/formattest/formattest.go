// Package formattest is the conformance suite of the format port.
package formattest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"strm/internal/format"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Blocks makes blocks of the given numbers of events, as a log would.
func Blocks(t *testing.T, events ...int) []stream.Block {
	t.Helper()
	at := time.Date(2026, 3, 26, 9, 56, 0, 0, time.UTC)
	var out []stream.Block
	next := stream.Offset(0)
	for _, n := range events {
		var raw, packed bytes.Buffer
		for i := range n {
			fmt.Fprintf(&raw, `{"id":%d,"url":"https://example.com/page/%d","text":"event number %d of a block"}`+"\n", int(next)+i, i%7, i)
		}
		zw, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := zw.Write(raw.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		out = append(out, stream.Block{Gzip: packed.Bytes(), BlockHeader: stream.BlockHeader{
			Range: stream.Range{Start: next, End: next + stream.Offset(n)}, Events: int64(n), Raw: int64(raw.Len()),
			Packed: int64(packed.Len()), CRC32: crc32.ChecksumIEEE(packed.Bytes()), FirstAt: at, LastAt: at,
		}})
		next += stream.Offset(n)
	}
	return out
}

// Seq yields the blocks from one reused buffer, as the port allows a log to do.
func Seq(blocks []stream.Block) format.Blocks {
	return func(yield func(stream.Block, error) bool) {
		var buf []byte
		var offsets []stream.Offset
		for _, b := range blocks {
			if b.Gzip != nil {
				buf = append(buf[:0], b.Gzip...)
				b.Gzip = buf
			} else {
				buf = append(buf[:0], b.Lines...)
				b.Lines = buf
			}
			if b.Offsets != nil {
				offsets = append(offsets[:0], b.Offsets...)
				b.Offsets = offsets
			}
			if !yield(b, nil) {
				return
			}
			for i := range buf {
				buf[i] = 0xAA
			}
			clear(offsets)
		}
	}
}

// Input makes an encoder's input of blocks.
func Input(blocks []stream.Block) format.Input {
	return format.Input{Blocks: func() format.Blocks { return Seq(blocks) }, StreamID: "0123456789abcdef", Seq: 7}
}

// Run proves the port's promises for every output given; under the race detector for some.
func Run(t *testing.T, f format.Format, outputs ...stream.Output) {
	for i := 0; i < len(outputs); i += every {
		o := outputs[i]
		t.Run(fmt.Sprintf("%s/%s/%s%s", f.Name(), o.Compression, o.Envelope.Style, o.Flattening), func(t *testing.T) {
			runVariant(t, f, o)
			if rows, ok := f.(format.RowFormat); ok {
				runRows(t, rows, o)
			}
		})
	}
	for name, o := range map[string]stream.Output{
		"compression": {Compression: "no-such"},
		"envelope":    {Envelope: stream.Envelope{Style: "no-such"}},
		"flattening":  {Flattening: "no-such"},
		"name":        {Envelope: stream.Envelope{MetaName: "of nothing"}},
	} {
		t.Run("unknown "+name+" is invalid", func(t *testing.T) {
			if _, err := f.Variant(o); problem.KindOf(err) != problem.Invalid {
				t.Errorf("got %v", err)
			}
			if _, err := f.Encode(io.Discard, o, Input(nil)); problem.KindOf(err) != problem.Invalid {
				t.Errorf("encoding: %v", err)
			}
		})
	}
}

// failing is a writer that always fails.
type failing struct{ err error }

// Write fails.
func (w failing) Write([]byte) (int, error) { return 0, w.err }

func runVariant(t *testing.T, f format.Format, c stream.Output) {
	encode := func(blocks []stream.Block) []byte {
		var buf bytes.Buffer
		n, err := f.Encode(&buf, c, Input(blocks))
		if err != nil {
			t.Fatal(err)
		}
		var want int64
		for _, b := range blocks {
			want += b.Events
		}
		if n != want {
			t.Fatalf("encoded %d events, want %d", n, want)
		}
		return buf.Bytes()
	}
	shapes := map[string][]int{
		"none": {}, "one": {1}, "small": {3, 4, 5}, "large": {4000, 4000}, "mixed": {1, 4000, 2, 3, 4000, 1, 1}, "run": {500, 500, 500, 500, 500, 500, 500, 500, 500},
	}
	for name, shape := range shapes {
		blocks := Blocks(t, shape...)
		t.Run(name+" is counted", func(t *testing.T) {
			n, err := f.Count(bytes.NewReader(encode(blocks)), c)
			var want int64
			for _, b := range blocks {
				want += b.Events
			}
			if err != nil || n != want {
				t.Errorf("counted %d events (%v), want %d", n, err, want)
			}
		})
		t.Run(name+" gives the same bytes again", func(t *testing.T) {
			if !bytes.Equal(encode(blocks), encode(blocks)) {
				t.Error("two encodings differ")
			}
		})
		if cat, ok := f.(format.Concatenator); ok {
			t.Run(name+" concatenates to the same bytes", func(t *testing.T) {
				var headers []stream.BlockHeader
				var joined []byte
				for _, b := range blocks {
					headers = append(headers, b.BlockHeader)
					joined = append(joined, b.Gzip...)
				}
				if cat.Concatenates(c, headers) && !bytes.Equal(joined, encode(blocks)) {
					t.Error("Concatenates says yes, the bytes say no")
				}
			})
		}
	}
	runPlain(t, f, c)
	t.Run("a damaged block is corrupt", func(t *testing.T) {
		blocks := Blocks(t, 3, 3)
		blocks[1].Gzip = append([]byte(nil), blocks[1].Gzip...)
		blocks[1].Gzip[len(blocks[1].Gzip)-5] ^= 0xff
		if _, err := f.Encode(io.Discard, c, Input(blocks)); problem.KindOf(err) != problem.Corrupt {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a truncated file is corrupt", func(t *testing.T) {
		file := encode(Blocks(t, 3000))
		if _, err := f.Count(bytes.NewReader(file[:len(file)/2]), c); problem.KindOf(err) != problem.Corrupt {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a full disk is not a damaged block", func(t *testing.T) {
		full := errors.New("no space left")
		_, err := f.Encode(failing{full}, c, Input(Blocks(t, 4000, 3, 3, 4000)))
		if !errors.Is(err, full) || problem.KindOf(err) == problem.Corrupt {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a failing source fails the encoding", func(t *testing.T) {
		bad := func(yield func(stream.Block, error) bool) { yield(stream.Block{}, io.ErrUnexpectedEOF) }
		if _, err := f.Encode(io.Discard, c, format.Input{Blocks: func() format.Blocks { return bad }}); err == nil {
			t.Error("no error")
		}
	})
}
