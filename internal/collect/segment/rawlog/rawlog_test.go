package rawlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/collect/segment/rawlog"
	"strm/internal/eventlog"
	"strm/internal/problem"
)

// lines parses and writes a body that must be accepted.
func lines(t *testing.T, body, callType string, f rawlog.Facts) ([]string, *rawlog.Batch) {
	t.Helper()
	var p rawlog.Parser
	b, err := p.Parse([]byte(body), callType, rawlog.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out, _ := b.AppendLines(nil, nil, f)
	return strings.SplitAfter(string(out), "\n")[:b.Len()], b
}

// member returns the text of a top-level member of a line, which must not
// contain text that looks like a key of the line.
func member(line, key string) string {
	_, rest, ok := strings.Cut(line, `"`+key+`":`)
	if !ok {
		return ""
	}
	depth, quoted := 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}'):
			return rest[:i]
		case c == '}' || c == ']':
			depth--
		}
	}
	return rest
}

func TestBodiesThatAreRefused(t *testing.T) {
	call := `{"type":"page","userId":"u"}`
	for _, c := range []struct{ body, callType, code, message string }{
		{"", "", rawlog.CodeInvalidJSON, "the body is empty"},
		{" ", "", rawlog.CodeInvalidJSON, "the body ends after byte 1, in the middle of its JSON: expected a value"},
		{`{"batch":[` + call, "", rawlog.CodeInvalidJSON, "the body ends after byte 38, in the middle of its JSON: expected ',' or ']' after a value"},
		{`{"type":"page",}`, "", rawlog.CodeInvalidJSON, `invalid character '}' at byte 16: expected a key in quotes`},
		{`{"a":"é` + "\n" + `"}`, "track", rawlog.CodeInvalidJSON, `invalid character '\n' at byte 9: expected an escape: control characters in a string must be written as \n, \t or \u00XX`},
		{`{"a":"\x"}`, "", rawlog.CodeInvalidJSON, `invalid character 'x' at byte 8: expected one of " \ / b f n r t u after a backslash`},
		{`{"a":"\u00g0"}`, "", rawlog.CodeInvalidJSON, `invalid character 'g' at byte 11: expected four hexadecimal digits after \u`},
		{call + call, "", rawlog.CodeInvalidJSON, `invalid character '{' at byte 29: expected nothing after the end of the JSON text`},
		{"[" + call + "]", "", rawlog.CodeInvalidBody, "the body must be a JSON object, this is an array"},
		{"true", "track", rawlog.CodeInvalidBody, "the body must be a JSON object, this is a boolean"},
		{"{}", "", rawlog.CodeInvalidBody, `the body is neither a batch, {"batch":[...]}, nor a call with a "type"`},
		{`{"batch":{}}`, "", rawlog.CodeInvalidBody, `"batch" must be an array of calls, this is an object`},
		{`{"batch":null,"type":"page"}`, "", rawlog.CodeInvalidBody, `"batch" must be an array of calls, this is null`},
		{`{"batch":[]}`, "", rawlog.CodeEmptyBatch, `"batch" is empty: there is nothing to store`},
		{`{"batch":[ ]}`, "track", rawlog.CodeEmptyBatch, `"batch" is empty: there is nothing to store`},
		{`{"batch":[` + call + `],"batch":[]}`, "", rawlog.CodeEmptyBatch, `"batch" is empty: there is nothing to store`},
	} {
		var p rawlog.Parser
		_, err := p.Parse([]byte(c.body), c.callType, rawlog.Limits{})
		var e *rawlog.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Message != c.message || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %#v", c.body, err)
		}
	}
}

func TestLimits(t *testing.T) {
	code := func(body string, l rawlog.Limits) string {
		var p rawlog.Parser
		_, err := p.Parse([]byte(body), "", l)
		var e *rawlog.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%v", err)
		}
		if e == nil {
			return ""
		}
		return e.Code
	}
	call := func(size int) string {
		const head, tail = `{"type":"page","userId":"u","pad":"`, `"}`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	batch := func(calls int, call, rest string) string {
		return `{"batch":[` + strings.Repeat(call+",", calls-1) + call + `]` + rest + `}`
	}
	context := func(size int) string {
		return `,"context":{"a":"` + strings.Repeat("x", size-8) + `"}`
	}
	for _, c := range []struct {
		name, body string
		limits     rawlog.Limits
		want       string
	}{
		{"call at the limit", call(32 << 10), rawlog.Limits{}, ""},
		{"call over it", call(32<<10 + 1), rawlog.Limits{}, rawlog.CodeEventTooLarge},
		{"white space counts", strings.Replace(call(32<<10), `"type"`, ` "type"`, 1), rawlog.Limits{}, rawlog.CodeEventTooLarge},
		{"call in a batch at the limit", batch(2, call(32<<10), ""), rawlog.Limits{}, ""},
		{"call in a batch over it", batch(2, call(32<<10+1), ""), rawlog.Limits{}, rawlog.CodeEventTooLarge},
		{"2500 calls", batch(2500, call(40), ""), rawlog.Limits{}, ""},
		{"2501 calls", batch(2501, call(40), ""), rawlog.Limits{}, rawlog.CodeTooManyEvents},
		{"what is no call counts", batch(3, "0", ""), rawlog.Limits{MaxEvents: 2}, rawlog.CodeTooManyEvents},
		{"context at the limit of a call", batch(1, call(50), context(100)), rawlog.Limits{MaxEvent: 100}, ""},
		{"context over it", batch(1, call(50), context(101)), rawlog.Limits{MaxEvent: 100}, rawlog.CodeEventTooLarge},
		{"context of two calls", batch(2, call(50), context(100)), rawlog.Limits{MaxShared: 200}, ""},
		{"context of three", batch(3, call(50), context(100)), rawlog.Limits{MaxShared: 200}, rawlog.CodeEventTooLarge},
		{"integrations are shared too", batch(2, call(50), strings.Replace(context(100), "context", "integrations", 1)+context(101)), rawlog.Limits{MaxShared: 401}, rawlog.CodeEventTooLarge},
	} {
		if got := code(c.body, c.limits); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNesting(t *testing.T) {
	var p rawlog.Parser
	deep := func(open, inner, end string, n int) []byte {
		return []byte(`{"type":"page","userId":"u","x":` + strings.Repeat(open, n) + inner + strings.Repeat(end, n) + `}`)
	}
	for _, c := range []struct{ open, inner, end string }{{"[", "", "]"}, {"[ ", "", "]"}, {`{"b":0,"a":`, "1", "}"}} {
		b, err := p.Parse(deep(c.open, c.inner, c.end, rawlog.MaxDepth-1), "", rawlog.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out, _ := b.AppendLines(nil, nil, facts("server", "", ""))
		checkLine(t, out, false)
		for _, n := range []int{rawlog.MaxDepth, 10_000, 1 << 20} {
			_, err := p.Parse(deep(c.open, c.inner, c.end, n), "", rawlog.Limits{})
			var e *rawlog.Error
			if !errors.As(err, &e) || e.Code != rawlog.CodeTooDeep {
				t.Errorf("%d times %q: %v", n, c.open, err)
			}
		}
	}
	// Brackets that never close are seen before the end of the body is missed.
	_, err := p.Parse([]byte(strings.Repeat("[", 10_000)), "", rawlog.Limits{})
	var e *rawlog.Error
	if !errors.As(err, &e) || e.Code != rawlog.CodeTooDeep || !strings.Contains(e.Message, "byte 513") {
		t.Errorf("%v", err)
	}
	// Both sides of a merge as deep as they may be.
	chain := strings.Repeat(`{"b":0,"a":`, rawlog.MaxDepth-4) + `{}` + strings.Repeat("}", rawlog.MaxDepth-4)
	checkBody(t, []byte(`{"batch":[{"type":"page","userId":"u","context":`+chain+`}],"context":`+strings.ReplaceAll(chain, "0", "1")+`}`), "", "client", "203.0.113.7", "")
}

func TestCallsThatAreLeftOut(t *testing.T) {
	for _, c := range []struct {
		call, callType string
		want           rawlog.Reason
	}{
		{`{"type":"track","event":"e","userId":"u"}`, "", ""},
		{`{"event":"e","userId":"u"}`, "track", ""},
		{`{"type":"","event":"e","userId":"u"}`, "track", ""},
		{`{"type":null,"event":"e","userId":"u"}`, "track", ""},
		{`{"type":"page","userId":"u"}`, "track", ""}, // the call knows better than the path
		{`{"type":"p\u0061ge","userId":"u"}`, "", ""},
		{`{"userId":"u"}`, "", rawlog.NoType},
		{`{"type":"","userId":"u"}`, "", rawlog.NoType},
		{`{"type":"Track","userId":"u","event":"e"}`, "", rawlog.UnknownType},
		{`{"type":"merge","userId":"u"}`, "track", rawlog.UnknownType},
		{`{"type":1,"userId":"u"}`, "track", rawlog.UnknownType},
		{`{"userId":"u"}`, "merge", rawlog.UnknownType},
		{`{"type":"page"}`, "", rawlog.NoUser},
		{`{"type":"page","userId":null,"anonymousId":""}`, "", rawlog.NoUser},
		{`{"type":"page","userId":{},"anonymousId":true}`, "", rawlog.NoUser},
		{`{"type":"group","groupId":"g","previousId":"p"}`, "", rawlog.NoUser},
		{`{"type":"page","userId":0}`, "", ""},
		{`{"type":"page","userId":null,"anonymousId":"a"}`, "", ""},
		{`{"type":"alias","previousId":"p"}`, "", ""},
		{`{"type":"alias","previousId":""}`, "", rawlog.NoUser},
		{`{"type":"track","userId":"u"}`, "", rawlog.NoEventName},
		{`{"type":"track","userId":"u","event":""}`, "", rawlog.NoEventName},
		{`{"type":"track","userId":"u","event":["e"]}`, "", rawlog.NoEventName},
		{`{"type":"track","userId":"u","event":7}`, "", ""},
		{`{"type":"page","userId":"u","messageId":7}`, "", rawlog.BadMessageID},
		{`{"type":"page","userId":"u","messageId":{}}`, "", rawlog.BadMessageID},
		{`{"type":"page","userId":"u","messageId":"a\u0000"}`, "", rawlog.BadMessageID},
		{`{"type":"page","userId":"u","messageId":"a\n"}`, "", rawlog.BadMessageID},
		{"{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"\x7f\"}", "", rawlog.BadMessageID},
		{"{\"type\":\"page\",\"userId\":\"u\",\"messageId\":\"\u0085\"}", "", rawlog.BadMessageID},
		{`{"type":"page","userId":"u","messageId":"` + strings.Repeat("é", 100) + `"}`, "", ""},
		{`{"type":"page","userId":"u","messageId":"` + strings.Repeat(`\ud83d\ude00`, 100) + `"}`, "", ""},
		{`{"type":"page","userId":"u","messageId":"` + strings.Repeat("x", 101) + `"}`, "", rawlog.BadMessageID},
		{`{"type":"page","userId":"u","messageId":""}`, "", ""},
		{`{"type":"page","userId":"u","messageId":null}`, "", ""},
	} {
		var p rawlog.Parser
		for _, body := range []string{c.call, `{"batch":[` + c.call + `]}`} {
			if body == c.call && c.want == rawlog.NoType && !strings.Contains(body, "type") {
				continue // that is no call at all
			}
			b, err := p.Parse([]byte(body), c.callType, rawlog.Limits{})
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			var got rawlog.Reason
			if len(b.Rejected()) > 0 {
				got = b.Rejected()[0].Reason
			}
			if got != c.want || b.Len() != 1-len(b.Rejected()) {
				t.Errorf("%s: %q, want %q; %d stored", body, got, c.want, b.Len())
			}
			if got.Dropped() != (got == "no_user" || got == "no_event_name") {
				t.Errorf("%s: dropped is %v", got, got.Dropped())
			}
		}
	}
}

// What the server says of itself is made JSON, whatever it is.
func TestFactsAreQuoted(t *testing.T) {
	f := facts("client", "a\nb", "\xff\"\\é")
	f.ProjectID = "\x00\x1f"
	got, _ := lines(t, `{"userId":"u"}`, "page", f)
	checkLine(t, []byte(got[0]), false)
	if member(got[0], "context") != `{"ip":"a\u000ab"}` || member(got[0], "writeKey") != `"`+"\ufffd"+`\"\\é"` || member(got[0], "projectId") != `"\u0000\u001f"` {
		t.Errorf("%s", got[0])
	}
}

// One bad call does not take its neighbours with it, and places are those of
// the request.
func TestNeighboursOfBadCalls(t *testing.T) {
	got, b := lines(t, `{"batch":[null,{"type":"page","userId":"a"},[],{"type":"track","userId":"u"},{"type":"page","userId":"b","writeKey":"W"},{"type":"?"}]}`, "", facts("server", "", ""))
	want := []rawlog.Rejection{{Index: 0, Reason: "not_an_object"}, {Index: 2, Reason: "not_an_object"}, {Index: 3, Reason: "no_event_name"}, {Index: 5, Reason: "unknown_type"}}
	if !slices.Equal(b.Rejected(), want) {
		t.Errorf("rejected %v", b.Rejected())
	}
	if len(got) != 2 || member(got[0], "userId") != `"a"` || member(got[1], "userId") != `"b"` {
		t.Errorf("lines %q", got)
	}
	if b.WriteKey() != "W" {
		t.Errorf("write key %q", b.WriteKey())
	}
}

func TestWriteKey(t *testing.T) {
	for body, want := range map[string]string{
		`{"batch":[{"type":"page","writeKey":"in\u0020call"}],"writeKey":"top"}`:       "top",
		`{"batch":[{"type":"page","writeKey":"in\u0020call"}],"writeKey":""}`:          "in call",
		`{"batch":[{"writeKey":null},{"writeKey":1},{"writeKey":"x"}],"writeKey":[1]}`: "x",
		`{"type":"page","writeKey":"single"}`:                                          "single",
		`{"type":"page"}`:                                                              "",
	} {
		if _, b := lines(t, body, "", facts("server", "", "")); b.WriteKey() != want {
			t.Errorf("%s: %q, want %q", body, b.WriteKey(), want)
		}
	}
	f := facts("server", "", `a"key`)
	got, _ := lines(t, `{"type":"page","userId":"u","writeKey":"sent"}`, "", f)
	if member(got[0], "writeKey") != `"a\"key"` {
		t.Errorf("%s", got[0])
	}
	got, _ = lines(t, `{"type":"page","userId":"u","write\u004bey":"sent"}`, "", facts("server", "", ""))
	if strings.Contains(got[0], "sent\"") {
		t.Errorf("%s", got[0])
	}
}

func TestContextAndIntegrations(t *testing.T) {
	for _, c := range []struct{ envelope, call, channel, context, integrations string }{
		{``, ``, "server", ``, `{}`},
		{``, ``, "client", `{"ip":"203.0.113.7"}`, `{}`},
		{``, `,"context":null,"integrations":null`, "client", `{"ip":"203.0.113.7"}`, `{}`},
		{``, `,"context":{"ip":"198.51.100.1"}`, "client", `{"ip":"198.51.100.1"}`, `{}`},
		{``, `,"context":{"ip":""}`, "client", `{"ip":""}`, `{}`},
		{``, `,"context":{"z":1,"ip":null,"a":2}`, "client", `{"a":2,"ip":"203.0.113.7","z":1}`, `{}`},
		{``, `,"context":{"z":1, "\u0069p":null}`, "client", `{"ip":"203.0.113.7","z":1}`, `{}`},
		{``, `,"context":{"direct":true}`, "server", `{"direct":true,"ip":"203.0.113.7"}`, `{}`},
		{``, `,"context":{"direct":"true"}`, "server", `{"direct":"true"}`, `{}`},
		{``, `,"context":{"direct":true,"ip":"198.51.100.1"}`, "server", `{"direct":true,"ip":"198.51.100.1"}`, `{}`},
		{`,"context":{"direct":true}`, ``, "server", `{"direct":true,"ip":"203.0.113.7"}`, `{}`},
		{`,"context":{"direct":true}`, `,"context":{"direct":false}`, "server", `{"direct":false}`, `{}`},
		{`,"context":{"ip":"198.51.100.1"}`, ``, "client", `{"ip":"198.51.100.1"}`, `{}`},
		{`,"context":{"ip":"198.51.100.1"}`, `,"context":{"ip":null}`, "client", `{"ip":"203.0.113.7"}`, `{}`},
		{`,"context":{"ip":null}`, `,"context":{"zz":0}`, "client", `{"ip":"203.0.113.7","zz":0}`, `{}`},
		{`,"context":[]`, `,"context":"text"`, "client", `"text"`, `{}`},
		{`,"context":{"a":1}`, `,"context":"text"`, "server", `"text"`, `{}`},
		{`,"context":{"l":{"v":"1","n":"go"},"a":[1,2],"x":{"y":1},"only":0}`, `,"context":{"l":{"v":"2", "o":null},"a":[3],"x":4}`, "server",
			`{"a":[3],"l":{"n":"go","o":null,"v":"2"},"only":0,"x":4}`, `{}`},
		{`,"integrations":{"All":false,"S":{"b":1,"a":1}}`, `,"integrations":{"All":true,"S":{"a":2}}`, "server", ``, `{"All":true,"S":{"a":2,"b":1}}`},
		{`,"integrations":{"All":false}`, ``, "server", ``, `{"All":false}`},
	} {
		body := `{"batch":[{"type":"page","userId":"u"` + c.call + `}]` + c.envelope + `}`
		got, _ := lines(t, body, "", facts(c.channel, "203.0.113.7", ""))
		if member(got[0], "context") != c.context || member(got[0], "integrations") != c.integrations {
			t.Errorf("%s\n%s", body, got[0])
		}
		checkBody(t, []byte(body), "", c.channel, "203.0.113.7", "")
	}
	got, _ := lines(t, `{"type":"page","userId":"u"}`, "", facts("client", "", ""))
	if strings.Contains(got[0], "context") {
		t.Errorf("a client without address: %s", got[0])
	}
}

func TestTextStaysAsSent(t *testing.T) {
	f := facts("server", "", "")
	for sent, want := range map[string]string{
		`[39.950,1e400,-0.0E-999,123456789012345678901234567890]`: `[39.950,1e400,-0.0E-999,123456789012345678901234567890]`,
		`[ 39.950 , 1E5 ]`:                  `[39.950,1E5]`,
		`"\u0041\/\ud800 \ud83d\ude00<&>"`:  `"\u0041\/\ud800 \ud83d\ude00<&>"`,
		"\"\u2028é\x7f\"":                   "\"\u2028é\x7f\"",
		"\"a\xffb\xc3\"":                    "\"a\ufffdb\ufffd\"",
		"{\"\xff\":1,\"\\ufffd\":2}":        `{"\ufffd":2}`,
		"{\"b\xfe\":[\"\xff\"],\"a\":1}":    "{\"a\":1,\"b\ufffd\":[\"\ufffd\"]}",
		`{"b":1,"a":2,"b":{"d":1,"c":2}}`:   `{"a":2,"b":{"c":2,"d":1}}`,
		`{"\u0062":1,"a":2,"b":3}`:          `{"a":2,"b":3}`,
		`{"b":3,"\u0062":1}`:                `{"\u0062":1}`,
		`{"\ud800":1,"\ud801":2}`:           `{"\ud800":1,"\ud801":2}`,
		`{"\ud801":1,"\uD800":2}`:           `{"\uD800":2,"\ud801":1}`,
		`{"😀":1,"\ud83d\ude00":2}`:          `{"\ud83d\ude00":2}`,
		`{"ab":1,"a":2,"":3,"a\u0000":4}`:   `{"":3,"a":2,"a\u0000":4,"ab":1}`,
		`{"B":1,"a":2,"_":3}`:               `{"B":1,"_":3,"a":2}`,
		`[[{"z":1,"y":[]}],[],[ ],{ }]`:     `[[{"y":[],"z":1}],[],[],{}]`,
		`{"k123456789":1,"k12345678":2}`:    `{"k12345678":2,"k123456789":1}`,
		"[1,\r\n2,\t{\"a\" : [ true ] }\n]": `[1,2,{"a":[true]}]`,
	} {
		got, _ := lines(t, `{"type":"page","userId":"u","a":`+sent+`}`, "", f)
		if rest, ok := strings.CutPrefix(got[0], `{"a":`+want+`,"channel"`); !ok || rest == "" {
			t.Errorf("%s: want %s, got %s", sent, want, got[0])
		}
	}
}

// Many members, as nobody sends them but somebody might.
func TestManyMembers(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"type":"page","userId":"u"`)
	for i := range 700 {
		fmt.Fprintf(&b, `,"key %d":%d`, i*7919%350, i)
	}
	b.WriteString("}")
	checkBody(t, []byte(b.String()), "", "server", "", "")
}

func TestServerFieldsWin(t *testing.T) {
	got, _ := lines(t, `{"type":"page","userId":"u","channel":"x","projectId":"x","version":"x","receivedAt":"x","writeKey":"x","sentAt":"x","timestamp":"x","originalTimestamp":"x","x":0}`, "", facts("server", "", ""))
	const want = `{"channel":"server","integrations":{},"messageId":"m1","originalTimestamp":"2026-11-20T08:00:20.203Z","projectId":"4mKq7ZtRw2","receivedAt":"2026-11-20T08:00:20.203Z","timestamp":"2026-11-20T08:00:20.203Z","type":"page","userId":"u","version":2,"x":0}` + "\n"
	if got[0] != want {
		t.Errorf("got\n%swant\n%s", got[0], want)
	}
}

func TestTimesOfCalls(t *testing.T) {
	for _, c := range []struct{ envelope, call, sent, original, at string }{
		{``, `,"timestamp":"2026-11-20T08:00:00Z"`, ``, `"2026-11-20T08:00:00.000Z"`, `"2026-11-20T08:00:00.000Z"`},
		{`,"sentAt":"2026-11-20T08:00:10Z"`, ``, `"2026-11-20T08:00:10.000Z"`, `"2026-11-20T08:00:20.203Z"`, `"2026-11-20T08:00:20.203Z"`},
		{`,"sentAt":"2026-11-20T08:00:10.0009Z"`, `,"timestamp":"2026-11-20T08:00:00.0001Z"`, `"2026-11-20T08:00:10.000Z"`, `"2026-11-20T08:00:00.000Z"`, `"2026-11-20T08:00:10.203Z"`},
		{`,"sentAt":"2026-11-20T08:00:10Z"`, `,"sentAt":"2026-11-20T08:00:09Z","timestamp":"2026-11-20T08:00:00Z"`, `"2026-11-20T08:00:09.000Z"`, `"2026-11-20T08:00:00.000Z"`, `"2026-11-20T08:00:11.203Z"`},
		{`,"sentAt":"2026-11-20T08:00:10Z"`, `,"sentAt":"soon","timestamp":1795161600`, `"2026-11-20T08:00:10.000Z"`, `"2026-11-20T08:00:00.000Z"`, `"2026-11-20T08:00:10.203Z"`},
		{`,"sentAt":"2026-11-20T08:00:10Z"`, `,"originalTimestamp":"2026-11-20T08:00:00Z"`, `"2026-11-20T08:00:10.000Z"`, `"2026-11-20T08:00:00.000Z"`, `"2026-11-20T08:00:10.203Z"`},
		{`,"sentAt":"9999-12-31T23:59:59Z"`, `,"timestamp":"0000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59.000Z"`, `"0000-01-01T00:00:00.000Z"`, `"0000-01-01T00:00:00.000Z"`},
		{`,"timestamp":"2020-01-01T00:00:00Z","messageId":"batch"`, ``, ``, `"2026-11-20T08:00:20.203Z"`, `"2026-11-20T08:00:20.203Z"`},
	} {
		body := `{"batch":[{"type":"page","userId":"u"` + c.call + `}]` + c.envelope + `}`
		got, _ := lines(t, body, "", facts("server", "", ""))
		if member(got[0], "sentAt") != c.sent || member(got[0], "originalTimestamp") != c.original || member(got[0], "timestamp") != c.at {
			t.Errorf("%s\n%s", body, got[0])
		}
		if member(got[0], "messageId") != `"m1"` {
			t.Errorf("the envelope's messageId was used: %s", got[0])
		}
	}
	for _, far := range []time.Time{{}, time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(40_000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		f := facts("server", "", "")
		f.Received = far
		got, _ := lines(t, `{"type":"page","userId":"u","sentAt":"9999-12-31T23:59:59Z","timestamp":"0000-01-01T00:00:00Z"}`, "", f)
		checkLine(t, []byte(got[0]), false)
	}
}

// Lines may be written again, later: the ids stay, generated ones too.
func TestWritingAgain(t *testing.T) {
	var p rawlog.Parser
	body := []byte(`{"batch":[{"type":"page","userId":"a"},{"type":"page","userId":"b","messageId":"\u0069d-1"},{"type":"page","userId":"c","messageId":""}]}`)
	b, err := p.Parse(body, "", rawlog.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f := facts("server", "", "")
	f.NewMessageID = func() func() string {
		n := 0
		return func() string { n++; return fmt.Sprintf("new \"%d\"", n) }
	}()
	one, ids := b.AppendLines([]byte("x"), []eventlog.ID{{1}}, f)
	f.Received = f.Received.Add(time.Hour)
	two, again := b.AppendLines(nil, nil, f)
	want := []eventlog.ID{{1}, eventlog.NewID([]byte(`new "1"`)), eventlog.NewID([]byte("id-1")), eventlog.NewID([]byte(`new "2"`))}
	if !slices.Equal(ids, want) || !slices.Equal(again, want[1:]) {
		t.Errorf("ids %x, then %x; want %x", ids, again, want)
	}
	if got := bytes.ReplaceAll(two, []byte("T09:00:20"), []byte("T08:00:20")); !bytes.Equal(got, one[1:]) || bytes.Equal(two, got) {
		t.Errorf("first\n%s\nthen\n%s", one, two)
	}
	if !bytes.Contains(one, []byte(`"messageId":"new \"2\""`)) || !bytes.Contains(one, []byte(`"messageId":"\u0069d-1"`)) {
		t.Errorf("%s", one)
	}
}

// A Parser forgets what it read before.
func TestParserIsUsedAgain(t *testing.T) {
	var p rawlog.Parser
	first, err := p.Parse([]byte(`{"batch":[{"type":"page"},{"type":"page","userId":"u"}],"sentAt":"2026-11-20T08:00:10Z","context":{"a":1},"integrations":{"b":1},"writeKey":"W"}`), "", rawlog.Limits{})
	if err != nil || first.Len() != 1 || len(first.Rejected()) != 1 {
		t.Fatal(first, err)
	}
	first.AppendLines(nil, nil, facts("client", "203.0.113.7", "K"))
	if _, err := p.Parse([]byte("{"), "", rawlog.Limits{}); err == nil {
		t.Fatal("accepted")
	}
	body := []byte(`{"type":"page","userId":"v"}`)
	b, err := p.Parse(body, "", rawlog.Limits{})
	if err != nil || b.WriteKey() != "" || b.Len() != 1 || len(b.Rejected()) != 0 {
		t.Fatal(b, err)
	}
	got, _ := b.AppendLines(nil, nil, facts("server", "", ""))
	want, _ := lines(t, string(body), "", facts("server", "", ""))
	if string(got) != want[0] {
		t.Errorf("got %s, want %s", got, want[0])
	}
}

// What Segment's Personas send passes like any other call.
func TestPersonas(t *testing.T) {
	got, _ := lines(t, `{"type":"identify","userId":"u1","traits":{"order_completed_last_30days":true},"context":{"personas":{"space_id":"spa_1","computation_class":"audience","computation_id":"aud_1","computation_key":"order_completed_last_30days","namespace":"spa_1"}},"integrations":{"All":false,"Warehouses":{"all":false}},"messageId":"p1","timestamp":"2026-11-20T08:00:00.000Z"}`, "", facts("server", "203.0.113.7", ""))
	const want = `{"channel":"server","context":{"personas":{"computation_class":"audience","computation_id":"aud_1","computation_key":"order_completed_last_30days","namespace":"spa_1","space_id":"spa_1"}},"integrations":{"All":false,"Warehouses":{"all":false}},"messageId":"p1","originalTimestamp":"2026-11-20T08:00:00.000Z","projectId":"4mKq7ZtRw2","receivedAt":"2026-11-20T08:00:20.203Z","timestamp":"2026-11-20T08:00:00.000Z","traits":{"order_completed_last_30days":true},"type":"identify","userId":"u1","version":2}` + "\n"
	if got[0] != want {
		t.Errorf("got\n%swant\n%s", got[0], want)
	}
}
