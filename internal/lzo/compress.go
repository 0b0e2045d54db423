package lzo

import (
	"encoding/binary"
	"math/bits"
)

// Distances that the three kinds of match reach.
const (
	maxShort  = 0x0800 // 2 bytes for a match of 3 to 8
	maxMiddle = 0x4000
	maxFar    = 0xbfff
)

const (
	tableBits = 14
	minMatch  = 4 // of what the hash finds; a match of three bytes would save nothing
	margin    = 8 // bytes at the end in which no match begins
)

// MaxCompressed returns how long the LZO1X form of n bytes is at most.
func MaxCompressed(n int) int { return n + n/255 + 16 }

// Compress appends the LZO1X form of src to dst. The same src gives the same
// bytes always. It finds matches greedily by a hash of four bytes within the
// 48 KiB that the format reaches back, and uses 64 KiB of stack.
func Compress(dst, src []byte) []byte {
	e := encoder{dst: dst, src: src, base: len(dst)}
	if len(src) > margin+minMatch {
		e.matches()
	}
	e.literals(len(src))
	return append(e.dst, 0x11, 0, 0)
}

type encoder struct {
	dst  []byte
	src  []byte
	base int // where our bytes begin in dst
	done int // bytes of src that are encoded
}

// matches encodes all but the last literals of src.
func (e *encoder) matches() {
	var table [1 << tableBits]uint32 // hash of four bytes, where they were seen last
	src := e.src
	limit := len(src) - margin
	at, step := 1, 32
	for at < limit {
		now := binary.LittleEndian.Uint32(src[at:])
		slot := &table[hash(now)]
		from := int(*slot)
		*slot = uint32(at)
		if at-from > maxFar || binary.LittleEndian.Uint32(src[from:]) != now {
			at += step >> 5 // what does not repeat is passed over faster and faster
			step++
			continue
		}
		step = 32
		length := minMatch + same(src[from+minMatch:], src[at+minMatch:])
		for at > e.done && from > 0 && src[from-1] == src[at-1] {
			at, from, length = at-1, from-1, length+1
		}
		e.literals(at)
		e.match(at-from, length)
		at += length
		e.done = at
		if at < limit {
			table[hash(binary.LittleEndian.Uint32(src[at-2:]))] = uint32(at - 2)
		}
	}
}

func hash(v uint32) uint32 { return v * 0x9e3779b1 >> (32 - tableBits) }

// same returns how many bytes a and b have in common at their beginning; b is
// the shorter, as it lies behind a in the same text.
func same(a, b []byte) int {
	n := 0
	for len(b)-n >= 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// literals encodes the bytes up to end as they are.
func (e *encoder) literals(end int) {
	run := e.src[e.done:end]
	e.done = end
	n := len(run)
	switch {
	case n == 0:
		return
	case len(e.dst) == e.base && n <= 238:
		e.dst = append(e.dst, byte(17+n))
	case len(e.dst) > e.base && n <= 3:
		e.dst[len(e.dst)-2] |= byte(n) // the match before has room for the number
	case n <= 18:
		e.dst = append(e.dst, byte(n-3))
	default:
		e.long(0, n-18)
	}
	e.dst = append(e.dst, run...)
}

// match encodes a match of at least 4 bytes.
func (e *encoder) match(distance, n int) {
	switch {
	case distance <= maxShort && n <= 8:
		d := distance - 1
		e.dst = append(e.dst, byte((n-1)<<5|d&7<<2), byte(d>>3))
		return
	case distance <= maxMiddle:
		if n <= 33 {
			e.dst = append(e.dst, 0x20|byte(n-2))
		} else {
			e.long(0x20, n-33)
		}
		distance--
	default:
		distance -= maxMiddle
		high := byte(distance >> 11 & 8)
		if n <= 9 {
			e.dst = append(e.dst, 0x10|high|byte(n-2))
		} else {
			e.long(0x10|high, n-9)
		}
		distance &= maxMiddle - 1
	}
	e.dst = append(e.dst, byte(distance<<2), byte(distance>>6))
}

// long writes an instruction whose length is more than fits into it.
func (e *encoder) long(instruction byte, rest int) {
	e.dst = append(e.dst, instruction)
	for ; rest > 255; rest -= 255 {
		e.dst = append(e.dst, 0)
	}
	e.dst = append(e.dst, byte(rest))
}
