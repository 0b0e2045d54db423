package node

import (
	"fmt"
	"testing"

	"strm/internal/stream"
)

func some(n int) (nodes []stream.Node, live []uint64) {
	for i := range n {
		id := fmt.Sprintf("%016x", i*7919)
		nodes, live = append(nodes, stream.Node{ID: id, Alive: true}), append(live, hash(id))
	}
	return nodes, live
}

func TestDutiesAreSpread(t *testing.T) {
	var duties []string
	for i := range 3000 {
		duties = append(duties, fmt.Sprintf("export/%08x", i))
	}
	nodes, _ := some(3)
	dead := stream.Node{ID: "dead"}
	for id, n := range Count(append(nodes, dead), duties) {
		if id == "dead" || n < 900 || n > 1100 {
			t.Errorf("node %s has %d of 3000", id, n)
		}
	}
	if got := Count([]stream.Node{dead}, duties); len(got) != 0 {
		t.Errorf("without a live node: %v", got)
	}
}

// A node that comes takes its share from all, and nothing else moves.
func TestOnlyTheDutiesOfWhoComesMove(t *testing.T) {
	_, four := some(4)
	three, moved := four[:3], 0
	for i := range 4000 {
		duty := fmt.Sprintf("import/%d", i)
		before, after := owner(three, duty), owner(four, duty)
		if before == after {
			continue
		}
		moved++
		if after != four[3] {
			t.Fatalf("%s went from one old node to another", duty)
		}
		if backwards := owner([]uint64{four[3], four[1], four[0], four[2]}, duty); backwards != after {
			t.Fatalf("%s depends on the order of the nodes", duty)
		}
	}
	if moved < 850 || moved > 1150 {
		t.Errorf("%d of 4000 moved, want about 1000", moved)
	}
}

func BenchmarkOwns(b *testing.B) {
	_, live := some(5)
	b.ReportAllocs()
	for b.Loop() {
		owner(live, "export/0123456789abcdef")
	}
}
