package jsonl_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"

	"strm/internal/format/formattest"
	"strm/internal/format/jsonl"
	"strm/internal/stream"
)

func TestConformance(t *testing.T) {
	formattest.Run(t, jsonl.Format{}, outputs()...)
}

func outputs() []stream.Output {
	var out []stream.Output
	for _, c := range []string{"none", "gzip", "zstd"} {
		out = append(out, stream.Output{Compression: c})
		for _, e := range []stream.EnvelopeStyle{stream.EnvelopeTarsal, stream.EnvelopeAirbyte0, stream.EnvelopeAirbyte1} {
			out = append(out, stream.Output{Compression: c, Envelope: stream.Envelope{Style: e}})
		}
		out = append(out, stream.Output{Compression: c, Envelope: stream.Envelope{Style: stream.EnvelopeAirbyte1}, Flattening: stream.FlattenRoot})
	}
	return out
}

// The bytes behind each Encoder version. When one of these changes (a new
// compressor, another rule), raise that version in Variant first.
func TestEncodersArePinned(t *testing.T) {
	for _, c := range []struct {
		o    stream.Output
		want string
	}{
		{stream.Output{Compression: "none"}, "jsonl/1 5c1a906f1a305654"},
		{stream.Output{Compression: "gzip"}, "jsonl-gzip/1 925a7f96a0c48c8c"},
		{stream.Output{Compression: "zstd"}, "jsonl-zstd/1 629da98485d8adda"},
		{stream.Output{Compression: "none", Envelope: stream.Envelope{Style: "tarsal"}}, "enveloped-jsonl/2 4c8e83caac3ca899"},
		{stream.Output{Compression: "gzip", Envelope: stream.Envelope{Style: "tarsal"}}, "enveloped-jsonl-gzip/2 a0f823aad420cf74"},
		{stream.Output{Compression: "zstd", Envelope: stream.Envelope{Style: "tarsal"}}, "enveloped-jsonl-zstd/2 019f151e30e69335"},
	} {
		var buf bytes.Buffer
		if _, err := (jsonl.Format{}).Encode(&buf, c.o, formattest.Input(formattest.Blocks(t, 1, 4000, 2, 3, 900, 900, 900, 900, 4000, 1))); err != nil {
			t.Fatal(err)
		}
		v, err := jsonl.Format{}.Variant(c.o)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(buf.Bytes())
		if got := v.Encoder + " " + hex.EncodeToString(sum[:8]); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.o, got, c.want)
		}
	}
}

var zipped = stream.Output{Compression: "gzip"}

func TestRunsOfSmallBlocksArePackedAndLargeOnesKeptAsStored(t *testing.T) {
	blocks := formattest.Blocks(t, 100, 100, 100, 4000, 100, 4000)
	var buf bytes.Buffer
	if _, err := (jsonl.Format{}).Encode(&buf, zipped, formattest.Input(blocks)); err != nil {
		t.Fatal(err)
	}
	if n := members(t, buf.Bytes()); n != 4 {
		t.Errorf("%d gzip members, want 4: one packed run, three as stored", n)
	}
	for _, i := range []int{3, 4, 5} {
		if !bytes.Contains(buf.Bytes(), blocks[i].Gzip) {
			t.Errorf("block %d was not kept as stored", i)
		}
	}
	if (jsonl.Format{}).Concatenates(zipped, headers(blocks)) {
		t.Error("a run of small blocks does not concatenate")
	}
	if !(jsonl.Format{}).Concatenates(zipped, headers(blocks[2:])) {
		t.Error("lone small blocks concatenate")
	}
}

func headers(blocks []stream.Block) []stream.BlockHeader {
	var out []stream.BlockHeader
	for _, b := range blocks {
		out = append(out, b.BlockHeader)
	}
	return out
}

func members(t *testing.T, file []byte) int {
	t.Helper()
	in := bytes.NewReader(file)
	zr, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		zr.Multistream(false)
		if _, err := io.Copy(io.Discard, zr); err != nil {
			t.Fatal(err)
		}
		if err := zr.Reset(in); errors.Is(err, io.EOF) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
