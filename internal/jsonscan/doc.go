// Package jsonscan walks JSON text that was checked before, without building
// anything: members of an object, elements of an array, the text of a string.
//
// It is for values that have passed a full check (at intake, or encoding/json's
// Valid). On other input it never panics, never reads out of bounds and never
// recurses; it may report success where a checker would not.
package jsonscan

// Kind is what a value is, by its first byte.
type Kind uint8

// The kinds of JSON value.
const (
	Bad Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
)

// KindOf returns the kind of the value that v begins with.
func KindOf(v []byte) Kind {
	if len(v) == 0 {
		return Bad
	}
	switch c := v[0]; c {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't':
		return True
	case 'f':
		return False
	case 'n':
		return Null
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return Number
		}
		return Bad
	}
}

// Space returns the index of the first byte from i on that is not white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// Trim returns v without the white space around it.
func Trim(v []byte) []byte {
	v = v[Space(v, 0):]
	for n := len(v); n > 0; n-- {
		switch v[n-1] {
		case ' ', '\t', '\n', '\r':
			continue
		}
		return v[:n]
	}
	return v[:0]
}
