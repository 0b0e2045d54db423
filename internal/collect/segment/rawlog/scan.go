package rawlog

import (
	"encoding/binary"
	"math/bits"
)

// textFlags is what scanText saw.
type textFlags uint8

const (
	textEscaped textFlags = 1 << iota // a backslash
	textWide                          // a byte above 0x7f, here or in the seven bytes after
	textOpen                          // flaw: no closing quote
	textControl                       // flaw: a raw control character
	textEscape                        // flaw: no such escape
	textHex                           // flaw: \u without four hexadecimal digits

	textFlaw = textOpen | textControl | textEscape | textHex
)

func (f textFlags) want() string {
	switch {
	case f&textControl != 0:
		return "an escape: control characters in a string must be written as \\n, \\t or \\u00XX"
	case f&textEscape != 0:
		return "one of \" \\ / b f n r t u after a backslash"
	case f&textHex != 0:
		return "four hexadecimal digits after \\u"
	}
	return "a closing quote"
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a word whose lowest set bit is the high bit of the first
// byte of x that is a quote, a backslash or a control character; 0 for none.
// Subtraction may carry wrong bits into bytes above a true one, never below.
func special(x uint64) uint64 {
	quote, slash := x^ones*'"', x^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x) & highs
}

// scanText reads a string whose opening quote is just before i. It returns the
// index after the closing quote or, with a flaw, that of the byte at fault.
func scanText(b []byte, i int) (int, textFlags) {
	var f textFlags
	var seen uint64
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			seen |= x
			if hit := special(x); hit != 0 {
				i += bits.TrailingZeros64(hit) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			seen |= uint64(b[i])
			i++
		}
		switch {
		case i >= len(b):
			return i, f | textOpen
		case b[i] == '"':
			if seen&highs != 0 {
				f |= textWide
			}
			return i + 1, f
		case b[i] != '\\':
			return i, f | textControl
		}
		f |= textEscaped
		var flaw textFlags
		if i, flaw = scanEscape(b, i+1); flaw != 0 {
			return i, f | flaw
		}
	}
}

// scanEscape reads an escape whose backslash is just before i.
func scanEscape(b []byte, i int) (int, textFlags) {
	if i >= len(b) {
		return i, textOpen
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, 0
	case 'u':
	default:
		return i, textEscape
	}
	i++
	for end := i + 4; i < end; i++ {
		if i >= len(b) {
			return i, textOpen
		}
		if hexDigit(b[i]) < 0 {
			return i, textHex
		}
	}
	return i, 0
}

// hexDigit returns the value of a hexadecimal digit, -1 if c is none.
func hexDigit(c byte) rune {
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

// scanNumber returns the index after the number that begins at b[i] or, without
// success, of the byte where a digit should have been.
func scanNumber(b []byte, i int) (int, bool) {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if n := digits(b, i); n > i {
		i = n
	} else {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		n := digits(b, i)
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
		n := digits(b, i)
		if n == i {
			return i, false
		}
		i = n
	}
	return i, true
}

// digits returns the index after the decimal digits that begin at b[i].
func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// scanWord returns the index after word if b[i:] begins with it, else that of
// the first byte that differs.
func scanWord(b []byte, i int, word string) (int, bool) {
	for n := range len(word) {
		if i >= len(b) || b[i] != word[n] {
			return i, false
		}
		i++
	}
	return i, true
}

// scanSpace returns the index of the first byte from i on that is no white space.
func scanSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
