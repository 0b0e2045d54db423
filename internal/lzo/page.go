package lzo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/anchore/go-lzo"
)

// blockBytes is what a block of a page holds before compression, as Hadoop's
// own codec has it by default.
const blockBytes = 256 << 10

// maxRatio is more than LZO1X can shrink: each byte of a length stands for 255.
const maxRatio = 256

// ErrCorrupt is in every error about bytes that are not what an encoder wrote.
var ErrCorrupt = errors.New("damaged lzo data")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// EncodePage appends src in Hadoop's framing to dst: blocks of 256 KiB, each
// with its raw and its compressed length before it. Nothing stays nothing.
func EncodePage(dst, src []byte) []byte {
	for len(src) > 0 {
		block := src[:min(len(src), blockBytes)]
		src = src[len(block):]
		dst = slices.Grow(dst, 8+MaxCompressed(len(block)))
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(block)))
		length := len(dst)
		dst = Compress(append(dst, 0, 0, 0, 0), block)
		binary.BigEndian.PutUint32(dst[length:], uint32(len(dst)-length-4))
	}
	return dst
}

// DecodePage returns the rawSize bytes that src holds in Hadoop's framing, in
// the memory of dst if they fit into its capacity. A block may have several
// compressed parts. It never allocates more than rawSize, and nothing where
// src is too short to hold so much. Errors are ErrCorrupt: src is cut off,
// damaged, or holds another number of bytes.
func DecodePage(dst, src []byte, rawSize int) ([]byte, error) {
	if rawSize < 0 || rawSize/maxRatio > len(src) {
		return nil, damaged("%d bytes cannot hold %d", len(src), rawSize)
	}
	if cap(dst) < rawSize {
		dst = make([]byte, rawSize)
	}
	dst = dst[:rawSize]
	out := 0
	for at := 0; at < len(src); {
		raw, ok := length(src, &at)
		if !ok {
			return nil, damaged("cut off in the length of a block")
		}
		if raw > rawSize-out {
			return nil, damaged("blocks hold more than the %d bytes announced", rawSize)
		}
		for end := out + raw; out < end; {
			packed, ok := length(src, &at)
			if !ok || packed > len(src)-at {
				return nil, damaged("cut off in a block")
			}
			n, err := decompress(dst[out:end], src[at:at+packed])
			if err != nil {
				return nil, err
			}
			if n == 0 {
				return nil, damaged("an empty part in a block of %d bytes", raw)
			}
			at += packed
			out += n
		}
	}
	if out != rawSize {
		return nil, damaged("blocks hold %d bytes, %d were announced", out, rawSize)
	}
	return dst, nil
}

// length reads four bytes at *at, and moves it.
func length(src []byte, at *int) (int, bool) {
	if len(src)-*at < 4 {
		return 0, false
	}
	n := binary.BigEndian.Uint32(src[*at:])
	*at += 4
	return int(n), n <= math.MaxInt32
}

// decompress fills the beginning of dst with what one LZO1X text holds.
func decompress(dst, src []byte) (int, error) {
	n, err := lzo.Decompress(src, dst)
	if err != nil {
		return 0, damaged("a block of %d bytes: %w", len(src), err)
	}
	return n, nil
}
