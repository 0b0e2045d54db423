package eventfile

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"strm/internal/lzo"
)

// wrapper is what a whole file is wrapped in. Names of files say nothing about it.
type wrapper string

const (
	plainFile    wrapper = "nothing"
	gzipFile     wrapper = "gzip"
	bzip2File    wrapper = "bzip2"
	snappyFrames wrapper = "snappy"
	snappyHadoop wrapper = "snappy in Hadoop's framing"
	snappyRaw    wrapper = "snappy without framing"
	lzopFile     wrapper = "lzop"
	zstdFile     wrapper = "zstd"
	lz4File      wrapper = "lz4"
	unknownFile  wrapper = ""
)

// sniff tells the wrapper by the first bytes of the file.
func sniff(head []byte) wrapper {
	for _, m := range []struct {
		magic string
		is    wrapper
	}{
		{magic, plainFile},
		{"\x1f\x8b\x08", gzipFile},
		{"BZh", bzip2File},
		{"\xff\x06\x00\x00sNaPpY", snappyFrames},
		{lzo.Magic, lzopFile},
		{"\x28\xb5\x2f\xfd", zstdFile},
		{"\x04\x22\x4d\x18", lz4File},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.is
		}
	}
	// Snappy alone has no magic, but begins with the bytes of what it holds as they are.
	if beginsSnappy(head) {
		return snappyRaw
	}
	if len(head) > 8 && beginsSnappy(head[8:]) {
		return snappyHadoop
	}
	return unknownFile
}

// beginsSnappy says whether b is Parquet in snappy: a length, and a literal.
func beginsSnappy(b []byte) bool {
	_, n := binary.Uvarint(b)
	if n <= 0 || n > 5 || n >= len(b) || b[n]&3 != 0 {
		return false
	}
	more := 0
	if size := int(b[n] >> 2); size >= 60 {
		more = size - 59
	}
	b = b[n+1:]
	return len(b) > more && bytes.HasPrefix(b[more:], []byte(magic))
}

// inner checks what was in the wrapper, by its first bytes.
func inner(outer wrapper, b []byte) error {
	if outer == plainFile {
		return nil
	}
	what := sniff(b)
	if what == plainFile {
		return nil
	}
	if what == unknownFile {
		return refuse("the file holds no Parquet in its wrapper, which is %s: %s", outer, beginning(b))
	}
	return refuse("the file is wrapped twice: %s in %s", what, outer)
}

// beginning tells how something begins that is not what it should be.
func beginning(b []byte) string {
	for _, m := range []struct{ magic, is string }{
		{magicEncrypted, "it is encrypted Parquet"},
		{"\xfd7zXZ\x00", "it is xz"},
		{"PK\x03\x04", "it is zip"},
		{"Obj\x01", "it is Avro"},
		{"ORC", "it is ORC"},
		{"ARROW1", "it is Arrow"},
	} {
		if bytes.HasPrefix(b, []byte(m.magic)) {
			return m.is
		}
	}
	return fmt.Sprintf("it begins with %q", b[:min(len(b), 8)])
}

// content is what is in a wrapper.
type content struct {
	r     io.Reader
	close func()
}

// read is Read, and an error where the decoder panics.
func (s content) read(p []byte) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = 0, fmt.Errorf("the decoder failed: %v", p)
		}
	}()
	return s.r.Read(p)
}

// unwrapped returns a reader of what is in a file that begins with head.
func (f *File) unwrapped(what wrapper, in *bufio.Reader, head []byte) (out content, err error) {
	out.close = func() {}
	switch what {
	case plainFile:
		out.r = in
	case gzipFile:
		out.r, err = gzip.NewReader(in)
	case bzip2File:
		out.r = bzip2.NewReader(in)
	case snappyFrames:
		out.r = snappy.NewReader(in)
	case snappyHadoop:
		out.r = &hadoopReader{in: in}
	case snappyRaw:
		out.r, err = f.rawSnappy(in)
	case lzopFile:
		out.r, err = lzo.NewReader(in)
	case lz4File:
		out.r = lz4.NewReader(in)
	case zstdFile:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20)); err == nil {
			out.r, out.close = d, d.Close
		}
	case unknownFile:
		return out, refuse("the file is not Parquet, and in none of the wrappers gzip, bzip2, snappy, lzop, zstd and lz4: %s", beginning(head))
	}
	if err != nil {
		err = refuse("the file is damaged: it cannot be unwrapped from %s: %v", what, err)
	}
	return out, err
}

// rawSnappy reads a file that is one block, which needs memory for all of it.
func (f *File) rawSnappy(in io.Reader) (io.Reader, error) {
	most := f.limits.Memory / 2
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	n, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most || int64(n) > most {
		return nil, fmt.Errorf("one block of more than %d MiB; use snappy's framing", most>>20)
	}
	raw, err := snappy.Decode(nil, b)
	return bytes.NewReader(raw), err
}

// maxHadoopBlock is the largest block that is read, raw; Hadoop writes 256 KiB.
const maxHadoopBlock = 16 << 20

// hadoopReader reads blocks of [raw length][packed length][snappy]..., where several parts may make a block.
type hadoopReader struct {
	in     *bufio.Reader
	block  int // raw bytes of the block that are still to come
	packed []byte
	raw    []byte
	left   []byte
}

var errBlock = errors.New("a block has wrong lengths")

func (h *hadoopReader) Read(p []byte) (int, error) {
	for len(h.left) == 0 {
		if err := h.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, h.left)
	h.left = h.left[n:]
	return n, nil
}

func (h *hadoopReader) next() error {
	var size [4]byte
	for h.block == 0 {
		if _, err := io.ReadFull(h.in, size[:]); err != nil {
			return err // io.EOF where a file may end
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > maxHadoopBlock {
			return errBlock
		}
		h.block = int(n)
	}
	if _, err := io.ReadFull(h.in, size[:]); err != nil {
		return noEOF(err)
	}
	n := int64(binary.BigEndian.Uint32(size[:]))
	if n > int64(snappy.MaxEncodedLen(maxHadoopBlock)) {
		return errBlock
	}
	if int64(cap(h.packed)) < n {
		h.packed = make([]byte, n)
	}
	h.packed = h.packed[:n]
	if _, err := io.ReadFull(h.in, h.packed); err != nil {
		return noEOF(err)
	}
	raw, err := snappy.DecodedLen(h.packed)
	if err != nil {
		return err
	}
	if raw > h.block || raw == 0 {
		return errBlock
	}
	if h.raw, err = snappy.Decode(h.raw[:cap(h.raw)], h.packed); err != nil {
		return err
	}
	h.left = h.raw
	h.block -= raw
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
