package parquet

import (
	"reflect"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	pqformat "github.com/parquet-go/parquet-go/format"

	"strm/internal/columns"
)

// node is a column, or a part of one, as values are put into it.
type node struct {
	kind     columns.Kind
	name     string // of a member, for changes
	required bool
	blank    bool // with required: a missing value is the empty text, and not told; else: the empty text is null
	def      byte // definition level of a value here that is not null
	rep      byte // List, Map: repetition level of all elements but the first

	leaf   *leaf // of a kind with one physical column; Union: the column "type"; Map: that of the keys
	kids   []*node
	labels [][]byte // Union: what "type" says
	lookup *columns.Lookup
	first  int // its physical columns are leaves[first:last]
	last   int
}

// forget lets go of the events that were read last.
func (n *node) forget() {
	if n == nil {
		return
	}
	if n.lookup != nil {
		n.lookup.Forget()
	}
	for _, kid := range n.kids {
		kid.forget()
	}
}

// leaf is a physical column.
type leaf struct {
	index      int
	text       bool
	dictionary bool // for the row group that is begun next
	vals       []parquet.Value

	// Smallest and largest values stand in the footer as they are. A column in
	// which a huge one was seen has none from the next row group on.
	large     bool     // one was seen
	unbounded bool     // the row group keeps no bounds of it
	skip      []string // path, for the library to compare; its first element is off while there are bounds
	root      string   // the first element
}

// maxBound is how large a text may be of which bounds are kept.
const maxBound = 4 << 10

// builder makes nodes, and numbers the leaves in the order of the schema.
type builder struct{ leaves []*leaf }

func (b *builder) leaf(n parquet.Node, text bool) (*leaf, parquet.Node) {
	l := &leaf{index: len(b.leaves), text: text}
	b.leaves = append(b.leaves, l)
	return l, leafNode{n, l}
}

// build returns the node of a type at these levels, and Parquet's own.
func (b *builder) build(t *columns.Type, required bool, rep, def byte) (*node, parquet.Node) {
	n := &node{kind: t.Kind, required: required, def: def, first: len(b.leaves)}
	if !required {
		n.def++
	}
	var p parquet.Node
	switch t.Kind {
	case columns.Object:
		var fields []parquet.Field
		for _, f := range t.Fields {
			kid, pk := b.build(f.Type, f.Required, rep, n.def)
			kid.name, kid.blank = f.Key, f.Blank
			n.kids = append(n.kids, kid)
			fields = append(fields, &field{pk, f.Name})
		}
		n.lookup = columns.NewLookup(t.Fields)
		p = group{fields: fields}
	case columns.Union:
		var pt parquet.Node
		n.leaf, pt = b.leaf(parquet.Optional(parquet.String()), true)
		fields := []parquet.Field{&field{pt, "type"}}
		for _, f := range t.Fields {
			kid, pk := b.build(f.Type, false, rep, n.def)
			n.kids = append(n.kids, kid)
			n.labels = append(n.labels, []byte(f.Key))
			fields = append(fields, &field{pk, f.Name})
		}
		p = group{fields: fields}
	case columns.List:
		n.rep = rep + 1
		kid, pk := b.build(t.Elem, false, n.rep, n.def+1)
		n.kids = []*node{kid}
		p = parquet.List(pk)
	case columns.Map:
		n.rep = rep + 1
		var key parquet.Node
		n.leaf, key = b.leaf(parquet.String(), true)
		kid, pk := b.build(t.Elem, false, n.rep, n.def+1)
		n.kids = []*node{kid}
		p = parquet.Map(key, pk)
	case columns.Bool, columns.Int64, columns.Double, columns.Date, columns.Time, columns.Timestamp, columns.Millis, columns.JSON, columns.String:
		n.leaf, p = b.leaf(physical(t.Kind), t.Kind == columns.String || t.Kind == columns.JSON)
	}
	n.last = len(b.leaves)
	if !required {
		p = parquet.Optional(p)
	}
	return n, p
}

func physical(k columns.Kind) parquet.Node {
	switch k {
	case columns.Bool:
		return parquet.Leaf(parquet.BooleanType)
	case columns.Int64:
		return parquet.Leaf(int64Type{parquet.Int64Type})
	case columns.Double:
		return parquet.Leaf(parquet.DoubleType)
	case columns.Date:
		return parquet.Date()
	case columns.Time:
		return parquet.Time(parquet.Microsecond)
	case columns.Timestamp:
		return parquet.Timestamp(parquet.Microsecond)
	case columns.Millis:
		return parquet.Timestamp(parquet.Millisecond)
	case columns.JSON, columns.String, columns.Object, columns.List, columns.Map, columns.Union:
	}
	return parquet.String()
}

// int64Type is the physical type alone: the library adds a logical one, of which
// readers that compare schemas exactly know nothing.
type int64Type struct{ parquet.Type }

// LogicalType returns nil.
func (int64Type) LogicalType() *pqformat.LogicalType { return nil }

// ConvertedType returns nil.
func (int64Type) ConvertedType() *deprecated.ConvertedType { return nil }

// leafNode asks for the encoding that its leaf wants just now: the library asks
// each time a row group begins.
type leafNode struct {
	parquet.Node
	leaf *leaf
}

// Encoding returns the encoding of the next row group.
func (n leafNode) Encoding() encoding.Encoding {
	if n.leaf.dictionary {
		return &parquet.RLEDictionary
	}
	return &parquet.Plain
}

// group is a Parquet group whose fields keep their order.
type group struct {
	parquet.Group
	fields []parquet.Field
}

// Fields returns the fields in order.
func (g group) Fields() []parquet.Field { return g.fields }

type field struct {
	parquet.Node
	name string
}

// Name returns the name of the column.
func (f *field) Name() string { return f.name }

// Value is for Go values, of which there are none here.
func (f *field) Value(reflect.Value) reflect.Value { return reflect.Value{} }
