package eventfile

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"strm/internal/jsontoken"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// dirty returns not zero if one of the eight bytes has to be looked at: a control
// character, a quote, a backslash, or part of a longer character.
func dirty(w uint64) uint64 {
	control, quote, backslash := w-ones*' ', (w^ones*'"')-ones, (w^ones*'\\')-ones
	return (w | control | quote | backslash) & highs
}

// plain says that s stands in JSON as it is.
func plain(s []byte) bool {
	if len(s) < 8 {
		for _, c := range s {
			if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	i := 0
	for ; i+8 < len(s); i += 8 {
		if dirty(binary.LittleEndian.Uint64(s[i:])) != 0 {
			return false
		}
	}
	return dirty(binary.LittleEndian.Uint64(s[len(s)-8:])) == 0
}

// appendQuoted appends s as a JSON string. It returns false, and dst as it was, if s is not UTF-8.
func appendQuoted(dst, s []byte) ([]byte, bool) {
	if plain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"'), true
	}
	if !utf8.Valid(s) {
		return dst, false
	}
	return jsontoken.AppendQuoted(dst, s), true
}

// appendDouble appends f, which is finite, in the shortest form that reads back as f.
func appendDouble(dst []byte, f float64) []byte {
	if i := int64(f); float64(i) == f && -1<<53 < i && i < 1<<53 && (i != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, i, 10)
	}
	if a := math.Abs(f); a < 1e-6 && a != 0 || a >= 1e21 {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendDoubleBits is appendDouble, and false if the number is none.
func appendDoubleBits(dst []byte, bits uint64) ([]byte, bool) {
	f := math.Float64frombits(bits)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, false
	}
	return appendDouble(dst, f), true
}
