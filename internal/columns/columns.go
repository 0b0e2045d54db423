// Package columns says what the columns of a table of JSON objects are, from a
// JSON Schema or from the objects themselves, and turns JSON text into the
// values of such columns. It knows no file format and does no I/O.
package columns

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Kind is the kind of a column's values.
type Kind uint8

// The kinds.
const (
	JSON      Kind = iota // any value, as JSON text
	String                // text; any value that is not a string as JSON text
	Bool                  //
	Int64                 // whole numbers that fit
	Double                //
	Date                  // days since 1970-01-01
	Time                  // microseconds since midnight, UTC
	Timestamp             // microseconds since 1970, UTC
	Millis                // milliseconds since 1970, from a number of them or from text
	Object                // Fields
	List                  // of Elem, which may be null
	Map                   // from text to Elem
	Union                 // one of Fields, each named by its type's Label; "type" says which
)

// Type is the type of a column or of a part of one.
type Type struct {
	Kind   Kind
	Label  string // what the schema calls it: "integer", "timestamp_with_timezone", ...; names the branch of a union
	Fields []Field
	Elem   *Type
}

// Field is a column, or a member of an Object column.
type Field struct {
	Key      string // the member of the JSON object
	Name     string // of the column
	Type     *Type
	Required bool // never null: what is missing or does not fit becomes the zero value, and a change
	Blank    bool // of text. With Required what is missing or null becomes the empty text, without it the empty text becomes null; neither is a change
	Rest     bool // gathers the members that are no other field's; Kind Map
}

// Change tells of a value that is not in the file as it was sent.
type Change struct {
	Field  string // path: "a", "a.b", "a.[3]"
	Change string // NULLED, TRUNCATED
	Reason string
}

// What strm itself reports.
const (
	Nulled        = "NULLED"
	NotConverted  = "DESTINATION_SERIALIZATION_ERROR"
	TooLargeValue = "DESTINATION_FIELD_SIZE_LIMITATION"
)

// SortByName sorts fields by the bytes of their names.
func SortByName(fs []Field) {
	slices.SortStableFunc(fs, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
}

// Clean returns a name of ASCII letters, digits and '_' that does not begin
// with a digit: accents are dropped (NFKD), everything else becomes '_'.
func Clean(name string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(name) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
			out.WriteRune(r)
		case r >= '0' && r <= '9':
			if out.Len() == 0 {
				out.WriteByte('_')
			}
			out.WriteRune(r)
		default:
			out.WriteByte('_')
		}
	}
	if out.Len() == 0 {
		return "_"
	}
	return out.String()
}

// Named returns the fields with names that are unique, not empty and not among
// taken, at every level; with clean, Clean names. Of fields whose names
// collide the first keeps it, the others get _1, _2, ... The given fields stay
// as they are.
func Named(fs []Field, clean bool, taken ...string) []Field {
	used := make(map[string]bool, len(fs)+len(taken))
	for _, t := range taken {
		used[t] = true
	}
	want := make([]string, len(fs))
	for i, f := range fs {
		want[i] = strings.ToValidUTF8(f.Name, "\uFFFD")
		if clean {
			want[i] = Clean(want[i])
		} else if want[i] == "" {
			want[i] = "_"
		}
	}
	next := map[string]int{}
	out := slices.Clone(fs)
	for i := range out {
		name := want[i]
		for used[name] {
			next[want[i]]++
			name = want[i] + "_" + strconv.Itoa(next[want[i]])
		}
		used[name] = true
		out[i].Name = name
		out[i].Type = out[i].Type.named(clean)
	}
	return out
}

func (t *Type) named(clean bool) *Type {
	if t.Elem == nil && len(t.Fields) == 0 {
		return t
	}
	c := *t
	if t.Elem != nil {
		c.Elem = t.Elem.named(clean)
	}
	if t.Kind == Union {
		c.Fields = Named(t.Fields, clean, "type")
	} else {
		c.Fields = Named(t.Fields, clean)
	}
	return &c
}

// Leaves returns how many physical columns the fields make.
func Leaves(fs []Field) int {
	n := 0
	for _, f := range fs {
		n += f.Type.leaves()
	}
	return n
}

func (t *Type) leaves() int {
	switch t.Kind {
	case Object:
		return Leaves(t.Fields)
	case Union:
		return 1 + Leaves(t.Fields)
	case List:
		return t.Elem.leaves()
	case Map:
		return 1 + t.Elem.leaves()
	case JSON, String, Bool, Int64, Double, Date, Time, Timestamp, Millis:
	}
	return 1
}
