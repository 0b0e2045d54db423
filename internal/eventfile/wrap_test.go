package eventfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"

	"strm/internal/lzo"
)

func gzipOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func framesOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := snappy.NewBufferedWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func lz4Of(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// hadoopOf packs b in blocks of two parts.
func hadoopOf(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		block := b[:min(len(b), 5000)]
		b = b[len(block):]
		out = binary.BigEndian.AppendUint32(out, uint32(len(block)))
		half := (len(block) + 1) / 2
		for _, part := range [][]byte{block[:half], block[half:]} {
			if len(part) > 0 {
				packed := snappy.Encode(nil, part)
				out = binary.BigEndian.AppendUint32(out, uint32(len(packed)))
				out = append(out, packed...)
			}
		}
	}
	return out
}

// lzopOf is a file of lzop, without checksums, of literals alone.
func lzopOf(b []byte) []byte {
	out := append([]byte(lzo.Magic), 0x10, 0x30, 0x20, 0xa0, 0x09, 0x40, 1, 5)
	out = append(out, 0, 0, 0, 0)               // flags
	out = append(out, make([]byte, 4+4+4+1)...) // mode, time, no name
	out = binary.BigEndian.AppendUint32(out, adler(out[len(lzo.Magic):]))
	for len(b) > 0 {
		block := b[:min(len(b), 256<<10)]
		b = b[len(block):]
		packed := lzo.Compress(nil, block)
		if len(packed) >= len(block) {
			packed = block
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(block)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(packed)))
		out = append(out, packed...)
	}
	return append(out, 0, 0, 0, 0)
}

func adler(b []byte) uint32 {
	s1, s2 := uint32(1), uint32(0)
	for _, c := range b {
		s1 = (s1 + uint32(c)) % 65521
		s2 = (s2 + s1) % 65521
	}
	return s2<<16 | s1
}

func wrappers(t *testing.T) map[wrapper]func([]byte) []byte {
	return map[wrapper]func([]byte) []byte{
		gzipFile:     func(b []byte) []byte { return gzipOf(t, b) },
		snappyFrames: func(b []byte) []byte { return framesOf(t, b) },
		snappyHadoop: hadoopOf,
		snappyRaw:    func(b []byte) []byte { return snappy.Encode(nil, b) },
		lzopFile:     lzopOf,
		zstdFile:     func(b []byte) []byte { return zstdOf(t, b) },
		lz4File:      func(b []byte) []byte { return lz4Of(t, b) },
	}
}

func TestWrappers(t *testing.T) {
	plain := load(t, "testdata/pyarrow-v1-none.parquet")
	want := readAll(t, mustOpen(t, plain), 0, "env-1", "env-2")
	for what, wrap := range wrappers(t) {
		t.Run(string(what), func(t *testing.T) {
			wrapped := wrap(plain)
			if got := sniff(wrapped); got != what {
				t.Fatalf("taken for %q", got)
			}
			got := readAll(t, mustOpen(t, wrapped), 0, "env-1", "env-2")
			if got.err != nil {
				t.Fatal(got.err)
			}
			same(t, got.data, want.data)
			if d := wantRefused(t, gzipOf(t, wrapped), Limits{}); !strings.Contains(d, "wrapped twice: "+string(what)+" in gzip") {
				t.Errorf("wrapped again: %s", d)
			}
			if d := wantRefused(t, wrapped[:len(wrapped)/2], Limits{}); !strings.Contains(d, "cannot be unwrapped from "+string(what)) {
				t.Errorf("cut off: %s", d)
			}
			for i := 40; i < len(wrapped); i += 97 { // wrong bytes
				b := bytes.Clone(wrapped)
				b[i] ^= 0x41
				_, _ = tryFile(t, b, Limits{})
			}
		})
	}
	bz, err := os.ReadFile("testdata/pyarrow-v1-none.parquet.bz2")
	if err != nil {
		t.Fatal(err)
	}
	same(t, readAll(t, mustOpen(t, bz), 0, "env-1", "env-2").data, want.data)
	if d := wantRefused(t, bz[:len(bz)-50], Limits{}); !strings.Contains(d, "bzip2") {
		t.Errorf("cut off: %s", d)
	}
}

func TestWhatIsNoEventFile(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"empty":         {"", "empty"},
		"text":          {"hello, world, this is text", `begins with "hello, w"`},
		"short":         {"PAR1", "at least 12 bytes"},
		"xz":            {"\xfd7zXZ\x00 and more", "it is xz"},
		"zip":           {"PK\x03\x04 and more", "it is zip"},
		"encrypted":     {"PARE and more", "encrypted"},
		"gzip of text":  {string(gzipOf(t, []byte("hello, world"))), "no Parquet in its wrapper, which is gzip"},
		"gzip of none":  {string(gzipOf(t, nil)), "at least 12 bytes"},
		"gzip's magic":  {"\x1f\x8b\x08", "cannot be unwrapped"},
		"lzop's magic":  {lzo.Magic, "cannot be unwrapped"},
		"two magics":    {"PAR1\x00\x00\x00\x00PAR1", "footer is damaged"},
		"hadoop's void": {"\x00\x00\x00\x04\x00\x00\x00\x08\x04\x0cPAR1zzzzzzzzzzzzzzzzzzz", "snappy"},
	} {
		if d := wantRefused(t, []byte(c.file), Limits{}); !strings.Contains(d, c.want) {
			t.Errorf("%s: %s, want %q", name, d, c.want)
		}
	}
}

// Bombs are refused when they have become too large, and leave nothing on the disk.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 40<<20)
	copy(zeros, magic)
	for name, b := range map[string][]byte{"gzip": gzipOf(t, zeros), "zstd": zstdOf(t, zeros), "snappy": framesOf(t, zeros)} {
		dir := t.TempDir()
		for _, l := range []Limits{{Unwrapped: 10 << 20}, {Floor: 1 << 20, Ratio: 5}} {
			l.FreeDisk = 1
			_, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), dir, l)
			var fe *FileError
			if !errors.As(err, &fe) || !strings.Contains(fe.Detail, "unwrapped from "+name) {
				t.Errorf("%s, %+v: %v", name, l, err)
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// What goes wrong beside the file is not the file's fault.
func TestErrorsOfOurs(t *testing.T) {
	plain := load(t, "testdata/pyarrow-v1-none.parquet")
	boom := errors.New("connection reset")
	broken := func(b []byte, n int) io.Reader {
		return io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(boom))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, wrap := range map[string]func([]byte) []byte{
		"plain": func(b []byte) []byte { return b }, "gzip": func(b []byte) []byte { return gzipOf(t, b) },
		"lzop": lzopOf, "raw snappy": func(b []byte) []byte { return snappy.Encode(nil, b) }, "hadoop": hadoopOf,
		"zstd": func(b []byte) []byte { return zstdOf(t, b) },
	} {
		b := wrap(plain)
		size := int64(len(b))
		for what, c := range map[string]struct {
			ctx  context.Context
			src  io.Reader
			size int64
			l    Limits
			want string
		}{
			"at once":        {t.Context(), broken(b, 0), size, Limits{}, boom.Error()},
			"in the middle":  {t.Context(), broken(b, len(b)/2), size, Limits{}, boom.Error()},
			"at the end":     {t.Context(), broken(b, len(b)), size, Limits{}, boom.Error()},
			"shorter":        {t.Context(), bytes.NewReader(b[:len(b)-9]), size, Limits{}, "ended after"},
			"longer":         {t.Context(), bytes.NewReader(append(bytes.Clone(b), b...)), size, Limits{}, "more than"},
			"ended":          {ended, bytes.NewReader(b), size, Limits{}, "canceled"},
			"no room":        {t.Context(), bytes.NewReader(b), size, Limits{FreeDisk: 1 << 60}, "MiB free"},
			"no such folder": {t.Context(), bytes.NewReader(b), size, Limits{}, "no such file"},
		} {
			dir := t.TempDir()
			if what == "no such folder" {
				dir += "/missing"
			}
			if c.l.FreeDisk == 0 {
				c.l.FreeDisk = 1
			}
			f, err := Open(c.ctx, c.src, c.size, dir, c.l)
			var fe *FileError
			if err == nil || errors.As(err, &fe) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: got %v, want %q", name, what, err, c.want)
			}
			if err == nil {
				f.Close()
			}
			if left, err := os.ReadDir(dir); what != "no such folder" && (err != nil || len(left) > 0) {
				t.Errorf("%s, %s: left %v, %v", name, what, left, err)
			}
		}
	}
}

// A reading that is ended in the middle is no fault of the file, and may be done again.
func TestEndedWhileReading(t *testing.T) {
	f := mustOpen(t, generated(t, 20_000, madeOptions{}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range f.Chunks(ctx, 0, Check{Environments: []string{"env-0"}}, &Tally{}) {
		last = err
		cancel()
	}
	for range f.Chunks(t.Context(), 0, Check{Environments: []string{"env-0"}}, &Tally{}) {
		break // by the reader
	}
	if !errors.Is(last, context.Canceled) {
		t.Fatalf("got %v", last)
	}
	if r := readAll(t, f, 0, "env-0", "env-1", "env-2"); r.err != nil || r.tally.Rows() != 20_000 || len(r.chunks) < 3 {
		t.Errorf("read again: %d rows, %d chunks, %v", r.tally.Rows(), len(r.chunks), r.err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func lz4Block(t testing.TB, b []byte) []byte {
	t.Helper()
	out := make([]byte, lz4.CompressBlockBound(len(b)))
	var c lz4.Compressor
	n, err := c.CompressBlock(b, out)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	return out[:n]
}
