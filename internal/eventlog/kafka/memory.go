package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// memory lends the slices that fetched records are decoded into, again and again.
type memory struct {
	records sync.Pool // of *[]kgo.Record
	bytes   sync.Pool // of *[]byte
}

var (
	_ kgo.PoolRecords         = (*memory)(nil)
	_ kgo.PoolDecompressBytes = (*memory)(nil)
)

// largestLent bounds what is kept: a rare large batch must not stay for ever.
const largestLent = 8 << 20

// GetRecords implements kgo.PoolRecords.
func (m *memory) GetRecords(n int) []kgo.Record {
	if p, ok := m.records.Get().(*[]kgo.Record); ok && cap(*p) >= n {
		return (*p)[:0]
	}
	return make([]kgo.Record, 0, n)
}

// PutRecords implements kgo.PoolRecords.
func (m *memory) PutRecords(rs []kgo.Record) {
	if cap(rs)*recordWeight <= largestLent {
		m.records.Put(&rs)
	}
}

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (m *memory) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if p, ok := m.bytes.Get().(*[]byte); ok {
		return (*p)[:0]
	}
	return make([]byte, 0, 4*len(compressed))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (m *memory) PutDecompressBytes(b []byte) {
	if cap(b) <= largestLent {
		m.bytes.Put(&b)
	}
}
