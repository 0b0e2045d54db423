package exporter

// combineCRC32 returns the CRC-32 (IEEE) of the concatenation of two byte
// strings from their CRCs and the length of the second. The method is that of
// zlib's crc32_combine: appending n zero bytes is a linear map over GF(2), built
// by squaring. It lets an object's checksum be known before a byte of it is read.
func combineCRC32(a, b uint32, lenB int64) uint32 {
	if lenB <= 0 {
		return a
	}
	// The operator for one zero bit, then two, then four: one byte is the next squaring.
	var even, odd [32]uint32
	odd[0] = 0xedb88320 // the reflected IEEE polynomial
	for i := 1; i < 32; i++ {
		odd[i] = 1 << (i - 1)
	}
	square(&even, &odd)
	square(&odd, &even)
	from, to := &odd, &even
	for n := lenB; n != 0; n >>= 1 {
		square(to, from)
		if n&1 != 0 {
			a = times(to, a)
		}
		from, to = to, from
	}
	return a ^ b
}

func times(m *[32]uint32, v uint32) uint32 {
	var sum uint32
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func square(dst, src *[32]uint32) {
	for i := range dst {
		dst[i] = times(src, src[i])
	}
}
