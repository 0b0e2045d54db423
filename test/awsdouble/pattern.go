package awsdouble

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern is text in which * stands for any characters and ? for one.
type pattern struct{ re *regexp.Regexp }

// newPattern understands the escapes ${*}, ${?} and ${$} of the newer version
// of the language, and refuses variables.
func newPattern(text, version string, fold bool) (pattern, error) {
	var b strings.Builder
	b.WriteString("(?s)^")
	if fold {
		b.WriteString("(?i)")
	}
	for i := 0; i < len(text); {
		rest := text[i:]
		if version == "2012-10-17" && strings.HasPrefix(rest, "${") {
			if len(rest) < 4 || rest[3] != '}' || !strings.ContainsRune("*?$", rune(rest[2])) {
				return pattern{}, fmt.Errorf("the variable in %q is not known here", text)
			}
			b.WriteString(regexp.QuoteMeta(rest[2:3]))
			i += 4
			continue
		}
		switch rest[0] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
		}
		i++
	}
	re, err := regexp.Compile(b.String() + "$")
	return pattern{re}, err
}

func (p pattern) match(s string) bool { return p.re.MatchString(s) }

func matchAny(list []pattern, s string) bool {
	for _, p := range list {
		if p.match(s) {
			return true
		}
	}
	return false
}
