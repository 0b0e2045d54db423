// Package envelope is what formats write around an event: ids and times under
// the names that Tarsal and Airbyte gave them. The table of what stands where is
// in docs/design/0009-formats.md.
package envelope

import (
	"strconv"
	"strings"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/jsonscan"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Part is one thing that a row can hold.
type Part uint8

// The parts.
const (
	Metadata   Part = iota // object of id and time
	ID                     // the event's UUID
	Time                   // milliseconds since 1970
	Meta                   // {"sync_id":...,"changes":[...]}
	Generation             // number of the generation
	Data                   // the event
	DataWithID             // the event with the id as its first member
	Root                   // the event's members
)

// Envelope is a style with its names. It is immutable.
type Envelope struct {
	Style stream.EnvelopeStyle
	Flat  bool // the event's members stand at the top level
	names [Root]string
}

// Of returns the envelope of an output; flat is what the format does when the
// output does not say. Errors are of kind Invalid.
func Of(o stream.Output, flat bool) (*Envelope, error) {
	e := &Envelope{Style: o.Envelope.Style, Flat: flat}
	switch o.Envelope.Style {
	case stream.EnvelopeNone:
		e.names = [Root]string{Data: "data"}
	case stream.EnvelopeTarsal, stream.EnvelopeTarsalProse:
		e.names = [Root]string{Metadata: "_tarsal_metadata", ID: "_tarsal_ab_id", Time: "_tarsal_emitted_at", Data: "data"}
	case stream.EnvelopeAirbyte0:
		e.names = [Root]string{ID: "_airbyte_ab_id", Time: "_airbyte_emitted_at", Data: "_airbyte_data"}
	case stream.EnvelopeAirbyte1:
		e.names = [Root]string{ID: "_airbyte_raw_id", Time: "_airbyte_extracted_at", Meta: "_airbyte_meta", Generation: "_airbyte_generation_id", Data: "_airbyte_data"}
	default:
		return nil, problem.New(problem.Invalid, "envelope %q is not known; use tarsal, tarsal-prose, airbyte-0.x or airbyte-1.x, or none", o.Envelope.Style)
	}
	for part, name := range map[Part]string{
		Metadata: o.Envelope.MetadataName, ID: o.Envelope.IDName, Time: o.Envelope.TimeName,
		Data: o.Envelope.DataName, Meta: o.Envelope.MetaName, Generation: o.Envelope.GenerationName,
	} {
		switch {
		case name == "":
		case e.names[part] == "":
			return nil, problem.New(problem.Invalid, "envelope %q has nothing to be called %q", o.Envelope.Style, name)
		case len(name) > 256 || strings.ToValidUTF8(name, "") != name:
			return nil, problem.New(problem.Invalid, "the name %.40q of the envelope is too long, or not UTF-8", name)
		default:
			e.names[part] = name
		}
	}
	e.names[DataWithID] = e.names[Data]
	for _, together := range [][]Part{{ID, Time, Meta, Generation}, {Metadata, Data}, {Time, Data}, {ID, Data}, {Meta, Data}, {Generation, Data}} {
		if e.Style == stream.EnvelopeTarsal && len(together) == 2 && together[0] != Metadata {
			continue // id and time are inside
		}
		for i, p := range together {
			if e.names[p] != "" && e.takes([]byte(e.names[p]), together[:i]) {
				return nil, problem.New(problem.Invalid, "the name %.80q would stand for two things of the envelope", e.names[p])
			}
		}
	}
	switch o.Flattening {
	case stream.FlattenDefault:
	case stream.FlattenNone:
		e.Flat = false
	case stream.FlattenRoot:
		e.Flat = true
	default:
		return nil, problem.New(problem.Invalid, "flattening %q is not known; use none or root", o.Flattening)
	}
	return e, nil
}

// Name returns what a part is called.
func (e *Envelope) Name(p Part) string { return e.names[p] }

// Columns returns the parts of a row of cells, in order. Root stands for the
// columns of the event's members.
func (e *Envelope) Columns() []Part {
	switch e.Style {
	case stream.EnvelopeTarsal:
		if e.Flat {
			return []Part{Time, ID, Root}
		}
		return []Part{Metadata, Data}
	case stream.EnvelopeTarsalProse:
		if e.Flat {
			return []Part{Time, ID, Data}
		}
		return []Part{Time, DataWithID}
	case stream.EnvelopeAirbyte0:
		if e.Flat {
			return []Part{ID, Time, Root}
		}
		return []Part{ID, Time, Data}
	case stream.EnvelopeAirbyte1:
		if e.Flat {
			return []Part{ID, Time, Meta, Generation, Root}
		}
		return []Part{ID, Time, Meta, Generation, Data}
	case stream.EnvelopeNone:
	}
	if e.Flat {
		return []Part{Root}
	}
	return []Part{Data}
}

// Append appends the text of a part other than Root: JSON, but for the text of
// ID. Run numbers come from run.
func (e *Envelope) Append(dst []byte, p Part, run format.Run, r *format.Row, event []byte) []byte {
	switch p {
	case ID:
		return AppendUUID(dst, r.ID)
	case Time:
		return strconv.AppendInt(dst, r.At, 10)
	case Generation:
		return strconv.AppendInt(dst, run.GenerationID, 10)
	case Meta:
		return appendMeta(dst, run.SyncID, r.Changes)
	case Metadata:
		dst = e.member(append(dst, '{'), ID)
		dst = append(AppendUUID(append(dst, '"'), r.ID), '"', ',')
		dst = append(e.member(dst, Time), '"')
		return append(strconv.AppendInt(dst, r.At, 10), '"', '}')
	case DataWithID:
		dst = e.member(append(dst, '{'), ID)
		dst = append(AppendUUID(append(dst, '"'), r.ID), '"')
		dst, event = members(dst, e.apart(event, ID))
	case Data, Root:
	}
	return append(dst, event...)
}

// Object makes the event in its envelope one JSON object: head, which is
// appended to dst, then body, which is of the event, then tail.
func (e *Envelope) Object(dst []byte, run format.Run, r *format.Row, event []byte) (head, body []byte, tail string) {
	switch e.Style {
	case stream.EnvelopeNone:
		return dst, event, ""
	case stream.EnvelopeTarsal, stream.EnvelopeTarsalProse:
		// That vendor's flattening is CSV's alone.
		dst = e.Append(e.member(append(dst, '{'), Metadata), Metadata, run, r, event)
		return e.member(append(dst, ','), Data), event, "}"
	case stream.EnvelopeAirbyte0, stream.EnvelopeAirbyte1:
	}
	dst = e.member(append(dst, '{'), ID)
	dst = append(AppendUUID(append(dst, '"'), r.ID), '"', ',')
	dst = e.Append(e.member(dst, Time), Time, run, r, nil)
	if e.Style == stream.EnvelopeAirbyte1 {
		dst = e.Append(e.member(append(dst, ','), Meta), Meta, run, r, nil)
		dst = e.Append(e.member(append(dst, ','), Generation), Generation, run, r, nil)
	}
	if e.Flat {
		parts := []Part{ID, Time}
		if e.Style == stream.EnvelopeAirbyte1 {
			parts = []Part{ID, Time, Meta, Generation}
		}
		dst, body = members(dst, e.apart(event, parts...))
		return dst, body, ""
	}
	return e.member(append(dst, ','), Data), event, "}"
}

// member appends the key of a part, with its colon.
func (e *Envelope) member(dst []byte, p Part) []byte {
	return append(jsonscan.Quote(dst, e.names[p]), ':')
}

// members returns the members of an object with its closing brace, to go on
// with where others stand already; dst gets the comma between.
func members(dst, event []byte) (head, rest []byte) {
	inner := event[jsonscan.Space(event, 0)+1:]
	inner = inner[jsonscan.Space(inner, 0):]
	if inner[0] != '}' {
		dst = append(dst, ',')
	}
	return dst, inner
}

// Check refuses what is not a JSON object. It looks at both ends alone: see
// format.RowWriter.
func Check(event []byte) ([]byte, error) {
	v := jsonscan.Trim(event)
	if len(v) < 2 || v[0] != '{' || v[len(v)-1] != '}' {
		return nil, problem.New(problem.Invalid, "an event must be a JSON object, not %.40q", v)
	}
	return v, nil
}

func appendMeta(dst []byte, sync int64, changes []columns.Change) []byte {
	dst = strconv.AppendInt(append(dst, `{"sync_id":`...), sync, 10)
	dst = append(dst, `,"changes":[`...)
	for i, c := range changes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.Quote(append(dst, `{"field":`...), c.Field)
		dst = jsonscan.Quote(append(dst, `,"change":`...), c.Change)
		dst = jsonscan.Quote(append(dst, `,"reason":`...), c.Reason)
		dst = append(dst, '}')
	}
	return append(dst, ']', '}')
}
