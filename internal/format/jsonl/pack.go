package jsonl

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"

	"strm/internal/format"
	"strm/internal/stream"
)

// smallRaw is the size below which a block is packed with its neighbours. Packing
// costs as much CPU as compressing at the door did, so it must pay. Measured on
// clickstream events, members of 64 KiB make a file 9 % larger than members of
// 256 KiB do, 32 KiB 22 %, 16 KiB 47 %, 4 KiB 156 %.
const smallRaw = 32 << 10

// memberRaw is the size at which a packed member is closed.
const memberRaw = 256 << 10

func small(h stream.BlockHeader) bool { return h.Raw < smallRaw }

// pack writes a gzip file. The rule, which Encoder "jsonl-gzip/1" stands for:
// a block of smallRaw or more is copied as stored. Consecutive smaller blocks
// are joined into members that are closed once they hold memberRaw bytes; a
// lone small block is copied as stored. Consecutive blocks of plain lines make one member.
func pack(w io.Writer, blocks format.Blocks) (int64, error) {
	p := packer{w: w}
	var events int64
	for b, err := range blocks {
		if err != nil {
			return events, err
		}
		if err := p.add(b); err != nil {
			return events, err
		}
		events += b.Events
	}
	if err := p.close(); err != nil {
		return events, err
	}
	if events == 0 {
		return 0, emptyMember(w)
	}
	return events, nil
}

type packer struct {
	w      io.Writer
	first  stream.Block // a small block that waits for a neighbour
	stored []byte       // its bytes, copied
	zw     *gzip.Writer // the open member, nil if none
	raw    int64        // bytes in it
	plain  bool         // it is one of plain lines
	zr     gzip.Reader
	in     bytes.Reader
}

func (p *packer) add(b stream.Block) error {
	switch plain := b.Gzip == nil; {
	case plain && b.Events == 0 && b.Raw == 0:
		return nil
	case plain != p.plain:
		if err := p.close(); err != nil {
			return err
		}
		p.plain = plain
	}
	if p.plain {
		if err := p.begin(); err != nil {
			return err
		}
		p.raw += b.Raw
		return plainTo(p.zw, &b)
	}
	if !small(b.BlockHeader) {
		if err := p.close(); err != nil {
			return err
		}
		_, err := p.w.Write(b.Gzip)
		return err
	}
	if p.raw == 0 && p.stored == nil {
		p.first = b
		p.stored = append(make([]byte, 0, len(b.Gzip)), b.Gzip...)
		return nil
	}
	if p.stored != nil {
		held := p.first
		held.Gzip, p.stored = p.stored, nil
		if err := p.join(held); err != nil {
			return err
		}
	}
	return p.join(b)
}

// begin opens a member if none is open.
func (p *packer) begin() error {
	if p.raw > 0 {
		return nil
	}
	if p.zw != nil {
		p.zw.Reset(p.w)
		return nil
	}
	zw, err := gzip.NewWriterLevel(p.w, gzip.BestSpeed)
	p.zw = zw
	return err
}

func (p *packer) join(b stream.Block) error {
	if err := p.begin(); err != nil {
		return err
	}
	p.in.Reset(b.Gzip)
	if err := inflate(p.zw, &p.zr, &p.in, b.BlockHeader); err != nil {
		return err
	}
	p.raw += b.Raw
	if p.raw >= memberRaw {
		return p.closeMember()
	}
	return nil
}

func (p *packer) closeMember() error {
	p.raw = 0
	return p.zw.Close()
}

func (p *packer) close() error {
	if p.stored != nil {
		_, err := p.w.Write(p.stored)
		p.stored = nil
		return err
	}
	if p.raw > 0 {
		return p.closeMember()
	}
	return nil
}

// emptyMember makes a file without events one that gzip readers accept.
func emptyMember(w io.Writer) error {
	zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	return zw.Close()
}
