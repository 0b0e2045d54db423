package columns

import (
	"encoding/json"
	"fmt"
	"strings"

	"strm/internal/jsonscan"
	"strm/internal/problem"
)

// Bounds of a schema.
const (
	MaxSchema  = 1 << 20 // bytes of text
	MaxLeaves  = 5000    // physical columns
	maxNesting = 32      // deeper parts are kept as JSON text
)

// Parse returns the fields of an object that a JSON Schema (draft 7) describes,
// in the order of its properties.
//
// It reads type (a name, or a list whose null is ignored), format, airbyte_type,
// properties, items, oneOf, anyOf and the $refs of Airbyte's well-known types.
// Objects without properties and arrays without items are JSON text, and so is
// what is not known; with strict that is an error of kind Invalid instead.
// Every column may be null, whatever "required" says, because sources say it
// lightly. Extensions: "strm_required": true for a column that is never null (and with
// "default": "" one of text, in which a missing value is the empty text, and
// nothing to be told);
// "strm_null": "" for text that may be null, in which the empty text is null;
// "strm_column" for its name; "strm_type": "map" for an object with any members
// of the type that additionalProperties gives, "timestamp-millis" for a time in
// milliseconds, from a number or from text; at the root "strm_ignored", a list of
// the members that have no column knowingly.
func Parse(schema []byte, strict bool) ([]Field, error) {
	if len(schema) > MaxSchema {
		return nil, problem.New(problem.Invalid, "the schema has %d bytes; at most %d are read", len(schema), MaxSchema)
	}
	if !json.Valid(schema) {
		var v any
		return nil, problem.New(problem.Invalid, "the schema is not JSON: %w", json.Unmarshal(schema, &v))
	}
	p := parser{strict: strict}
	root := jsonscan.Trim(schema)
	if jsonscan.KindOf(root) != jsonscan.Object {
		return nil, problem.New(problem.Invalid, "the schema must be a JSON object, for instance {\"type\":\"object\",\"properties\":{...}}")
	}
	s, err := p.keywords(root, "")
	if err != nil {
		return nil, err
	}
	for _, t := range s.types {
		if t != "object" && t != "null" {
			return nil, problem.New(problem.Invalid, "the schema describes a value of type %q; events are objects", t)
		}
	}
	fields, err := p.properties(s.properties, "", 0)
	if err != nil {
		return nil, err
	}
	if n := Leaves(fields); n > MaxLeaves {
		return nil, problem.New(problem.Invalid, "the schema makes %d columns; at most %d are possible", n, MaxLeaves)
	}
	return fields, nil
}

// Ignored returns the members that a schema which Parse takes leaves out
// knowingly: its "strm_ignored".
func Ignored(schema []byte) []string {
	m := jsonscan.MembersOf(jsonscan.Trim(schema))
	for m.Next() {
		key, _ := m.Key()
		if val, _ := m.Value(); string(key) == "strm_ignored" {
			return names(val)
		}
	}
	return nil
}

type parser struct{ strict bool }

// keywords are those of a schema object that mean something here.
type keywords struct {
	types                   []string
	format, airbyteType     string
	ref, strmType, name     string
	properties, items, adds []byte // nil if absent
	options                 [][]byte
	required, blank         bool
	emptyNull               bool
}

func (p *parser) keywords(v []byte, path string) (keywords, error) {
	var s keywords
	m := jsonscan.MembersOf(v)
	for m.Next() {
		key, _ := m.Key()
		val, _ := m.Value()
		var err error
		switch string(key) {
		case "type":
			s.types = names(val)
		case "format":
			s.format = text(val)
		case "airbyte_type":
			s.airbyteType = text(val)
		case "$ref":
			s.ref = text(val)
		case "strm_type":
			s.strmType = text(val)
		case "strm_column":
			s.name = text(val)
		case "strm_required":
			s.required = jsonscan.KindOf(val) == jsonscan.True
		case "default":
			s.blank = string(val) == `""`
		case "strm_null":
			if s.emptyNull = string(val) == `""`; !s.emptyNull {
				return s, problem.New(problem.Invalid, "schema%s: strm_null is %s; only the empty text may stand for null: \"strm_null\": \"\"", at(path), val)
			}
		case "properties":
			s.properties, err = want(val, jsonscan.Object, path, "properties", "an object")
		case "items":
			s.items = val
		case "additionalProperties":
			s.adds = val
		case "oneOf", "anyOf":
			val, err = want(val, jsonscan.Array, path, string(key), "an array")
			e := jsonscan.ElementsOf(val)
			for e.Next() {
				option, _ := e.Value()
				s.options = append(s.options, option)
			}
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

func want(v []byte, k jsonscan.Kind, path, keyword, what string) ([]byte, error) {
	if jsonscan.KindOf(v) == jsonscan.Null {
		return nil, nil // as good as absent
	}
	if jsonscan.KindOf(v) != k {
		return nil, problem.New(problem.Invalid, "schema%s: %s must be %s", at(path), keyword, what)
	}
	return v, nil
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return ", field " + path
}

// text returns the text of a JSON string, empty for anything else.
func text(v []byte) string {
	if jsonscan.KindOf(v) != jsonscan.String {
		return ""
	}
	return string(jsonscan.Unquote(nil, v[1:len(v)-1]))
}

func names(v []byte) []string {
	if jsonscan.KindOf(v) != jsonscan.Array {
		return []string{text(v)}
	}
	var out []string
	e := jsonscan.ElementsOf(v)
	for e.Next() {
		t, _ := e.Value()
		out = append(out, text(t))
	}
	return out
}

func (p *parser) properties(v []byte, path string, depth int) ([]Field, error) {
	if v == nil {
		return nil, nil
	}
	var out []Field
	index := map[string]int{}
	m := jsonscan.MembersOf(v)
	for m.Next() {
		raw, _ := m.Key()
		key := string(jsonscan.Unquote(nil, raw))
		val, _ := m.Value()
		sub := key
		if path != "" {
			sub = path + "." + key
		}
		t, s, err := p.parse(val, sub, depth+1)
		if err != nil {
			return nil, err
		}
		f := Field{Key: key, Name: key, Type: t, Required: s.required && !t.nested()}
		f.Blank = t.Kind == String && (f.Required && s.blank || !f.Required && s.emptyNull)
		if s.name != "" {
			f.Name = s.name
		}
		if i, twice := index[key]; twice {
			out[i] = f // the last one counts, as everywhere
			continue
		}
		index[key] = len(out)
		out = append(out, f)
	}
	return out, nil
}

func (t *Type) nested() bool {
	return t.Kind == Object || t.Kind == List || t.Kind == Map || t.Kind == Union
}

func (p *parser) parse(v []byte, path string, depth int) (*Type, keywords, error) {
	if jsonscan.KindOf(v) != jsonscan.Object {
		switch jsonscan.KindOf(v) {
		case jsonscan.True, jsonscan.False, jsonscan.Null:
			t, err := p.unknown(path, string(v))
			return t, keywords{}, err
		case jsonscan.Bad, jsonscan.Object, jsonscan.Array, jsonscan.Number, jsonscan.String:
		}
		return nil, keywords{}, problem.New(problem.Invalid, "schema%s: a schema is an object, not %.40s", at(path), v)
	}
	s, err := p.keywords(v, path)
	if err != nil {
		return nil, s, err
	}
	if depth > maxNesting {
		return &Type{Kind: JSON, Label: "object"}, s, nil
	}
	t, err := p.typeOf(&s, path, depth)
	return t, s, err
}

func (p *parser) typeOf(s *keywords, path string, depth int) (*Type, error) {
	switch {
	case s.strmType == "map":
		elem := &Type{Kind: String, Label: "string"}
		if jsonscan.KindOf(s.adds) == jsonscan.Object {
			var err error
			if elem, _, err = p.parse(s.adds, path+".*", depth+1); err != nil {
				return nil, err
			}
		}
		return &Type{Kind: Map, Label: "object", Elem: elem}, nil
	case s.strmType == "timestamp-millis":
		return &Type{Kind: Millis, Label: "timestamp_with_timezone"}, nil
	case s.strmType != "":
		return nil, problem.New(problem.Invalid, "schema%s: strm_type %q is not known; use map or timestamp-millis", at(path), s.strmType)
	case s.ref != "":
		if t := wellKnown(s.ref); t != nil {
			return t, nil
		}
		return p.unknown(path, "$ref "+s.ref)
	case len(s.options) > 0:
		return p.options(s, path, depth)
	}
	if len(s.types) == 0 {
		switch {
		case s.properties != nil:
			s.types = []string{"object"}
		case s.items != nil:
			s.types = []string{"array"}
		default:
			return p.unknown(path, "none")
		}
	}
	var branches []*Type
	for _, name := range s.types {
		if name == "null" {
			continue
		}
		t, err := p.single(name, s, path, depth)
		if err != nil {
			return nil, err
		}
		branches = append(branches, t)
	}
	if len(branches) == 0 {
		return &Type{Kind: String, Label: "string"}, nil // nothing but null
	}
	return p.union(branches, path)
}

func (p *parser) options(s *keywords, path string, depth int) (*Type, error) {
	var branches []*Type
	for _, o := range s.options {
		t, os, err := p.parse(o, path, depth+1)
		if err != nil {
			return nil, err
		}
		if len(os.types) == 1 && os.types[0] == "null" {
			continue
		}
		branches = append(branches, t)
	}
	if len(branches) == 0 {
		return &Type{Kind: String, Label: "string"}, nil
	}
	return p.union(branches, path)
}

// single returns the type for one name of a schema's type.
func (p *parser) single(name string, s *keywords, path string, depth int) (*Type, error) {
	switch name {
	case "string":
		return stringType(s.format, s.airbyteType), nil
	case "boolean":
		return &Type{Kind: Bool, Label: "boolean"}, nil
	case "integer":
		return &Type{Kind: Int64, Label: "integer"}, nil
	case "number":
		if s.airbyteType == "integer" {
			return &Type{Kind: Int64, Label: "integer"}, nil
		}
		return &Type{Kind: Double, Label: "number"}, nil
	case "object":
		fields, err := p.properties(s.properties, path, depth)
		if err != nil {
			return nil, err
		}
		if len(fields) == 0 {
			return &Type{Kind: JSON, Label: "object"}, nil
		}
		return &Type{Kind: Object, Label: "object", Fields: fields}, nil
	case "array":
		elem, err := p.elem(s.items, path, depth)
		if err != nil {
			return nil, err
		}
		if elem == nil {
			return &Type{Kind: JSON, Label: "array"}, nil
		}
		return &Type{Kind: List, Label: "array", Elem: elem}, nil
	}
	return p.unknown(path, fmt.Sprintf("%q", name))
}

// elem returns the type of an array's items, nil if the schema gives none.
func (p *parser) elem(items []byte, path string, depth int) (*Type, error) {
	switch jsonscan.KindOf(items) {
	case jsonscan.Object:
		m := jsonscan.MembersOf(items)
		if !m.Next() {
			return nil, nil
		}
		t, _, err := p.parse(items, path+".[]", depth+1)
		return t, err
	case jsonscan.Array: // a tuple: items may be any of them
		var branches []*Type
		e := jsonscan.ElementsOf(items)
		for e.Next() {
			v, _ := e.Value()
			t, _, err := p.parse(v, path+".[]", depth+1)
			if err != nil {
				return nil, err
			}
			branches = append(branches, t)
		}
		if len(branches) == 0 {
			return nil, nil
		}
		return p.union(branches, path)
	case jsonscan.Bad, jsonscan.Null, jsonscan.False, jsonscan.True, jsonscan.Number, jsonscan.String:
	}
	return nil, nil
}

func stringType(format, airbyte string) *Type {
	naive := strings.HasSuffix(airbyte, "_without_timezone")
	switch format {
	case "date":
		return &Type{Kind: Date, Label: "date"}
	case "date-time":
		if naive {
			return &Type{Kind: Timestamp, Label: "timestamp_without_timezone"}
		}
		return &Type{Kind: Timestamp, Label: "timestamp_with_timezone"}
	case "time":
		if naive {
			return &Type{Kind: Time, Label: "time_without_timezone"}
		}
		return &Type{Kind: Time, Label: "time_with_timezone"}
	}
	return &Type{Kind: String, Label: "string"}
}

// wellKnown returns the type that a $ref into Airbyte's well-known types names.
func wellKnown(ref string) *Type {
	_, name, ok := strings.Cut(ref, "WellKnownTypes.json#/definitions/")
	if !ok {
		return nil
	}
	switch name {
	case "String", "BinaryData":
		return &Type{Kind: String, Label: "string"}
	case "Boolean":
		return &Type{Kind: Bool, Label: "boolean"}
	case "Integer":
		return &Type{Kind: Int64, Label: "integer"}
	case "Number":
		return &Type{Kind: Double, Label: "number"}
	case "Date":
		return stringType("date", "")
	case "TimestampWithTimezone":
		return stringType("date-time", "")
	case "TimestampWithoutTimezone":
		return stringType("date-time", "timestamp_without_timezone")
	case "TimeWithTimezone":
		return stringType("time", "")
	case "TimeWithoutTimezone":
		return stringType("time", "time_without_timezone")
	}
	return nil
}

func (p *parser) unknown(path, what string) (*Type, error) {
	if p.strict {
		return nil, problem.New(problem.Invalid, "schema%s: type %.80s is not known", at(path), what)
	}
	return &Type{Kind: JSON}, nil
}
