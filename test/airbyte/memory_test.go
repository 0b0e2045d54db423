//go:build linux && !race

package airbyte

// The race detector multiplies what a process takes, so these say nothing under it.

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// mostMemory is what a sync may take, in bytes.
const mostMemory = 512 << 20

// peak waits for a process that must succeed and returns its largest resident
// set in bytes.
func (p *process) peak() int64 {
	p.t.Helper()
	how, lines := p.end()
	if !how.Success() {
		p.t.Fatalf("%v: %s %s", how, p.errs.String(), lines[max(0, len(lines)-3):])
	}
	text, err := os.ReadFile(p.peakFile)
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n == 0 {
		p.t.Fatalf("a peak of %q: %v", text, err)
	}
	return n
}

// Row 33: a thousand streams at once, whose records come in turn.
func TestAThousandStreams(t *testing.T) {
	const streams, rounds = 1000, 120
	schema := `{"type":"object","properties":{"id":{"type":"integer"},"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"number"},"d":{"type":"array","items":{"type":"string"}},` +
		`"e":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"string"}}},"at":{"type":"string","format":"date-time"}}}`
	w := newWorld(t, map[string]any{"format_type": "Parquet", "compression_codec": "SNAPPY"})
	var catalog []stream
	for i := range streams {
		catalog = append(catalog, stream{name: fmt.Sprintf("stream_%d", i), schema: schema, gen: 0, min: 0, sync: 1})
	}
	p := w.start(catalog)
	go func() {
		in := bufio.NewWriterSize(p.in, 1<<20)
		r := rand.New(rand.NewPCG(1, 2))
		for n := range rounds {
			for i := range streams {
				_, _ = fmt.Fprintf(in, `{"type":"RECORD","record":{"stream":"stream_%d","emitted_at":1,"data":{"id":%d,"a":"%x","b":"%s","c":%g,"d":["u","v"],"e":{"x":1,"y":"%x"},"at":"2026-01-02T03:04:05Z"}}}`+"\n",
					i, n, r.Uint64(), strings.Repeat("lorem ipsum ", 60), r.Float64(), r.Uint64())
			}
		}
		for i := range streams {
			_, _ = fmt.Fprintln(in, status(fmt.Sprintf("stream_%d", i), "", "COMPLETE"))
		}
		_ = in.Flush()
		_ = p.in.Close()
	}()
	if got := p.peak(); got > mostMemory {
		t.Errorf("it took %d MiB", got>>20)
	} else {
		t.Logf("it took %d MiB", got>>20)
	}
	n := 0
	for i, key := range w.keys() {
		if i%97 == 0 {
			data, _ := w.get(key)
			rows, err := readParquet(data)
			if err != nil || len(rows) != rounds {
				t.Fatalf("%s: %d rows, %v", key, len(rows), err)
			}
		}
		n++
	}
	if n != streams {
		t.Errorf("%d objects", n)
	}
}

// Row 33: a record of 100 MB, in each kind of format, with and without escapes
// in it. Encoding a Parquet page holds several copies of it, all but one of them
// the library's; docs/airbyte.md has the figures.
func TestALargeRecord(t *testing.T) {
	const size, block = 96 << 20, 1 << 20
	for _, c := range []struct {
		format string
		line   string // of 16 bytes of text
		most   int64
	}{
		{"jsonl gzip", `%015x\n`, mostMemory},
		{"csv flat gzip", `%015x\"`, mostMemory},
		{"parquet snappy", `%016x`, 2 * mostMemory},
	} {
		t.Run(c.format, func(t *testing.T) {
			var v variant
			for _, v = range variants() {
				if v.name == c.format {
					break
				}
			}
			var part []byte
			r := rand.New(rand.NewPCG(1, 2))
			for range block / 16 {
				part = fmt.Appendf(part, c.line, r.Uint64()>>4)
			}
			w := newWorld(t, v.format)
			s := one(0, 0, 1)
			s.schema = `{"type":"object","properties":{"id":{"type":"integer"},"text":{"type":"string"}}}`
			p := w.start([]stream{s})
			go func() {
				in := bufio.NewWriterSize(p.in, 1<<20)
				_, _ = in.WriteString(`{"type":"RECORD","record":{"stream":"test_stream","emitted_at":1,"data":{"id":1,"text":"`)
				for range size / block {
					_, _ = in.Write(part)
				}
				_, _ = in.WriteString(`"}}}` + "\n" + record(`{"id":2}`, 1) + "\n" + complete() + "\n")
				_ = in.Flush()
				_ = p.in.Close()
			}()
			got := p.peak()
			t.Logf("it took %d MiB", got>>20)
			if got > c.most {
				t.Errorf("more than %d MiB", c.most>>20)
			}
			rows := w.rows("")
			if len(rows) != 2 {
				t.Fatalf("%d rows", len(rows))
			}
			for _, r := range rows {
				if text(r.data["id"]) == "1" && len(text(r.data["text"])) != size {
					t.Errorf("%d bytes of text", len(text(r.data["text"])))
				}
			}
		})
	}
}
