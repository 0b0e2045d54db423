// Package jsontoken reads the tokens of JSON from bytes: where a string, a number
// or a word ends, and what is wrong if it does not. It allocates nothing, looks at
// strings eight bytes at a time, and leaves to its callers what lies between the
// tokens. What it accepts is what encoding/json accepts; its callers' fuzz tests
// hold it to that. UTF-8 is not looked at: see Wide.
package jsontoken

import (
	"encoding/binary"
	"math/bits"
)

// Flags is what Text saw.
type Flags uint8

// The flags.
const (
	Escaped      Flags = 1 << iota // a backslash
	Wide                           // a byte above 0x7f, here or in the seven bytes after: the string's UTF-8 must be checked
	noQuote                        // no closing quote
	rawControl                     // a raw control character
	noSuchEscape                   // no such escape
	badHex                         // \u without four hexadecimal digits

	Flaw = noQuote | rawControl | noSuchEscape | badHex // any of these: not a JSON string
)

// Want returns what could have stood where the flaw is.
func (f Flags) Want() string {
	switch {
	case f&rawControl != 0:
		return "an escape: control characters in a string must be written as \\n, \\t or \\u00XX"
	case f&noSuchEscape != 0:
		return "one of \" \\ / b f n r t u after a backslash"
	case f&badHex != 0:
		return "four hexadecimal digits after \\u"
	}
	return "a closing quote"
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Text reads a string whose opening quote is just before i, and returns the
// index after its closing quote, or, with a flaw, of the byte at fault.
//
// It looks at eight bytes at a time. For a byte v of x, (v-1)&^v has its high
// bit set if v is 0; xor makes quotes and backslashes 0, and (v-0x20)&^v finds
// control characters. A borrow can only set bits above a true hit, so the
// lowest one is right.
func Text(b []byte, i int) (int, Flags) {
	var f Flags
	var seen uint64
	for {
		if i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			seen |= x
			q, s := x^ones*'"', x^ones*'\\'
			hit := ((q-ones)&^q | (s-ones)&^s | (x-ones*0x20)&^x) & highs
			if hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) >> 3
		} else {
			if i >= len(b) {
				return i, f | noQuote
			}
			c := b[i]
			seen |= uint64(c)
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
		}
		switch b[i] {
		case '"':
			if seen&highs != 0 {
				f |= Wide
			}
			return i + 1, f
		case '\\':
			f |= Escaped
			var flaw Flags
			if i, flaw = escape(b, i+1); flaw != 0 {
				return i, f | flaw
			}
		default:
			return i, f | rawControl
		}
	}
}

// escape reads an escape whose backslash is just before i.
func escape(b []byte, i int) (int, Flags) {
	if i >= len(b) {
		return i, noQuote
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, 0
	case 'u':
	default:
		return i, noSuchEscape
	}
	i++
	for end := i + 4; i < end; i++ {
		if i >= len(b) {
			return i, noQuote
		}
		if HexDigit(b[i]) < 0 {
			return i, badHex
		}
	}
	return i, 0
}

// HexDigit returns the value of a hexadecimal digit, -1 if c is none.
func HexDigit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// Number returns the index after the number that begins at b[i] or, without
// success, of the byte where a digit should have been.
func Number(b []byte, i int) (int, bool) {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if n := Digits(b, i); n > i {
		i = n
	} else {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		n := Digits(b, i)
		if n == i {
			return i, false
		}
		i = n
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		n := Digits(b, i)
		if n == i {
			return i, false
		}
		i = n
	}
	return i, true
}

// Digits returns the index after the decimal digits that begin at b[i].
func Digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// Word returns the index after word if b[i:] begins with it, else that of
// the first byte that differs.
func Word(b []byte, i int, word string) (int, bool) {
	for n := range len(word) {
		if i >= len(b) || b[i] != word[n] {
			return i, false
		}
		i++
	}
	return i, true
}

// Space returns the index of the first byte from i on that is no white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
