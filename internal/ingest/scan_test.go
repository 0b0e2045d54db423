package ingest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

var scanSeeds = []string{
	`{}`, `{ }`, `{"a":1}`, `{"a":-0.5e+10,"b":[true,false,null,"x",{}]}`, `{"a":[]}`, `{"a":[ ]}`, `{"a":[1,]}`, `{"a":1,}`,
	`{"a" : "\u00e9\n\"\\"}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":tru}`,
	`{"a":"` + "\x01" + `"}`, `{"a":"é日本"}`, "{\"a\":\"\xff\"}", `{"a":{"b":{"c":[[[{}]]]}}}`, `{"a":[1 2]}`, `{"a" 1}`, `{a:1}`,
	`{"a":1`, `{"a`, `{`, `{"a":[}`, `{"a":{]}`, `{,}`, `{"a":}`, "{\n\"a\":\r\n1}", `{"strmMeta":{"x":1},"b":2}`, `{"strm\u004deta":3}`,
	`{"a":"0123456\"89abcdef0123456\\"}`, `{"x":[{"a":1},[2],{"b":[3,{"c":4}]}],"y":{"z":[]}}`, `{"a":"\ud800"}`, `{"a":-}`, `{"a":-01}`,
}

// check compares scan with encoding/json and gjson on a text that begins with '{'.
func check(t *testing.T, b []byte) {
	t.Helper()
	var o outline
	fl := o.scan(b, 0)
	whole := fl == nil && len(bytes.TrimRight(b[o.end:], " \t\r\n")) == 0
	depth := deepest(b)
	if want := json.Valid(b) && depth <= MaxDepth; whole != want {
		t.Fatalf("%q: scan says %v, encoding/json %v (flaw %+v)", b, whole, want, fl)
	}
	if depth <= MaxDepth && whole != gjson.ValidBytes(b) {
		t.Fatalf("%q: scan says %v, gjson %v", b, whole, !whole)
	}
	if fl != nil {
		if fl.at < 0 || fl.at > len(b) || fl.want == "" {
			t.Fatalf("%q: flaw %+v", b, fl)
		}
		return
	}
	if !json.Valid(b[:o.end]) {
		t.Fatalf("%q: accepted %q", b, b[:o.end])
	}
	ev := b[:o.end]
	if !o.wide && !utf8.Valid(ev) {
		t.Fatalf("%q: invalid UTF-8 not noticed", ev)
	}
	if want := bytes.IndexAny(ev, "\r\n"); o.newline != want {
		t.Fatalf("%q: newline %d, want %d", ev, o.newline, want)
	}
	if o.empty != (len(bytes.Trim(ev, "{} \t\r\n")) == 0) {
		t.Fatalf("%q: empty is %v", ev, o.empty)
	}
	// encoding/json keeps the last of equal keys, so look only where there is one.
	var m map[string]json.RawMessage
	if err := json.Unmarshal(ev, &m); err != nil {
		t.Fatal(err)
	}
	if raw, ok := m["strmMeta"]; ok != (o.metas > 0) && utf8.Valid(ev) {
		t.Fatalf("%q: strmMeta found %d times", ev, o.metas)
	} else if o.metas == 1 && !bytes.Equal(raw, ev[o.metaVal:o.metaEnd]) && utf8.Valid(ev) {
		t.Fatalf("%q: strmMeta at %q, want %q", ev, ev[o.metaVal:o.metaEnd], raw)
	}
}

func deepest(b []byte) int {
	deep, most, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			deep++
			most = max(most, deep)
		case !quoted && (c == '}' || c == ']'):
			deep--
		}
	}
	return most
}

func TestScanAgreesWithStandardLibrary(t *testing.T) {
	for _, s := range scanSeeds {
		check(t, []byte(s))
	}
	for _, n := range []int{MaxDepth - 1, MaxDepth, 10_000} {
		check(t, []byte(`{"a":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`}`))
		check(t, []byte(strings.Repeat(`{"a":`, n)+"1"+strings.Repeat("}", n)))
	}
	// Mutations of valid texts reach states that whole seeds do not.
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []byte(`{}[]",:\/ue019-+.E tfn` + "\n\x00\x7f\x80\xc3")
	for range 40_000 {
		b := []byte(scanSeeds[rng.IntN(len(scanSeeds))])
		for range 1 + rng.IntN(3) {
			at := rng.IntN(len(b))
			switch rng.IntN(3) {
			case 0:
				b[at] = alphabet[rng.IntN(len(alphabet))]
			case 1:
				b = append(b[:at:at], b[min(at+1, len(b)):]...)
			default:
				b = append(b[:at:at], append([]byte{alphabet[rng.IntN(len(alphabet))]}, b[at:]...)...)
			}
			if len(b) == 0 {
				break
			}
		}
		if len(b) > 0 {
			b[0] = '{'
			check(t, b)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range scanSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 && b[0] == '{' {
			check(t, b)
		}
	})
}
