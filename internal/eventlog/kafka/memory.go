package kafka

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// memory lends the slices that fetched records are decoded into, again and again. They are
// kept by size: where many partitions are read the batches are small, and must not hold
// the memory of large ones.
type memory struct {
	records [classes]sync.Pool // of *[]kgo.Record; of class c have room for 1<<c at least
	bytes   [classes]sync.Pool // of *[]byte, likewise
}

var _ kgo.PoolDecompressBytes = (*memory)(nil)

const (
	// largestLent bounds what is kept: a rare large batch must not stay for ever.
	largestLent = 8 << 20
	// classes: slices for 1<<23 of something are the largest that are kept.
	classes = 24
	// expands is how many times larger than compressed a batch is taken to be. What turns
	// out to be larger grows, and is found from then on one or two classes above.
	expands = 4
)

// classFor returns the smallest class whose slices have room for n.
func classFor(n int) int { return bits.Len(uint(max(n, 1) - 1)) }

// classOf returns the largest class whose slices a capacity is enough for.
func classOf(capacity int) int { return bits.Len(uint(capacity)) - 1 }

// getRecords returns n records; what is in them is of no meaning.
func (m *memory) getRecords(n int) []kgo.Record {
	c := classFor(n)
	if c >= classes {
		return make([]kgo.Record, n)
	}
	if p, ok := m.records[c].Get().(*[]kgo.Record); ok {
		return (*p)[:n]
	}
	return make([]kgo.Record, n, 1<<c)
}

// putRecords takes records back. What they hold on to is let go.
func (m *memory) putRecords(rs []kgo.Record) {
	if cap(rs) == 0 || cap(rs)*recordWeight > largestLent {
		return
	}
	clear(rs)
	m.records[classOf(cap(rs))].Put(&rs)
}

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (m *memory) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	n := expands*len(compressed) + 512 // which the decompressor wants to be free at the end
	least := classFor(n)
	if least >= classes {
		return make([]byte, 0, n)
	}
	for c := least; c < min(least+3, classes); c++ {
		if p, ok := m.bytes[c].Get().(*[]byte); ok {
			return (*p)[:0]
		}
	}
	return make([]byte, 0, 1<<least)
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (m *memory) PutDecompressBytes(b []byte) {
	if cap(b) > 0 && cap(b) <= largestLent {
		m.bytes[classOf(cap(b))].Put(&b)
	}
}

// loan is what one fetch has borrowed. It goes back all at once: the client would give back
// batch by batch, and overwrite each buffer with zeros, up to its capacity. Not safe for
// concurrent use.
type loan struct {
	memory       *memory
	decompressor kgo.Decompressor // which borrows of memory
	records      [][]kgo.Record
	bytes        [][]byte
}

var (
	_ kgo.PoolRecords  = (*loan)(nil)
	_ kgo.Decompressor = (*loan)(nil)
)

// Decompress implements kgo.Decompressor.
func (b *loan) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := b.decompressor.Decompress(src, codec)
	if err == nil && codec != kgo.CodecNone {
		b.bytes = append(b.bytes, out)
	}
	return out, err
}

// GetRecords implements kgo.PoolRecords.
func (b *loan) GetRecords(n int) []kgo.Record {
	rs := b.memory.getRecords(n)
	b.records = append(b.records, rs)
	return rs
}

// PutRecords implements kgo.PoolRecords: the client gives back a batch of which nothing is
// wanted. It stays until release.
func (*loan) PutRecords([]kgo.Record) {}

// release gives back everything. Nothing of it may be in use; a second call does nothing.
func (b *loan) release() {
	for _, rs := range b.records {
		b.memory.putRecords(rs)
	}
	for _, buf := range b.bytes {
		b.memory.PutDecompressBytes(buf)
	}
	b.records, b.bytes = nil, nil
}
