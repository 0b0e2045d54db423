package inflate

import (
	"encoding/binary"
	"errors"
)

// What can be wrong with a deflate stream.
var (
	errCut      = errors.New("deflate: cut off")
	errCode     = errors.New("deflate: a bad set of codes")
	errSymbol   = errors.New("deflate: a code that stands for nothing")
	errDistance = errors.New("deflate: a repetition of what was before the beginning")
	errStored   = errors.New("deflate: a bad length of a stored block")
	errLonger   = errors.New("deflate: it holds more than was announced")
	errShorter  = errors.New("deflate: it holds less than was announced")
	errKind     = errors.New("deflate: a bad kind of block")
)

// Decoder decodes members. The zero value is ready. It holds 30 KB and keeps
// nothing of what it decoded; it is for one goroutine.
type Decoder struct {
	in  []byte
	at  int    // of the next byte that is not counted in n
	acc uint64 // the next bits, lowest first
	n   uint   // how many; above them acc has 0, or bits of in[at:] that come again
	out []byte
	to  int

	lits    [litTable]uint32
	dists   [distTable]uint32
	lens    [1 << lenBits]uint32
	lengths [maxLits + maxDists]uint8
}

// inflate decodes the deflate stream that in begins with into out, which it must
// fill, and returns how many bytes of in it took.
func (d *Decoder) inflate(out, in []byte) (int, error) {
	d.in, d.at, d.acc, d.n, d.out, d.to = in, 0, 0, 0, out, 0
	defer func() { d.in, d.out = nil, nil }()
	for last := uint32(0); last == 0; {
		head, err := d.take(3)
		if err != nil {
			return 0, err
		}
		last = head & 1
		switch head >> 1 {
		case 0:
			err = d.stored()
		case 1:
			if err = d.fixed(); err == nil {
				err = d.codes()
			}
		case 2:
			if err = d.dynamic(); err == nil {
				err = d.codes()
			}
		default:
			err = errKind
		}
		if err != nil {
			return 0, err
		}
	}
	if d.to != len(d.out) {
		return 0, errShorter
	}
	return d.at - int(d.n>>3), nil // whole bytes that were read ahead go back
}

// fill makes at least 56 bits available, as far as there are any.
func (d *Decoder) fill() {
	for d.n <= 56 && d.at < len(d.in) {
		d.acc |= uint64(d.in[d.at]) << d.n
		d.at++
		d.n += 8
	}
}

// take returns the next k bits, at most 32.
func (d *Decoder) take(k uint) (uint32, error) {
	if d.n < k {
		if d.fill(); d.n < k {
			return 0, errCut
		}
	}
	v := uint32(d.acc & (1<<k - 1))
	d.acc >>= k
	d.n -= k
	return v, nil
}

// stored copies a block that is not compressed.
func (d *Decoder) stored() error {
	rest := d.n & 7
	d.acc >>= rest
	d.n -= rest
	v, err := d.take(32)
	if err != nil {
		return err
	}
	n := int(v & 0xffff)
	if v>>16 != ^v&0xffff {
		return errStored
	}
	d.at -= int(d.n >> 3)
	d.acc, d.n = 0, 0
	switch {
	case n > len(d.in)-d.at:
		return errCut
	case n > len(d.out)-d.to:
		return errLonger
	}
	d.to += copy(d.out[d.to:], d.in[d.at:d.at+n])
	d.at += n
	return nil
}

// codes decodes the symbols of a block by the tables that were made.
func (d *Decoder) codes() error {
	done, err := d.most()
	for !done && err == nil {
		done, err = d.one()
	}
	return err
}

// Far enough from both ends nothing needs to be checked but codes and
// distances: a turn of the loop reads 16 bytes at most, and writes two literals
// and a repetition of 258 bytes in words of 8.
const (
	inMargin  = 16
	outMargin = 2 + 258 + 8
)

// most decodes symbols until one end is near.
func (d *Decoder) most() (done bool, err error) {
	in, at, acc, n := d.in, d.at, d.acc, d.n
	out, to := d.out, d.to
	lits, dists := &d.lits, &d.dists
	for len(in)-at >= inMargin && len(out)-to >= outMargin {
		acc |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
		at += int((63 - n) >> 3)
		n |= 56
		e := lits[acc&(1<<litBits-1)]
		if e&literal != 0 { // at most 11 bits each, so three of them and what begins a repetition fit into 56
			acc >>= e & 63
			n -= uint(e & 63)
			out[to] = byte(e >> 16)
			to++
			e = lits[acc&(1<<litBits-1)]
			if e&literal != 0 {
				acc >>= e & 63
				n -= uint(e & 63)
				out[to] = byte(e >> 16)
				to++
				e = lits[acc&(1<<litBits-1)]
			}
		}
		if e&sub != 0 {
			e = lits[e>>16+uint32(acc>>litBits)&(1<<(e>>8&31)-1)]
		}
		acc >>= e & 63
		n -= uint(e & 63)
		if e&literal != 0 {
			out[to] = byte(e >> 16)
			to++
			continue
		}
		if e&end != 0 {
			done = true
			break
		}
		extra := e >> 8 & 31
		length := int(e>>16) + int(acc&(1<<extra-1))
		acc >>= extra
		n -= uint(extra)
		if length == 0 {
			err = errSymbol
			break
		}
		acc |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
		at += int((63 - n) >> 3)
		n |= 56
		e = dists[acc&(1<<distBits-1)]
		if e&sub != 0 {
			e = dists[e>>16+uint32(acc>>distBits)&(1<<(e>>8&31)-1)]
		}
		acc >>= e & 63
		n -= uint(e & 63)
		extra = e >> 8 & 31
		distance := int(e>>16) + int(acc&(1<<extra-1))
		acc >>= extra
		n -= uint(extra)
		if uint(distance-1) >= uint(to) {
			err = errDistance
			break
		}
		if distance >= 8 {
			from, stop := to-distance, to+length
			for at := to; at < stop; at += 8 {
				binary.LittleEndian.PutUint64(out[at:], binary.LittleEndian.Uint64(out[from:]))
				from += 8
			}
			to = stop
			continue
		}
		again(out[to-distance:to+length], distance)
		to += length
	}
	d.at, d.acc, d.n, d.to = at, acc, n, to
	return done, err
}

// again repeats the first bytes of b through all of it.
func again(b []byte, distance int) {
	for i := distance; i < len(b); i++ {
		b[i] = b[i-distance]
	}
}

// one decodes one symbol near an end.
func (d *Decoder) one() (done bool, err error) {
	e, err := d.symbol(d.lits[:], litBits)
	if err != nil {
		return false, err
	}
	if e&literal != 0 {
		if d.to == len(d.out) {
			return false, errLonger
		}
		d.out[d.to] = byte(e >> 16)
		d.to++
		return false, nil
	}
	if e&end != 0 {
		return true, nil
	}
	extra, err := d.take(uint(e >> 8 & 31))
	if err != nil {
		return false, err
	}
	length := int(e>>16 + extra)
	if length == 0 {
		return false, errSymbol
	}
	if e, err = d.symbol(d.dists[:], distBits); err != nil {
		return false, err
	}
	if extra, err = d.take(uint(e >> 8 & 31)); err != nil {
		return false, err
	}
	distance := int(e>>16 + extra)
	switch {
	case uint(distance-1) >= uint(d.to):
		return false, errDistance
	case length > len(d.out)-d.to:
		return false, errLonger
	}
	again(d.out[d.to-distance:d.to+length], distance)
	d.to += length
	return false, nil
}

// symbol takes the next code and returns its entry.
func (d *Decoder) symbol(table []uint32, direct uint) (uint32, error) {
	d.fill()
	e := table[d.acc&(1<<direct-1)]
	if e&sub != 0 {
		e = table[e>>16+uint32(d.acc>>direct)&(1<<(e>>8&31)-1)]
	}
	if uint(e&63) > d.n {
		return 0, errCut
	}
	d.acc >>= e & 63
	d.n -= uint(e & 63)
	return e, nil
}
