package objstore

import (
	"strings"
	"unicode"
)

// Story returns an error with this text and cause behind it for errors.Is and
// errors.As. The cause's own text is never shown, nor printed by %#v: it
// repeats itself, and may hold the request with its signature.
func Story(text string, cause error) error { return &story{text: text, cause: cause} }

type story struct {
	text  string
	cause error
}

func (s *story) Error() string    { return s.text }
func (s *story) Unwrap() error    { return s.cause }
func (s *story) GoString() string { return s.text }

const longestWords = 300 // bytes of a store's own message worth repeating

// OneLine makes a store's words fit to show: one line, short.
func OneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > longestWords {
		s = strings.ToValidUTF8(s[:longestWords], "") + "..."
	}
	return strings.TrimSpace(s)
}
