package columns

import (
	"math"
	"slices"
	"unicode/utf8"

	"strm/internal/jsonscan"
)

// Lookup finds the fields of an object's members. It remembers what came last,
// so one serves one goroutine.
type Lookup struct {
	keys  []string
	texts []string       // as they stand in JSON with their colon; empty where that could be written in several ways
	index map[string]int // to fields; to what is counted, from firstCounted downwards
	rest  int
	guess int
	key   []byte

	tally      *Tally // nil: nothing is counted
	undeclared []tallied

	Vals []Value // by field, of the object last read; Raw is nil where nothing was
	More []Member
}

// What find says of keys without a field.
const (
	unknown      = -1
	firstCounted = -2
	ignored      = math.MinInt // not even counted
)

// Value is a member's value: its JSON text.
type Value struct {
	Raw     []byte
	Escaped bool // a string with escapes
}

// Member is a member that has no field of its own.
type Member struct {
	Key        []byte // between its quotes
	KeyEscaped bool
	Value
}

// NewLookup returns a Lookup for these fields.
func NewLookup(fs []Field) *Lookup {
	l := &Lookup{index: make(map[string]int, len(fs)), keys: make([]string, len(fs)), texts: make([]string, len(fs)), rest: -1, Vals: make([]Value, len(fs))}
	for i, f := range fs {
		if f.Rest {
			l.rest = i
			continue
		}
		l.keys[i] = f.Key
		if l.index[f.Key] = i; plain(f.Key) {
			l.texts[i] = `"` + f.Key + `":`
		}
	}
	return l
}

// Read finds the values of an object's members. Of a key that stands twice the
// last counts, as for most readers of JSON. Members without a field are in More
// if there is a field for the rest. It returns false if the text is not a whole
// object. What it finds is valid as long as the text, until the next Read.
func (l *Lookup) Read(object []byte) bool {
	clear(l.Vals)
	l.More = l.More[:0]
	l.guess = 0
	m := jsonscan.MembersOf(object)
	for {
		// Members mostly stand as the fields do.
		for l.guess < len(l.texts) && l.texts[l.guess] != "" && m.NextIs(l.texts[l.guess]) {
			v := &l.Vals[l.guess]
			v.Raw, v.Escaped = m.Value()
			l.guess++
		}
		if !m.Next() {
			return m.OK()
		}
		key, escaped := m.Key()
		raw, valEscaped := m.Value()
		switch i := l.find(key, escaped); {
		case i >= 0:
			l.Vals[i] = Value{raw, valEscaped}
		case l.rest >= 0:
			l.More = append(l.More, Member{key, escaped, Value{raw, valEscaped}})
		case l.tally != nil:
			l.count(i, key, escaped)
		}
	}
}

// Forget lets go of the text that was read last.
func (l *Lookup) Forget() {
	clear(l.Vals)
	clear(l.More[:cap(l.More)])
}

func (l *Lookup) find(key []byte, escaped bool) int {
	if !escaped && l.guess < len(l.keys) && l.keys[l.guess] == string(key) && l.guess != l.rest {
		l.guess++
		return l.guess - 1
	}
	i, known := l.index[string(key)]
	if escaped || !known && !validKey(key) {
		l.key = jsonscan.Unquote(l.key[:0], key)
		i, known = l.index[string(l.key)]
	}
	if !known {
		return unknown
	}
	if i >= 0 {
		l.guess = i + 1
	}
	return i
}

// plain reports whether a key stands in JSON as it is.
func plain(key string) bool {
	for _, c := range []byte(key) {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func validKey(key []byte) bool {
	for _, c := range key {
		if c >= utf8.RuneSelf {
			return utf8.Valid(key)
		}
	}
	return true
}

// Text appends the text of a value: a string's own, JSON text for all else.
// The result is valid UTF-8.
func (v Value) Text(dst []byte) []byte {
	if len(v.Raw) > 1 && v.Raw[0] == '"' {
		s := v.Raw[1 : len(v.Raw)-1]
		if v.Escaped || !utf8.Valid(s) {
			return jsonscan.Unquote(slices.Grow(dst, len(s)), s)
		}
		return append(dst, s...)
	}
	return v.JSON(dst)
}

// TextIn returns what Text appends: the bytes of the value where they are its
// text, else made in scratch, which comes back.
func (v Value) TextIn(scratch []byte) (text, used []byte) {
	s := v.Raw
	if len(s) > 1 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	if !v.Escaped && utf8.Valid(s) {
		return s, scratch
	}
	scratch = v.Text(scratch)
	return scratch, scratch
}

// JSON appends the value's JSON text, as valid UTF-8.
func (v Value) JSON(dst []byte) []byte {
	if utf8.Valid(v.Raw) {
		return append(dst, v.Raw...)
	}
	for s := v.Raw; len(s) > 0; {
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}

// Null reports whether there is no value, or null.
func (v Value) Null() bool { return len(v.Raw) == 0 || v.Raw[0] == 'n' }
