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

// settled is what is resident while garbage is made as intake does, so that the
// heap is as large as the collector lets it grow: the least of some rounds, as
// freed pages go back to the system only now and then.
func settled(t *testing.T, rounds, pieces, size int) (least int64) {
	t.Helper()
	for i := range rounds {
		for range pieces {
			_ = append([]byte(nil), make([]byte, size)...)
		}
		if n := resident(t); i == 0 || n < least {
			least = n
		}
	}
	return least
}

// The promise is about the process, not only about what is alive in its heap.
func TestTenMillionIDsInTheProcess(t *testing.T) {
	runtime.GC() // pools need two rounds to let go of what they hold
	debug.FreeOSMemory()
	base := settled(t, 8, 4096, 32<<10)
	s := newIDSet(newTableMemory())
	fillSet(s, 0, manyIDs, 1)
	used := settled(t, 8, 4096, 32<<10) - base
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
