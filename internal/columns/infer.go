package columns

import (
	"bytes"

	"strm/internal/jsonscan"
)

// Bounds of what is found in events: what goes beyond is gathered in one
// column, so that no event can make a file that nobody can read.
const (
	MaxFound = 1000 // columns
	maxKey   = 512  // bytes of a key
)

// RestName is the column for the members beyond the bounds.
const RestName = "_additional_properties"

// Finder finds the columns of events: the union of their root members.
//
// A column whose values are all (null aside) booleans, whole numbers within 64
// bits, numbers, or strings has that type. Whole numbers and others together are
// doubles, if doubles hold the whole ones exactly (up to 2^53). Everything else,
// objects, arrays, mixtures, and numbers that a double would change, is JSON
// text. A column of nothing but null is text. So every value of the events that
// were looked at fits.
//
// The result does not depend on the order of the events, unless there are more
// than MaxFound columns: then those seen first are columns. Not safe for
// concurrent use.
type Finder struct {
	NamesOnly bool // types do not matter: every column is text

	index map[string]int
	cols  []found
	guess int
	rest  bool
	key   []byte
}

type found struct {
	key string
	has seen
}

// seen is a set of what the values of a column were.
type seen uint8

const (
	seenBool seen = 1 << iota
	seenInt
	seenWide   // whole, within 64 bits, beyond 2^53
	seenDouble // a double holds it
	seenString
	seenOther
)

// Add looks at one event. It returns false if it is not a JSON object.
func (f *Finder) Add(event []byte) bool {
	if f.index == nil {
		f.index = map[string]int{}
	}
	f.guess = 0
	m := jsonscan.MembersOf(event)
	for m.Next() {
		i := f.column(m.Key())
		if i < 0 || f.NamesOnly {
			continue
		}
		v, _ := m.Value()
		f.cols[i].has |= look(v)
	}
	return m.OK()
}

// column returns the index of a key's column, -1 for the rest.
func (f *Finder) column(key []byte, escaped bool) int {
	if escaped || !validKey(key) {
		f.key = jsonscan.Unquote(f.key[:0], key)
		key = f.key
	}
	// Events of a stream are alike: the next key is mostly the next column.
	if f.guess < len(f.cols) && f.cols[f.guess].key == string(key) {
		f.guess++
		return f.guess - 1
	}
	i, known := f.index[string(key)]
	if !known {
		if len(f.cols) >= MaxFound || len(key) > maxKey {
			f.rest = true
			return -1
		}
		i = len(f.cols)
		f.index[string(key)] = i
		f.cols = append(f.cols, found{key: string(key)})
	}
	f.guess = i + 1
	return i
}

// look says what a value is.
func look(v []byte) seen {
	switch jsonscan.KindOf(v) {
	case jsonscan.Null:
		return 0
	case jsonscan.True, jsonscan.False:
		return seenBool
	case jsonscan.String:
		return seenString
	case jsonscan.Number:
		if !bytes.ContainsAny(v, ".eE") {
			switch n, fit := ToInt64(v); {
			case fit != Fits:
				return seenOther
			case n > 1<<53 || n < -1<<53:
				return seenWide
			}
			return seenInt
		}
		if _, fit := ToDouble(v); fit == Fits && significant(v) <= 17 { // what a double keeps
			return seenDouble
		}
		return seenOther
	case jsonscan.Array, jsonscan.Object, jsonscan.Bad:
	}
	return seenOther
}

// significant returns how many digits of a number count.
func significant(v []byte) int {
	n := 0
	for _, c := range v {
		switch {
		case c == 'e' || c == 'E':
			return n
		case c > '0' && c <= '9', c == '0' && n > 0:
			n++
		}
	}
	return n
}

func (s seen) kind() Kind {
	switch s {
	case 0, seenString:
		return String
	case seenBool:
		return Bool
	case seenInt, seenWide, seenInt | seenWide:
		return Int64
	case seenDouble, seenDouble | seenInt:
		return Double
	case seenOther:
	}
	return JSON
}

// Fields returns the columns found, sorted by the bytes of their names, with
// the one for the rest, if any, at the end.
func (f *Finder) Fields() []Field {
	out := make([]Field, 0, len(f.cols)+1)
	for _, c := range f.cols {
		k := c.has.kind()
		if f.NamesOnly {
			k = String
		}
		out = append(out, Field{Key: c.key, Name: c.key, Type: &Type{Kind: k}})
	}
	SortByName(out)
	if f.rest {
		out = append(out, Rest(RestName))
	}
	return out
}

// Rest returns a column for members that no other field takes: a map from
// their keys to their texts, what is not a string as JSON text.
func Rest(name string) Field {
	return Field{Name: name, Rest: true, Type: &Type{Kind: Map, Elem: &Type{Kind: String, Label: "string"}}}
}
