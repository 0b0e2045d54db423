package parquet

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go/compress"
	pqformat "github.com/parquet-go/parquet-go/format"

	"strm/internal/lzo"
)

// lzoCodec writes pages as LZO1X in Hadoop's framing, for readers of an older
// time: the library has no such codec.
type lzoCodec struct{}

var _ compress.Codec = lzoCodec{}

// String returns the name of the codec.
func (lzoCodec) String() string { return "LZO" }

// CompressionCodec returns what the footer says.
func (lzoCodec) CompressionCodec() pqformat.CompressionCodec { return pqformat.LZO }

// Encode returns a page, in the memory of dst if there is room.
func (lzoCodec) Encode(dst, src []byte) ([]byte, error) { return lzo.EncodePage(dst[:0], src), nil }

// Decode returns what a page of Encode holds. Its blocks say how much that is.
func (lzoCodec) Decode(dst, src []byte) ([]byte, error) {
	size := 0
	for rest := src; len(rest) >= 8; {
		size += int(binary.BigEndian.Uint32(rest))
		rest = rest[min(len(rest), 8+int(binary.BigEndian.Uint32(rest[4:]))):]
	}
	return lzo.DecodePage(dst, src, size)
}
