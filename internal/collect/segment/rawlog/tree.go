package rawlog

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// kind is what a node is.
type kind uint8

const (
	object kind = iota
	array
	text
	number
	yes
	no
	null
)

type nodeFlags uint8

const (
	oddKey  nodeFlags = 1 << iota // the key must be decoded before it is compared
	sickKey                       // the key has bytes that are not UTF-8
	escaped                       // a text with escapes
	sick                          // a text with bytes that are not UTF-8
	plain                         // can be copied into a line as it stands in the body
)

// node is one value of a body. Nodes lie in the order of the body; the members
// of an object are linked in the order of their keys, each key once.
type node struct {
	key, keyEnd uint32 // the text of the key without its quotes, for members of objects
	off, end    uint32 // of the value
	child       uint32 // the first of a container, 0 for none
	next        uint32 // the one after it in its container, 0 for none
	kind        kind
	flags       nodeFlags
}

// tree is a parsed body: nodes[0] is the root. All its memory is used again.
type tree struct {
	body  []byte
	nodes []node
	stack [MaxDepth]frame
	sort  []sortKey
	// Decoded texts: two keys that are compared, and what content returns.
	bufA, bufB, bufC []byte
}

// frame is a container that is being read.
type frame struct {
	node     uint32
	last     uint32 // its last child so far, 0 for none
	prefix   uint64 // of the last key
	list     bool   // it is an array
	ragged   bool   // it cannot be copied as it stands
	unsorted bool   // a key was not above the one before it
}

// flaw is where and why a body is not JSON. At len(body) it ended early.
type flaw struct {
	at   int
	want string // what could have stood there; empty: it nests too deep
}

// parse reads body. It goes over the bytes once and does not recurse.
func (t *tree) parse(body []byte) *flaw {
	t.body, t.nodes = body, t.nodes[:0]
	var (
		b     = body
		depth int
		top   *frame
		n     node
		ok    bool
		f     textFlags
	)
	i := scanSpace(b, skipMark(b))

value:
	if i >= len(b) {
		return &flaw{i, "a value"}
	}
	n.off = uint32(i)
	switch c := b[i]; c {
	case '"':
		n.kind = text
		if i, f = scanText(b, i+1); f != 0 {
			if f&textFlaw != 0 {
				return &flaw{i, f.want()}
			}
			if f&textEscaped != 0 {
				n.flags |= escaped
			}
			if f&textWide != 0 && !utf8.Valid(b[n.off:i]) {
				n.flags |= sick
			}
		}
	case '{', '[':
		if depth == MaxDepth {
			return &flaw{i, ""}
		}
		n.kind = object
		if c == '[' {
			n.kind = array
		}
		if top != nil {
			top.last = t.link(top, n)
		} else {
			t.nodes = append(t.nodes, n)
		}
		top = &t.stack[depth]
		*top = frame{node: uint32(len(t.nodes) - 1), list: c == '['}
		depth++
		i++
		if i < len(b) && b[i] <= ' ' {
			i, top.ragged = scanSpace(b, i), true
		}
		switch {
		case i < len(b) && b[i] == c+2: // ']' and '}' stand two after '[' and '{'
			goto closing
		case c == '[':
			n = node{}
			goto value
		}
		goto key
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		n.kind = number
		if i, ok = scanNumber(b, i); !ok {
			return &flaw{i, "a digit"}
		}
	case 't':
		n.kind = yes
		if i, ok = scanWord(b, i, "true"); !ok {
			return &flaw{i, "true"}
		}
	case 'f':
		n.kind = no
		if i, ok = scanWord(b, i, "false"); !ok {
			return &flaw{i, "false"}
		}
	case 'n':
		n.kind = null
		if i, ok = scanWord(b, i, "null"); !ok {
			return &flaw{i, "null"}
		}
	default:
		return &flaw{i, "a value"}
	}
	n.end = uint32(i)
	if n.flags&sick == 0 {
		n.flags |= plain
	}
	if top == nil {
		t.nodes = append(t.nodes, n)
		return t.atEnd(i)
	}
	if n.flags&(sick|sickKey) != 0 {
		top.ragged = true
	}
	top.last = t.link(top, n)

after:
	if i < len(b) && b[i] <= ' ' {
		i, top.ragged = scanSpace(b, i), true
	}
	if top.list {
		switch {
		case i < len(b) && b[i] == ',':
			i++
			if i < len(b) && b[i] <= ' ' {
				i, top.ragged = scanSpace(b, i), true
			}
			n = node{}
			goto value
		case i < len(b) && b[i] == ']':
			goto closing
		}
		return &flaw{i, "',' or ']' after a value"}
	}
	switch {
	case i < len(b) && b[i] == ',':
		i++
		if i < len(b) && b[i] <= ' ' {
			i, top.ragged = scanSpace(b, i), true
		}
		goto key
	case i < len(b) && b[i] == '}':
		goto closing
	}
	return &flaw{i, "',' or '}' after a value"}

key:
	if i >= len(b) || b[i] != '"' {
		if top.last == 0 {
			return &flaw{i, "a key in quotes or '}'"}
		}
		return &flaw{i, "a key in quotes"}
	}
	n = node{key: uint32(i + 1)}
	if i, f = scanText(b, i+1); f != 0 {
		if f&textFlaw != 0 {
			return &flaw{i, f.want()}
		}
		if f&textEscaped != 0 {
			n.flags |= oddKey
		}
		if f&textWide != 0 && !utf8.Valid(b[n.key:i]) {
			n.flags |= oddKey | sickKey
			top.ragged = true
		}
	}
	n.keyEnd = uint32(i - 1)
	if !top.unsorted {
		t.follow(top, &n)
	}
	if i < len(b) && b[i] <= ' ' {
		i, top.ragged = scanSpace(b, i), true
	}
	if i >= len(b) || b[i] != ':' {
		return &flaw{i, "':' after the key"}
	}
	i++
	if i < len(b) && b[i] <= ' ' {
		i, top.ragged = scanSpace(b, i), true
	}
	goto value

closing:
	i++
	depth--
	self := &t.nodes[top.node]
	self.end = uint32(i)
	if top.unsorted {
		t.sortMembers(self)
		top.ragged = true
	}
	if !top.ragged {
		self.flags |= plain
		// What will be copied as it stands needs no nodes, unless its members
		// are looked up: those of calls and of what is merged are. Nothing looks
		// into arrays but that of the batch, which is a member of the root.
		if top.list && depth > 1 {
			t.nodes, self.child = t.nodes[:top.node+1], 0
		}
	}
	if depth == 0 {
		return t.atEnd(i)
	}
	ragged := top.ragged
	top = &t.stack[depth-1]
	top.ragged = top.ragged || ragged
	goto after
}

// skipMark returns the index after the byte order mark that some put first.
func skipMark(b []byte) int {
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		return 3
	}
	return 0
}

func (t *tree) atEnd(i int) *flaw {
	if i = scanSpace(t.body, i); i < len(t.body) {
		return &flaw{i, "nothing after the end of the JSON text"}
	}
	return nil
}

// link adds n as the last child of top and returns its index.
func (t *tree) link(top *frame, n node) uint32 {
	at := uint32(len(t.nodes))
	t.nodes = append(t.nodes, n)
	if top.last == 0 {
		t.nodes[top.node].child = at
	} else {
		t.nodes[top.last].next = at
	}
	return at
}

// follow notes whether the key of n, which is about to be added, is above that
// of the member before it.
func (t *tree) follow(top *frame, n *node) {
	prefix := t.prefix(n)
	if top.last != 0 && (prefix < top.prefix || prefix == top.prefix && t.compareKeys(&t.nodes[top.last], n) >= 0) {
		top.unsorted = true
	}
	top.prefix = prefix
}

// prefix returns the first eight bytes of n's decoded key as a number, so that
// a key with the lower number is the lower key.
func (t *tree) prefix(n *node) uint64 {
	key := t.body[n.key:n.keyEnd]
	if n.flags&oddKey != 0 {
		t.bufA = appendDecoded(t.bufA[:0], key)
		key = t.bufA
	} else if at := int(n.key); at+8 <= len(t.body) {
		x := binary.BigEndian.Uint64(t.body[at:])
		if len(key) < 8 {
			x &^= ^uint64(0) >> (8 * len(key))
		}
		return x
	}
	var x uint64
	for i := range min(len(key), 8) {
		x |= uint64(key[i]) << (56 - 8*i)
	}
	return x
}

// compareKeys compares two decoded keys.
func (t *tree) compareKeys(a, b *node) int {
	x, y := t.body[a.key:a.keyEnd], t.body[b.key:b.keyEnd]
	if a.flags&oddKey != 0 {
		t.bufA = appendDecoded(t.bufA[:0], x)
		x = t.bufA
	}
	if b.flags&oddKey != 0 {
		t.bufB = appendDecoded(t.bufB[:0], y)
		y = t.bufB
	}
	return bytes.Compare(x, y)
}

// decodedKey returns n's key, valid until the next key is compared.
func (t *tree) decodedKey(n *node) []byte {
	key := t.body[n.key:n.keyEnd]
	if n.flags&oddKey == 0 {
		return key
	}
	t.bufA = appendDecoded(t.bufA[:0], key)
	return t.bufA
}

// content returns the decoded text of the text at index at, valid until the
// next call.
func (t *tree) content(at uint32) []byte {
	n := &t.nodes[at]
	raw := t.body[n.off+1 : n.end-1]
	if n.flags&(escaped|sick) == 0 {
		return raw
	}
	t.bufC = appendDecoded(t.bufC[:0], raw)
	return t.bufC
}

// find returns the index of the member of the object at index at that has the
// key name, 0 for none.
func (t *tree) find(at uint32, name string) uint32 {
	for m := t.nodes[at].child; m != 0; m = t.nodes[m].next {
		if string(t.decodedKey(&t.nodes[m])) == name {
			return m
		}
	}
	return 0
}
