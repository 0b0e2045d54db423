package eventfile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	packed "github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
)

// What parquet-go encodes is decoded, at each width, in pieces of any size.
func TestHybridOfEachWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for width := 1; width <= 32; width++ {
		for _, n := range []int{1, 7, 8, 9, 64, 1000} {
			want := make([]int32, n)
			for i := range want {
				if i == 0 || r.IntN(10) > 0 || i%100 > 50 {
					want[i] = int32(r.Uint64() & (1<<width - 1))
				} else {
					want[i] = want[i-1]
				}
			}
			if n == 1000 {
				for i := 300; i < 500; i++ {
					want[i] = want[300]
				}
			}
			e := rle.Encoding{BitWidth: width}
			b, err := e.EncodeInt32(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			var h hybrid
			h.start(b, width)
			got := make([]uint32, 0, n)
			for len(got) < n {
				k := min(1+r.IntN(50), n-len(got))
				if v, ok := h.same(k); ok {
					for range k {
						got = append(got, v)
					}
					continue
				}
				piece := make([]uint32, k)
				if done := h.read(piece); done != k {
					t.Fatalf("width %d: %d of %d at %d", width, done, k, len(got))
				}
				got = append(got, piece...)
			}
			for i := range got {
				if got[i] != uint32(want[i]) {
					t.Fatalf("width %d, number %d: %d, want %d", width, i, got[i], want[i])
				}
			}
		}
	}
}

func TestDeltaOfEachWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for width := range 65 {
		for _, n := range []int{1, 2, 31, 128, 129, 130, 700} {
			want := make([]int64, n)
			for i := range want {
				u := r.Uint64()
				if width < 64 {
					u &= 1<<width - 1
				}
				want[i] = int64(u)
			}
			var e packed.BinaryPackedEncoding
			b, err := e.EncodeInt64(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, "behind"...)
			var d delta
			if !d.start(b) {
				t.Fatalf("width %d: no head", width)
			}
			if rest, ok := d.rest(); !ok || string(rest) != "behind" {
				t.Fatalf("width %d, %d numbers: behind them is %q", width, n, rest)
			}
			var got []int64
			for len(got) < n {
				piece := make([]int64, min(1+r.IntN(50), n-len(got)))
				if done := d.read(piece); done != len(piece) {
					t.Fatalf("width %d: %d of %d at %d", width, done, len(piece), len(got))
				}
				got = append(got, piece...)
			}
			if !slices.Equal(got, want) || d.read(make([]int64, 1)) != 0 {
				t.Fatalf("width %d: %v, want %v", width, got, want)
			}
		}
	}
}

// Limits end files that nothing else is wrong with.
func TestLimits(t *testing.T) {
	rows := make([]testRow, 2000)
	for i := range rows {
		rows[i] = good()
		rows[i].properties = [][2]*string{{ptr("text"), ptr(strings.Repeat(fmt.Sprint(i%3), 60_000))}}
	}
	b := madeFile(t, rows, madeOptions{
		options: []parquet.WriterOption{parquet.Compression(&parquet.Zstd)},
		change: func(g parquet.Group) {
			text := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
			g["properties"] = parquet.Optional(parquet.Map(parquet.String(), parquet.Optional(text)))
		},
	})
	f := mustOpen(t, b) // 120 MB of rows in a few hundred bytes
	if r := readAll(t, f, 1990, "env-1"); r.err != nil || r.accepted != 10 {
		t.Fatalf("%d rows, %v", r.accepted, r.err)
	}
	if d := wantRefused(t, b, Limits{Floor: 20 << 20, Ratio: 1}); !strings.Contains(d, "refused as a bomb") {
		t.Error(d)
	}
	if d := wantRefused(t, b, Limits{Memory: 100 << 10}); !strings.Contains(d, "of memory at once") {
		t.Error(d)
	}
	if d := wantRefused(t, b, Limits{Footer: 100}); !strings.Contains(d, "at most 100 are read") {
		t.Error(d)
	}
	if d := wantRefused(t, b, Limits{Unwrapped: 100}); !strings.Contains(d, "more than 100 bytes") {
		t.Error(d)
	}
	for _, c := range mustChunks(t, f) {
		if len(c.Data) > chunkBytes+61_000 || c.To-c.From > 20 {
			t.Errorf("chunk [%d,%d) has %d bytes", c.From, c.To, len(c.Data))
		}
	}
}

func mustChunks(t *testing.T, f *File) (out []Chunk) {
	t.Helper()
	for c, err := range f.Chunks(t.Context(), 0, Check{Environments: []string{"env-1"}}, &Tally{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}
