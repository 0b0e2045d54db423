package lzo

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
)

// Magic is how the files of lzop begin.
const Magic = "\x89LZO\x00\r\n\x1a\n"

// maxBlock is the largest block of a file that is read, raw. lzop writes 256 KiB.
const maxBlock = 16 << 20

// Flags in the head of a file.
const (
	adlerRaw    = 1 << 0
	adlerPacked = 1 << 1
	extraField  = 1 << 6
	crcRaw      = 1 << 8
	crcPacked   = 1 << 9
	multipart   = 1 << 10
	filtered    = 1 << 11
	crcHead     = 1 << 12
)

// Versions of the container, by what they added.
const (
	firstVersion = 0x0900
	withLevel    = 0x0940
)

// reader reads the files of lzop, several of them one behind the other too.
type reader struct {
	in     *bufio.Reader
	flags  uint32
	packed bytes.Buffer
	raw    []byte // of the block
	left   []byte // what was not read yet of raw
	err    error
}

// NewReader reads the head of a file of lzop and returns a reader of what the
// file holds. It checks each checksum that the file has, and keeps one block of
// at most 16 MiB in memory. Errors about the file are ErrCorrupt, or
// io.ErrUnexpectedEOF where it is cut off. The reader is for one goroutine, and
// has nothing to close.
func NewReader(r io.Reader) (io.Reader, error) {
	out := &reader{in: bufio.NewReaderSize(r, 64<<10)}
	if err := out.head(); err != nil {
		return nil, err
	}
	return out, nil
}

// Read reads what the blocks hold.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.left) == 0 && len(p) > 0 {
		if r.err == nil {
			r.err = r.block()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// head reads the head of a file, and no byte more.
func (r *reader) head() error {
	magic := make([]byte, len(Magic))
	if _, err := io.ReadFull(r.in, magic); err != nil {
		return cut(err)
	}
	if string(magic) != Magic {
		return damaged("not a file of lzop")
	}
	h := &summed{in: r.in}
	version := h.number(2)
	h.number(2) // of the library
	if version >= withLevel {
		h.number(2) // that is needed to extract, by readers that know no better
	}
	method := h.number(1)
	if version >= withLevel {
		h.number(1) // level
	}
	r.flags = h.number(4)
	if r.flags&filtered != 0 {
		h.number(4)
	}
	h.number(4) // mode
	h.number(4) // time
	if version >= withLevel {
		h.number(4) // its upper half
	}
	h.take(int(h.number(1))) // name
	if err := h.check(r.flags); err != nil {
		return err
	}
	switch {
	case version < firstVersion:
		return damaged("version %#x of lzop's files is not known", version)
	case method < 1 || method > 3:
		return damaged("method %d of lzop's files is not LZO1X", method)
	case r.flags&(filtered|multipart) != 0:
		return damaged("lzop's filters and files in several parts are not supported")
	}
	if r.flags&extraField != 0 {
		h = &summed{in: r.in}
		n := h.number(4)
		if n > maxBlock {
			return damaged("an extra field of %d bytes", n)
		}
		h.take(int(n))
		return h.check(r.flags)
	}
	return nil
}

// block reads the next block, or the head of the next file and its first one.
func (r *reader) block() error {
	raw, err := r.number()
	if err != nil {
		return err
	}
	if raw == 0 {
		if _, err := r.in.Peek(1); err != nil {
			return err // io.EOF where it should be
		}
		return r.head()
	}
	packed, err := r.number()
	if err != nil {
		return err
	}
	if raw > maxBlock || packed > raw || raw/maxRatio > packed {
		return damaged("a block of %d bytes in %d", raw, packed)
	}
	var sums, packedSums [2]uint32
	if err := r.sums(&sums, adlerRaw, crcRaw); err != nil {
		return err
	}
	if packed < raw {
		if err := r.sums(&packedSums, adlerPacked, crcPacked); err != nil {
			return err
		}
	}
	r.packed.Reset()
	if _, err := io.CopyN(&r.packed, r.in, int64(packed)); err != nil {
		return cut(err)
	}
	if packed == raw { // as it was
		r.left = r.packed.Bytes()
		return r.verify(r.left, sums, adlerRaw, crcRaw)
	}
	if err := r.verify(r.packed.Bytes(), packedSums, adlerPacked, crcPacked); err != nil {
		return err
	}
	if cap(r.raw) < int(raw) {
		r.raw = make([]byte, raw)
	}
	n, err := decompress(r.raw[:raw], r.packed.Bytes())
	if err != nil {
		return err
	}
	if n != int(raw) {
		return damaged("a block of %d bytes holds %d", raw, n)
	}
	if err := r.verify(r.raw[:raw], sums, adlerRaw, crcRaw); err != nil {
		return err
	}
	r.left = r.raw[:raw]
	return nil
}

func (r *reader) number() (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		return 0, cut(err)
	}
	return binary.BigEndian.Uint32(b[:]), nil
}

// sums reads those of the two checksums that the file has.
func (r *reader) sums(to *[2]uint32, flags ...uint32) (err error) {
	for i, f := range flags {
		if r.flags&f != 0 {
			if to[i], err = r.number(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) verify(b []byte, want [2]uint32, adler, crc uint32) error {
	if r.flags&adler != 0 && adler32.Checksum(b) != want[0] || r.flags&crc != 0 && crc32.ChecksumIEEE(b) != want[1] {
		r.left = nil
		return damaged("the checksum of a block is wrong")
	}
	return nil
}

// summed reads a part of the head that has a checksum behind it.
type summed struct {
	in   io.Reader
	seen bytes.Buffer
	err  error
}

func (s *summed) take(n int) []byte {
	if s.err != nil {
		return nil
	}
	if _, err := io.CopyN(&s.seen, s.in, int64(n)); err != nil {
		s.err = cut(err)
		return nil
	}
	return s.seen.Bytes()[s.seen.Len()-n:]
}

func (s *summed) number(n int) uint32 {
	var out uint32
	for _, b := range s.take(n) {
		out = out<<8 | uint32(b)
	}
	return out
}

func (s *summed) check(flags uint32) error {
	sum := adler32.Checksum(s.seen.Bytes())
	if flags&crcHead != 0 {
		sum = crc32.ChecksumIEEE(s.seen.Bytes())
	}
	if got := s.number(4); s.err == nil && got != sum {
		return damaged("the checksum of the head is wrong")
	}
	return s.err
}

// cut says that the input ended too early, where it did.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("lzop: %w", err)
}
