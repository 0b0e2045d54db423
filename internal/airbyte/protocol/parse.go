package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"strm/internal/jsonscan"
)

// ErrNotJSON says that a line is no JSON object: something else wrote to the
// source's output. Such lines are no messages.
var ErrNotJSON = errors.New("not a JSON object")

// meant reports whether a line that is not valid JSON was meant as a message
// that must not be lost. Sources write NaN, or several threads of theirs at once.
func meant(line []byte) bool {
	for _, word := range []string{`"RECORD"`, `"STATE"`, `"TRACE"`} {
		if bytes.Contains(line, []byte(word)) {
			return true
		}
	}
	first := bytes.TrimLeft(line[1:], " \t")
	for _, key := range []string{`"record"`, `"state"`, `"trace"`} { // the type may come last
		if bytes.HasPrefix(first, []byte(key)) {
			return true
		}
	}
	return false
}

// Parse reads a line. Properties it does not know are accepted, null is as good
// as absent, and of a repeated key the last counts. ErrNotJSON is in the chain
// if the line is no message; other errors mean a message that is broken, or was
// meant as one and is not valid JSON: passed over, it would be lost. Text
// that is not UTF-8 is repaired with U+FFFD first: then the message points into
// a copy.
func Parse(line []byte) (Message, error) {
	line = jsonscan.Trim(bytes.TrimPrefix(line, []byte("\uFEFF"))) // some shells begin a pipe with a byte order mark
	if len(line) == 0 || line[0] != '{' {
		return Message{}, ErrNotJSON
	}
	if !json.Valid(line) {
		if meant(line) {
			var v json.RawMessage
			return Message{}, fmt.Errorf("a message that is not valid JSON: %w", json.Unmarshal(line, &v))
		}
		return Message{}, ErrNotJSON
	}
	if !utf8.Valid(line) {
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	}
	var typ string
	var record, state, trace []byte
	var at span
	m := jsonscan.MembersOf(line)
	for m.Next() {
		v, _ := m.Value()
		switch key(&m) {
		case "type":
			typ = text(&m)
		case "record":
			record = v
		case "state":
			state = v
			at = span{m.At(), m.At() + len(v)}
		case "trace":
			trace = v
		}
	}
	switch typ {
	case "RECORD":
		return parseRecord(record)
	case "STATE":
		return parseState(line, state, at)
	case "TRACE":
		return parseTrace(trace)
	}
	return Message{}, nil
}

func key(m *jsonscan.Members) string {
	raw, escaped := m.Key()
	if escaped {
		return string(jsonscan.Unquote(nil, raw))
	}
	return string(raw)
}

// text returns a member that is a string; anything else is as good as absent.
func text(m *jsonscan.Members) string {
	v, escaped := m.Value()
	if jsonscan.KindOf(v) != jsonscan.String {
		return ""
	}
	v = v[1 : len(v)-1]
	if escaped {
		return string(jsonscan.Unquote(nil, v))
	}
	return string(v)
}

func parseRecord(v []byte) (Message, error) {
	if jsonscan.KindOf(v) != jsonscan.Object {
		return Message{}, errors.New("a RECORD message without a record")
	}
	out := Message{Kind: KindRecord}
	r := &out.Record
	m := jsonscan.MembersOf(v)
	for m.Next() {
		v, _ := m.Value()
		switch key(&m) {
		case "stream":
			r.Stream.Name = text(&m)
		case "namespace":
			r.Stream.Namespace = text(&m)
		case "data":
			r.Data = v
		case "emitted_at":
			at, err := number(v)
			if err != nil {
				return out, fmt.Errorf("a record of stream %q: emitted_at: %w", r.Stream.Name, err)
			}
			r.EmittedAt = at
		case "meta":
			r.Changes = member(v, "changes", jsonscan.Array)
		case "file_reference":
			r.File = jsonscan.KindOf(v) == jsonscan.Object
		}
	}
	if r.Stream.Name == "" {
		return out, errors.New("a record without the name of its stream")
	}
	if jsonscan.KindOf(r.Data) != jsonscan.Object {
		return out, fmt.Errorf("a record of stream %q whose data is not an object", r.Stream.Name)
	}
	return out, nil
}

// mostMillis bounds a time: readers of tables count in microseconds, and fail at
// a file with more. Nanoseconds in the place of milliseconds are above it.
const mostMillis = math.MaxInt64 / 1000

// number reads whole numbers, also when they are written as 1e3 or 5.0.
func number(v []byte) (int64, error) {
	if jsonscan.KindOf(v) == jsonscan.Null {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(string(v), 64)
		if err = ferr; math.Abs(f) <= mostMillis {
			n = int64(f)
		} else {
			n = math.MaxInt64
		}
	}
	if err != nil || n > mostMillis || n < -mostMillis {
		return 0, fmt.Errorf("%.40q is not a number of milliseconds", v)
	}
	return n, nil
}

// member returns the last member of that name and kind, or nothing.
func member(v []byte, name string, kind jsonscan.Kind) []byte {
	var found []byte
	m := jsonscan.MembersOf(v)
	for m.Next() {
		if key(&m) == name {
			found = nil
			if v, _ := m.Value(); jsonscan.KindOf(v) == kind {
				found = v
			}
		}
	}
	return found
}

func descriptor(v []byte) Descriptor {
	var d Descriptor
	m := jsonscan.MembersOf(v)
	for m.Next() {
		switch key(&m) {
		case "name":
			d.Name = text(&m)
		case "namespace":
			d.Namespace = text(&m)
		}
	}
	return d
}

func parseState(line, v []byte, at span) (Message, error) {
	if jsonscan.KindOf(v) != jsonscan.Object {
		return Message{}, errors.New("a STATE message without a state")
	}
	out := Message{Kind: KindState, State: State{Line: line, object: at}}
	s := &out.State
	typ, n := "", 0
	var before int // where the member before ends
	m := jsonscan.MembersOf(v)
	for m.Next() {
		val, _ := m.Value()
		end := at.from + m.At() + len(val)
		switch key(&m) {
		case "type":
			typ = text(&m)
		case "stream":
			s.Stream = descriptor(member(val, "stream_descriptor", jsonscan.Object))
		case "destinationStats":
			s.stats = statsSpan(line, at, n, before, end)
		}
		before = end
		n++
	}
	switch typ {
	case "STREAM":
		s.Type = PerStream
		if s.Stream.Name == "" {
			return out, errors.New("a STREAM state without the name of its stream")
		}
	case "GLOBAL":
		s.Type = Global
	case "", "LEGACY":
		s.Type = Legacy
	default:
		return out, fmt.Errorf("a state of the unknown type %.40q", typ)
	}
	return out, nil
}

// statsSpan covers a member that ends at end: with the comma before it, or, for
// the first member, with the one after it.
func statsSpan(line []byte, object span, n, before, end int) span {
	if n > 0 {
		return span{before, end}
	}
	i := jsonscan.Space(line, end)
	if line[i] == ',' {
		i++
	} else {
		i = end
	}
	return span{object.from + 1, i}
}

func parseTrace(v []byte) (Message, error) {
	status := member(v, "stream_status", jsonscan.Object)
	var typ string
	m := jsonscan.MembersOf(v)
	for m.Next() {
		if key(&m) == "type" {
			typ = text(&m)
		}
	}
	if typ != "STREAM_STATUS" {
		return Message{}, nil
	}
	out := Message{Kind: KindStatus}
	word := ""
	m = jsonscan.MembersOf(status)
	for m.Next() {
		switch key(&m) {
		case "stream_descriptor":
			v, _ := m.Value()
			out.Status.Stream = descriptor(v)
		case "status":
			word = text(&m)
		}
	}
	switch word {
	case "STARTED":
		out.Status.Status = Started
	case "RUNNING":
		out.Status.Status = Running
	case "COMPLETE":
		out.Status.Status = Complete
	case "INCOMPLETE":
		out.Status.Status = Incomplete
	default:
		return out, fmt.Errorf("a stream status of the unknown value %.40q", word)
	}
	if out.Status.Stream.Name == "" {
		return out, errors.New("a stream status without the name of its stream")
	}
	return out, nil
}
