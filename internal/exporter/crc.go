package exporter

import "sync"

// operator is a linear map on CRCs over GF(2): one column per bit.
type operator [32]uint32

// appendZeros[k] maps the CRC of a string to that of the string followed by
// 2^k zero bytes.
var appendZeros = sync.OnceValue(func() *[63]operator {
	var ops [63]operator
	var bit operator    // one zero bit
	bit[0] = 0xedb88320 // the reflected IEEE polynomial
	for i := 1; i < 32; i++ {
		bit[i] = 1 << (i - 1)
	}
	two := bit.squared()
	four := two.squared()
	ops[0] = four.squared()
	for k := 1; k < len(ops); k++ {
		ops[k] = ops[k-1].squared()
	}
	return &ops
})

func (o *operator) apply(v uint32) uint32 {
	var sum uint32
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= o[i]
		}
	}
	return sum
}

func (o *operator) squared() operator {
	var sq operator
	for i := range sq {
		sq[i] = o.apply(o[i])
	}
	return sq
}

// combineCRC32 returns the CRC-32 (IEEE) of the concatenation of two byte
// strings from their CRCs and the length of the second, as zlib's crc32_combine
// does. It lets an object's checksum be known before a byte of it is read.
func combineCRC32(a, b uint32, lenB int64) uint32 {
	for k, n := 0, lenB; n > 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			a = appendZeros()[k].apply(a)
		}
	}
	return a ^ b
}
