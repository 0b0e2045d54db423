package inflate_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"strm/internal/inflate"
)

// texts are of all kinds: what compresses well and not at all, short and long
// repetitions, near and far ones, few and many different bytes.
func texts() map[string][]byte {
	r := rand.New(rand.NewPCG(3, 5))
	out := map[string][]byte{"empty": {}, "one": {'x'}, "zeros": make([]byte, 100_000)}
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	out["noise"] = noise
	var rows strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&rows, `{"key":"user-%08x","label":"default rule in segment %d","n":%d,"at":%d}`+"\n", r.Uint32(), r.IntN(20), r.IntN(1000), 1760000000000+int64(i)*7)
	}
	out["rows"] = []byte(rows.String())
	for _, period := range []int{2, 3, 5, 7, 8, 9, 15, 16, 17, 300, 32767, 32768, 32769} {
		out[fmt.Sprint("period ", period)] = bytes.Repeat(noise[:period], 150_000/period)
	}
	skewed := make([]byte, 300_000) // codes of many lengths, up to the longest
	for i := range skewed {
		for skewed[i] < 40 && r.IntN(2) == 0 {
			skewed[i]++
		}
	}
	out["skewed"] = skewed
	out["mixed"] = append(append(append([]byte(nil), noise[:70_000]...), rows.String()...), skewed...)
	return out
}

// packers are the encoders whose members are tried.
func packers() map[string]func(io.Writer) io.WriteCloser {
	out := map[string]func(io.Writer) io.WriteCloser{}
	for level := gzip.StatelessCompression; level <= gzip.BestCompression; level++ {
		out[fmt.Sprint("klauspost ", level)] = func(w io.Writer) io.WriteCloser {
			z, err := gzip.NewWriterLevel(w, level)
			if err != nil {
				panic(err)
			}
			return z
		}
	}
	for _, level := range []int{stdgzip.HuffmanOnly, stdgzip.NoCompression, stdgzip.BestSpeed, stdgzip.DefaultCompression, stdgzip.BestCompression} {
		out[fmt.Sprint("standard ", level)] = func(w io.Writer) io.WriteCloser {
			z, err := stdgzip.NewWriterLevel(w, level)
			if err != nil {
				panic(err)
			}
			return z
		}
	}
	return out
}

func pack(t testing.TB, open func(io.Writer) io.WriteCloser, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := open(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatOthersWroteComesBack(t *testing.T) {
	var d inflate.Decoder
	texts, packers, n := texts(), packers(), 0
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		for _, by := range slices.Sorted(maps.Keys(packers)) {
			if n++; n%every != 0 {
				continue
			}
			got := make([]byte, len(text))
			if err := d.Member(got, pack(t, packers[by], text)); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s by %s: %v", name, by, err)
			}
		}
	}
}

func TestHeads(t *testing.T) {
	var b bytes.Buffer
	z := stdgzip.NewWriter(&b)
	z.Name, z.Comment, z.Extra = "events.jsonl", "of a stream", []byte("extra")
	if _, err := z.Write([]byte("text\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var d inflate.Decoder
	got := make([]byte, 5)
	if err := d.Member(got, b.Bytes()); err != nil || string(got) != "text\n" {
		t.Errorf("%q, %v", got, err)
	}
	for i := range b.Len() {
		if err := d.Member(got, b.Bytes()[:i]); err == nil {
			t.Errorf("cut off after %d bytes: no error", i)
		}
	}
	for n, want := range map[int]string{4: "more", 6: "less"} {
		if err := d.Member(make([]byte, n), b.Bytes()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("for %d bytes: %v", n, err)
		}
	}
	if err := d.Member(got, append(b.Bytes(), 0)); err == nil || !strings.Contains(err.Error(), "follow") {
		t.Errorf("a byte more: %v", err)
	}
}

// Whatever is done to a member, it ends as an error, or the text is still right:
// there is a checksum.
func TestDamageIsNoticed(t *testing.T) {
	var d inflate.Decoder
	all := texts()
	open := packers()
	r := rand.New(rand.NewPCG(1, 1))
	for _, name := range []string{"rows", "skewed", "zeros", "period 7"} {
		text := all[name]
		for _, by := range []string{"klauspost 1", "standard -1", "standard -2"} {
			member := pack(t, open[by], text)
			got := make([]byte, len(text))
			for range 300 / every {
				bad := bytes.Clone(member)
				bad[r.IntN(len(bad))] ^= byte(1 << r.IntN(8))
				if err := d.Member(got, bad); err == nil && !bytes.Equal(got, text) {
					t.Fatalf("%s by %s: wrong, and no error", name, by)
				}
			}
		}
	}
}

// FuzzMember takes what the other decoder takes, and nothing else.
func FuzzMember(f *testing.F) {
	all := texts()
	for _, name := range []string{"empty", "one", "rows"} {
		text := all[name]
		for _, by := range []string{"klauspost 1", "standard -1", "standard -2", "standard 0"} {
			f.Add(pack(f, packers()[by], text[:min(len(text), 500)]), 500)
		}
	}
	f.Fuzz(func(t *testing.T, member []byte, size int) {
		if size < 0 || size > 1<<16 {
			return
		}
		var want []byte
		in := bytes.NewReader(member)
		z, err := stdgzip.NewReader(in)
		if err == nil {
			z.Multistream(false)
			want, err = io.ReadAll(io.LimitReader(z, 1<<17))
		}
		if err == nil && in.Len() > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			size = len(want)
		}
		guard := make([]byte, size+8)
		copy(guard[size:], "8 bytes.")
		var d inflate.Decoder
		got := d.Member(guard[:size], member)
		if string(guard[size:]) != "8 bytes." {
			t.Fatal("it wrote behind its memory")
		}
		switch {
		case err == nil && (got != nil || !bytes.Equal(guard[:size], want)):
			t.Fatalf("%d bytes are refused: %v", size, got)
		case err != nil && got == nil:
			t.Fatalf("taken, and the other decoder says %v", err)
		}
	})
}

func BenchmarkMember(b *testing.B) {
	text := bytes.Repeat(texts()["rows"], 2)
	member := pack(b, packers()["klauspost 1"], text)
	got := make([]byte, len(text))
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		var d inflate.Decoder
		for b.Loop() {
			if err := d.Member(got, member); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("klauspost", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		z := new(gzip.Reader)
		for b.Loop() {
			if err := z.Reset(bytes.NewReader(member)); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(z, got); err != nil {
				b.Fatal(err)
			}
		}
	})
}
