package formattest

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"strm/internal/format"
	"strm/internal/problem"
	"strm/internal/stream"
)

// event is one of those that PlainBlocks cuts.
type event struct {
	offset stream.Offset
	line   string
}

// plainEvents are n events at offsets with gaps: every tenth is missing, and a run
// of 50 after every 1,000th.
func plainEvents(n int) []event {
	var out []event
	for at := stream.Offset(3); len(out) < n; at++ {
		switch {
		case at%10 == 9:
		case at%1050 >= 1000:
		default:
			out = append(out, event{at, fmt.Sprintf(`{"id":%d,"url":"https://example.com/page/%d","text":"event number %d of a block"}`+"\n", at, at%7, len(out))})
		}
	}
	return out
}

// PlainBlocks makes blocks of plain lines, as a log with gaps in its offsets would: n
// events cut into runs of the given number of offsets, some of which hold nothing.
func PlainBlocks(n int, run stream.Offset) []stream.Block {
	at := time.Date(2026, 3, 26, 9, 56, 0, 0, time.UTC)
	var out []stream.Block
	for _, e := range plainEvents(n) {
		for len(out) == 0 || out[len(out)-1].Range.End <= e.offset {
			start := stream.Offset(len(out)) * run
			out = append(out, stream.Block{BlockHeader: stream.BlockHeader{Range: stream.Range{Start: start, End: start + run}, FirstAt: at, LastAt: at}})
		}
		b := &out[len(out)-1]
		b.Lines = append(b.Lines, e.line...)
		b.Offsets = append(b.Offsets, e.offset)
		b.Events++
		b.Raw = int64(len(b.Lines))
	}
	return out
}

// runPlain proves that blocks of plain lines are written whole, and that the bytes do
// not depend on how they are cut.
func runPlain(t *testing.T, f format.Format, c stream.Output) {
	t.Run("plain lines", func(t *testing.T) {
		const events = 9000
		var want []byte
		for _, run := range []stream.Offset{1 << 20, 8192, 997, 40} {
			blocks := PlainBlocks(events, run)
			var buf bytes.Buffer
			n, err := f.Encode(&buf, c, Input(blocks))
			if err != nil || n != events {
				t.Fatalf("runs of %d: encoded %d events of %d: %v", run, n, events, err)
			}
			if n, err := f.Count(bytes.NewReader(buf.Bytes()), c); err != nil || n != events {
				t.Fatalf("runs of %d: counted %d events of %d: %v", run, n, events, err)
			}
			if want == nil {
				want = buf.Bytes()
			}
			if !bytes.Equal(want, buf.Bytes()) {
				t.Errorf("runs of %d make another file", run)
			}
			if cat, ok := f.(format.Concatenator); ok && cat.Concatenates(c, []stream.BlockHeader{blocks[0].BlockHeader}) {
				t.Error("plain lines are said to be a gzip file")
			}
		}
	})
	t.Run("empty runs", func(t *testing.T) {
		blocks := []stream.Block{{BlockHeader: stream.BlockHeader{Range: stream.Range{End: 5}}}, {BlockHeader: stream.BlockHeader{Range: stream.Range{Start: 5, End: 9}}}}
		var nothing, empty bytes.Buffer
		n, err := f.Encode(&empty, c, Input(blocks))
		if _, nerr := f.Encode(&nothing, c, Input(nil)); n != 0 || err != nil || nerr != nil || !bytes.Equal(nothing.Bytes(), empty.Bytes()) {
			t.Errorf("%d events, %v, %v; %d bytes instead of %d", n, err, nerr, empty.Len(), nothing.Len())
		}
	})
	for name, spoil := range map[string]func(b *stream.Block){
		"a line more than events":   func(b *stream.Block) { b.Events--; b.Offsets = b.Offsets[1:] },
		"bytes missing":             func(b *stream.Block) { b.Lines = b.Lines[:len(b.Lines)-1] },
		"an offset out of order":    func(b *stream.Block) { b.Offsets[1] = b.Offsets[0] },
		"an offset out of range":    func(b *stream.Block) { b.Offsets[len(b.Offsets)-1] = b.Range.End },
		"an offset missing":         func(b *stream.Block) { b.Offsets = b.Offsets[1:] },
		"gaps that are not told of": func(b *stream.Block) { b.Offsets = nil },
	} {
		t.Run("plain lines with "+name, func(t *testing.T) {
			blocks := PlainBlocks(100, 50)
			spoil(&blocks[1])
			if _, err := f.Encode(io.Discard, c, Input(blocks)); problem.KindOf(err) != problem.Corrupt {
				t.Errorf("got %v", err)
			}
		})
	}
}
