package eventfile

import "encoding/binary"

// hybrid reads numbers of up to 32 bits in the format's mixture of runs and
// packed bits: levels, and indexes into dictionaries.
type hybrid struct {
	b      []byte
	width  int // bits of a number
	run    int // how often value is still to come
	value  uint32
	packed int // how many packed numbers are still to come
	bit    int // where the next of these is in b
}

// start makes h read b.
func (h *hybrid) start(b []byte, width int) { *h = hybrid{b: b, width: width} }

// head reads the head of the next run. It returns false if there is none.
func (h *hybrid) head() bool {
	for h.run == 0 && h.packed == 0 {
		n, size := binary.Uvarint(h.b)
		if size <= 0 || n>>1 > 1<<31 {
			return false
		}
		h.b = h.b[size:]
		count := int(n >> 1)
		bytes := (h.width + 7) / 8
		switch {
		case n&1 == 0:
			if bytes > len(h.b) {
				return false
			}
			h.value = 0
			for i := range bytes {
				h.value |= uint32(h.b[i]) << (8 * i)
			}
			h.b = h.b[bytes:]
			h.run = count
		case h.width == 0:
			h.value, h.run = 0, count*8
		default:
			// Some writers leave out the end of the last group.
			h.packed, h.bit = min(count*8, len(h.b)*8/h.width), 0
			if h.packed == 0 {
				return false
			}
		}
	}
	return true
}

// leave ends a packed run that has been read.
func (h *hybrid) leave() {
	if h.packed == 0 {
		h.b = h.b[min((h.bit+7)/8, len(h.b)):]
	}
}

// same returns the next n numbers if they are known to be one.
func (h *hybrid) same(n int) (uint32, bool) {
	if !h.head() || h.run < n {
		return 0, false
	}
	h.run -= n
	return h.value, true
}

// read reads numbers until dst is full, and returns how many it could.
func (h *hybrid) read(dst []uint32) int {
	done := 0
	for done < len(dst) && h.head() {
		if h.run > 0 {
			n := min(h.run, len(dst)-done)
			for i := range dst[done : done+n] {
				dst[done+i] = h.value
			}
			h.run -= n
			done += n
			continue
		}
		n := min(h.packed, len(dst)-done)
		h.unpack(dst[done : done+n])
		h.packed -= n
		done += n
		h.leave()
	}
	return done
}

func (h *hybrid) unpack(dst []uint32) {
	b, bit, width := h.b, h.bit, h.width
	mask := uint64(1)<<width - 1
	i := 0
	for ; i < len(dst) && bit>>3+8 <= len(b); i++ {
		dst[i] = uint32(binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7) & mask)
		bit += width
	}
	for ; i < len(dst); i++ {
		dst[i] = uint32(bitsAt(b, bit) & mask)
		bit += width
	}
	h.bit = bit
}

// bitsAt returns up to 64 bits of b, from the given one; at least 57 are right, and those behind the end of b are zero.
func bitsAt(b []byte, bit int) uint64 {
	var last [8]byte
	if at := bit >> 3; at < len(b) {
		copy(last[:], b[at:])
	}
	return binary.LittleEndian.Uint64(last[:]) >> (bit & 7)
}
