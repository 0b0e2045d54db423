package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text returns the index after the closing quote of the string that begins
// just before i, and whether a backslash was in it; -1 if it does not end.
//
// Eight bytes at a time: for a byte v of x, (v-1)&^v has its high bit set if v
// is 0, and xor makes quotes and backslashes 0. A borrow can only set bits above
// a true hit, so the lowest one is right.
func text(b []byte, i int) (end int, escaped bool) {
	for {
		if i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			q, s := x^ones*'"', x^ones*'\\'
			hit := ((q-ones)&^q | (s-ones)&^s) & highs
			if hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) >> 3
		} else {
			for i < len(b) && b[i] != '"' && b[i] != '\\' {
				i++
			}
			if i >= len(b) {
				return -1, escaped
			}
		}
		if b[i] == '"' {
			return i + 1, escaped
		}
		escaped = true
		i += 2
	}
}

// skip returns the index after the value that begins at b[i], -1 if there is
// none, and whether a backslash was in it, for a string.
func skip(b []byte, i int) (end int, escaped bool) {
	if i >= len(b) {
		return -1, false
	}
	switch b[i] {
	case '"':
		return text(b, i+1)
	case '{', '[':
		return container(b, i), false
	}
	start := i
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r', ':', '"', '{', '[':
			if i == start {
				return -1, false
			}
			return i, false
		}
		i++
	}
	return i, false
}

// container returns the index after the bracket that closes the one at b[i].
func container(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i, _ = text(b, i+1); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
