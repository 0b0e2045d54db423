package embedded

import (
	"sync/atomic"
	"unsafe"
)

// offHeap is from which size on a table lies outside the Go heap: small ones,
// of which there may be many, are not worth a mapping each.
const offHeap = 1 << 20

// tableMemory makes tables and frees them; a log has one.
//
// Large tables lie outside the Go heap. The collector lets the heap grow by as
// much again as it found alive, so on the heap every byte of a table, which
// lives for a day and has no pointers, would cost the process two. The
// collector does not free them either: a table has one owner, who calls free.
type tableMemory struct {
	get    func(bytes int) ([]byte, error) // mapMemory, but for tests
	mapped atomic.Int64                    // bytes outside the heap
}

func newTableMemory() *tableMemory { return &tableMemory{get: mapMemory} }

// table makes an empty table for so many ids. If the system has no mapping to
// give, the table lies on the heap: that costs memory, an append refused costs more.
func (m *tableMemory) table(room int) *idTable {
	t := &idTable{room: room}
	n := (room+room/4)/bucketSlots + 1
	if size := n * bucketBytes; size >= offHeap {
		if mem, err := m.get(size); err == nil {
			m.mapped.Add(int64(size))
			t.mapping = mem
			t.buckets = unsafe.Slice((*bucket)(unsafe.Pointer(unsafe.SliceData(mem))), n) // a mapping begins with a page, so it is aligned
			return t
		}
	}
	t.buckets = make([]bucket, n)
	return t
}

// free gives the table's memory back; nil is no error. Nobody may use the table
// any more: it is empty then, so that a mistake is a panic and not a look at
// what now lies in its place.
func (m *tableMemory) free(t *idTable) {
	if t == nil {
		return
	}
	mem := t.mapping
	t.buckets, t.mapping = nil, nil
	if mem != nil && unmapMemory(mem) == nil { // what the system does not take back stays counted
		m.mapped.Add(-int64(len(mem)))
	}
}
