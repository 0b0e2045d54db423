package jsonscan

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote appends the text of a string, given without its quotes. Escapes are
// resolved; what is not valid UTF-8, and halves of surrogate pairs, become
// U+FFFD: the result is always valid UTF-8.
func Unquote(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\':
			i++
			if i >= len(s) {
				return utf8.AppendRune(dst, utf8.RuneError)
			}
			switch s[i] {
			case 'b':
				dst = append(dst, '\b')
			case 'f':
				dst = append(dst, '\f')
			case 'n':
				dst = append(dst, '\n')
			case 'r':
				dst = append(dst, '\r')
			case 't':
				dst = append(dst, '\t')
			case 'u':
				r := hex4(s, i+1)
				if r < 0 {
					dst = utf8.AppendRune(dst, utf8.RuneError)
					break
				}
				i += 4
				if utf16.IsSurrogate(r) {
					pair := utf8.RuneError
					if i+2 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
						pair = utf16.DecodeRune(r, hex4(s, i+3))
					}
					if pair != utf8.RuneError {
						i += 6
					}
					r = pair
				}
				dst = utf8.AppendRune(dst, r)
			default:
				dst = utf8.AppendRune(dst, rune(s[i]))
			}
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst
}

// hex4 returns the number in s[i:i+4], or -1.
func hex4(s []byte, i int) rune {
	if i+4 > len(s) {
		return -1
	}
	var r rune
	for _, c := range s[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// Quote appends s as a JSON string. What is not valid UTF-8 becomes U+FFFD.
func Quote(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
