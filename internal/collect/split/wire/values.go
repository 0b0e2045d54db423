package wire

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"strm/internal/jsonscan"
)

// present reports whether a value is there and not null.
func present(v []byte) bool { return len(v) > 0 && v[0] != 'n' }

// scalar reports whether a value can be a name: text or a number.
func scalar(v []byte) bool {
	k := jsonscan.KindOf(v)
	return k == jsonscan.String || k == jsonscan.Number
}

// appendText appends a value as a JSON string: a string as it is, what is
// missing or null as "", anything else as its JSON text.
func appendText(dst, v []byte) []byte {
	switch {
	case !present(v):
		return append(dst, `""`...)
	case v[0] == '"':
		return append(dst, v...)
	case v[0] == '{' || v[0] == '[':
		return jsonscan.Quote(dst, string(v))
	}
	return append(append(append(dst, '"'), v...), '"')
}

// appendMachine appends a name or an address of a machine: null for the words
// with which SDKs say that they tell none.
func appendMachine(dst []byte, s string) []byte {
	s = strings.TrimSpace(s)
	if s == "" || strings.EqualFold(s, "NA") || strings.EqualFold(s, "unknown") {
		return append(dst, "null"...)
	}
	return jsonscan.Quote(dst, cut(s))
}

func appendNumber(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// appendInt appends a value as an integer, or otherwise.
func appendInt(dst, v []byte, otherwise int64) []byte {
	n, ok := integer(v)
	if !ok {
		n = otherwise
	}
	return appendNumber(dst, n)
}

// appendTime appends a time in milliseconds; that of reception if v is none.
func (w *Writer) appendTime(dst, v []byte) []byte {
	n, ok := millis(v)
	if !ok {
		n = w.facts.Received.UnixMilli()
	}
	return appendNumber(dst, n)
}

// appendValue appends the number of an event, null if it has none that a double
// can hold.
func appendValue(dst, v []byte) []byte {
	if jsonscan.KindOf(v) == jsonscan.String {
		v = bytes.TrimSpace(v[1 : len(v)-1])
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return append(dst, "null"...)
		}
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	}
	if jsonscan.KindOf(v) != jsonscan.Number {
		return append(dst, "null"...)
	}
	if bytes.IndexByte(v, 'e') >= 0 || bytes.IndexByte(v, 'E') >= 0 || len(v) > 300 {
		if _, err := strconv.ParseFloat(string(v), 64); err != nil { // out of range
			return append(dst, "null"...)
		}
	}
	return append(dst, v...)
}

// integer reads an integer from a number or a string.
func integer(v []byte) (int64, bool) {
	switch jsonscan.KindOf(v) {
	case jsonscan.Number:
	case jsonscan.String:
		v = bytes.TrimSpace(v[1 : len(v)-1])
	case jsonscan.Bad, jsonscan.Null, jsonscan.False, jsonscan.True, jsonscan.Array, jsonscan.Object:
		return 0, false
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || math.IsNaN(f) || f < math.MinInt64 || f >= math.MaxInt64 {
		return 0, false
	}
	return int64(f), true
}

// millis reads a time: a number is in milliseconds, as SDKs send it; a string
// may be in seconds, micro- or nanoseconds as well, which its size shows, or a
// date of RFC 3339.
func millis(v []byte) (int64, bool) {
	if jsonscan.KindOf(v) != jsonscan.String {
		return integer(v)
	}
	text := strings.TrimSpace(string(v[1 : len(v)-1]))
	n, ok := integer(v)
	switch {
	case !ok:
		at, err := time.Parse(time.RFC3339Nano, text)
		return at.UnixMilli(), err == nil
	case n >= 1e17:
		return n / 1e6, true
	case n >= 1e14:
		return n / 1e3, true
	case n >= 1e8 && n < 1e11:
		seconds, err := strconv.ParseFloat(text, 64) // there may be a fraction
		return int64(math.Round(seconds * 1e3)), err == nil
	}
	return n, true
}

// appendCompact appends a value without line breaks between its tokens.
func appendCompact(dst, v []byte) []byte {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return append(dst, v...)
	}
	quoted := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\': // within a string
			dst = append(dst, c, v[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, v[i])
	}
	return dst
}

// tooDeep reports whether a value nests deeper than MaxDepth.
func tooDeep(v []byte) bool {
	if len(v) <= 2*MaxDepth {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// SplitSDK takes the way an SDK names itself apart, at the first '-' that a
// digit follows: "nodejs-11.11.2" is "nodejs" and "11.11.2". Without one all of
// it is the SDK.
func SplitSDK(s string) (sdk, version string) {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '-' && s[i+1] >= '0' && s[i+1] <= '9' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// cut shortens what an SDK says about itself.
func cut(s string) string {
	if len(s) > maxHeader {
		return strings.ToValidUTF8(s[:maxHeader], "")
	}
	return s
}

// member returns the value of a member of an object, nil if it has none.
func member(object []byte, name string) (val []byte) {
	m := jsonscan.MembersOf(object)
	for m.Next() {
		if key, _ := m.Key(); string(key) == name {
			val, _ = m.Value()
		}
	}
	return val
}
