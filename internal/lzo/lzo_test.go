package lzo_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	anchore "github.com/anchore/go-lzo"

	"strm/internal/lzo"
)

// texts are inputs at the edges of the encoder's instructions: runs of literals
// of each length, matches of each kind, distance and length.
func texts() map[string][]byte {
	r := rand.New(rand.NewPCG(7, 9))
	noise := func(n int) []byte {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(r.Uint32())
		}
		return out
	}
	out := map[string][]byte{"empty": {}, "noise": noise(100_000), "zeros": make([]byte, 300_000)}
	for _, n := range []int{1, 2, 3, 4, 5, 11, 12, 13, 18, 19, 237, 238, 239, 240, 255, 256, 511, 512, 529, 4096} {
		out[fmt.Sprint("noise of ", n)] = noise(n)
		out[fmt.Sprint("zeros of ", n)] = make([]byte, n)
	}
	for _, distance := range []int{1, 2, 7, 8, 9, 2047, 2048, 2049, 16383, 16384, 16385, 16386, 32767, 32768, 32769, 49150, 49151, 49152} {
		for _, length := range []int{4, 5, 8, 9, 10, 33, 34, 264, 265, 288, 289, 600} {
			for _, between := range []int{0, 1, 3, 4, 18, 19} {
				part := noise(min(length, distance))
				text := append(noise(between), part...)
				text = append(text, noise(distance-len(part))...)
				for n := len(part); len(part) < length; n++ {
					part = append(part, part[len(part)-min(distance, n)])
				}
				text = append(append(append(text, part...), noise(between)...), part...)
				out[fmt.Sprintf("distance %d length %d literals %d", distance, length, between)] = append(text, noise(between)...)
			}
		}
	}
	var rows strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&rows, "user-%08x default rule in segment %d on checkout_button_color_%d", r.Uint32(), r.IntN(20), i%200)
	}
	out["rows"] = []byte(rows.String())
	return out
}

func TestWhatIsCompressedComesBack(t *testing.T) {
	for name, text := range texts() {
		packed := lzo.Compress([]byte("before"), text)[len("before"):]
		if len(packed) > lzo.MaxCompressed(len(text)) {
			t.Errorf("%s: %d bytes became %d, more than the %d promised", name, len(text), len(packed), lzo.MaxCompressed(len(text)))
		}
		raw := make([]byte, len(text))
		n, err := anchore.Decompress(packed, raw)
		if err != nil || n != len(text) || !bytes.Equal(raw, text) {
			t.Fatalf("%s: %d bytes of %d come back, %v", name, n, len(text), err)
		}
		page := lzo.EncodePage([]byte("before"), text)[len("before"):]
		got, err := lzo.DecodePage(nil, page, len(text))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("page of %s: %v", name, err)
		}
	}
}

func TestItShrinksWhatRepeats(t *testing.T) {
	for name, most := range map[string]int{"zeros": 1300, "rows": 640_000} {
		text := texts()[name]
		if n := len(lzo.Compress(nil, text)); n > most {
			t.Errorf("%s: %d bytes became %d, want %d at most", name, len(text), n, most)
		}
	}
}

// The bytes are part of objects that are planned before and written after an
// update: who changes them gives parquet's encoder a new version.
func TestBytesArePinned(t *testing.T) {
	for name, want := range map[string]string{
		"rows":  "c7dafb6153aa2ca6",
		"zeros": "3ddc26c8ec935a5b",
		"noise": "468a902a586d8956",
	} {
		text := texts()[name]
		if name == "noise" {
			text = append(text, text[:40_000]...)
		}
		sum := sha256.Sum256(lzo.EncodePage(nil, text))
		if got := hex.EncodeToString(sum[:8]); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestEachRawSizeIsChecked(t *testing.T) {
	text := texts()["rows"]
	page := lzo.EncodePage(nil, text)
	first := int(binary.BigEndian.Uint32(page[4:])) + 8
	huge := bytes.Clone(page)
	binary.BigEndian.PutUint32(huge, 1<<31)
	for name, c := range map[string]struct {
		page []byte
		size int
	}{
		"one less":                  {page, len(text) - 1},
		"one more":                  {page, len(text) + 1},
		"less than nothing":         {page, -1},
		"more than it could be":     {page, 1 << 40},
		"cut in a length":           {page[:first+3], len(text)},
		"cut in a second length":    {page[:first+6], len(text)},
		"cut in a block":            {page[:len(page)-1], len(text)},
		"nothing":                   {nil, len(text)},
		"a block of 2 GiB":          {huge, len(text)},
		"a part of no bytes":        {[]byte{0, 0, 0, 5, 0, 0, 0, 0}, 5},
		"a part that holds nothing": {[]byte{0, 0, 0, 5, 0, 0, 0, 3, 0x11, 0, 0}, 5},
	} {
		if got, err := lzo.DecodePage(nil, c.page, c.size); !errors.Is(err, lzo.ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if got, err := lzo.DecodePage(nil, nil, 0); err != nil || len(got) != 0 {
		t.Errorf("an empty page: %v, %v", got, err)
	}
}

// Hadoop puts several compressed parts into one block where the raw text is
// longer than its buffer.
func TestABlockMayHaveSeveralParts(t *testing.T) {
	text := texts()["rows"]
	page := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	for part := text; len(part) > 0; {
		n := min(len(part), 65_536)
		packed := lzo.Compress(nil, part[:n])
		page = append(binary.BigEndian.AppendUint32(page, uint32(len(packed))), packed...)
		part = part[n:]
	}
	memory := make([]byte, 3, len(text))
	got, err := lzo.DecodePage(memory, page, len(text))
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if &got[0] != &memory[0] {
		t.Error("the memory given was large enough, and was not used")
	}
}

// Files of lzop 1.04: level 5 with Adler-32 from stdin, level 9 with CRC-32.
const (
	line  = "strm strm strm strm: one line that repeats, one line that repeats\n"
	adler = "894c5a4f000d0a1a0a104020a00940010503000009000081a46b006d750000000005732e7478744dbe05e4000000c6000000422dbf4813027374726d202c100000063a206f6e65206c696e65207468617420726570656174732c3459000a2cf100207801204304010a7468617420726570656174730a11000000000000"
	crc   = "894c5a4f000d0a1a0a104020a01001030903001108000081a46b006d750000000005732e74787462aed74d000000c60000002d8fa3670e167374726d202c1000053a206f6e65206c6950000a7468617420726570656174732c3459000a2063040111000000000000"
)

func file(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(b []byte) (string, error) {
	r, err := lzo.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", err
	}
	out, err := io.ReadAll(r)
	return string(out), err
}

func TestFilesOfLzop(t *testing.T) {
	want := strings.Repeat(line, 3)
	for name, b := range map[string][]byte{"adler": file(t, adler), "crc": file(t, crc)} {
		if got, err := read(b); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for i := range b { // each byte is checked by something, but for a few of the block's head
			bad := bytes.Clone(b)
			bad[i] ^= 0x20
			if got, err := read(bad); err == nil && got != want {
				t.Errorf("%s, byte %d: damage went unnoticed: %q", name, i, got)
			}
			if got, err := read(b[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, cut off after %d bytes: %q, %v", name, i, got, err)
			}
		}
	}
	both := append(file(t, adler), file(t, crc)...)
	if got, err := read(both); err != nil || got != want+want {
		t.Errorf("two files in one: %q, %v", got, err)
	}
	if got, err := read(append(file(t, adler), "rubbish at the end"...)); !errors.Is(err, lzo.ErrCorrupt) {
		t.Errorf("rubbish behind a file: %q, %v", got, err)
	}
}

// head is that of a file of lzop without checksums of blocks.
func head(t testing.TB) []byte {
	t.Helper()
	const upToFlags = len(lzo.Magic) + 8
	h := file(t, adler)[:len(lzo.Magic)+25+5]
	binary.BigEndian.PutUint32(h[upToFlags:], 0x03000008)
	return binary.BigEndian.AppendUint32(h, adlerOf(h[len(lzo.Magic):]))
}

func adlerOf(b []byte) uint32 {
	var x, y uint32 = 1, 0
	for _, c := range b {
		x = (x + uint32(c)) % 65521
		y = (y + x) % 65521
	}
	return y<<16 | x
}

func TestBlocksOfAFile(t *testing.T) {
	block := func(raw, packed uint32, b []byte) []byte {
		out := binary.BigEndian.AppendUint32(head(t), raw)
		return append(binary.BigEndian.AppendUint32(out, packed), b...)
	}
	stored := append(block(5, 5, []byte("as is")), 0, 0, 0, 0)
	if got, err := read(stored); err != nil || got != "as is" {
		t.Errorf("a stored block: %q, %v", got, err)
	}
	zeros := lzo.Compress(nil, make([]byte, 1<<20))
	if got, err := read(append(block(1<<20, uint32(len(zeros)), zeros), 0, 0, 0, 0)); err != nil || got != strings.Repeat("\x00", 1<<20) {
		t.Errorf("a block of zeros: %d bytes, %v", len(got), err)
	}
	for name, b := range map[string][]byte{
		"larger than it is raw":    block(4, 5, []byte("as is")),
		"over the limit":           block(17<<20, 17<<20, nil),
		"more than so few can be":  block(16<<20, 64, make([]byte, 64)),
		"another size than it has": block(1<<20-1, uint32(len(zeros)), zeros),
		"fewer bytes than it says": block(1<<20+1, uint32(len(zeros)), zeros),
	} {
		if got, err := read(b); !errors.Is(err, lzo.ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", "a", line, strings.Repeat(line, 9), strings.Repeat("ab", 300), strings.Repeat("x", 2500) + line + strings.Repeat("y", 17000) + line} {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s), uint8(40))
	}
	f.Fuzz(func(t *testing.T, text []byte, times uint8) {
		text = bytes.Repeat(text, int(times))
		page := lzo.EncodePage(nil, text)
		got, err := lzo.DecodePage(nil, page, len(text))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes: %v", len(text), err)
		}
		if !bytes.Equal(page, lzo.EncodePage(nil, text)) {
			t.Fatal("the same text gives other bytes")
		}
	})
}

func FuzzDecodePage(f *testing.F) {
	f.Add(lzo.EncodePage(nil, []byte(strings.Repeat(line, 9))), len(line)*9)
	f.Fuzz(func(t *testing.T, page []byte, size int) {
		got, err := lzo.DecodePage(nil, page, size)
		switch {
		case err == nil && len(got) != size:
			t.Fatalf("%d bytes instead of %d", len(got), size)
		case err != nil && !errors.Is(err, lzo.ErrCorrupt):
			t.Fatal(err)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add(file(f, adler))
	f.Add(file(f, crc))
	f.Add(head(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := read(b); err != nil && !errors.Is(err, lzo.ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	text := texts()["rows"]
	b.SetBytes(int64(len(text)))
	var out []byte
	for b.Loop() {
		out = lzo.EncodePage(out[:0], text)
	}
	b.ReportMetric(float64(len(text))/float64(len(out)), "ratio")
}
