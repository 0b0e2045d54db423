package eventfile

import "encoding/binary"

// Types of values in Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

// maxNesting is how deep structs and lists are read; Parquet's own need less than 10.
const maxNesting = 32

// thrift reads values in the compact protocol from b. It copies nothing, and
// takes no memory for a length that it reads. After a fault it returns zeros, and ends every loop.
type thrift struct {
	b     []byte
	at    int
	short bool // b ended too early; more bytes may help
	bad   bool // short, or b is no such text
	deep  int
}

func (t *thrift) fail() { t.bad = true; t.at = len(t.b) }

func (t *thrift) cut() { t.short = true; t.fail() }

func (t *thrift) byte() byte {
	if t.at >= len(t.b) {
		t.cut()
		return 0
	}
	t.at++
	return t.b[t.at-1]
}

func (t *thrift) uvarint() uint64 {
	v, n := binary.Uvarint(t.b[t.at:])
	switch {
	case n > 0:
		t.at += n
	case n == 0:
		t.cut()
	default:
		t.fail()
	}
	return v
}

func (t *thrift) int() int64 {
	u := t.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (t *thrift) binary() []byte {
	n := t.uvarint()
	if n > uint64(len(t.b)-t.at) {
		t.cut()
		return nil
	}
	t.at += int(n)
	return t.b[t.at-int(n) : t.at]
}

// fields calls each for every field of a struct, which must read the value or
// return false to have it skipped. Values of bool are in the type.
func (t *thrift) fields(each func(id int, typ byte) bool) {
	if t.deep++; t.deep > maxNesting {
		t.fail()
	}
	for id := 0; !t.bad; {
		head := t.byte()
		if head == 0 {
			break
		}
		if delta := int(head >> 4); delta != 0 {
			id += delta
		} else {
			id = int(int16(t.int()))
		}
		if typ := head & 15; !t.bad && !each(id, typ) {
			t.skip(typ)
		}
	}
	t.deep--
}

// list calls each for every element of a list, which must read it or return false to have it skipped.
func (t *thrift) list(each func(typ byte) bool) {
	if t.deep++; t.deep > maxNesting {
		t.fail()
	}
	head := t.byte()
	n, typ := uint64(head>>4), head&15
	if n == 15 {
		n = t.uvarint()
	}
	for ; n > 0 && !t.bad; n-- {
		if !each(typ) {
			t.element(typ)
		}
	}
	t.deep--
}

// element skips an element of a list, where bools have a byte.
func (t *thrift) element(typ byte) {
	if typ == thriftTrue || typ == thriftFalse {
		typ = thriftByte
	}
	t.skip(typ)
}

// skip skips the value of a field.
func (t *thrift) skip(typ byte) {
	size := 0
	switch typ {
	case thriftTrue, thriftFalse:
	case thriftByte:
		size = 1
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		size = 8
	case thriftUUID:
		size = 16
	case thriftBinary:
		t.binary()
	case thriftList, thriftSet:
		t.list(func(byte) bool { return false })
	case thriftMap:
		t.skipMap()
	case thriftStruct:
		t.fields(func(int, byte) bool { return false })
	default:
		t.fail()
	}
	if size > len(t.b)-t.at {
		t.cut()
		return
	}
	t.at += size
}

func (t *thrift) skipMap() {
	n := t.uvarint()
	if n == 0 || t.bad {
		return
	}
	if t.deep++; t.deep > maxNesting {
		t.fail()
	}
	types := t.byte()
	for ; n > 0 && !t.bad; n-- {
		t.element(types >> 4)
		t.element(types & 15)
	}
	t.deep--
}
