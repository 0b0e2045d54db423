package format

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The compressions of files of lines.
const (
	None = "none"
	Gzip = "gzip"
	Zstd = "zstd"
)

// packRaw is how many bytes a Packer collects before it writes a member.
// Members of 128 KiB make a file 1 to 2 % larger than one long one.
const packRaw = 128 << 10

// longRow is how much of a row is collected at most. It is more than a member,
// which therefore ends with the row.
const longRow = 2 * packRaw

// Shared holds compressors for writers that are open at the same time. Each
// costs about a megabyte, so 1,000 writers cannot have their own. The zero value
// is ready; one goroutine uses it.
type Shared struct {
	gz  *gzip.Writer
	zs  *zstd.Encoder
	out bytes.Buffer
}

// gzip points the compressor at a writer.
func (s *Shared) gzip(w io.Writer) error {
	if s.gz != nil {
		s.gz.Reset(w)
		return nil
	}
	gz, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	s.gz = gz
	return err
}

// Packer writes text in compressed members: gzip members or zstd frames, each of
// which is a file of its own, so that between members a writer holds no compressor.
type Packer struct {
	Buf []byte // what is to be written next: append to it, then call Spill; within a long row Ease

	w           io.Writer
	compression string
	shared      *Shared
	written     bool

	begun *bufio.Writer // of a gzip member that has been begun within a row
	err   error         // of writing within a row; Spill returns it
}

// NewPacker returns a Packer for a compression that the caller has checked.
func NewPacker(w io.Writer, compression string, shared *Shared) *Packer {
	if shared == nil {
		shared = &Shared{}
	}
	return &Packer{w: w, compression: compression, shared: shared}
}

// Spill ends a row, and writes a member once enough has been collected.
func (p *Packer) Spill() error {
	switch {
	case p.err != nil:
		return p.err
	case p.begun != nil:
		return p.end()
	case len(p.Buf) < packRaw:
		return nil
	}
	return p.write()
}

// Long appends a text to the row, however long it is.
func (p *Packer) Long(text []byte) {
	for len(text) > packRaw {
		p.Buf = append(p.Buf, text[:packRaw]...)
		text = text[packRaw:]
		p.Ease()
	}
	p.Buf = append(p.Buf, text...)
}

// Ease writes what has been collected of a long row, so that one is not held as
// a whole: its member will end where the row does, as it would have anyway. Of
// zstd, whose frames say first how long they are, nothing can be written yet.
func (p *Packer) Ease() {
	if len(p.Buf) < longRow || p.compression == Zstd || p.err != nil {
		return
	}
	if p.compression == Gzip {
		p.err = p.begin()
	} else {
		_, p.err = p.w.Write(p.Buf)
	}
	p.Buf = p.Buf[:0]
}

// begin writes a part of a gzip member.
func (p *Packer) begin() error {
	if p.begun == nil {
		p.written = true
		p.begun = bufio.NewWriterSize(p.w, packRaw)
		if err := p.shared.gzip(p.begun); err != nil {
			return err
		}
	}
	_, err := p.shared.gz.Write(p.Buf)
	return err
}

// end writes the rest of the member that begin began.
func (p *Packer) end() error {
	err := p.begin()
	if err == nil {
		err = p.shared.gz.Close()
	}
	if err == nil {
		err = p.begun.Flush()
	}
	p.Buf, p.begun = p.Buf[:0], nil
	return err
}

// Buffered returns the size of what waits.
func (p *Packer) Buffered() int64 { return int64(cap(p.Buf)) }

// Flush writes what waits and gives its memory back.
func (p *Packer) Flush() error {
	err := p.write()
	p.Buf = nil
	return err
}

func (p *Packer) write() error {
	if len(p.Buf) == 0 {
		return nil
	}
	err := p.member(p.Buf)
	if cap(p.Buf) > 2*packRaw {
		p.Buf = nil
	}
	p.Buf = p.Buf[:0]
	return err
}

// Close writes what waits. A file of nothing is one that readers of the
// compression accept.
func (p *Packer) Close() error {
	if err := p.Flush(); err != nil {
		return err
	}
	if p.written || p.compression == None {
		return nil
	}
	return p.member(nil)
}

func (p *Packer) member(raw []byte) error {
	p.written = true
	s := p.shared
	switch p.compression {
	case Gzip:
		s.out.Reset()
		if err := s.gzip(&s.out); err != nil {
			return err
		}
		if _, err := s.gz.Write(raw); err != nil {
			return err
		}
		if err := s.gz.Close(); err != nil {
			return err
		}
	case Zstd:
		if s.zs == nil {
			// One goroutine: the bytes must not depend on how work is divided.
			zs, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
				zstd.WithWindowSize(1<<20), zstd.WithZeroFrames(true))
			if err != nil {
				return err
			}
			s.zs = zs
		}
		s.out.Reset()
		s.out.Write(s.zs.EncodeAll(raw, s.out.AvailableBuffer()))
	default:
		_, err := p.w.Write(raw)
		return err
	}
	_, err := p.w.Write(s.out.Bytes())
	if s.out.Cap() > 4*packRaw {
		s.out = bytes.Buffer{}
	}
	return err
}

// Unpacked returns a reader of what a file holds, and a function that ends it.
func Unpacked(r io.Reader, compression string) (io.Reader, func(), error) {
	switch compression {
	case Gzip:
		zr, err := gzip.NewReader(r)
		return zr, func() {}, err
	case Zstd:
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, nil, err
		}
		return zr, zr.Close, nil
	}
	return r, func() {}, nil
}
