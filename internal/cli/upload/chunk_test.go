package upload

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strm/internal/problem"
)

// cutAll returns all chunks from a mark on.
func cutAll(t interface{ Fatal(...any) }, data []byte, from mark) []*chunk {
	c := newChunker(bytes.NewReader(data[from.Offset:]), from)
	var out []*chunk
	for {
		k, err := c.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, k)
	}
}

// drawFile makes a file of short, long and blank lines with either line end.
func drawFile(t *rapid.T) []byte {
	var b bytes.Buffer
	n := rapid.IntRange(0, 60).Draw(t, "runs")
	for range n {
		line := rapid.SampledFrom([]string{"", " ", `{"a":1}`, `{"b":"` + strings.Repeat("x", 3000) + `"}`, `{"c":"` + strings.Repeat("y", 400_000) + `"}`}).Draw(t, "line")
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		times := 1
		if len(line) < 100 {
			times = rapid.IntRange(1, 700).Draw(t, "times")
		}
		for range times {
			b.WriteString(line + end)
		}
	}
	if rapid.Bool().Draw(t, "cut off the last line's end") {
		return bytes.TrimRight(b.Bytes(), "\r\n")
	}
	return b.Bytes()
}

// TestChunks: the chunks hold every event once and in order, tile the file,
// keep the limits, and know the line of each event.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := drawFile(t)
		lines := strings.Split(string(data), "\n")
		at := mark{}
		var got []string
		for _, c := range cutAll(t, data, mark{}) {
			if c.from != at {
				t.Fatalf("chunk from %+v, after %+v", c.from, at)
			}
			at = c.to
			events := strings.Split(strings.TrimSuffix(string(c.body), "\n"), "\n")
			if len(c.body) == 0 {
				events = nil
			}
			if len(events) != len(c.line) || len(events) > maxLines {
				t.Fatalf("%d events, %d line numbers", len(events), len(c.line))
			}
			if len(c.body) > maxBytes && len(events) > 1 {
				t.Fatalf("%d bytes in %d events", len(c.body), len(events))
			}
			for i, e := range events {
				if want := strings.TrimSpace(lines[c.lineOf(i+1)-1]); e != want {
					t.Fatalf("event %d of the chunk is not line %d", i+1, c.lineOf(i+1))
				}
			}
			got = append(got, events...)
		}
		if at.Offset != int64(len(data)) {
			t.Fatalf("chunks end at %d of %d bytes", at.Offset, len(data))
		}
		var want []string
		for _, l := range lines {
			if l = strings.TrimSpace(l); l != "" {
				want = append(want, l)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d events, want %d, or not the same", len(got), len(want))
		}
	})
}

// TestChunksFromAnyMark: begun again where a chunk ended, cutting goes on as it
// would have. Resuming rests on this.
func TestChunksFromAnyMark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := drawFile(t)
		all := cutAll(t, data, mark{})
		if len(all) == 0 {
			return
		}
		i := rapid.IntRange(0, len(all)-1).Draw(t, "chunk")
		again := cutAll(t, data, all[i].from)
		if len(again) != len(all)-i {
			t.Fatalf("%d chunks from chunk %d on, want %d", len(again), i, len(all)-i)
		}
		for j, c := range again {
			w := all[i+j]
			if c.from != w.from || c.to != w.to || !bytes.Equal(c.body, w.body) || !slices.Equal(c.line, w.line) {
				t.Fatalf("chunk %d differs when cutting begins at chunk %d", i+j, i)
			}
		}
	})
}

func TestLongLine(t *testing.T) {
	data := "{}\n" + strings.Repeat("x", MaxLine+1)
	c := newChunker(strings.NewReader(data), mark{})
	first, err := c.next()
	if err != nil || string(first.body) != "{}\n" {
		t.Fatalf("the events before it: %v, %v", first, err)
	}
	_, err = c.next()
	if problem.KindOf(err) != problem.TooLarge || !strings.Contains(err.Error(), "line 2 ") {
		t.Fatalf("got %v", err)
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("disk")
	c := newChunker(io.MultiReader(strings.NewReader("{}\n{\"half"), iotestErr{broken}), mark{})
	if first, err := c.next(); err != nil || string(first.body) != "{}\n" {
		t.Fatalf("the whole lines before it: %v, %v", first, err)
	}
	if _, err := c.next(); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }
