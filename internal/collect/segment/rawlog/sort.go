package rawlog

import (
	"cmp"
	"slices"
)

// sortKey stands for a member while members are sorted.
type sortKey struct {
	prefix uint64
	node   uint32
}

// fewMembers is up to where insertion is the fastest way to sort.
const fewMembers = 20

// sortMembers links the members of an object in the order of their keys. Of
// equal keys the one that came last stays.
func (t *tree) sortMembers(object *node) {
	s := t.sort[:0]
	for m := object.child; m != 0; m = t.nodes[m].next {
		s = append(s, sortKey{t.prefix(&t.nodes[m]), m})
	}
	t.sort = s
	if len(s) <= fewMembers {
		for i := 1; i < len(s); i++ {
			x, j := s[i], i
			for ; j > 0 && t.compare(x, s[j-1]) < 0; j-- {
				s[j] = s[j-1]
			}
			s[j] = x
		}
	} else {
		slices.SortFunc(s, t.compare)
	}
	kept := uint32(0)
	for i, k := range s {
		if i+1 < len(s) && s[i+1].prefix == k.prefix && t.compareKeys(&t.nodes[k.node], &t.nodes[s[i+1].node]) == 0 {
			continue
		}
		if kept == 0 {
			object.child = k.node
		} else {
			t.nodes[kept].next = k.node
		}
		kept = k.node
	}
	t.nodes[kept].next = 0
}

// compare orders members by key, those with the same key as they were sent.
func (t *tree) compare(a, b sortKey) int {
	if a.prefix != b.prefix {
		return cmp.Compare(a.prefix, b.prefix)
	}
	if c := t.compareKeys(&t.nodes[a.node], &t.nodes[b.node]); c != 0 {
		return c
	}
	return cmp.Compare(a.node, b.node)
}
