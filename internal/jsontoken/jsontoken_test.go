package jsontoken_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"strm/internal/jsontoken"
)

// pieces are what tokens are likely to go wrong with.
var pieces = []string{`"`, `\`, `\\`, `\"`, `\n`, `\u00e9`, `\u12g4`, `\u1`, `\x`, "\n", "\x1f", "\x7f", "é", "\xff", "a", "abcdefgh", "0", "12", "-", "+", ".", "e", "E", " "}

func mixed(rng *rand.Rand) []byte {
	var b []byte
	for range rng.IntN(6) {
		b = append(b, pieces[rng.IntN(len(pieces))]...)
	}
	return b
}

// Text and Number accept what encoding/json accepts, wherever the token stands
// between the words of eight bytes, and say truly what they saw.
func TestTokensAreThoseOfEncodingJSON(t *testing.T) {
	const seed = 8
	rng := rand.New(rand.NewPCG(seed, seed))
	texts, numbers := 0, 0
	for range 200_000 {
		in := append([]byte{'"'}, mixed(rng)...)
		end, f := jsontoken.Text(in, 1)
		if good := f&jsontoken.Flaw == 0; good {
			texts++
			if !json.Valid(in[:end]) {
				t.Fatalf("%q is called a string", in[:end])
			}
			wide, escaped := false, false
			for _, c := range in[:end] {
				wide, escaped = wide || c > 0x7f, escaped || c == '\\'
			}
			if wide && f&jsontoken.Wide == 0 || escaped != (f&jsontoken.Escaped != 0) {
				t.Fatalf("%q: flags %b", in[:end], f)
			}
		} else {
			for n := 1; n <= len(in); n++ {
				if json.Valid(in[:n]) {
					t.Fatalf("%q is called no string (at %d)", in[:n], end)
				}
			}
			if end > len(in) || f.Want() == "" {
				t.Fatalf("%q: %d, %q", in, end, f.Want())
			}
		}
		in = mixed(rng)
		if len(in) == 0 || in[0] != '-' && (in[0] < '0' || in[0] > '9') {
			continue
		}
		if end, ok := jsontoken.Number(in, 0); ok {
			numbers++
			if !json.Valid(in[:end]) {
				t.Fatalf("%q is called a number", in[:end])
			}
			for n := end + 1; n <= len(in); n++ {
				if in[n-1] > ' ' && json.Valid(in[:n]) {
					t.Fatalf("%q is called a number of %q", in[:end], in[:n])
				}
			}
		} else if json.Valid(in) {
			t.Fatalf("%q is called no number", in)
		}
	}
	if texts < 1000 || numbers < 1000 {
		t.Errorf("only %d strings and %d numbers", texts, numbers)
	}
}

func TestFlawsArePlaced(t *testing.T) {
	for in, want := range map[string]struct {
		at   int
		want string
	}{
		`"abc`:              {4, "a closing quote"},
		`"abcdefghi` + "\n": {10, `an escape: control characters in a string must be written as \n, \t or \u00XX`},
		`"ab\xc"`:           {4, `one of " \ / b f n r t u after a backslash`},
		`"ab\u12g4"`:        {7, `four hexadecimal digits after \u`},
		`"ab\u12`:           {7, "a closing quote"},
		`"0123456789ab\`:    {14, "a closing quote"},
		`"0123456701234567`: {17, "a closing quote"},
	} {
		if at, f := jsontoken.Text([]byte(in), 1); f&jsontoken.Flaw == 0 || at != want.at || f.Want() != want.want {
			t.Errorf("%q: %d, %b, %q", in, at, f, f.Want())
		}
	}
	for in, at := range map[string]int{"-": 1, "1.": 2, "1.e": 2, "1e": 2, "1e+": 3, "-x": 1} {
		if got, ok := jsontoken.Number([]byte(in), 0); ok || got != at {
			t.Errorf("%q: %d, %v", in, got, ok)
		}
	}
	for in, at := range map[string]int{"true": 4, "trux": 3, "tr": 2} {
		if got, ok := jsontoken.Word([]byte(in), 0, "true"); got != at || ok != (at == 4) {
			t.Errorf("%q: %d, %v", in, got, ok)
		}
	}
	if at := jsontoken.Space([]byte(" \t\r\n\v x"), 0); at != 4 {
		t.Errorf("white space ends at %d", at)
	}
}
