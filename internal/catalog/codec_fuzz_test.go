package catalog

import (
	"reflect"
	"testing"

	"strm/internal/problem"
)

// roundTrip checks a decoder on any text: it refuses with kind Corrupt, or
// what it understood comes back unchanged from the encoder.
func roundTrip[T any](t *testing.T, text string, decode func(string) (T, error), encode func(T) string) {
	t.Helper()
	v, err := decode(text)
	if err != nil {
		if problem.KindOf(err) != problem.Corrupt {
			t.Fatalf("%q: kind %v", text, problem.KindOf(err))
		}
		return
	}
	again, err := decode(encode(v))
	if err != nil || !reflect.DeepEqual(again, v) {
		t.Fatalf("%q: %v became %v, %v", text, v, again, err)
	}
}

func FuzzStoredForms(f *testing.F) {
	for _, s := range []string{
		`[]`, `[0]`, `[0,5,9223372036854775807]`, `[-1]`, `[1.5]`, `null`, ``, `[1]x`, `[1][2]`, `[1]]`,
		`[[0,1,2]]`, `[[0,1,2],[1,5,9]]`, `[[0,2,1]]`, `[[0,1]]`, `[[0,1,2,3]]`, `[[2147483648,0,1]]`, `[null]`,
		`["a","é"]`, `[""]`, `["\ud800"]`,
		`{"pathPrefix":"p","layout":"strm","format":"jsonl","compression":"none"}`, `{"later":1}`, `{"PATHPREFIX":"x"}`, `{}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		roundTrip(t, text, decodePosition, encodePosition)
		roundTrip(t, text, decodeRanges, encodeRanges)
		roundTrip(t, text, func(s string) ([]string, error) { return decodeTexts("tags", s) }, encoded(t, encodeTexts))
		roundTrip(t, text, decodeOutput, encoded(t, encodeOutput))
	})
}

func encoded[T any](t *testing.T, encode func(T) (string, error)) func(T) string {
	return func(v T) string {
		s, err := encode(v)
		if err != nil {
			t.Fatalf("encode %v: %v", v, err)
		}
		return s
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{`null`, `[-1]`, `[1]x`, `[1][2]`, `{}`, ``, `["1"]`, `[1.5]`} {
		if p, err := decodePosition(text); err == nil {
			t.Errorf("position %q: %v", text, p)
		}
	}
	for _, text := range []string{`[null]`, `[[0,2,1]]`, `[[0,1,1]]`, `[[0,1]]`, `[[0,1,2,3]]`, `[[-1,1,2]]`, `[[0,-1,2]]`, `[[2147483648,0,1]]`} {
		if r, err := decodeRanges(text); err == nil {
			t.Errorf("ranges %q: %v", text, r)
		}
	}
	if o, err := decodeOutput(`{"later":1}`); err == nil {
		t.Errorf("a setting of a later version is dropped: %v", o)
	}
}
