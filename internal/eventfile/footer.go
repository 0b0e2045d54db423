package eventfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Types of columns, as the format numbers them.
const (
	typeInt64     = 2
	typeDouble    = 5
	typeByteArray = 6
)

var typeNames = [...]string{"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}

// The ways in which a field repeats.
const (
	required = 0
	optional = 1
	repeated = 2
)

// node is a field of the schema. What is not there is -1.
type node struct {
	name       string
	typ        int // physical; -1 for groups
	repetition int
	children   int
	converted  int // the older annotation
	logical    int // the newer one: which
	bits       int // of an integer of the newer kind
	signed     bool
}

// chunk is one column of one row group.
type chunk struct {
	found     bool
	elsewhere bool // in another file
	encrypted bool
	typ       int
	codec     int
	values    int64
	data      int64 // offset of the first data page
	dict      int64 // offset of the dictionary, or 0
	size      int64 // bytes with headers
}

// rowGroup holds the chunks of the columns that are read.
type rowGroup struct {
	rows   int64
	chunks [columns]chunk
}

// table is what the footer says.
type table struct {
	rows   int64
	groups []rowGroup
	leaves [columns]leafKind
	end    int64 // of the data
}

const (
	magic          = "PAR1"
	magicEncrypted = "PARE"
	// maxRowGroups keeps a footer of empty ones from taking memory; each is about 600 bytes here.
	maxRowGroups = 1 << 15
	maxNodes     = 100_000 // fields of a schema
)

// readFooter reads the footer of the file and checks the schema.
func readFooter(r io.ReaderAt, size, most int64) (table, error) {
	var tail [8]byte
	if size < 12 {
		return table{}, refuse("a Parquet file has at least 12 bytes, this one has %d", size)
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return table{}, fmt.Errorf("read temporary file: %w", err)
	}
	switch string(tail[4:]) {
	case magic:
	case magicEncrypted:
		return table{}, refuse("the Parquet file is encrypted")
	default:
		return table{}, refuse("the Parquet file is cut off: it does not end with %s", magic)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	switch {
	case n > size-12:
		return table{}, refuse("the Parquet footer says that it has %d bytes, in a file of %d", n, size)
	case n > most:
		return table{}, refuse("the Parquet footer has %d bytes; at most %d are read", n, most)
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-8-n); err != nil {
		return table{}, fmt.Errorf("read temporary file: %w", err)
	}
	return parseFooter(b, size-8-n)
}

// parseFooter reads b twice: first the schema, which says which columns to
// take from the row groups. end is where the footer begins.
func parseFooter(b []byte, end int64) (table, error) {
	out := table{end: end}
	var nodes []node
	encrypted := false
	t := thrift{b: b}
	t.fields(func(id int, typ byte) bool {
		switch {
		case id == 2 && typ == thriftList:
			t.list(func(typ byte) bool {
				if typ != thriftStruct || len(nodes) == maxNodes {
					t.fail()
					return true
				}
				nodes = append(nodes, t.node())
				return true
			})
		case id == 3 && typ == thriftI64:
			out.rows = t.int()
		case id == 8:
			encrypted = true
			return false
		default:
			return false
		}
		return true
	})
	if t.bad {
		return table{}, refuse("the Parquet footer is damaged")
	}
	if encrypted {
		return table{}, refuse("the Parquet file is encrypted")
	}
	leaves, count, err := checkSchema(nodes)
	if err != nil {
		return table{}, err
	}
	out.leaves = leaves
	if err := out.readGroups(b, count); err != nil {
		return table{}, err
	}
	return out, nil
}

// readGroups reads the row groups; leaves is how many columns each has.
func (out *table) readGroups(b []byte, leaves int) error {
	byLeaf := map[int]int{}
	for i, l := range out.leaves {
		if l.present {
			byLeaf[l.index] = i
		}
	}
	var fault error
	t := thrift{b: b}
	t.fields(func(id int, typ byte) bool {
		if id != 4 || typ != thriftList {
			return false
		}
		t.list(func(typ byte) bool {
			if typ != thriftStruct || len(out.groups) == maxRowGroups {
				t.fail()
				return true
			}
			var g rowGroup
			if n := t.rowGroup(&g, byLeaf); !t.bad && n != leaves && fault == nil {
				fault = refuse("row group %d of the Parquet file has %d columns, the schema %d", len(out.groups), n, leaves)
			}
			out.groups = append(out.groups, g)
			return true
		})
		return true
	})
	if t.bad {
		return refuse("the Parquet footer is damaged")
	}
	if fault != nil {
		return fault
	}
	return out.check()
}

// check compares the numbers of the footer with each other and with the file.
func (out *table) check() error {
	var rows int64
	for i, g := range out.groups {
		if g.rows < 0 || g.rows > 1<<40 {
			return refuse("row group %d of the Parquet file says that it has %d rows", i, g.rows)
		}
		rows += g.rows
		for c, l := range out.leaves {
			if !l.present {
				continue
			}
			k := g.chunks[c]
			what := fmt.Sprintf("column %s, row group %d", columnNames[c], i)
			switch {
			case k.encrypted:
				return refuse("%s: is encrypted", what)
			case k.elsewhere:
				return refuse("%s: is in another file", what)
			case !k.found:
				return refuse("%s: the Parquet footer does not describe it", what)
			case k.typ != l.typ:
				return refuse("%s: has type %s, its schema says %s", what, typeName(k.typ), typeName(l.typ))
			case !knownCodec(k.codec):
				return refuse("%s: compressed with %s, which cannot be read", what, codecName(k.codec))
			case k.values < 0 || k.values == 0 && g.rows > 0 || c < keyColumn && k.values != g.rows:
				return refuse("%s: says that it has %d values for %d rows", what, k.values, g.rows)
			}
			if start := k.start(); g.rows > 0 && (start < 4 || start >= out.end || k.size < 0) {
				return refuse("%s: says that it begins at byte %d of %d", what, start, out.end)
			}
		}
	}
	if rows != out.rows {
		return refuse("the Parquet footer says that there are %d rows; its row groups have %d", out.rows, rows)
	}
	return nil
}

// start is where the first page of the chunk is.
func (k chunk) start() int64 {
	if k.dict > 0 && k.dict < k.data {
		return k.dict
	}
	return k.data
}

func (t *thrift) node() node {
	n := node{typ: -1, repetition: -1, converted: -1, logical: -1}
	t.fields(func(id int, typ byte) bool {
		switch {
		case id == 1 && typ == thriftI32:
			n.typ = int(int32(t.int()))
		case id == 3 && typ == thriftI32:
			n.repetition = int(int32(t.int()))
		case id == 4 && typ == thriftBinary:
			n.name = string(t.binary())
		case id == 5 && typ == thriftI32:
			n.children = int(int32(t.int()))
		case id == 6 && typ == thriftI32:
			n.converted = int(int32(t.int()))
		case id == 10 && typ == thriftStruct:
			t.logical(&n)
		default:
			return false
		}
		return true
	})
	return n
}

func (t *thrift) logical(n *node) {
	t.fields(func(id int, typ byte) bool {
		n.logical = id
		if id != logicalInteger || typ != thriftStruct {
			return false
		}
		t.fields(func(id int, typ byte) bool {
			switch {
			case id == 1 && typ == thriftByte:
				n.bits = int(t.byte())
			case id == 2:
				n.signed = typ == thriftTrue
			default:
				return false
			}
			return true
		})
		return true
	})
}

// rowGroup reads a row group and returns how many columns it has.
func (t *thrift) rowGroup(g *rowGroup, byLeaf map[int]int) int {
	n := 0
	t.fields(func(id int, typ byte) bool {
		switch {
		case id == 1 && typ == thriftList:
			t.list(func(typ byte) bool {
				n++
				at, ok := byLeaf[n-1]
				if !ok || typ != thriftStruct {
					return false
				}
				t.chunk(&g.chunks[at])
				return true
			})
		case id == 3 && typ == thriftI64:
			g.rows = t.int()
		default:
			return false
		}
		return true
	})
	return n
}

func (t *thrift) chunk(k *chunk) {
	t.fields(func(id int, typ byte) bool {
		switch {
		case id == 1 && typ == thriftBinary:
			k.elsewhere = len(bytes.TrimSpace(t.binary())) > 0
		case id == 3 && typ == thriftStruct:
			k.found = true
			t.chunkData(k)
		case id == 8:
			k.encrypted = true
			return false
		default:
			return false
		}
		return true
	})
}

func (t *thrift) chunkData(k *chunk) {
	t.fields(func(id int, typ byte) bool {
		switch {
		case id == 1 && typ == thriftI32:
			k.typ = int(int32(t.int()))
		case id == 4 && typ == thriftI32:
			k.codec = int(int32(t.int()))
		case id == 5 && typ == thriftI64:
			k.values = t.int()
		case id == 7 && typ == thriftI64:
			k.size = t.int()
		case id == 9 && typ == thriftI64:
			k.data = t.int()
		case id == 11 && typ == thriftI64:
			k.dict = t.int()
		default:
			return false
		}
		return true
	})
}
