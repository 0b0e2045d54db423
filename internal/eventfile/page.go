package eventfile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Kinds of pages.
const (
	pageData   = 0
	pageIndex  = 1
	pageDict   = 2
	pageDataV2 = 3
)

// Encodings of values and levels.
const (
	encPlain       = 0
	encPlainDict   = 2
	encRLE         = 3
	encDelta       = 5
	encDeltaLength = 6
	encDeltaText   = 7
	encDict        = 8
	encSplit       = 9
)

var encodingNames = [...]string{
	"PLAIN", "", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
	"RLE_DICTIONARY", "BYTE_STREAM_SPLIT",
}

const (
	firstRead  = 128 << 10 // what is read of a column at once, at least
	maxHeader  = 8 << 20   // a page's header; it may hold a smallest and a largest value
	beyondSize = 256       // how much longer a column may be than it says: old writers forgot headers
)

// pageHeader is the head of a page.
type pageHeader struct {
	kind           int
	raw, packed    int64 // bytes, without the header
	crc            uint32
	hasCRC         bool
	values         int64
	encoding       int
	defEnc, repEnc int
	defLen, repLen int64 // of version 2
	notPacked      bool  // of version 2: though the column has a codec
}

// memory is what pages may take.
type memory struct {
	left, all int64
}

// grow returns b with the length n, and its contents only if it was large enough.
func (m *memory) grow(b []byte, n int64) ([]byte, error) {
	if n <= int64(cap(b)) {
		return b[:n], nil
	}
	size := max(n+n/8, 4<<10)
	if size-int64(cap(b)) > m.left {
		size = n
	}
	if err := m.take(size - int64(cap(b))); err != nil {
		return nil, err
	}
	return make([]byte, n, size), nil
}

// take reserves n bytes.
func (m *memory) take(n int64) error {
	if n > m.left {
		return refuse("its pages need more than %d MiB of memory at once", m.all>>20)
	}
	m.left -= n
	return nil
}

// pages reads the pages of one column of one row group, one after the other.
type pages struct {
	src    io.ReaderAt
	mem    *memory
	work   *work
	unpack *unpacker
	codec  int
	at     int64 // of the next page
	end    int64
	left   int64 // values in the pages to come

	window   []byte // bytes of the file, from windowAt
	windowAt int64
	raw      []byte // decompressed
}

// bytes returns n bytes of the file from p.at+skip, or as many as there are.
// They are valid until the next call.
func (p *pages) bytes(skip, n int64) ([]byte, error) {
	at := p.at + skip
	n = min(n, p.end-at)
	if n <= 0 {
		return nil, nil
	}
	if at < p.windowAt || at+n > p.windowAt+int64(len(p.window)) {
		want := min(max(n, firstRead), p.end-at)
		if err := p.work.spend(want); err != nil {
			return nil, err
		}
		b, err := p.mem.grow(p.window, want)
		if err != nil {
			return nil, err
		}
		if _, err := p.src.ReadAt(b, at); err != nil {
			return nil, fmt.Errorf("read temporary file: %w", err)
		}
		p.window, p.windowAt = b, at
	}
	from := at - p.windowAt
	return p.window[from : from+n : from+n], nil
}

// next returns the next page that is not of a kind we do not know: its header
// and its bytes as they are stored.
func (p *pages) next() (pageHeader, []byte, error) {
	for {
		h, size, err := p.header()
		if err != nil {
			return h, nil, err
		}
		if h.raw < 0 || h.packed < 0 || h.packed > p.end-p.at-size {
			return h, nil, refuse("a page says that it has %d bytes, where %d are left", h.packed, p.end-p.at-size)
		}
		if h.kind == pageIndex || h.kind > pageDataV2 || h.kind < 0 {
			p.at += size + h.packed
			continue
		}
		b, err := p.bytes(size, h.packed)
		if err != nil {
			return h, nil, err
		}
		if h.hasCRC && crc32.ChecksumIEEE(b) != h.crc {
			return h, nil, refuse("the checksum of a page is wrong")
		}
		p.at += size + h.packed
		return h, b, nil
	}
}

// header reads the header at p.at, and returns its size.
func (p *pages) header() (pageHeader, int64, error) {
	for n := int64(1 << 10); ; n *= 8 {
		b, err := p.bytes(0, n)
		if err != nil {
			return pageHeader{}, 0, err
		}
		t := thrift{b: b}
		h := t.pageHeader()
		switch {
		case !t.bad:
			return h, int64(t.at), nil
		case !t.short || int64(len(b)) < n || n >= maxHeader:
			return h, 0, refuse("the header of a page is damaged or cut off")
		}
	}
}

func (t *thrift) pageHeader() pageHeader {
	h := pageHeader{kind: -1, encoding: -1, defEnc: encRLE, repEnc: encRLE}
	t.fields(func(id int, typ byte) bool {
		switch {
		case id == 1 && typ == thriftI32:
			h.kind = int(int32(t.int()))
		case id == 2 && typ == thriftI32:
			h.raw = int64(int32(t.int()))
		case id == 3 && typ == thriftI32:
			h.packed = int64(int32(t.int()))
		case id == 4 && typ == thriftI32:
			h.crc, h.hasCRC = uint32(t.int()), true
		case (id == 5 || id == 7) && typ == thriftStruct:
			t.dataHeader(&h)
		case id == 8 && typ == thriftStruct:
			t.dataHeaderV2(&h)
		default:
			return false
		}
		return true
	})
	return h
}

// dataHeader reads what a page of version 1 has, and a dictionary.
func (t *thrift) dataHeader(h *pageHeader) {
	t.fields(func(id int, typ byte) bool {
		if typ != thriftI32 {
			return false
		}
		v := int64(int32(t.int()))
		switch id {
		case 1:
			h.values = v
		case 2:
			h.encoding = int(v)
		case 3:
			h.defEnc = int(v)
		case 4:
			h.repEnc = int(v)
		}
		return true
	})
}

func (t *thrift) dataHeaderV2(h *pageHeader) {
	t.fields(func(id int, typ byte) bool {
		if id == 7 {
			h.notPacked = typ == thriftFalse
			return true
		}
		if typ != thriftI32 {
			return false
		}
		v := int64(int32(t.int()))
		switch id {
		case 1:
			h.values = v
		case 4:
			h.encoding = int(v)
		case 5:
			h.defLen = v
		case 6:
			h.repLen = v
		}
		return true
	})
}

// decompress returns the raw bytes of what is stored as b. They are valid until
// the next page is read.
func (p *pages) decompress(b []byte, raw int64, packed bool) ([]byte, error) {
	if err := p.work.spend(raw); err != nil {
		return nil, err
	}
	if !packed || p.codec == codecNone {
		if int64(len(b)) != raw {
			return nil, refuse("a page that is not compressed says that it has %d bytes, and has %d", raw, len(b))
		}
		return b, nil
	}
	if raw == 0 {
		return nil, nil
	}
	if most := mostRatio[p.codec]; most > 0 && raw/most > int64(len(b)) {
		return nil, refuse("a page says that %d bytes (%s) become %d", len(b), codecName(p.codec), raw)
	}
	out, err := p.mem.grow(p.raw, raw)
	if err != nil {
		return nil, err
	}
	p.raw = out
	if err := p.unpack.page(p.codec, out, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, refuse("a page cannot be decompressed (%s): %v", codecName(p.codec), err)
	}
	return out, nil
}
