package rawlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"strm/internal/collect/segment/rawlog"
	"strm/internal/eventlog"
	"strm/internal/problem"
)

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

var received = time.Date(2026, 11, 20, 8, 0, 20, 203_456_789, time.UTC)

// facts returns facts whose ids count from m1.
func facts(channel, ip, writeKey string) rawlog.Facts {
	n := 0
	return rawlog.Facts{
		Received: received, ProjectID: "4mKq7ZtRw2", Channel: channel, IP: ip, WriteKey: writeKey,
		NewMessageID: func() string { n++; return fmt.Sprintf("m%d", n) },
	}
}

// half finds what may be one half of a surrogate pair. The standard library
// takes a half without the other for U+FFFD, so keys that differ become the
// same to it.
var half = regexp.MustCompile(`(?i)\\ud[89a-f]`)

func hasHalves(body []byte) bool {
	if !half.Match(body) {
		return false
	}
	again, err := json.Marshal(decode(body))
	return err != nil || bytes.Contains(again, []byte(`\ufffd`)) || bytes.Contains(again, []byte("\ufffd"))
}

// checkBody parses and writes a body and holds everything that must be so
// whatever the body is, and the naive normaliser's answer, against the result.
func checkBody(t failer, body []byte, callType, channel, ip, writeKey string) {
	t.Helper()
	var p rawlog.Parser
	sent := bytes.Clone(body)
	b, err := p.Parse(body, callType, rawlog.Limits{MaxEvent: 1 << 30, MaxEvents: 1 << 30, MaxShared: 1 << 30})
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if err != nil {
		var e *rawlog.Error
		if !errors.As(err, &e) || problem.KindOf(err) != problem.Invalid || e.Message == "" || b != nil {
			t.Fatalf("%q: %v, %#v", body, b, err)
		}
		if (e.Code == rawlog.CodeInvalidJSON) == json.Valid(text) {
			t.Fatalf("%q: refused as %s (%v), but valid JSON is %v", body, e.Code, e, json.Valid(text))
		}
		if e.Code == rawlog.CodeInvalidBody || e.Code == rawlog.CodeEmptyBatch {
			if naiveParse(body, callType, facts(channel, ip, writeKey)) != nil {
				t.Fatalf("%q: refused: %v", body, e)
			}
		}
		return
	}
	if !json.Valid(text) {
		t.Fatalf("%q: accepted", body)
	}

	f := facts(channel, ip, writeKey)
	out, ids := b.AppendLines([]byte("before\n"), nil, f)
	again, idsAgain := b.AppendLines([]byte("before\n"), nil, f)
	if !bytes.Equal(out, again) || !slices.Equal(ids, idsAgain) {
		t.Fatalf("%q: second writing differs:\n%s\n%s", body, out, again)
	}
	if !bytes.Equal(sent, body) {
		t.Fatalf("%q: the body was changed to %q", sent, body)
	}
	lines := bytes.SplitAfter(out, []byte("\n"))[1:]
	lines = lines[:len(lines)-1]
	if len(lines) != b.Len() || len(ids) != b.Len() {
		t.Fatalf("%q: %d calls, %d lines, %d ids", body, b.Len(), len(lines), len(ids))
	}
	split := hasHalves(text)
	for i, l := range lines {
		checkLine(t, l, split)
		if !split && eventlog.NewID([]byte(decode(l).(map[string]any)["messageId"].(string))) != ids[i] {
			t.Fatalf("%q: id %x is not that of %s", body, ids[i], l)
		}
	}
	if split {
		return
	}
	want := naiveParse(body, callType, facts(channel, ip, writeKey))
	if want == nil {
		t.Fatalf("%q: accepted", body)
		return
	}
	if !slices.Equal(want.rejected, b.Rejected()) || len(want.lines) != len(lines) {
		t.Fatalf("%q: rejected %v, want %v", body, b.Rejected(), want.rejected)
	}
	for i, l := range lines {
		if got := decode(l); !reflect.DeepEqual(got, any(want.lines[i])) {
			t.Fatalf("%q:\ngot  %s\nwant %v", body, l, want.lines[i])
		}
	}
}

// checkLine checks the form of a line. With split the order of its keys is
// not looked at.
func checkLine(t failer, line []byte, split bool) {
	t.Helper()
	text, ok := bytes.CutSuffix(line, []byte("\n"))
	if !ok || bytes.ContainsAny(text, "\r\n") || !json.Valid(text) || !utf8.Valid(text) {
		t.Fatalf("%q is not JSON on one line", line)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil || !bytes.Equal(compact.Bytes(), text) {
		t.Fatalf("%q has white space", line)
	}
	if !split {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		checkOrder(t, d, text)
	}
}

func checkOrder(t failer, d *json.Decoder, text []byte) {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	last, some := "", false
	for open, ok := token.(json.Delim); ok && d.More(); {
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if k := key.(string); some && k <= last {
				t.Fatalf("%q: key %q after %q", text, k, last)
			}
			last, some = key.(string), true
		}
		checkOrder(t, d, text)
	}
	if _, ok := token.(json.Delim); ok {
		if _, err := d.Token(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
}

// The generators below write JSON texts, white space, equal keys, escapes and
// what is not quite UTF-8 included.
var (
	genSpace  = rapid.SampledFrom([]string{"", "", "", "", " ", "\n", "\t \r\n"})
	genKey    = rapid.SampledFrom([]string{"a", "b", "ab", "", "ip", `\u0069p`, "direct", "library", "context", "é", "\xff", "long key number 1", "long key number 2", `long key\u0020number 1`, `\u0000`, "a\\u0000", "😀", `\ud83d\ude00`})
	genString = rapid.SampledFrom([]string{"", "x", "track", `\"`, `\\`, `tr\u0061ck`, "é日本", "\xed\xa0\x80", "a\xc3", `\u2028`, "\u2028", "0123456789abcdef", `0123456\n`, "2026-11-20T08:00:00Z", strings.Repeat("é", 100), strings.Repeat("é", 101), "\u0085"})
	genScalar = rapid.SampledFrom([]string{"null", "true", "false", "0", "-0", "39.950", "1e400", "-1E-999", "12345678901234567890123456789", "1795161463647"})
	genTime   = rapid.SampledFrom([]string{"2026-11-20T08:00:20.165Z", "2026-11-20T08:00:20.1659Z", "2026-11-20T07:58:30.028789253Z", "2024-02-29T23:59:60+02:00", "0000-01-01T00:00:00Z", "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-00:01", "2026-11-20 08:00:00", "2026-11-20 08:00:00 UTC", "2026-11-20 08:00 +0530", "2026-11-20", "2023-02-29T00:00:00Z", "yesterday", "1795161463", "1795161463.6479", "179516146364", "", `2026\u002d11-20T08:00:00Z`})
)

func quoted(s string) string { return `"` + s + `"` }

func genValue(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		switch {
		case depth > 0 && kind < 4:
			return genObject(genKey, func(string) *rapid.Generator[string] { return genValue(depth - 1) }).Draw(t, "object")
		case depth > 0 && kind < 5:
			return genList(genValue(depth-1), 0).Draw(t, "list")
		case kind < 8:
			return quoted(genString.Draw(t, "text"))
		}
		return genScalar.Draw(t, "scalar")
	})
}

func genList(of *rapid.Generator[string], atLeast int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var parts []string
		for _, v := range rapid.SliceOfN(of, atLeast, 4).Draw(t, "elements") {
			parts = append(parts, genSpace.Draw(t, "space")+v+genSpace.Draw(t, "space"))
		}
		if parts == nil {
			return "[" + genSpace.Draw(t, "space") + "]"
		}
		return "[" + strings.Join(parts, ",") + "]"
	})
}

func genObject(keys *rapid.Generator[string], value func(key string) *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		space := func() string { return genSpace.Draw(t, "space") }
		var parts []string
		for _, k := range rapid.SliceOfN(keys, 0, 30).Draw(t, "keys") {
			parts = append(parts, space()+quoted(k)+space()+":"+space()+value(k).Draw(t, "value")+space())
		}
		if parts == nil {
			return "{" + space() + "}"
		}
		return "{" + strings.Join(parts, ",") + "}"
	})
}

var (
	callKeys = []string{"type", "type", "userId", "userId", "anonymousId", "previousId", "event", "event", "messageId", "timestamp", "originalTimestamp", "sentAt", "context", "integrations", "properties", "writeKey", "channel", "projectId", "version", "receivedAt", "_metadata", "batch", `\u0074ype`, `con\u0074ext`, "zzz", "A"}
	genCall  = genObject(rapid.SampledFrom(callKeys), genMember)
	genBody  = rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 3).Draw(t, "form") == 0 {
			return genCall.Draw(t, "call")
		}
		keys := rapid.SampledFrom([]string{"batch", "context", "integrations", "sentAt", "writeKey", "timestamp", "messageId"})
		return genObject(keys, func(key string) *rapid.Generator[string] {
			if key == "batch" {
				return genList(rapid.OneOf(genCall, genCall, genCall, genValue(1)), 0)
			}
			return genMember(key)
		}).Draw(t, "envelope")
	})
)

func genMember(key string) *rapid.Generator[string] {
	plausible := func(s ...string) *rapid.Generator[string] {
		return rapid.OneOf(rapid.SampledFrom(s), rapid.SampledFrom(s), rapid.SampledFrom(s), genValue(1))
	}
	switch key {
	case "type", `\u0074ype`:
		return plausible(`"track"`, `"page"`, `"alias"`, `"identify"`, `"\u0067roup"`, `"screen"`)
	case "userId", "anonymousId", "previousId", "event":
		return plausible(`"u1"`, `17`, `"é"`)
	case "messageId":
		return plausible(`"id-1"`, `"id\u002d1"`, `""`)
	case "timestamp", "originalTimestamp", "sentAt":
		return rapid.OneOf(rapid.Map(genTime, quoted), rapid.Map(genTime, quoted), genValue(1))
	}
	return genValue(3)
}

func TestAgreesWithTheNaiveNormaliser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := genBody.Draw(t, "body")
		callType := rapid.SampledFrom([]string{"", "track", "identify", "nonsense"}).Draw(t, "callType")
		channel := rapid.SampledFrom([]string{"client", "server"}).Draw(t, "channel")
		ip := rapid.SampledFrom([]string{"", "203.0.113.7"}).Draw(t, "ip")
		writeKey := rapid.SampledFrom([]string{"", "WK"}).Draw(t, "writeKey")
		checkBody(t, []byte(body), callType, channel, ip, writeKey)
	})
}

var seeds = []string{
	`{"type":"track","event":"e","userId":1,"context":{"direct":true},"timestamp":"2026-11-20T08:00:00Z"}`,
	`{"batch":[{"type":"page","anonymousId":"a","context":{"b":{"y":1,"x":[{"b":1,"a":2}, 3]}}},null,{"type":"x"}],"context":{"b":{"z":null,"y":2},"a":[]},"sentAt":"9999-01-01T00:00:00Z","integrations":{"All":false}}`,
	`{"type":"alias","previousId":"p","messageId":"\u00e9","a":1,"\u0061":2,"\ud800":3,"\udbff":4}`, "\xef\xbb\xbf{\"type\":\"group\",\"userId\":\"\xff\",\"\xfe\":1,\"\xff\":2}",
	`{"batch":[]}`, `{"batch":{}}`, `[]`, `{}`, ``, `{"type":"track"} x`, `{"type":tru}`, `{"a":"\x"}`, `{"a":"\u12`, `{"a":-}`, `{"a":1.}`, `{"a":1e+}`, `{"a":[1,]}`, `{"a" 1}`, `{"a":1,}`, `{,}`, "{\"a\":\"\n\"}", `{"a":"`,
	`{"batch":[{"type":"track","event":"e","userId":"u"}],"batch":[{"type":"identify","userId":"u","messageId":null,"timestamp":1795161463647}]}`,
}

func TestSeedBodies(t *testing.T) {
	for _, s := range append(slices.Clone(seeds), captureBodies(t)...) {
		for _, callType := range []string{"", "track"} {
			checkBody(t, []byte(s), callType, "client", "203.0.113.7", "")
			checkBody(t, []byte(s), callType, "server", "203.0.113.7", "WK")
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range append(slices.Clone(seeds), captureBodies(f)...) {
		f.Add([]byte(s), "", true)
		f.Add([]byte(s), "track", false)
	}
	f.Fuzz(func(t *testing.T, body []byte, callType string, client bool) {
		channel := "server"
		if client {
			channel = "client"
		}
		if len(body) < 1<<20 && utf8.ValidString(callType) {
			checkBody(t, body, callType, channel, "203.0.113.7", "")
		}
	})
}
