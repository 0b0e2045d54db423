//go:build !race

package embedded

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

// resident is the memory of the process that is in use, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	stat, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(stat)[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// litter makes garbage as intake does, so that the heap is as large as the
// collector lets it grow.
func litter(pieces, size int) {
	for range pieces {
		_ = append([]byte(nil), make([]byte, size)...)
	}
}

// The promise is about the process, not only about what is alive in its heap.
func TestTenMillionIDsInTheProcess(t *testing.T) {
	runtime.GC() // pools need two rounds to let go of what they hold
	debug.FreeOSMemory()
	litter(8192, 32<<10)
	base := resident(t)
	s := newIDSet(newTableMemory())
	fillSet(s, 0, manyIDs, 1)
	litter(8192, 32<<10)
	used := resident(t) - base
	t.Logf("%d ids make the process grow by %d bytes, %d of them outside the heap", manyIDs, used, s.tables.mapped.Load())
	if used > manyIDBytes {
		t.Errorf("%d ids make the process grow by %d bytes, at most %d are allowed", manyIDs, used, manyIDBytes)
	}
	s.drop()
	unmapped(t, s.tables, "dropped")
	debug.FreeOSMemory()
	if left := resident(t) - base; left > used/4 {
		t.Errorf("%d bytes stay with the process", left)
	}
}
