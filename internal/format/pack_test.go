package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"strm/internal/format"
)

// A long row is written bit by bit, and nobody can tell: the bytes are those of
// a row that was held as a whole.
func TestLongRowsGiveTheSameBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, compression := range []string{format.None, format.Gzip, format.Zstd} {
		for _, size := range []int{128<<10 - 1, 128 << 10, 256 << 10, 256<<10 + 1, 1_500_001} {
			row := make([]byte, 0, size+20)
			for len(row) < size {
				row = fmt.Appendf(row, "%x,", r.Uint32()%5000)
			}
			var shared format.Shared
			var whole, eased bytes.Buffer
			a, b := format.NewPacker(&whole, compression, &shared), format.NewPacker(&eased, compression, &shared)
			most := 0
			for range 2 {
				for _, text := range [][]byte{[]byte("before\n"), row, []byte("after\n")} {
					a.Buf = append(a.Buf, text...)
					if err := a.Spill(); err != nil {
						t.Fatal(err)
					}
					b.Long(text)
					most = max(most, cap(b.Buf))
					if err := b.Spill(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := errors.Join(a.Close(), b.Close()); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(whole.Bytes(), eased.Bytes()) {
				t.Errorf("%s, %d bytes: %d and %d bytes differ", compression, size, whole.Len(), eased.Len())
			}
			if compression != format.Zstd && most > 1<<20 {
				t.Errorf("%s, %d bytes: %d bytes were held", compression, size, most)
			}
		}
	}
}

// brim takes so many bytes and no more.
type brim int

var errBrim = errors.New("full")

func (b *brim) Write(p []byte) (int, error) {
	if *b -= brim(len(p)); *b < 0 {
		return 0, errBrim
	}
	return len(p), nil
}

func TestAnErrorWithinALongRowIsToldAtItsEnd(t *testing.T) {
	noise := make([]byte, 2<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, compression := range []string{format.None, format.Gzip} {
		room := brim(700 << 10)
		p := format.NewPacker(&room, compression, nil)
		p.Long(noise)
		if err := p.Spill(); !errors.Is(err, errBrim) {
			t.Errorf("%s: %v", compression, err)
		}
	}
}
