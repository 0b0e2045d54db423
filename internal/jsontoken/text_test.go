package jsontoken_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"strm/internal/jsontoken"
)

// What is written as a string reads back as what it was.
func FuzzAppendQuoted(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b\\c\n\r\t\x00\x1f\x7f", "\u2028é"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		if at := jsontoken.NotUTF8(s); (at == len(s)) != utf8.Valid(s) || !utf8.Valid(s[:at]) {
			t.Fatalf("%q is not UTF-8 from %d on", s, at)
		}
		if !utf8.Valid(s) {
			return
		}
		quoted := jsontoken.AppendQuoted([]byte("x"), s)[1:]
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil || got != string(s) {
			t.Fatalf("%q became %s: %v", s, quoted, err)
		}
	})
}

func FuzzAppendCompact(f *testing.F) {
	f.Add([]byte("{ \"a \\\" b\" : [ 1,\r\n\t2 ] }"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var want bytes.Buffer
		if json.Compact(&want, text) != nil {
			return
		}
		if got := jsontoken.AppendCompact(nil, text); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q became %q, want %q", text, got, want.Bytes())
		}
	})
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]string{"[1]": "an array", `"x"`: "a string", "-1": "a number", "7": "a number", "null": "null", "true": "a boolean", "false": "a boolean", "x": "", "nul": ""} {
		if got := jsontoken.KindOf([]byte(text)); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}
