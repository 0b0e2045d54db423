package parquet_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"strm/internal/format"
	"strm/internal/format/csv"
	"strm/internal/format/jsonl"
	"strm/internal/format/parquet"
	"strm/internal/stream"
)

// TestThousandFilesAtOnce holds 1,000 writers of 14 columns open and gives them
// rows in turn, as a source with 1,000 streams does, flushing the one that holds
// the most whenever all together hold more than the budget.
func TestThousandFilesAtOnce(t *testing.T) {
	const files, rounds, budget, limit = 1000, 90, 32 << 20, 240 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	for name, c := range map[string]struct {
		f format.RowFormat
		o stream.Output
	}{
		"parquet": {parquet.Format{}, stream.Output{Compression: "zstd", Table: stream.Table{Schema: impressionSchema}, Envelope: stream.Envelope{Style: "airbyte-1.x"}}},
		"csv":     {csv.Format{}, stream.Output{Compression: "gzip", Table: stream.Table{Schema: impressionSchema}, Envelope: stream.Envelope{Style: "airbyte-1.x"}, Flattening: "root"}},
		"jsonl":   {jsonl.Format{}, stream.Output{Compression: "zstd", Envelope: stream.Envelope{Style: "airbyte-1.x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, _ := impressions(t, 500)
			var events [][]byte
			for e, err := range format.Events(seq(blocks)) {
				if err != nil {
					t.Fatal(err)
				}
				events = append(events, append([]byte(nil), e.Data...))
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			base := m.HeapAlloc
			run := format.Run{Shared: &format.Shared{}, Stage: 16 << 20}
			writers, out, held := make([]format.RowWriter, files), make([]counter, files), make([]int64, files)
			for i := range writers {
				var err error
				if writers[i], err = c.f.Rows(&out[i], c.o, run); err != nil {
					t.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&m)
			idle := max(int64(m.HeapAlloc)-int64(base), 0)
			var total, peak, flushes int64
			for r := range rounds {
				for i, w := range writers {
					if err := w.Append(format.Row{ID: [16]byte{byte(i)}, At: int64(r)}, events[(i+r)%len(events)]); err != nil {
						t.Fatal(err)
					}
					total += w.Buffered() - held[i]
					held[i] = w.Buffered()
					if total > budget {
						largest := 0
						for j := range held {
							if held[j] > held[largest] {
								largest = j
							}
						}
						if err := writers[largest].Flush(); err != nil {
							t.Fatal(err)
						}
						total += writers[largest].Buffered() - held[largest]
						held[largest] = writers[largest].Buffered()
						flushes++
					}
				}
				if r%20 == 0 {
					runtime.ReadMemStats(&m)
					peak = max(peak, int64(m.HeapAlloc)-int64(base))
				}
			}
			var bytes counter
			for i, w := range writers {
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				bytes += out[i]
			}
			runtime.ReadMemStats(&m)
			t.Logf("idle %d KB a file; peak heap with garbage %d MB; %d flushes, files of %d KB, heap from the system %d MB",
				idle/files>>10, peak>>20, flushes, int64(bytes)/files>>10, m.HeapSys>>20)
			if idle/files > 32<<10 || peak > limit {
				t.Error("too much")
			}
		})
	}
}

func seq(blocks []stream.Block) format.Blocks {
	return func(yield func(stream.Block, error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
	}
}
