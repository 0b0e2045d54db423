package inflate

import "math/bits"

// Bits of a code that are looked up at once; longer codes go on in a part of the
// table that is theirs.
const (
	litBits  = 11
	distBits = 8
	lenBits  = 7 // no code of a length is longer
	maxBits  = 15
)

const (
	maxLits  = 288
	maxDists = 32
	// Of a complete set each part has two codes at least.
	litTable  = 1<<litBits + maxLits/2<<(maxBits-litBits)
	distTable = 1<<distBits + maxDists/2<<(maxBits-distBits)
)

// An entry of a table has the length of its code in bits 0 to 5, and
//
//	literal   the value from bit 16
//	end       nothing more
//	sub       where the part begins from bit 16, bits of its index in bits 8 to 12
//	else      a base from bit 16, how many bits to add to it in bits 8 to 12;
//	          base 0: such a code must not be
const (
	literal uint32 = 1 << 15
	end     uint32 = 1 << 14
	sub     uint32 = 1 << 13
)

// What symbols stand for: entries without the length of a code.
var (
	litEntries  = makeLits()
	distEntries = makeDists()
	lenEntries  = makeLens()
)

// lenOrder is the order in which the lengths of codes for lengths stand.
var lenOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func makeLits() (out [maxLits]uint32) {
	for i := range 256 {
		out[i] = literal | uint32(i)<<16
	}
	out[256] = end
	base := uint32(3)
	for i := 257; i < 285; i++ {
		extra := uint32(max(0, (i-261)/4))
		out[i] = base<<16 | extra<<8
		base += 1 << extra
	}
	out[285] = 258 << 16
	return out // 286 and 287 stand for nothing
}

func makeDists() (out [maxDists]uint32) {
	base := uint32(1)
	for i := range 30 {
		extra := uint32(max(0, i/2-1))
		out[i] = base<<16 | extra<<8
		base += 1 << extra
	}
	return out
}

func makeLens() (out [19]uint32) {
	for i := range out {
		out[i] = literal | uint32(i)<<16
	}
	return out
}

// build makes the table of a set of codes, whose lengths are given by symbol.
// A set must be complete, but for one code of one bit and for none at all where
// that is allowed.
func build(table []uint32, direct uint, lengths []uint8, entries []uint32, none bool) error {
	var count, next [maxBits + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	longest, left := uint(0), 1
	for n := 1; n <= maxBits; n++ {
		if count[n] > 0 {
			longest = uint(n)
		}
		if left = left<<1 - count[n]; left < 0 {
			return errCode
		}
		if n < maxBits {
			next[n+1] = (next[n] + count[n]) << 1
		}
	}
	if left > 0 {
		if longest > 1 || longest == 0 && !none {
			return errCode
		}
		clear(table[:1<<direct])
	}
	if longest > direct {
		clear(table[:1<<direct]) // a part that is not there yet is 0
	}
	free := uint32(1) << direct
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		code := uint32(bits.Reverse16(uint16(next[n]))) >> (16 - n)
		next[n]++
		e := entries[s] | uint32(n)
		if uint(n) <= direct {
			for i := code; i < 1<<direct; i += 1 << n {
				table[i] = e
			}
			continue
		}
		more := uint32(longest - direct)
		begin := &table[code&(1<<direct-1)]
		if *begin == 0 {
			*begin = sub | free<<16 | more<<8
			free += 1 << more
		}
		part := table[*begin>>16:][:1<<more]
		for i := code >> direct; i < 1<<more; i += 1 << (uint32(n) - uint32(direct)) {
			part[i] = e
		}
	}
	return nil
}

// fixed makes the tables of the codes that the format itself knows.
func (d *Decoder) fixed() error {
	l := d.lengths[:]
	for i := range maxLits {
		switch {
		case i < 144 || i >= 280:
			l[i] = 8
		case i < 256:
			l[i] = 9
		default:
			l[i] = 7
		}
	}
	for i := range maxDists {
		l[maxLits+i] = 5
	}
	if err := build(d.lits[:], litBits, l[:maxLits], litEntries[:], false); err != nil {
		return err
	}
	return build(d.dists[:], distBits, l[maxLits:], distEntries[:], false)
}

// dynamic reads the codes of a block and makes their tables.
func (d *Decoder) dynamic() error {
	head, err := d.take(14)
	if err != nil {
		return err
	}
	lits, dists, lens := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if lits > 286 || dists > 30 {
		return errCode
	}
	var order [19]uint8
	for _, at := range lenOrder[:lens] {
		v, err := d.take(3)
		if err != nil {
			return err
		}
		order[at] = uint8(v)
	}
	if err := build(d.lens[:], lenBits, order[:], lenEntries[:], false); err != nil {
		return err
	}
	all := d.lengths[:lits+dists]
	for i := 0; i < len(all); {
		e, err := d.symbol(d.lens[:], lenBits)
		if err != nil {
			return err
		}
		if e&literal == 0 {
			return errSymbol
		}
		what, times := e>>16, 1
		if what >= 16 {
			rule := [3]struct {
				extra uint
				least int
			}{{2, 3}, {3, 3}, {7, 11}}[what-16]
			v, err := d.take(rule.extra)
			if err != nil {
				return err
			}
			times = rule.least + int(v)
			if what == 16 {
				if i == 0 {
					return errCode
				}
				what = uint32(all[i-1])
			} else {
				what = 0
			}
			if times > len(all)-i {
				return errCode
			}
		}
		for range times {
			all[i] = uint8(what)
			i++
		}
	}
	if all[256] == 0 {
		return errCode // a block without an end
	}
	if err := build(d.lits[:], litBits, all[:lits], litEntries[:], false); err != nil {
		return err
	}
	return build(d.dists[:], distBits, all[lits:], distEntries[:], true)
}
