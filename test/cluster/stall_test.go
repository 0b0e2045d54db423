package main

import (
	"strings"
	"testing"
	"time"

	"strm/test/traffic"
)

func TestWatchMeasuresTheLongestTimeWithoutAnObject(t *testing.T) {
	n := map[string]int{}
	w := newWatch(func(prefix string) int { return n[prefix] })
	two := []traffic.Exporter{{Name: "a"}, {Name: "b"}}
	at := time.Unix(1_000_000, 0)
	for s, puts := range [][2]int{{0, 0}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {2, 3}, {3, 4}} {
		n["a/"], n["b/"] = puts[0], puts[1]
		w.look(at.Add(time.Duration(s)*time.Second), two)
	}
	if name, d := w.worst(); name != "a" || d != 4*time.Second {
		t.Errorf("%s %v, want a 4s", name, d)
	}
	if w.longest["b"] != 2*time.Second {
		t.Errorf("b %v, want 2s", w.longest["b"])
	}
	// What stands still now counts too, though it has not gone on yet.
	w.look(at.Add(20*time.Second), two)
	if name, d := w.worst(); d != 14*time.Second {
		t.Errorf("%s %v, want 14s", name, d)
	}
}

func TestWhatIsBrokenDependsOnTheSeedAlone(t *testing.T) {
	draw := func(seed uint64) (out []string) {
		c := newChaos(seed, &world{config: config{lease: 3 * time.Second}, nodes: []*node{{}, {}, {}}}, 3)
		for range 200 {
			b := c.draw()
			out = append(out, b.subject+": "+b.name)
		}
		return out
	}
	a, b := draw(1), draw(1)
	kinds := map[string]bool{}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%q and %q", a[i], b[i])
		}
		_, kind, _ := strings.Cut(a[i], ": ")
		kinds[kind] = true
	}
	same := 0
	for i, x := range draw(2) {
		if x == a[i] {
			same++
		}
	}
	if same == len(a) || len(kinds) != 9 {
		t.Errorf("%d draws of another seed are the same; kinds %v", same, kinds)
	}
}
