package rawlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"strm/internal/collect/segment/rawlog"
)

// naive is the normaliser written the obvious way, with maps and the standard
// library, as a second opinion. Its body must be JSON.
type naive struct {
	facts    rawlog.Facts
	callType string
	lines    []map[string]any
	rejected []rawlog.Rejection
}

// naiveParse returns nil if the body is refused.
func naiveParse(body []byte, callType string, f rawlog.Facts) *naive {
	n := &naive{facts: f, callType: callType}
	root, ok := decode(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))).(map[string]any)
	if !ok {
		return nil
	}
	batch, has := root["batch"]
	calls, isList := batch.([]any)
	envelope := map[string]any{}
	switch {
	case isList && len(calls) == 0:
		return nil
	case isList:
		envelope = root
	case has && callType == "":
		return nil
	default:
		if _, typed := root["type"]; !typed && callType == "" {
			return nil
		}
		calls = []any{root}
	}
	for i, c := range calls {
		line, reason := n.line(c, envelope)
		if reason != "" {
			n.rejected = append(n.rejected, rawlog.Rejection{Index: i, Reason: reason})
			continue
		}
		n.lines = append(n.lines, line)
	}
	return n
}

func decode(b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(fmt.Sprintf("%q: %v", b, err))
	}
	return v
}

func (n *naive) line(v any, envelope map[string]any) (map[string]any, rawlog.Reason) {
	in, ok := v.(map[string]any)
	if !ok {
		return nil, rawlog.NotAnObject
	}
	line := maps.Clone(in)
	if line["type"] == nil || line["type"] == "" {
		if n.callType == "" {
			return nil, rawlog.NoType
		}
		line["type"] = n.callType
	}
	switch line["type"] {
	case "track", "identify", "page", "screen", "group", "alias":
	default:
		return nil, rawlog.UnknownType
	}
	if !named(in["userId"]) && !named(in["anonymousId"]) && (line["type"] != "alias" || !named(in["previousId"])) {
		return nil, rawlog.NoUser
	}
	if line["type"] == "track" && !named(in["event"]) {
		return nil, rawlog.NoEventName
	}
	switch id := in["messageId"].(type) {
	case nil:
		line["messageId"] = n.facts.NewMessageID()
	case string:
		if id == "" {
			line["messageId"] = n.facts.NewMessageID()
		}
		if utf8.RuneCountInString(id) > 100 || strings.ContainsFunc(id, unicode.IsControl) {
			return nil, rawlog.BadMessageID
		}
	default:
		return nil, rawlog.BadMessageID
	}

	line["channel"], line["projectId"], line["version"] = n.facts.Channel, n.facts.ProjectID, json.Number("2")
	delete(line, "writeKey")
	if n.facts.WriteKey != "" {
		line["writeKey"] = n.facts.WriteKey
	}
	set(line, "context", merge(asObject(envelope["context"]), in["context"]))
	set(line, "integrations", merge(asObject(envelope["integrations"]), in["integrations"]))
	if line["integrations"] == nil {
		line["integrations"] = map[string]any{}
	}
	n.address(line)
	n.times(line, in, envelope)
	return line, ""
}

func (n *naive) address(line map[string]any) {
	ctx, ok := line["context"].(map[string]any)
	if !ok && line["context"] != nil || n.facts.IP == "" || ctx["ip"] != nil {
		return
	}
	if n.facts.Channel == "client" || ctx["direct"] == true {
		if ctx == nil {
			ctx = map[string]any{}
		}
		ctx["ip"] = n.facts.IP
		line["context"] = ctx
	}
}

func (n *naive) times(line, in, envelope map[string]any) {
	const form = "2006-01-02T15:04:05.000Z"
	received := n.facts.Received.Truncate(time.Millisecond).UTC()
	first := func(values ...any) *time.Time {
		for _, v := range values {
			if t := naiveTime(v); t != nil {
				return t
			}
		}
		return nil
	}
	said, sent := first(in["timestamp"], in["originalTimestamp"]), first(in["sentAt"], envelope["sentAt"])
	original, at := received, received
	if said != nil {
		original, at = *said, *said
	}
	delete(line, "sentAt")
	if sent != nil {
		line["sentAt"] = sent.Format(form)
	}
	if said != nil && sent != nil {
		if c := time.UnixMilli(received.UnixMilli() - (sent.UnixMilli() - said.UnixMilli())).UTC(); printable(c) {
			at = c
		}
	}
	line["receivedAt"], line["originalTimestamp"], line["timestamp"] = received.Format(form), original.Format(form), at.Format(form)
}

func printable(t time.Time) bool { return t.Year() >= 0 && t.Year() <= 9999 }

func named(v any) bool {
	if s, ok := v.(string); ok {
		return s != ""
	}
	_, ok := v.(json.Number)
	return ok
}

func asObject(v any) any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	return nil
}

func set(m map[string]any, key string, v any) {
	delete(m, key)
	if v != nil {
		m[key] = v
	}
}

// merge treats nil as missing, which is right at the top; below, a null that
// was sent is kept by the presence of its key.
func merge(below, above any) any {
	b, ok := below.(map[string]any)
	if above == nil && ok {
		return maps.Clone(b)
	}
	a, isObject := above.(map[string]any)
	if !isObject || !ok {
		return above
	}
	out := maps.Clone(b)
	for k, v := range a {
		if w, both := out[k]; both && v != nil {
			v = merge(w, v)
		}
		out[k] = v
	}
	return out
}

var (
	isoForm   = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])| ?(UTC|Z)| ?([+-])(\d\d)(?::?(\d\d))?)?)?$`)
	epochForm = regexp.MustCompile(`^(\d{9,15})(?:\.(\d+))?$`)
)

func naiveTime(v any) *time.Time {
	s, _ := v.(string)
	if num, ok := v.(json.Number); ok {
		s = num.String()
	}
	num := func(s string) int {
		n, _ := strconv.Atoi("0" + s)
		return n
	}
	milli := func(s string) int { return num((s + "000")[:3]) }
	var t time.Time
	if m := epochForm.FindStringSubmatch(s); m != nil {
		switch n := num(m[1]); {
		case n < 1e8:
			return nil
		case n < 1e11:
			t = time.UnixMilli(int64(n)*1000 + int64(milli(m[2]))).UTC()
		default:
			t = time.UnixMilli(int64(n)).UTC()
		}
	} else if m := isoForm.FindStringSubmatch(s); m != nil && v == any(s) {
		midnight := time.Date(num(m[1]), time.Month(num(m[2])), num(m[3]), 0, 0, 0, 0, time.UTC)
		if midnight.Format(time.DateOnly) != s[:10] || num(m[4]) > 23 || num(m[5]) > 59 || num(m[6]) > 60 || num(m[11]) > 23 || num(m[12]) > 59 {
			return nil
		}
		t = time.Date(num(m[1]), time.Month(num(m[2])), num(m[3]), num(m[4]), num(m[5]), num(m[6]), milli(m[7])*1e6, time.UTC)
		offset := time.Duration(num(m[11]))*time.Hour + time.Duration(num(m[12]))*time.Minute
		if m[10] == "-" {
			offset = -offset
		}
		t = t.Add(-offset)
	} else {
		return nil
	}
	if !printable(t) {
		return nil
	}
	return &t
}
