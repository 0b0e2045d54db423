package node

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"strm/internal/stream"
)

// hash is how ids and duties enter the choice.
func hash(s string) uint64 { return xxhash.Sum64String(s) }

// owner chooses one of the nodes, given by the hashes of their ids, for a duty: each
// of them gets a score, and the highest wins (rendezvous hashing). So nodes that know the
// same others agree without asking, and when one comes or goes only its own duties move.
func owner(live []uint64, duty string) (chosen uint64) {
	d := hash(duty)
	var best uint64
	for i, id := range live {
		// Mixing is a bijection: two nodes never have one score.
		if s := mix(id ^ d); i == 0 || s > best {
			best, chosen = s, id
		}
	}
	return chosen
}

// mix makes all bits of the result depend on all bits of x (the finaliser of
// MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Count returns how many of the duties are for each of the nodes, as all of them
// see it: by id, for those that live.
func Count(nodes []stream.Node, duties []string) map[string]int {
	ids, live := map[uint64]string{}, []uint64(nil)
	counts := map[string]int{}
	for _, n := range nodes {
		if n.Alive {
			h := hash(n.ID)
			ids[h], live, counts[n.ID] = n.ID, append(live, h), 0
		}
	}
	slices.Sort(live)
	for _, d := range duties {
		if len(live) > 0 {
			counts[ids[owner(live, d)]]++
		}
	}
	return counts
}
