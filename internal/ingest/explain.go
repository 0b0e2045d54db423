package ingest

import (
	"bytes"
	"fmt"

	"strm/internal/jsontoken"
	"strm/internal/problem"
)

// report turns the flaw of the event that begins at body[i], on the given
// line or as the given element, into words. nl is the first line break within
// the event that was read before the flaw, -1 for none.
func (f *flaw) report(body []byte, i, line int, element bool, nl int) error {
	if f.want == wantShallow {
		return eventError(problem.Invalid, line, element, "nested too deep at byte %d of the event: at most %d levels are allowed", f.at-i+1, MaxDepth)
	}
	where := fmt.Sprintf("byte %d of the event", f.at-i+1)
	if nl >= 0 && !element {
		where = fmt.Sprintf("%s (line %d)", where, line+bytes.Count(body[i:min(f.at, len(body))], newline))
	}
	what := "the body ends at " + where + " in the middle of the event"
	if f.at < len(body) {
		what = fmt.Sprintf("invalid character %q at %s", jsontoken.FirstRune(body[f.at:]), where)
	}
	if nl >= 0 && !element && f.at > nl {
		what = fmt.Sprintf("the object is not closed at the end of its line (byte %d); read on as an object over several lines, %s", nl-i+1, what)
	}
	return eventError(problem.Invalid, line, element, "%s: expected %s", what, f.want)
}

// notObject explains why what begins at body[i] is no event.
func notObject(body []byte, i, line int, element bool) error {
	if what := jsontoken.KindOf(body[i:]); what != "" {
		return eventError(problem.Invalid, line, element, "an event must be a JSON object, this is %s", what)
	}
	return eventError(problem.Invalid, line, element, "invalid character %q: expected an event, that is a JSON object", jsontoken.FirstRune(body[i:]))
}
