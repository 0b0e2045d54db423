// Package keyname makes names fit for the keys of objects, as Airbyte's and
// Tarsal's S3 destinations do. It is pure.
package keyname

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// safe are the characters that stay, beside ASCII letters and digits. A slash
// is one of them, so a name may make directories.
const safe = "/!_.*')(&$@=;:+,?-"

// Clean returns a name as Airbyte's keys have it: without accents (NFKD), and
// '_' for everything but ASCII letters, digits and /!_.*')(&$@=;:+,?-. A name
// of these characters alone stays as it is.
func Clean(name string) string { return clean(name, false) }

// CleanTarsal is Clean, with '_' for hyphens too: so did Airbyte before 0.2.12,
// and Tarsal after it.
func CleanTarsal(name string) string { return clean(name, true) }

func clean(name string, hyphens bool) string {
	if isClean(name, hyphens) {
		return name
	}
	var out strings.Builder
	for _, r := range norm.NFKD.String(name) {
		switch {
		case unicode.Is(unicode.M, r):
		case r < 0x80 && stays(byte(r), hyphens):
			out.WriteRune(r)
		default:
			out.WriteByte('_')
		}
	}
	return out.String()
}

func isClean(name string, hyphens bool) bool {
	for i := range len(name) {
		if !stays(name[i], hyphens) {
			return false
		}
	}
	return true
}

func stays(c byte, hyphens bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	case c == '-':
		return !hyphens
	}
	return strings.IndexByte(safe, c) >= 0
}
