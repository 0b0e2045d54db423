package eventfile

import "fmt"

// The columns that are read. The two last are the two halves of properties.
const (
	environmentColumn = iota
	trafficTypeColumn
	eventTypeColumn
	keyOfEventColumn
	timestampColumn
	valueColumn
	keyColumn      // properties' keys
	propertyColumn // properties' values
	columns
)

var columnNames = [columns]string{
	"environmentId", "trafficTypeId", "eventTypeId", "key", "timestamp", "value", "properties", "properties",
}

// Annotations of the format: the older kind, and the newer one.
const (
	convertedUTF8     = 0
	convertedMap      = 1
	convertedKeyValue = 2
	convertedInt64    = 18

	logicalString  = 1
	logicalMap     = 2
	logicalInteger = 10
	logicalUnknown = 11
)

var convertedNames = [...]string{
	"UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS", "TIMESTAMP_MILLIS",
	"TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32", "INT_64", "JSON", "BSON", "INTERVAL",
}

var logicalNames = [...]string{
	"", "STRING", "MAP", "LIST", "ENUM", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "", "INTEGER", "UNKNOWN", "JSON", "BSON", "UUID",
	"FLOAT16", "VARIANT", "GEOMETRY", "GEOGRAPHY",
}

// leafKind says how a column is stored.
type leafKind struct {
	present bool
	index   int // among the leaves of the schema
	typ     int
	maxDef  int // definition level of a value that is there
	maxRep  int
	// of properties: the level at which the map is there, and at which it has an entry
	mapDef, entryDef int
}

const (
	wantText  = "a string (BYTE_ARRAY with STRING or UTF8, or without annotation)"
	wantLong  = "a long (INT64, without annotation or signed integer of 64 bits)"
	wantDbl   = "a double (DOUBLE)"
	wantMap   = "a map of strings (MAP of STRING to STRING)"
	wantNames = "environmentId, trafficTypeId, eventTypeId, key, timestamp, value and properties"
)

// schemaWalk walks the nodes, which are in depth-first order.
type schemaWalk struct {
	nodes  []node
	at     int
	leaves int // before at
}

// checkSchema finds the columns and returns how they are stored, and how many
// leaves the schema has. Types are compared exactly: nothing is converted. Columns that we do not know are ignored.
func checkSchema(nodes []node) (out [columns]leafKind, leaves int, err error) {
	if len(nodes) == 0 || nodes[0].children < 0 {
		return out, 0, refuse("the Parquet file has no schema")
	}
	seen := map[string]bool{}
	w := schemaWalk{nodes: nodes, at: 1}
	for range nodes[0].children {
		if w.at >= len(nodes) {
			return out, 0, refuse("the schema of the Parquet file is damaged")
		}
		name := nodes[w.at].name
		column := columnOf(name)
		if column >= 0 {
			if seen[name] {
				return out, 0, refuse("column %s: there are two of this name", name)
			}
			seen[name] = true
			if err := w.column(column, &out); err != nil {
				return out, 0, err
			}
		}
		if !w.skip(0) {
			return out, 0, refuse("the schema of the Parquet file is damaged")
		}
	}
	if w.at != len(nodes) {
		return out, 0, refuse("the schema of the Parquet file is damaged")
	}
	for c := environmentColumn; c <= timestampColumn; c++ {
		if !out[c].present {
			want := wantText
			if c == timestampColumn {
				want = wantLong
			}
			return out, 0, refuse("column %s is missing: it must be %s; the columns of an event file are %s", columnNames[c], want, wantNames)
		}
	}
	return out, w.leaves, nil
}

func columnOf(name string) int {
	for c := environmentColumn; c <= keyColumn; c++ {
		if columnNames[c] == name {
			return c
		}
	}
	return -1
}

// skip moves behind the node at w.at and all below it.
func (w *schemaWalk) skip(depth int) bool {
	if w.at >= len(w.nodes) || depth > maxNesting {
		return false
	}
	n := w.nodes[w.at]
	w.at++
	if n.typ >= 0 {
		w.leaves++
		return n.children <= 0
	}
	for range n.children {
		if !w.skip(depth + 1) {
			return false
		}
	}
	return n.children >= 0
}

// column checks the column at w.at, and does not move.
func (w *schemaWalk) column(c int, out *[columns]leafKind) error {
	n := w.nodes[w.at]
	k := leafKind{present: true, index: w.leaves, typ: n.typ}
	want, ok := "", false
	switch {
	case c == keyColumn && n.typ < 0:
		return w.properties(out)
	case (c == keyColumn || c == valueColumn) && n.typ >= 0 && n.logical == logicalUnknown && n.repetition == optional:
		return nil // a column without type has nulls alone: as if it were missing
	case c == keyColumn:
		want = wantMap
	case c == timestampColumn:
		want, ok = wantLong, n.isLong()
	case c == valueColumn:
		want, ok = wantDbl, n.isDouble()
	default:
		want, ok = wantText, n.isText()
	}
	if ok {
		switch n.repetition {
		case required:
		case optional:
			k.maxDef = 1
		default:
			ok = false
		}
	}
	if !ok {
		return refuse("column %s: is %s, must be %s", n.name, n, want)
	}
	out[c] = k
	return nil
}

// properties checks the group at w.at: (MAP) { repeated group { key; value } }.
func (w *schemaWalk) properties(out *[columns]leafKind) error {
	n := w.nodes[w.at]
	wrong := func(what string, args ...any) error {
		return refuse("column %s: %s, must be %s", n.name, fmt.Sprintf(what, args...), wantMap)
	}
	isMap := n.logical == logicalMap || n.logical < 0 && (n.converted == convertedMap || n.converted == convertedKeyValue)
	if n.repetition == repeated || n.children != 1 || w.at+3 >= len(w.nodes) {
		return wrong("is %s", n)
	}
	entry, key, value := w.nodes[w.at+1], w.nodes[w.at+2], w.nodes[w.at+3]
	if n.logical < 0 && n.converted < 0 && entry.converted == convertedKeyValue {
		isMap = true // old writers annotated the entry alone
	}
	switch {
	case !isMap:
		return wrong("is %s", n)
	case entry.typ >= 0 || entry.repetition != repeated || entry.children != 2:
		return wrong("is a map whose entry %s is %s", entry.name, entry)
	case !key.isText() || key.repetition == repeated:
		return wrong("is a map whose key %s is %s", key.name, key)
	case !value.isText() || value.repetition == repeated:
		return wrong("is a map whose value %s is %s", value.name, value)
	}
	k := leafKind{present: true, index: w.leaves, typ: typeByteArray, maxRep: 1}
	if n.repetition == optional {
		k.mapDef = 1
	}
	k.entryDef = k.mapDef + 1
	v := k
	v.index++
	k.maxDef, v.maxDef = k.entryDef, v.entryDef
	if key.repetition == optional {
		k.maxDef++
	}
	if value.repetition == optional {
		v.maxDef++
	}
	out[keyColumn], out[propertyColumn] = k, v
	return nil
}

func (n node) isText() bool {
	return n.typ == typeByteArray && (n.logical == logicalString || n.logical < 0 && (n.converted < 0 || n.converted == convertedUTF8))
}

func (n node) isLong() bool {
	if n.typ != typeInt64 {
		return false
	}
	if n.logical >= 0 {
		return n.logical == logicalInteger && n.bits == 64 && n.signed
	}
	return n.converted < 0 || n.converted == convertedInt64
}

func (n node) isDouble() bool { return n.typ == typeDouble && n.logical < 0 && n.converted < 0 }

// String describes the node in the words of the format.
func (n node) String() string {
	s := "a group"
	if n.typ >= 0 {
		s = typeName(n.typ)
	}
	switch {
	case n.repetition == repeated:
		s = "repeated " + s
	case n.repetition != required && n.repetition != optional:
		s = fmt.Sprintf("%s of unknown repetition %d", s, n.repetition)
	}
	switch {
	case n.logical == logicalInteger:
		sign := "unsigned"
		if n.signed {
			sign = "signed"
		}
		s += fmt.Sprintf(" with INTEGER of %d bits, %s", n.bits, sign)
	case n.logical >= 0:
		s += " with " + nameOf(logicalNames[:], n.logical, "unknown annotation")
	case n.converted >= 0:
		s += " with " + nameOf(convertedNames[:], n.converted, "unknown annotation")
	}
	return s
}

func typeName(t int) string { return nameOf(typeNames[:], t, "unknown type") }

func nameOf(names []string, i int, unknown string) string {
	if i >= 0 && i < len(names) && names[i] != "" {
		return names[i]
	}
	return fmt.Sprintf("%s %d", unknown, i)
}
