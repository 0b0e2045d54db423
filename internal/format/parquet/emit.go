package parquet

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"strm/internal/columns"
	"strm/internal/jsonscan"
)

// maxChanges is how many values of one event are listed that did not fit. The
// next entry says how many more there were.
const maxChanges = 100

// emitter turns values into the columns' values. A row is put into all leaves
// before the next.
type emitter struct {
	leaves  []*leaf
	text    []byte // texts that had to be made; grows within a chunk
	utf8    bool   // the row is valid UTF-8 throughout
	path    []step
	changes []columns.Change
	more    int // changes beyond maxChanges
	column  int // root field that is being written
	misfit  func(column int, f columns.Fit)
}

// step is a part of the way to a nested value.
type step struct {
	name  string
	index int // of an element; -1: name counts
}

// texts puts a text.
func (e *emitter) texts(l *leaf, s []byte, rep, def byte) {
	l.large = l.large || len(s) > maxBound
	e.put(l, parquet.ByteArrayValue(s), rep, def)
}

func (e *emitter) put(l *leaf, v parquet.Value, rep, def byte) {
	if rep|def != 0 { // else a new value has its levels already
		v = v.Level(int(rep), int(def), l.index)
	}
	l.vals = append(l.vals, v)
}

// null puts null at definition level def into all leaves below n.
func (e *emitter) null(n *node, rep, def byte) {
	for _, l := range e.leaves[n.first:n.last] {
		e.put(l, parquet.Value{}, rep, def)
	}
}

// unfit notes that a value did not fit, and puts null, or the zero of a column
// that cannot be null.
func (e *emitter) unfit(n *node, rep byte, f columns.Fit) {
	e.note(f)
	e.absent(n, rep)
}

// note notes that a value did not fit.
func (e *emitter) note(f columns.Fit) {
	e.misfit(e.column, f)
	if len(e.changes) < maxChanges {
		e.changes = append(e.changes, columns.Change{Field: e.where(), Change: columns.Nulled, Reason: f.Reason()})
	} else {
		e.more++
	}
}

// absent puts what stands for no value.
func (e *emitter) absent(n *node, rep byte) {
	if !n.required {
		e.null(n, rep, n.def-1)
		return
	}
	var zero parquet.Value
	switch n.kind {
	case columns.Bool:
		zero = parquet.BooleanValue(false)
	case columns.Int64, columns.Time, columns.Timestamp, columns.Millis:
		zero = parquet.Int64Value(0)
	case columns.Double:
		zero = parquet.DoubleValue(0)
	case columns.Date:
		zero = parquet.Int32Value(0)
	case columns.JSON, columns.String, columns.Object, columns.List, columns.Map, columns.Union:
		zero = parquet.ByteArrayValue(nil)
	}
	e.put(n.leaf, zero, rep, n.def)
}

func (e *emitter) where() string {
	var b []byte
	for i, s := range e.path {
		if i > 0 {
			b = append(b, '.')
		}
		if s.index >= 0 {
			b = append(strconv.AppendInt(append(b, '['), int64(s.index), 10), ']')
		} else {
			b = append(b, s.name...)
		}
	}
	return string(b)
}

// emit puts one value, at repetition level rep, into the leaves below n.
func (e *emitter) emit(n *node, rep byte, v columns.Value) {
	if v.Null() {
		if n.required && !n.blank {
			e.unfit(n, rep, columns.Unfit)
			return
		}
		e.absent(n, rep)
		return
	}
	switch n.kind {
	case columns.String:
		s := e.string(v)
		if len(s) == 0 && n.blank && !n.required {
			e.absent(n, rep)
			return
		}
		e.texts(n.leaf, s, rep, n.def)
	case columns.JSON:
		e.texts(n.leaf, e.json(v), rep, n.def)
	case columns.Object:
		e.object(n, rep, v)
	case columns.List:
		e.list(n, rep, v)
	case columns.Map:
		e.mapping(n, rep, v)
	case columns.Union:
		e.union(n, rep, v)
	case columns.Bool, columns.Int64, columns.Double, columns.Date, columns.Time, columns.Timestamp, columns.Millis:
		x, fit := e.scalar(n.kind, v)
		if fit != columns.Fits {
			e.unfit(n, rep, fit)
			return
		}
		e.put(n.leaf, x, rep, n.def)
	}
}

// scalar converts a value that is not null.
func (e *emitter) scalar(k columns.Kind, v columns.Value) (parquet.Value, columns.Fit) {
	is := jsonscan.KindOf(v.Raw)
	switch {
	case k == columns.Bool && (is == jsonscan.True || is == jsonscan.False):
		return parquet.BooleanValue(is == jsonscan.True), columns.Fits
	case k == columns.Int64 && is == jsonscan.Number:
		n, fit := columns.ToInt64(v.Raw)
		return parquet.Int64Value(n), fit
	case k == columns.Millis && is == jsonscan.Number:
		n, fit := columns.ToInt64(v.Raw)
		if fit == columns.Fits && (n > math.MaxInt64/1000 || n < math.MinInt64/1000) {
			fit = columns.TooLarge // readers make microseconds of it
		}
		return parquet.Int64Value(n), fit
	case k == columns.Double && is == jsonscan.Number:
		f, fit := columns.ToDouble(v.Raw)
		return parquet.DoubleValue(f), fit
	case is != jsonscan.String:
		return parquet.Value{}, columns.Unfit
	case k == columns.Date:
		n, fit := columns.ToDate(e.string(v))
		return parquet.Int32Value(n), fit
	case k == columns.Time:
		n, fit := columns.ToTime(e.string(v))
		return parquet.Int64Value(n), fit
	case k == columns.Timestamp:
		n, fit := columns.ToTimestamp(e.string(v))
		return parquet.Int64Value(n), fit
	case k == columns.Millis:
		n, fit := columns.ToTimestamp(e.string(v))
		return parquet.Int64Value(columns.FromMicros(n)), fit
	}
	return parquet.Value{}, columns.Unfit
}

// string returns the text of a value: its bytes in the event where they can
// stay, else a copy in e.text.
func (e *emitter) string(v columns.Value) []byte {
	if jsonscan.KindOf(v.Raw) == jsonscan.String && len(v.Raw) > 1 {
		if s := v.Raw[1 : len(v.Raw)-1]; !v.Escaped && (e.utf8 || utf8.Valid(s)) {
			return s
		}
		start := len(e.text)
		e.text = v.Text(e.text)
		return e.text[start:]
	}
	return e.json(v)
}

func (e *emitter) json(v columns.Value) []byte {
	if e.utf8 || utf8.Valid(v.Raw) {
		return v.Raw
	}
	start := len(e.text)
	e.text = v.JSON(e.text)
	return e.text[start:]
}

func (e *emitter) object(n *node, rep byte, v columns.Value) {
	if !n.lookup.Read(v.Raw) {
		e.unfit(n, rep, columns.Unfit)
		return
	}
	for i, kid := range n.kids {
		e.path = append(e.path, step{kid.name, -1})
		e.member(kid, rep, n.lookup.Vals[i])
		e.path = e.path[:len(e.path)-1]
	}
}

// member puts the value of an object's member, which may be missing.
func (e *emitter) member(n *node, rep byte, v columns.Value) {
	if v.Raw == nil && !n.required {
		e.null(n, rep, n.def-1)
		return
	}
	e.emit(n, rep, v)
}

func (e *emitter) list(n *node, rep byte, v columns.Value) {
	if jsonscan.KindOf(v.Raw) != jsonscan.Array {
		e.unfit(n, rep, columns.Unfit)
		return
	}
	count := 0
	items := jsonscan.ElementsOf(v.Raw)
	for items.Next() {
		var item columns.Value
		item.Raw, item.Escaped = items.Value()
		e.path = append(e.path, step{"", count})
		e.emit(n.kids[0], rep, item)
		e.path = e.path[:len(e.path)-1]
		rep = n.rep
		count++
	}
	if count == 0 {
		e.null(n, rep, n.def)
	}
}

func (e *emitter) mapping(n *node, rep byte, v columns.Value) {
	if jsonscan.KindOf(v.Raw) != jsonscan.Object {
		e.unfit(n, rep, columns.Unfit)
		return
	}
	count := 0
	members := jsonscan.MembersOf(v.Raw)
	for ; members.Next(); count++ {
		var m columns.Member
		m.Key, m.KeyEscaped = members.Key()
		m.Raw, m.Escaped = members.Value()
		e.entry(n, rep, m)
		rep = n.rep
	}
	if count == 0 {
		e.null(n, rep, n.def)
	}
}

// entry puts one entry of a map.
func (e *emitter) entry(n *node, rep byte, m columns.Member) {
	key := m.Key
	if m.KeyEscaped || !e.utf8 {
		start := len(e.text)
		e.text = jsonscan.Unquote(e.text, m.Key)
		key = e.text[start:]
	}
	e.texts(n.leaf, key, rep, n.def+1)
	e.path = append(e.path, step{string(key), -1})
	e.emit(n.kids[0], rep, m.Value)
	e.path = e.path[:len(e.path)-1]
}

// rest puts the members that no field takes into a map.
func (e *emitter) rest(n *node, more []columns.Member) {
	if len(more) == 0 {
		e.null(n, 0, n.def-1)
		return
	}
	var rep byte
	for _, m := range more {
		e.entry(n, rep, m)
		rep = n.rep
	}
}

// union puts a value into the first branch that takes it, in this order: a text
// that is a date or a time into such a branch, a number into a whole one if it
// is whole, and each kind of value into its own. What fits none goes into a
// branch of text, if there is one.
func (e *emitter) union(n *node, rep byte, v columns.Value) {
	is := jsonscan.KindOf(v.Raw)
	branch, text, worst := -1, -1, columns.Unfit
	for i, kid := range n.kids {
		switch kid.kind {
		case columns.Bool, columns.Int64, columns.Date, columns.Time, columns.Timestamp, columns.Millis:
			if _, fit := e.scalar(kid.kind, v); fit == columns.Fits {
				branch = i
			} else {
				worst = max(worst, fit)
			}
		case columns.Object, columns.Map:
			if is == jsonscan.Object {
				branch = i
			}
		case columns.List:
			if is == jsonscan.Array {
				branch = i
			}
		case columns.JSON:
			// An object or an array without a description, as the label says.
			if is == jsonscan.Object && string(n.labels[i]) == "object" || is == jsonscan.Array && string(n.labels[i]) == "array" {
				branch = i
			}
		case columns.String:
			text = i
		case columns.Double, columns.Union:
		}
		if branch >= 0 {
			break
		}
	}
	for i, kid := range n.kids {
		if branch < 0 && kid.kind == columns.Double && is == jsonscan.Number {
			if _, fit := e.scalar(kid.kind, v); fit == columns.Fits {
				branch = i
			} else {
				worst = max(worst, fit)
			}
		}
	}
	if branch < 0 {
		branch = text
	}
	if branch < 0 {
		e.unfit(n, rep, worst)
		return
	}
	e.put(n.leaf, parquet.ByteArrayValue(n.labels[branch]), rep, n.def+1)
	for i, kid := range n.kids {
		if i == branch {
			e.emit(kid, rep, v)
		} else {
			e.null(kid, rep, n.def)
		}
	}
}
