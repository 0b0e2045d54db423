package eventfile

import "encoding/binary"

// delta reads integers in the format DELTA_BINARY_PACKED, as a stream.
type delta struct {
	b      []byte
	at     int
	left   uint64 // numbers still to come
	first  bool   // the next is the first one, which is in the head
	last   int64
	step   int64  // the smallest difference in the block
	per    int    // numbers in a part of a block
	parts  int    // of a block
	widths []byte // of the parts that are still to come
	width  int    // of this part
	inPart int    // numbers still to come in this part
	bit    int    // where the next of these is in b
	end    int    // of this part
}

// start makes d read b. It returns false if b does not begin as it must.
func (d *delta) start(b []byte) bool {
	*d = delta{b: b, first: true}
	block, ok1 := d.uvarint()
	parts, ok2 := d.uvarint()
	total, ok3 := d.uvarint()
	first, ok4 := d.varint()
	if !ok1 || !ok2 || !ok3 || !ok4 || block == 0 || block > 1<<24 || parts == 0 || parts > 1<<16 || block%parts != 0 || block/parts%8 != 0 {
		return false
	}
	d.per, d.parts, d.left, d.last = int(block/parts), int(parts), total, first
	return true
}

func (d *delta) uvarint() (uint64, bool) {
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		return 0, false
	}
	d.at += n
	return v, true
}

func (d *delta) varint() (int64, bool) {
	u, ok := d.uvarint()
	return int64(u>>1) ^ -int64(u&1), ok
}

// part begins the next part that has numbers.
func (d *delta) part() bool {
	if len(d.widths) == 0 {
		step, ok := d.varint()
		if !ok || len(d.b)-d.at < d.parts {
			return false
		}
		d.step = step
		d.widths = d.b[d.at : d.at+d.parts]
		d.at += d.parts
	}
	d.width = int(d.widths[0])
	d.widths = d.widths[1:]
	size := d.per / 8 * d.width
	if d.width > 64 || size > len(d.b)-d.at {
		return false
	}
	d.bit = d.at * 8
	d.at += size
	d.end, d.inPart = d.at, d.per
	return true
}

// read reads numbers until dst is full, and returns how many it could.
func (d *delta) read(dst []int64) int {
	done := 0
	if d.first && d.left > 0 && len(dst) > 0 {
		d.first = false
		dst[0] = d.last
		d.left--
		done = 1
	}
	for done < len(dst) && d.left > 0 {
		if d.inPart == 0 && !d.part() {
			break
		}
		n := min(len(dst)-done, d.inPart)
		if uint64(n) > d.left {
			n = int(d.left)
		}
		d.unpack(dst[done : done+n])
		d.inPart -= n
		d.left -= uint64(n)
		done += n
	}
	return done
}

func (d *delta) unpack(dst []int64) {
	last, step, width, bit := d.last, d.step, d.width, d.bit
	mask := ^uint64(0)
	if width < 64 {
		mask = 1<<width - 1
	}
	for i := range dst {
		var u uint64
		at, shift := bit>>3, bit&7
		switch {
		case width == 0:
		case at+9 <= len(d.b):
			u = binary.LittleEndian.Uint64(d.b[at:]) >> shift
			if shift > 0 {
				u |= uint64(d.b[at+8]) << (64 - shift)
			}
		default:
			u = bitsAt(d.b, bit)
			if shift > 0 && at+8 < len(d.b) {
				u |= uint64(d.b[at+8]) << (64 - shift)
			}
		}
		last += step + int64(u&mask)
		dst[i] = last
		bit += width
	}
	d.last, d.bit = last, bit
}

// rest returns what lies behind the numbers, and false if they are damaged.
func (d *delta) rest() ([]byte, bool) {
	ahead := *d
	var skipped [256]int64
	for ahead.left > 0 {
		if ahead.read(skipped[:]) == 0 {
			return nil, false
		}
	}
	return ahead.b[ahead.at:], true
}
