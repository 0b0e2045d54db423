package harness

import (
	"net"
	"strconv"
	"testing"
)

func TestFreeAddrsStayOutOfTheRangeOfClients(t *testing.T) {
	addrs, err := FreeAddrs(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range addrs {
		_, port, err := net.SplitHostPort(a)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := strconv.Atoi(port); err != nil || n < lowestPort || n > highestPort || seen[a] {
			t.Errorf("address %s: %v", a, err)
		}
		seen[a] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d addresses", len(seen))
	}
}
