package eventfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"strm/internal/lzo"
)

// Codecs of pages, as the format numbers them.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecLZO    = 3
	codecBrotli = 4
	codecLZ4    = 5 // in Hadoop's framing
	codecZstd   = 6
	codecLZ4Raw = 7
)

var codecNames = [...]string{"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"}

// mostRatio is more than a codec can shrink; 0 where there is no such number.
var mostRatio = [len(codecNames)]int64{codecSnappy: 32, codecGzip: 1100, codecLZO: 256, codecLZ4: 256, codecLZ4Raw: 256}

func knownCodec(c int) bool { return c >= 0 && c < len(codecNames) }

func codecName(c int) string { return nameOf(codecNames[:], c, "unknown codec") }

var errLength = errors.New("it has another length than its header says")

// unpacker decompresses pages. Its decoders are made when they are first needed.
type unpacker struct {
	in     bytes.Reader
	gzip   *gzip.Reader
	brotli *brotli.Reader
	zstd   *zstd.Decoder
}

func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}

// page decompresses src into dst, which it must fill exactly.
func (u *unpacker) page(codec int, dst, src []byte) error {
	switch codec {
	case codecSnappy:
		return unpackSnappy(dst, src)
	case codecGzip:
		u.in.Reset(src)
		if u.gzip == nil {
			u.gzip = new(gzip.Reader)
		}
		if err := u.gzip.Reset(&u.in); err != nil {
			return err
		}
		return fill(dst, u.gzip)
	case codecLZO:
		_, err := lzo.DecodePage(dst, src, len(dst))
		return err
	case codecBrotli:
		u.in.Reset(src)
		if u.brotli == nil {
			u.brotli = new(brotli.Reader)
		}
		if err := u.brotli.Reset(&u.in); err != nil {
			return err
		}
		return fill(dst, u.brotli)
	case codecLZ4:
		if ok := unpackHadoopLZ4(dst, src); ok {
			return nil
		}
		return unpackLZ4(dst, src) // as some writers of this codec have it
	case codecLZ4Raw:
		return unpackLZ4(dst, src)
	case codecZstd:
		return u.unpackZstd(dst, src)
	}
	return fmt.Errorf("compressed with %s, which cannot be read", codecName(codec))
}

// fill reads dst from r, which must end there.
func fill(dst []byte, r io.Reader) error {
	if _, err := io.ReadFull(r, dst); err != nil {
		return err
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return errLength
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

func unpackSnappy(dst, src []byte) error {
	switch n, err := snappy.DecodedLen(src); {
	case err != nil:
		return err
	case n != len(dst):
		return errLength
	}
	_, err := snappy.Decode(dst, src)
	return err
}

func unpackLZ4(dst, src []byte) error {
	switch n, err := lz4.UncompressBlock(src, dst); {
	case err != nil:
		return err
	case n != len(dst):
		return errLength
	}
	return nil
}

// unpackHadoopLZ4 reads blocks that have their lengths before them, raw and packed.
func unpackHadoopLZ4(dst, src []byte) bool {
	for len(src) >= 8 {
		raw, packed := binary.BigEndian.Uint32(src), binary.BigEndian.Uint32(src[4:])
		src = src[8:]
		if uint64(raw) > uint64(len(dst)) || uint64(packed) > uint64(len(src)) {
			return false
		}
		if unpackLZ4(dst[:raw], src[:packed]) != nil {
			return false
		}
		dst, src = dst[raw:], src[packed:]
	}
	return len(src) == 0 && len(dst) == 0
}

func (u *unpacker) unpackZstd(dst, src []byte) error {
	if u.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return err
		}
		u.zstd = d
	}
	out, err := u.zstd.DecodeAll(src, dst[:0:len(dst)])
	if err == nil && len(out) != len(dst) {
		err = errLength
	}
	return err
}
