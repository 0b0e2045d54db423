//go:build !race

package registry

import "testing"

// Under the race detector a sync.Pool forgets on purpose.
func TestWalkAllocatesNothing(t *testing.T) {
	n := mustCompile(t, `{"type":"record","name":"R","fields":[{"name":"s","type":["null","string"]},{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"m","type":{"type":"map","values":"double"}},{"name":"b","type":"bytes"}]}`)
	in := value{}.long(1).text("some text").long(1772600767089000).long(2).text("b").double(1.5).text("a").double(2.5).long(0).text("bytes")
	dst := make([]byte, 0, 1000)
	if _, err := n.appendLine(dst, in, 1000); err != nil {
		t.Fatal(err)
	}
	if a := testing.AllocsPerRun(200, func() { _, _ = n.appendLine(dst, in, 1000) }); a >= 1 {
		t.Errorf("%v allocations per value", a)
	}
}
