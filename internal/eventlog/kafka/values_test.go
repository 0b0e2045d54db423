package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"strm/internal/problem"
)

func checkValue(t *testing.T, v []byte) {
	t.Helper()
	dst := []byte("before\n")
	got, err := Objects{}.AppendLine(context.Background(), dst, v)
	trimmed := bytes.Trim(v, " \t\r\n")
	want := json.Valid(v) && len(trimmed) > 0 && trimmed[0] == '{' && utf8.Valid(v)
	if (err == nil) != want {
		t.Fatalf("%q: %v", v, err)
	}
	if err != nil {
		if problem.KindOf(err) != problem.Corrupt || !bytes.Equal(got, dst) {
			t.Fatalf("%q: %v (%v), %q", v, err, problem.KindOf(err), got)
		}
		return
	}
	line, ok := bytes.CutPrefix(got, dst)
	if !ok || bytes.Count(line, newline) != 1 || line[len(line)-1] != '\n' {
		t.Fatalf("%q became %q", v, got)
	}
	var a, b bytes.Buffer
	if json.Compact(&a, v) != nil || json.Compact(&b, line) != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatalf("%q became %q", v, line)
	}
}

var samples = []string{
	"", "{", "{}", " {} ", "[]", "null", `"a"`, "{}{}", "{},", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}`, `{"a":[1,2,{"b":null}],"c":"é\n"}`,
	"{\n  \"a\": [\n 1,\r\n 2 ]\n}\n", `{"a":[}`, `{"a":[1 2]}`, `{"a":tru}`, `{"a":-}`, `{"a":1e5,"b":-0.1}`, `{"a":[],"b":{}}`, "{\"a\":\"\xff\"}", "{\"a\n\":1}",
	`{"a":[[[[]]]]}`, `{"a":1]`, `{"a":{"b":[{"c":{}}]}}`, `[{}]`, "\xef\xbb\xbf{}", `{"a":[,]}`, `{,}`, `{"a":[1,]}`,
}

func TestObjectsAreThoseOfEncodingJSON(t *testing.T) {
	for _, s := range samples {
		checkValue(t, []byte(s))
	}
	deep := append(append([]byte(`{"a":`), bytes.Repeat([]byte("["), 5000)...), append(bytes.Repeat([]byte("]"), 5000), '}')...)
	if _, err := (Objects{}).AppendLine(context.Background(), nil, deep); problem.KindOf(err) != problem.Corrupt {
		t.Fatalf("%v", err)
	}
}

func FuzzObjects(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		if bytes.Count(v, []byte("["))+bytes.Count(v, []byte("{")) > maxDepth {
			return
		}
		checkValue(t, v)
	})
}
