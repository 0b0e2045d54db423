package record_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"strm/internal/problem"
	"strm/internal/record"
)

func line(t testing.TB, value string) string {
	t.Helper()
	got, err := record.JSON{}.AppendLine(t.Context(), []byte("before\n"), []byte(value))
	if err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	rest, ok := strings.CutPrefix(string(got), "before\n")
	if !ok {
		t.Fatalf("%q: what was there before is gone: %q", value, got)
	}
	return rest
}

func TestObjectsBecomeLines(t *testing.T) {
	for value, want := range map[string]string{
		`{}`:                         `{}`,
		"{\"a\":1}":                  `{"a":1}`,
		" \t{ \"a\" : [ 1 , {} ] } ": `{ "a" : [ 1 , {} ] }`, // no line break: as it is
		"\n{\"a\": 1 }\n":            `{"a": 1 }`,            // around it, not in it
		"{\n  \"a\": \"x \\n y\",\r\n \"b\":[1,\n2]}": `{"a":"x \n y","b":[1,2]}`,
		"\xef\xbb\xbf{\"é\":\"\u2028\"}":              "{\"é\":\"\u2028\"}",
		`{"a":1,"a":2}`:                               `{"a":1,"a":2}`, // as at the intake
		`{"n":1e400,"big":123456789012345678901}`:     `{"n":1e400,"big":123456789012345678901}`,
	} {
		if got := line(t, value); got != want+"\n" {
			t.Errorf("%q became %q, want %q", value, got, want)
		}
	}
}

func TestOtherValuesAreRefused(t *testing.T) {
	for value, want := range map[string]string{
		"":                       "empty value",
		" \n":                    "empty value",
		`[{}]`:                   "this is an array",
		`"x"`:                    "this is a string",
		`-1`:                     "this is a number",
		`null`:                   "this is null",
		`true`:                   "this is a boolean",
		`plain text`:             `invalid character 'p'`,
		"\x00\x00\x00\x00\x07{}": "--values registry",
		`{"a":1}{"b":2}`:         `'{' after the object`,
		`{"a":1,}`:               "byte 8 of the object: expected a key in quotes",
		`{"a" 1}`:                "expected ':'",
		`{"a":}`:                 "byte 6 of the object: expected a value",
		`{"a":[1,]}`:             "byte 9 of the object: expected a value",
		`{"a":[1 2]}`:            "',' or ']'",
		`{"a":1]`:                "',' or '}'",
		`{"a":01}`:               "',' or '}'",
		`{"a":trve}`:             "expected true",
		`{"a":"x`:                "ends at byte 8",
		"{\"a\":\"\n\"}":         "control characters",
		"{\"a\":\"\xff\"}":       "invalid UTF-8 at byte 7 of the object (0xff)",
		`{"a":`:                  "in the middle of the object: expected a value",
		strings.Repeat(`{"a":`, 513) + "1" + strings.Repeat("}", 513): "at most 512 levels",
	} {
		got, err := record.JSON{}.AppendLine(t.Context(), []byte("x"), []byte(value))
		if err == nil || problem.KindOf(err) != problem.Corrupt || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", value, err, want)
		}
		if string(got) != "x" {
			t.Errorf("%.60q left %q behind", value, got)
		}
	}
}

func TestLimits(t *testing.T) {
	_, err := record.JSON{}.AppendLine(t.Context(), nil, nil)
	if err == nil || err.Error() != "a null value: a tombstone of a compacted topic" || problem.KindOf(err) != problem.Corrupt {
		t.Errorf("tombstone: %v", err)
	}
	line(t, strings.Repeat(`{"a":`, 511)+"[]"+strings.Repeat("}", 511))
	j := record.JSON{Limit: 7}
	if _, err := j.AppendLine(t.Context(), nil, []byte("{\n\"a\" : 1}")); err != nil {
		t.Errorf("seven bytes without white space: %v", err)
	}
	got, err := j.AppendLine(t.Context(), []byte("x"), []byte(`{"a":12}`))
	if problem.KindOf(err) != problem.Corrupt || string(got) != "x" {
		t.Errorf("eight bytes: %q, %v", got, err)
	}
	large := []byte(`{"a":"` + strings.Repeat("x", record.MaxEvent) + `"}`)
	if _, err := (record.JSON{}).AppendLine(t.Context(), nil, large); problem.KindOf(err) != problem.Corrupt {
		t.Errorf("over a MiB: %v", err)
	}
	if got, err := (record.JSON{Limit: -1}).AppendLine(t.Context(), nil, large); err != nil || len(got) != len(large)+1 {
		t.Errorf("without a limit: %d bytes, %v", len(got), err)
	}
}

func TestJSONAllocatesNothing(t *testing.T) {
	value, dst := []byte(`{"a":[1,2,{"b":"text \u00e9"}],"c":null}`), make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := (record.JSON{}).AppendLine(t.Context(), dst, value); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per value", n)
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,{"b":[]}],"c":"\u00e9\n"}`, "{\n\"a\" :\t-1.5e+3}", `{"a":tru}`, `[{}]`, "{\"\xc3\":1}", `{"a":{}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if value == nil {
			value = []byte{}
		}
		got, err := record.JSON{Limit: 1 << 30}.AppendLine(t.Context(), nil, value)
		bare := bytes.TrimLeft(bytes.TrimPrefix(value, []byte("\xef\xbb\xbf")), " \t\r\n")
		want := json.Valid(bare) && bytes.HasPrefix(bare, []byte("{")) && utf8.Valid(bare)
		if err != nil {
			if want && !strings.Contains(err.Error(), "levels") {
				t.Fatalf("%q is refused: %v", value, err)
			}
			return
		}
		if !want {
			t.Fatalf("%q became %q", value, got)
		}
		if bytes.Count(got, []byte("\n")) != 1 || got[len(got)-1] != '\n' || bytes.Contains(got, []byte("\r")) {
			t.Fatalf("%q is no line", got)
		}
		var a, b bytes.Buffer
		if json.Compact(&a, bare) != nil || json.Compact(&b, got) != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Fatalf("%q became %q", value, got)
		}
	})
}
