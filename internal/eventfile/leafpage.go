package eventfile

import (
	"encoding/binary"
	"math/bits"
)

// dictionary holds the values that pages point to. Texts are quoted already, so
// that each is looked at once; one that is not UTF-8 is empty.
type dictionary struct {
	read bool
	n    int
	json []byte
	ends []uint32 // of the texts in json, after a 0
	bits []uint64
}

func (d *dictionary) clear() { d.read, d.n = false, 0 }

// page reads the next page of data, and the dictionary if it comes before it.
func (l *leaf) page() error {
	h, b, err := l.pages.next()
	if err != nil {
		return err
	}
	if h.kind == pageDict {
		if l.dict.read {
			return refuse("there are two dictionaries")
		}
		return l.readDict(h, b)
	}
	if h.values < 0 || h.values > l.pages.left {
		return refuse("a page says that it has %d values, where %d are left", h.values, l.pages.left)
	}
	l.pages.left -= h.values
	l.pageLeft = h.values
	var data []byte
	if h.kind == pageDataV2 {
		data, err = l.levelsV2(h, b)
	} else {
		data, err = l.levelsV1(h, b)
	}
	if err != nil {
		return err
	}
	return l.startValues(h, data)
}

// levelsV1 finds the levels, which are compressed with the values, and returns the values.
func (l *leaf) levelsV1(h pageHeader, b []byte) ([]byte, error) {
	data, err := l.pages.decompress(b, h.raw, true)
	if err != nil {
		return nil, err
	}
	take := func(into *hybrid, encoding, largest int) error {
		if largest == 0 {
			return nil
		}
		if encoding != encRLE {
			return refuse("levels are encoded as %s, which is not supported", nameOf(encodingNames[:], encoding, "unknown encoding"))
		}
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return refuse("the levels of a page are cut off")
		}
		n := binary.LittleEndian.Uint32(data)
		into.start(data[4:4+n], bits.Len(uint(largest)))
		data = data[4+n:]
		return nil
	}
	if err := take(&l.reps, h.repEnc, l.kind.maxRep); err != nil {
		return nil, err
	}
	if err := take(&l.defs, h.defEnc, l.kind.maxDef); err != nil {
		return nil, err
	}
	return data, nil
}

// levelsV2 finds the levels, which are not compressed, and returns the values.
func (l *leaf) levelsV2(h pageHeader, b []byte) ([]byte, error) {
	levels := h.repLen + h.defLen
	if h.repLen < 0 || h.defLen < 0 || levels > int64(len(b)) || levels > h.raw {
		return nil, refuse("the levels of a page are cut off")
	}
	l.reps.start(b[:h.repLen], bits.Len(uint(l.kind.maxRep)))
	l.defs.start(b[h.repLen:levels], bits.Len(uint(l.kind.maxDef)))
	return l.pages.decompress(b[levels:], h.raw-levels, !h.notPacked)
}

// startValues makes data, the values of a page, ready to be decoded.
func (l *leaf) startValues(h pageHeader, data []byte) error {
	l.data, l.at, l.encoding = data, 0, h.encoding
	text, long := l.kind.typ == typeByteArray, l.kind.typ == typeInt64
	ok, err := true, error(nil)
	switch {
	case h.encoding == encDict || h.encoding == encPlainDict:
		l.encoding = encDict
		if len(data) == 0 { // a page of nulls
			l.indexes.start(nil, 0)
			return nil
		}
		if !l.dict.read {
			return refuse("a page needs a dictionary, and there is none")
		}
		if data[0] > 32 {
			return refuse("a page has indexes of %d bits", data[0])
		}
		l.indexes.start(data[1:], int(data[0]))
	case h.encoding == encPlain, h.encoding == encSplit && !text:
	case len(data) == 0:
		l.encoding = encPlain
	case h.encoding == encDelta && long:
		ok = l.numbers.start(data)
	case h.encoding == encDeltaLength && text:
		l.data, ok, err = l.behind(&l.numbers, data)
	case h.encoding == encDeltaText && text:
		l.last = l.last[:0]
		if data, ok, err = l.behind(&l.prefixes, data); ok {
			l.data, ok, err = l.behind(&l.numbers, data)
		}
	default:
		return refuse("values are encoded as %s, which is not supported for %s", nameOf(encodingNames[:], h.encoding, "unknown encoding"), typeName(l.kind.typ))
	}
	if err == nil && !ok {
		err = refuse("the lengths or differences in a page are damaged")
	}
	return err
}

// behind makes d read data, and returns what lies behind the numbers. They are walked
// over for that, so their number must be one that the page can have.
func (l *leaf) behind(d *delta, data []byte) (rest []byte, ok bool, err error) {
	if !d.start(data) || d.left > uint64(l.pageLeft) {
		return nil, false, nil
	}
	if err := l.pages.work.spend(int64(d.left)); err != nil {
		return nil, false, err
	}
	rest, ok = d.rest()
	return rest, ok, nil
}

// readDict reads a page that is a dictionary.
func (l *leaf) readDict(h pageHeader, b []byte) error {
	if h.encoding != encPlain && h.encoding != encPlainDict {
		return refuse("a dictionary is encoded as %s, which is not supported", nameOf(encodingNames[:], h.encoding, "unknown encoding"))
	}
	data, err := l.pages.decompress(b, h.raw, true)
	if err != nil {
		return err
	}
	least := int64(8)
	if l.kind.typ == typeByteArray {
		least = 4
	}
	if h.values < 0 || h.values > int64(len(data))/least {
		return refuse("a dictionary says that it has %d values, in %d bytes", h.values, len(data))
	}
	l.dict.read = true
	if l.kind.typ == typeByteArray {
		return l.readTexts(int(h.values), data)
	}
	if l.dict.bits, err = growSlice(l.pages.mem, l.dict.bits, int(h.values), 8); err != nil {
		return err
	}
	for i := range l.dict.bits {
		l.dict.bits[i] = binary.LittleEndian.Uint64(data[8*i:])
	}
	l.dict.n = int(h.values)
	return nil
}

func (l *leaf) readTexts(n int, data []byte) error {
	d, mem := &l.dict, l.pages.mem
	var err error
	if d.ends, err = growSlice(mem, d.ends, n+1, 4); err != nil {
		return err
	}
	d.ends[0] = 0
	json := d.json[:0]
	for i := range n {
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return refuse("a dictionary is cut off")
		}
		size := int(binary.LittleEndian.Uint32(data))
		s := data[4 : 4+size]
		data = data[4+size:]
		if size > l.limit {
			s = s[:0] // refused by its length, which its quotes alone have not
		}
		// Escaping makes at most six bytes of one: reserve only what is needed.
		for need := quotedLen(s) + len(json); need > cap(json); {
			if json, err = mem.extend(json, int64(need)); err != nil {
				return err
			}
			json = json[:d.ends[i]]
		}
		if size > l.limit {
			json = append(json, tooLongMark)
		} else {
			json, _ = appendQuoted(json, s)
		}
		d.ends[i+1] = uint32(len(json))
	}
	d.json, d.n = json, n
	return nil
}

// tooLongMark stands in a dictionary for a text that is longer than any row.
const tooLongMark = '!'

// quotedLen is how long s is as a JSON string, at most.
func quotedLen(s []byte) int {
	if plain(s) {
		return len(s) + 2
	}
	n := 2
	for _, c := range s {
		switch {
		case c < ' ':
			n += 6
		case c == '"' || c == '\\':
			n += 2
		default:
			n++
		}
	}
	return n
}

// growSlice is memory.grow for numbers of size bytes.
func growSlice[T uint32 | uint64](m *memory, s []T, n, size int) ([]T, error) {
	if n <= cap(s) {
		return s[:n], nil
	}
	if err := m.take(int64(n-cap(s)) * int64(size)); err != nil {
		return nil, err
	}
	return make([]T, n), nil
}
