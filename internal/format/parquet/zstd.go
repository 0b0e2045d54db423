package parquet

import (
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/compress"
	pqformat "github.com/parquet-go/parquet-go/format"
)

// zstdCodec writes pages as zstd frames, with the window that a page needs: the
// library's own codec has one of 8 MB. On columns the fastest level makes files
// that are as small as those of the next one, and takes half its time.
type zstdCodec struct {
	window   int       // a power of two
	encoders sync.Pool // of *zstd.Encoder; a pool, so that files which wait hold none
}

var _ compress.Codec = (*zstdCodec)(nil)

// String returns the name of the codec.
func (*zstdCodec) String() string { return "ZSTD" }

// CompressionCodec returns what the footer says.
func (*zstdCodec) CompressionCodec() pqformat.CompressionCodec { return pqformat.Zstd }

// Encode returns a page, in the memory of dst if there is room.
func (c *zstdCodec) Encode(dst, src []byte) ([]byte, error) {
	e, _ := c.encoders.Get().(*zstd.Encoder)
	if e == nil {
		var err error
		e, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(c.window),
			zstd.WithZeroFrames(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, err
		}
	}
	defer c.encoders.Put(e)
	return e.EncodeAll(src, dst[:0]), nil
}

// Decode returns what a page holds.
func (c *zstdCodec) Decode(dst, src []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(src, dst[:0])
}
