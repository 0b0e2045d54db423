package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"strm/internal/jsonscan"
)

var seeds = []string{
	`{}`, ` { } `, `{"a":1}`, "{ \"a\" : -0.5e+10 ,\t\"b\":[true,false, null ,\"x\",{}]}", `{"a":[]}`, `{"a":"\u00e9\n\"\\"}`,
	`{"\u0061":"\ud83d\ude00 \ud800 \udc00x"}`, `{"a":{"b":{"c":[[[{}]]]}},"a":"again"}`, `{"a":"0123456\"89abcdef0123456\\"}`,
	`[]`, `[1 , "2",[3],{"4":5}]`, `{"a":1`, `{"a"`, `{"a":}`, `{,}`, `[1,]`, `[`, `"`, `"\`, `{"a":"` + "\xff" + `"}`, strings.Repeat("[", 5000),
}

// rebuild walks v wholly and writes what it finds as JSON.
func rebuild(dst, v []byte, depth int) []byte {
	v = jsonscan.Trim(v)
	switch {
	case depth > 500:
	case jsonscan.KindOf(v) == jsonscan.Object:
		dst = append(dst, '{')
		m := jsonscan.MembersOf(v)
		for n := 0; m.Next(); n++ {
			if n > 0 {
				dst = append(dst, ',')
			}
			key, _ := m.Key()
			dst = append(jsonscan.Quote(dst, string(jsonscan.Unquote(nil, key))), ':')
			val, _ := m.Value()
			dst = rebuild(dst, val, depth+1)
		}
		return append(dst, '}')
	case jsonscan.KindOf(v) == jsonscan.Array:
		dst = append(dst, '[')
		e := jsonscan.ElementsOf(v)
		for n := 0; e.Next(); n++ {
			if n > 0 {
				dst = append(dst, ',')
			}
			val, _ := e.Value()
			dst = rebuild(dst, val, depth+1)
		}
		return append(dst, ']')
	case jsonscan.KindOf(v) == jsonscan.String && len(v) > 1:
		return jsonscan.Quote(dst, string(jsonscan.Unquote(nil, v[1:len(v)-1])))
	}
	return append(dst, v...)
}

// check compares a walk with encoding/json on valid text, and survives the rest.
func check(t *testing.T, b []byte) {
	t.Helper()
	got := rebuild(nil, b, 0)
	var want, have any
	if json.Unmarshal(b, &want) != nil {
		return
	}
	if err := json.Unmarshal(got, &have); err != nil {
		t.Fatalf("%q was rebuilt as %q: %v", b, got, err)
	}
	w, _ := json.Marshal(want)
	h, _ := json.Marshal(have)
	if !bytes.Equal(w, h) && !strings.Contains(string(b), strings.Repeat("[", 400)) {
		t.Fatalf("%q was rebuilt as %q", b, got)
	}
	if k := jsonscan.KindOf(jsonscan.Trim(b)); k == jsonscan.Object {
		m := jsonscan.MembersOf(b)
		for m.Next() {
		}
		if !m.OK() {
			t.Fatalf("%q was not read to its end", b)
		}
	}
}

func TestWalkIsWhatEncodingJSONReads(t *testing.T) {
	for _, s := range seeds {
		check(t, []byte(s))
	}
}

func TestEndsAreNoticed(t *testing.T) {
	for _, s := range []string{``, `{`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":"x`, `{"a":"x\`, `{"a":[1}`, `{a:1}`, `[`, `7`, `{"a" 1}`, `{"a":1 "b":2}`} {
		m := jsonscan.MembersOf([]byte(s))
		for m.Next() {
		}
		if m.OK() {
			t.Errorf("%q was taken for a whole object", s)
		}
	}
	for _, s := range []string{``, `[`, `[1`, `[1,`, `["x`, `{}`, `[1 2]`, `[,]`} {
		e := jsonscan.ElementsOf([]byte(s))
		for e.Next() {
		}
		if e.OK() {
			t.Errorf("%q was taken for a whole array", s)
		}
	}
}

func FuzzWalk(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		check(t, b)
		if !utf8.Valid(jsonscan.Unquote(nil, b)) {
			t.Fatalf("%q is not UTF-8 after Unquote", b)
		}
	})
}
