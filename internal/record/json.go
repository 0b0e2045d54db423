package record

import (
	"bytes"
	"context"
	"unicode/utf8"

	"strm/internal/jsontoken"
)

// JSON reads values that are JSON objects.
type JSON struct {
	Limit int // bytes of a line without its '\n', at most; 0: MaxEvent, below: no limit
}

// AppendLine implements Values. The object's bytes stay as they are, unless it
// spans lines: then all white space between its tokens goes.
func (j JSON) AppendLine(_ context.Context, dst, value []byte) ([]byte, error) {
	limit := j.Limit
	if limit == 0 {
		limit = MaxEvent
	}
	if value == nil {
		return dst, Tombstone()
	}
	b := value
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		b = b[3:]
	}
	i := jsontoken.Space(b, 0)
	if i == len(b) {
		return dst, Invalid("an empty value: expected a JSON object")
	}
	if b[i] != '{' {
		return dst, notObject(b[i:])
	}
	var o object
	if fl := o.scan(b, i); fl != nil {
		return dst, fl.report(b, i)
	}
	if o.wide && !utf8.Valid(b[i:o.end]) {
		at := jsontoken.NotUTF8(b[i:o.end])
		return dst, Invalid("invalid UTF-8 at byte %d of the object (0x%02x)", at+1, b[i+at])
	}
	if end := jsontoken.Space(b, o.end); end < len(b) {
		return dst, Invalid("%q after the object: a value is one JSON object", jsontoken.FirstRune(b[end:]))
	}
	n := len(dst)
	if o.broken {
		dst = jsontoken.AppendCompact(dst, b[i:o.end])
	} else {
		dst = append(dst, b[i:o.end]...)
	}
	if limit > 0 && len(dst)-n > limit {
		return dst[:n], TooLarge(limit)
	}
	return append(dst, '\n'), nil
}

// notObject explains why what b begins with is no event.
func notObject(b []byte) error {
	if b[0] == 0 {
		return Invalid("a zero byte where a JSON object should begin: values with the id of a schema registry need a stream with --values registry")
	}
	if what := jsontoken.KindOf(b); what != "" {
		return Invalid("an event must be a JSON object, this is %s", what)
	}
	return Invalid("invalid character %q: expected a JSON object", jsontoken.FirstRune(b))
}

func (f *flaw) report(b []byte, i int) error {
	switch {
	case f.want == wantShallow:
		return Invalid("nested too deep at byte %d of the object: at most %d levels are allowed", f.at-i+1, MaxDepth)
	case f.at >= len(b):
		return Invalid("the value ends at byte %d in the middle of the object: expected %s", f.at-i+1, f.want)
	}
	return Invalid("invalid character %q at byte %d of the object: expected %s", jsontoken.FirstRune(b[f.at:]), f.at-i+1, f.want)
}
