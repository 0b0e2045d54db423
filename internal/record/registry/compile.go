package registry

import (
	"errors"
	"fmt"

	"github.com/hamba/avro/v2"

	"strm/internal/jsontoken"
)

// kind is how a node's bytes are read and written.
type kind uint8

const (
	kindNull kind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindFixed
	kindEnum
	kindRecord
	kindArray
	kindMap
	kindUnion
	kindDecimalBytes
	kindDecimalFixed
	kindUUIDFixed
	kindDuration
	kindDate
	kindTime      // of units a second, as an int if units is 1000
	kindTimestamp // of units a second
)

// node is one type of a schema, made ready for the walk. A type that contains
// itself is a cycle of nodes.
type node struct {
	kind   kind
	names  [][]byte // of a record's fields, as `"name":`; of an enum's symbols, as `"symbol"`
	nodes  []*node  // of fields, of a union's branches, of items or values
	size   int      // bytes of fixed
	scale  int      // of decimal
	units  int64    // in a second
	digits int      // of the fraction of a second
	local  bool     // timestamp without a zone
}

// Limits of a schema.
const (
	maxNodes = 100_000
	maxScale = 1_000
)

// compile makes nodes of a schema.
func compile(s avro.Schema) (*node, error) {
	c := compiler{named: map[string]*node{}}
	return c.node(s)
}

type compiler struct {
	named map[string]*node // by full name, set before what is in them is looked at
	count int
}

func (c *compiler) node(s avro.Schema) (*node, error) {
	if c.count++; c.count > maxNodes {
		return nil, fmt.Errorf("it has more than %d types", maxNodes)
	}
	n := &node{}
	switch s := s.(type) {
	case *avro.RefSchema:
		return c.named1(s.Schema())
	case *avro.RecordSchema, *avro.EnumSchema, *avro.FixedSchema:
		return c.named1(s.(avro.NamedSchema))
	case *avro.NullSchema:
		n.kind = kindNull
		return n, nil
	case *avro.PrimitiveSchema:
		return n, n.primitive(s)
	case *avro.ArraySchema:
		n.kind = kindArray
		return n, c.children(n, s.Items())
	case *avro.MapSchema:
		n.kind = kindMap
		return n, c.children(n, s.Values())
	case *avro.UnionSchema:
		n.kind = kindUnion
		return n, c.children(n, s.Types()...)
	}
	return nil, fmt.Errorf("a type %.40q", s.Type())
}

func (c *compiler) children(n *node, of ...avro.Schema) error {
	for _, s := range of {
		child, err := c.node(s)
		if err != nil {
			return err
		}
		n.nodes = append(n.nodes, child)
	}
	return nil
}

// named1 makes one node for all uses of a named type.
func (c *compiler) named1(s avro.NamedSchema) (*node, error) {
	if n, ok := c.named[s.FullName()]; ok {
		return n, nil
	}
	n := &node{}
	c.named[s.FullName()] = n
	switch s := s.(type) {
	case *avro.RecordSchema:
		n.kind = kindRecord
		for _, f := range s.Fields() {
			n.names = append(n.names, append(jsontoken.AppendQuoted(nil, []byte(f.Name())), ':'))
			if err := c.children(n, f.Type()); err != nil {
				return nil, err
			}
		}
	case *avro.EnumSchema:
		n.kind = kindEnum
		for _, symbol := range s.Symbols() {
			n.names = append(n.names, jsontoken.AppendQuoted(nil, []byte(symbol)))
		}
	case *avro.FixedSchema:
		return n, n.fixed(s)
	default:
		return nil, fmt.Errorf("a named type %.40q", s.Type())
	}
	return n, nil
}

// logical returns the logical type; those that the parser does not know stay
// among the properties.
func logical(l avro.LogicalSchema, prop func(string) any) avro.LogicalType {
	if l != nil {
		return l.Type()
	}
	name, _ := prop("logicalType").(string)
	return avro.LogicalType(name)
}

func (n *node) decimal(l avro.LogicalSchema, k kind) error {
	d, ok := l.(*avro.DecimalLogicalSchema)
	if !ok {
		return errors.New("a decimal without precision")
	}
	if n.kind, n.scale = k, d.Scale(); n.scale < 0 || n.scale > maxScale {
		return fmt.Errorf("a decimal with scale %d", n.scale)
	}
	return nil
}

func (n *node) fixed(s *avro.FixedSchema) error {
	n.kind, n.size = kindFixed, s.Size()
	if n.size < 0 {
		return fmt.Errorf("fixed with %d bytes", n.size)
	}
	switch l := logical(s.Logical(), s.Prop); {
	case l == avro.Decimal && s.Logical() != nil:
		return n.decimal(s.Logical(), kindDecimalFixed)
	case l == avro.Duration && n.size == 12:
		n.kind = kindDuration
	case l == avro.UUID && n.size == 16:
		n.kind = kindUUIDFixed
	}
	return nil
}

var primitives = map[avro.Type]kind{
	avro.Boolean: kindBoolean, avro.Int: kindInt, avro.Long: kindLong, avro.Float: kindFloat,
	avro.Double: kindDouble, avro.Bytes: kindBytes, avro.String: kindString, avro.Null: kindNull,
}

// primitive reads a type without a name. A logical type on a type that is not
// its own is none, as Avro's specification has it.
func (n *node) primitive(s *avro.PrimitiveSchema) error {
	var ok bool
	if n.kind, ok = primitives[s.Type()]; !ok {
		return fmt.Errorf("a type %.40q", s.Type())
	}
	l := logical(s.Logical(), s.Prop)
	switch {
	case n.kind == kindBytes && l == avro.Decimal && s.Logical() != nil:
		return n.decimal(s.Logical(), kindDecimalBytes)
	case n.kind == kindInt && l == avro.Date:
		n.kind = kindDate
	case n.kind == kindInt && l == avro.TimeMillis:
		n.kind, n.units, n.digits = kindTime, 1e3, 3
	case n.kind == kindLong:
		n.long(l)
	}
	return nil
}

func (n *node) long(l avro.LogicalType) {
	if l == avro.TimeMicros {
		n.kind, n.units, n.digits = kindTime, 1e6, 6
		return
	}
	switch l { //nolint:exhaustive // what is no type of long is none
	case avro.TimestampMillis, avro.LocalTimestampMillis:
		n.units, n.digits = 1e3, 3
	case avro.TimestampMicros, avro.LocalTimestampMicros:
		n.units, n.digits = 1e6, 6
	case "timestamp-nanos", "local-timestamp-nanos":
		n.units, n.digits = 1e9, 9
	default:
		return
	}
	n.kind = kindTimestamp
	n.local = l == avro.LocalTimestampMillis || l == avro.LocalTimestampMicros || l == "local-timestamp-nanos"
}
