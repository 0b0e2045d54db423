package format_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"strm/internal/format"
	"strm/internal/problem"
	"strm/internal/stream"
)

func pack(t *testing.T, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func block(t *testing.T, start stream.Offset, lines ...string) stream.Block {
	text := strings.Join(lines, "\n") + "\n"
	z := pack(t, text)
	return stream.Block{Gzip: z, BlockHeader: stream.BlockHeader{
		Range:  stream.Range{Partition: 1, Start: start, End: start + stream.Offset(len(lines))},
		Events: int64(len(lines)), Raw: int64(len(text)), Packed: int64(len(z)),
	}}
}

func seq(blocks []stream.Block, last error) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
		if last != nil {
			yield(stream.Block{}, last)
		}
	}
}

func collect(lines iter.Seq2[format.Line, error]) (string, error) {
	var out []string
	for l, err := range lines {
		if err != nil {
			return strings.Join(out, " "), err
		}
		out = append(out, fmt.Sprintf("%d=%s", l.Offset, l.Data))
	}
	return strings.Join(out, " "), nil
}

func TestLines(t *testing.T) {
	blocks := []stream.Block{block(t, 10, "a", "bb", "ccc"), block(t, 13, "d"), block(t, 20, "e", "f")}
	for _, c := range []struct {
		start, end stream.Offset
		want       string
	}{
		{10, 22, "10=a 11=bb 12=ccc 13=d 20=e 21=f"},
		{0, 100, "10=a 11=bb 12=ccc 13=d 20=e 21=f"},
		{11, 12, "11=bb"},
		{12, 21, "12=ccc 13=d 20=e"},
		{14, 20, ""},
		{30, 40, ""},
	} {
		got, err := collect(format.Lines(seq(blocks, nil), stream.Range{Partition: 1, Start: c.start, End: c.end}))
		if err != nil || got != c.want {
			t.Errorf("[%d,%d): %q, %v, want %q", c.start, c.end, got, err, c.want)
		}
	}
	for l, err := range format.Lines(seq(blocks, nil), stream.Range{Partition: 1, Start: 10, End: 22}) {
		if err != nil || l.Offset != 10 {
			t.Fatal(l, err)
		}
		break // leaving early is allowed
	}
	fault := errors.New("disk gone")
	if got, err := collect(format.Lines(seq(blocks[:1], fault), stream.Range{Partition: 1, Start: 12, End: 99})); !errors.Is(err, fault) || got != "12=ccc" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLinesRefusesDamage(t *testing.T) {
	whole := stream.Range{Partition: 1, End: 100}
	for name, damage := range map[string]func(*stream.Block){
		"events over":      func(b *stream.Block) { b.Events++; b.Range.End++ },
		"events under":     func(b *stream.Block) { b.Events--; b.Range.End-- },
		"gap in offsets":   func(b *stream.Block) { b.Range.End++ },
		"raw over":         func(b *stream.Block) { b.Raw++ },
		"raw under":        func(b *stream.Block) { b.Raw-- },
		"raw absurd":       func(b *stream.Block) { b.Raw = 1 << 60 },
		"raw negative":     func(b *stream.Block) { b.Raw = -1 },
		"cut":              func(b *stream.Block) { b.Gzip = b.Gzip[:len(b.Gzip)-9] },
		"cut in trailer":   func(b *stream.Block) { b.Gzip = b.Gzip[:len(b.Gzip)-1] },
		"empty":            func(b *stream.Block) { b.Gzip = nil },
		"bit flipped":      func(b *stream.Block) { b.Gzip = bytes.Clone(b.Gzip); b.Gzip[14] ^= 8 },
		"checksum flipped": func(b *stream.Block) { b.Gzip = bytes.Clone(b.Gzip); b.Gzip[len(b.Gzip)-6] ^= 1 },
		"second member":    func(b *stream.Block) { b.Gzip = append(bytes.Clone(b.Gzip), b.Gzip...) },
		"line not ended":   func(b *stream.Block) { b.Gzip = pack(t, "{}\n{}\n{}"); b.Raw = 8; b.Events = 2; b.Range.End = 2 },
	} {
		b := block(t, 0, `{"a":1}`, `{"b":2}`, `{"c":3}`)
		damage(&b)
		got, err := collect(format.Lines(seq([]stream.Block{b}, nil), whole))
		if got != "" || problem.KindOf(err) != problem.Corrupt {
			t.Errorf("%s: %q, %v", name, got, err)
			continue
		}
		if !strings.Contains(err.Error(), b.Range.String()) {
			t.Errorf("%s: %v does not name the block", name, err)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte{}, int64(1), int64(3))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), int64(1), int64(2))
	f.Fuzz(func(t *testing.T, gz []byte, events, raw int64) {
		b := stream.Block{Gzip: gz, BlockHeader: stream.BlockHeader{
			Range: stream.Range{Partition: 0, Start: 0, End: stream.Offset(events)}, Events: events, Raw: raw,
		}}
		n := int64(0)
		for l, err := range format.Lines(seq([]stream.Block{b}, nil), stream.Range{End: 1 << 40}) {
			if err != nil {
				if n > 0 || problem.KindOf(err) != problem.Corrupt {
					t.Fatalf("after %d events: %v", n, err)
				}
				return
			}
			if bytes.IndexByte(l.Data, '\n') >= 0 || int64(l.Offset) != n {
				t.Fatalf("%+v", l)
			}
			n++
		}
		if n != max(events, 0) {
			t.Fatalf("%d of %d events", n, events)
		}
	})
}

func TestLinesOfPlainBlocksHaveTheOffsetsThatTheBlockNames(t *testing.T) {
	blocks := func(yield func(stream.Block, error) bool) {
		for _, b := range []stream.Block{
			{BlockHeader: stream.BlockHeader{Range: stream.Range{Start: 0, End: 4}}}, // nothing but gaps
			{BlockHeader: stream.BlockHeader{Range: stream.Range{Start: 4, End: 20}, Events: 3, Raw: 12}, Lines: []byte("{1}\n{2}\n{3}\n"), Offsets: []stream.Offset{5, 9, 17}},
			{BlockHeader: stream.BlockHeader{Range: stream.Range{Start: 20, End: 22}, Events: 2, Raw: 8}, Lines: []byte("{4}\n{5}\n")},
		} {
			if !yield(b, nil) {
				return
			}
		}
	}
	for _, c := range []struct {
		r    stream.Range
		want string
	}{
		{stream.Range{Start: 0, End: 30}, "5{1} 9{2} 17{3} 20{4} 21{5} "},
		{stream.Range{Start: 6, End: 17}, "9{2} "},
		{stream.Range{Start: 17, End: 21}, "17{3} 20{4} "},
		{stream.Range{Start: 0, End: 5}, ""},
	} {
		got := ""
		for line, err := range format.Lines(blocks, c.r) {
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%d%s ", line.Offset, line.Data)
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.r, got, c.want)
		}
	}
}
