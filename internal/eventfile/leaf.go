package eventfile

import (
	"context"
	"encoding/binary"
	"errors"
)

// blockLen is how many values of a column are decoded at once. Of the
// encoding that builds each text from the one before it are fewer, because they take memory.
const (
	blockLen     = 1024
	deltaTextLen = 128
)

// errEnd says that a column has no more values in its row group.
var errEnd = errors.New("end of the column")

// work is how much reading a file may still cost, in bytes.
type work struct {
	left, all int64
}

func (w *work) spend(n int64) error {
	if w.left -= n; w.left < 0 {
		return refuse("the file becomes more than %d MiB when it is read: refused as a bomb", w.all>>20)
	}
	return nil
}

// leaf reads one column. Its block holds the values that are decoded but not used.
type leaf struct {
	kind  leafKind
	name  string
	limit int // longest text
	pages pages

	dict dictionary

	// the page
	pageLeft int64 // values and nulls
	reps     hybrid
	defs     hybrid
	encoding int
	data     []byte
	at       int // in data; of encSplit the number of the next value
	indexes  hybrid
	numbers  delta // DELTA_BINARY_PACKED, or lengths of texts
	prefixes delta
	last     []byte // text of DELTA_BYTE_ARRAY

	// the block
	n, next  int // levels in it, and the next of them
	full     bool
	rep, def [blockLen]uint32
	vals, v  int // values in it, and the next of them
	index    [blockLen]uint32
	from, to [blockLen]uint32 // of texts that are not in the dictionary, in text
	text     []byte
	bits     [blockLen]uint64
	built    []byte // texts that were built
	fault    error  // what comes after the block
}

// open begins a row group.
func (l *leaf) open(k chunk, end int64) {
	p := &l.pages
	p.codec, p.left, p.at = k.codec, k.values, k.start()
	p.end = end
	if k.size > 0 && k.size < end-p.at-beyondSize {
		p.end = p.at + k.size + beyondSize
	}
	p.window = p.window[:0]
	l.dict.clear()
	l.pageLeft, l.n, l.next, l.vals, l.v, l.fault = 0, 0, 0, 0, 0, nil
}

// decode makes the next block, when the one before has been used. Errors are
// errEnd, or about the file, but for ctx and the disk.
func (l *leaf) decode(ctx context.Context) error {
	if l.fault != nil {
		return l.fault
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for l.pageLeft == 0 {
		if l.pages.left == 0 {
			return errEnd
		}
		if err := l.page(); err != nil {
			l.fault = l.blame(err)
			return l.fault
		}
	}
	l.next, l.v, l.n, l.vals = 0, 0, 0, 0
	if err := l.pages.work.spend(blockLen); err != nil {
		l.fault = err
		return err
	}
	if err := l.block(); err != nil {
		l.fault = l.blame(err)
		if l.n == 0 {
			return l.fault
		}
	}
	return nil
}

// blame adds the column's name to an error about the file.
func (l *leaf) blame(err error) error {
	var fe *FileError
	if errors.As(err, &fe) {
		return refuse("column %s: %s", l.name, fe.Detail)
	}
	return err
}

// block decodes values of the page. Where they are damaged it keeps those before the damage.
func (l *leaf) block() error {
	n := int(min(l.pageLeft, blockLen))
	if l.encoding == encDeltaText {
		n = min(n, deltaTextLen)
	}
	var fault error
	if l.kind.maxRep > 0 {
		if got := l.reps.read(l.rep[:n]); got < n {
			n, fault = got, refuse("a page has fewer repetition levels than values")
		}
	}
	vals := n
	l.full = true
	if l.kind.maxDef > 0 {
		if v, ok := l.defs.same(n); ok && v == uint32(l.kind.maxDef) {
			l.fillDefs(n, v)
		} else {
			got := n
			if ok {
				l.fillDefs(n, v)
			} else {
				got = l.defs.read(l.def[:n])
			}
			if got < n {
				n, fault = got, refuse("a page has fewer definition levels than values")
			}
			vals = 0
			for _, d := range l.def[:n] {
				if d == uint32(l.kind.maxDef) {
					vals++
				} else if d > uint32(l.kind.maxDef) {
					return refuse("a page has definition level %d, the largest is %d", d, l.kind.maxDef)
				}
			}
			l.full = vals == n
		}
	}
	got, err := l.values(vals)
	if err != nil && fault == nil || got < vals {
		fault = err
	}
	if got < vals { // keep what comes before the first value that is missing
		keep := got
		if !l.full {
			keep = 0
			for seen := 0; keep < n; keep++ {
				if l.def[keep] == uint32(l.kind.maxDef) {
					if seen++; seen > got {
						break
					}
				}
			}
		}
		n = keep
	}
	l.n, l.vals = n, got
	l.pageLeft -= int64(n)
	return fault
}

// fillDefs makes the levels of the block the same. Of flat columns nobody looks at them if all are there.
func (l *leaf) fillDefs(n int, v uint32) {
	if l.kind.maxRep == 0 && v == uint32(l.kind.maxDef) {
		return
	}
	for i := range l.def[:n] {
		l.def[i] = v
	}
}

var errShort = refuse("a page has fewer values than it says")

// values decodes n values into the block and returns how many it could.
func (l *leaf) values(n int) (int, error) {
	if n == 0 {
		return 0, nil
	}
	got, err := 0, errShort
	switch l.encoding {
	case encDict:
		got = l.indexes.read(l.index[:n])
		for i, x := range l.index[:got] {
			if int(x) >= l.dict.n {
				return i, refuse("a page has index %d of a dictionary of %d values", x, l.dict.n)
			}
		}
		if l.kind.typ != typeByteArray {
			for i, x := range l.index[:got] {
				l.bits[i] = l.dict.bits[x]
			}
		}
	case encPlain:
		if l.kind.typ == typeByteArray {
			got = l.plainTexts(n)
		} else {
			for got < n && len(l.data)-l.at >= 8 {
				l.bits[got] = binary.LittleEndian.Uint64(l.data[l.at:])
				l.at += 8
				got++
			}
		}
	case encSplit:
		got = l.split(n)
	case encDelta:
		var buf [blockLen]int64
		got = l.numbers.read(buf[:n])
		for i, x := range buf[:got] {
			l.bits[i] = uint64(x)
		}
	case encDeltaLength:
		got = l.lengthTexts(n)
	case encDeltaText:
		got, err = l.builtTexts(n)
	}
	if got == n {
		err = nil
	}
	return got, err
}

func (l *leaf) plainTexts(n int) int {
	d, at := l.data, l.at
	l.text = d
	got := 0
	for got < n && len(d)-at >= 4 {
		size := int(binary.LittleEndian.Uint32(d[at:]))
		if size > len(d)-at-4 {
			break
		}
		at += 4
		l.from[got], l.to[got] = uint32(at), uint32(at+size)
		at += size
		got++
	}
	l.at = at
	return got
}

func (l *leaf) split(n int) int {
	all := len(l.data) / 8
	n = min(n, all-l.at)
	for i := range l.bits[:n] {
		var u uint64
		for k := range 8 {
			u |= uint64(l.data[k*all+l.at+i]) << (8 * k)
		}
		l.bits[i] = u
	}
	l.at += n
	return n
}

func (l *leaf) lengthTexts(n int) int {
	var sizes [blockLen]int64
	l.text = l.data
	for i, size := range sizes[:l.numbers.read(sizes[:n])] {
		if size < 0 || size > int64(len(l.data)-l.at) {
			return i
		}
		l.from[i], l.to[i] = uint32(l.at), uint32(l.at+int(size))
		l.at += int(size)
		n = i + 1
	}
	return n
}

// builtTexts builds texts from the beginning of the one before them and their own end.
func (l *leaf) builtTexts(n int) (int, error) {
	var begins, ends [deltaTextLen]int64
	n = min(l.prefixes.read(begins[:n]), l.numbers.read(ends[:n]))
	l.built = l.built[:0]
	defer func() { l.text = l.built }()
	for i := range n {
		p, s := begins[i], ends[i]
		if p < 0 || p > int64(len(l.last)) || s < 0 || s > int64(len(l.data)-l.at) {
			return i, errShort
		}
		size := p + s
		last, err := l.pages.mem.extend(l.last, size)
		if err != nil {
			return i, err
		}
		copy(last[p:], l.data[l.at:l.at+int(s)])
		l.last = last
		l.at += int(s)
		size = min(size, int64(l.limit)+1) // longer ones are refused by their length
		if err := l.pages.work.spend(size); err != nil {
			return i, err
		}
		begin := len(l.built)
		built, err := l.pages.mem.extend(l.built, int64(begin)+size)
		if err != nil {
			return i, err
		}
		l.built = built
		copy(l.built[begin:], l.last[:size])
		l.from[i], l.to[i] = uint32(begin), uint32(len(l.built))
	}
	return n, errShort
}

// extend returns b with the length n and its contents.
func (m *memory) extend(b []byte, n int64) ([]byte, error) {
	if n <= int64(cap(b)) {
		return b[:n], nil
	}
	out, err := m.grow(b, max(n, 2*int64(cap(b))))
	if err != nil {
		return nil, err
	}
	copy(out, b)
	return out[:n], nil
}
