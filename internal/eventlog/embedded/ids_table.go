package embedded

import (
	"math/bits"
	"math/rand/v2"

	"strm/internal/eventlog"
)

// Event ids are numbered within their generation in the order they are stored,
// and found again by slice: sliceIDs ids that follow each other.
const (
	sliceIDs  = 1024
	sliceBits = 11 // of a slot: the slice

	minGeneration = 512                   // ids
	maxGeneration = sliceIDs << sliceBits // ids; 2 Mi
)

// idTable says in which slices of a generation an id may stand: 5 bytes an id
// when it is full. A slot holds a slice's number and some bits of the id's hash, 0
// if it is empty. An id that was inserted is always found; another is found by
// mistake about once in 100,000 times, so whoever finds something must look at
// the slice.
//
// The hash names a bucket, a line of the processor's cache. A bucket is filled
// from its front, and what finds it full goes to the next one; so a search ends
// at the first bucket with an empty slot, mostly the one where it begins.
//
// Tables are made and freed by tableMemory.
type idTable struct {
	buckets []bucket
	room    int    // ids it was made for; inserting more is a bug of the caller
	mapping []byte // outside the Go heap, where the buckets lie; nil if on it
}

const (
	bucketSlots = 16
	bucketBytes = bucketSlots * 4
)

type bucket [bucketSlots]uint32

func (t *idTable) bytes() int64 { return int64(len(t.buckets)) * bucketBytes }

// idHash makes hashes of ids. It is seeded: ids come from outside, and without
// the seed a sender could choose names that crowd in one place of the tables.
type idHash [2]uint64

func newIDHash() idHash { return idHash{rand.Uint64(), rand.Uint64()} }

func (s *idHash) of(id *eventlog.ID) uint64 {
	hi, lo := bits.Mul64(be.Uint64(id[:8])^s[0], be.Uint64(id[8:])^s[1])
	return hi ^ lo
}

// start is the bucket where the search for a hash begins.
func (t *idTable) start(hash uint64) uint64 {
	at, _ := bits.Mul64(hash, uint64(len(t.buckets)))
	return at
}

// markOf is the part of a slot that stands for the hash. It is never 0.
func markOf(hash uint64) uint32 { return max(uint32(hash)<<sliceBits, 1<<sliceBits) }

const sliceMask = 1<<sliceBits - 1

// insert notes that the id stands in the slice. Doing it again changes nothing.
func (t *idTable) insert(hash uint64, slice uint32) {
	want := markOf(hash) | slice
	for at := t.start(hash); ; at++ {
		if at == uint64(len(t.buckets)) {
			at = 0
		}
		b := &t.buckets[at]
		for i := range b {
			switch b[i] {
			case want:
				return
			case 0:
				b[i] = want
				return
			}
		}
	}
}

// find appends to out the slices in which the id may stand.
func (t *idTable) find(hash uint64, out []uint32) []uint32 {
	mark := markOf(hash)
	for at := t.start(hash); ; at++ {
		if at == uint64(len(t.buckets)) {
			at = 0
		}
		b := &t.buckets[at]
		if b.has(mark) {
			for _, s := range b {
				if s&^sliceMask == mark {
					out = append(out, s&sliceMask)
				}
			}
		}
		if b[bucketSlots-1] == 0 {
			return out
		}
	}
}

// has reports whether a slot has the mark. It looks at all without a branch: the
// processor would guess wrong where the search ends for almost every id.
func (b *bucket) has(mark uint32) bool {
	var borrow uint32
	for _, s := range b {
		borrow |= (s^mark)>>sliceBits - 1 // below 0 only if the marks are the same
	}
	return borrow>>31 != 0
}

// touchIDs is how many hashes are worth touching together.
const touchIDs = 64

// touch brings the buckets into the processor's cache where the searches for the
// hashes begin, and notes the first slot of each: with 0 there the search is over.
// Nothing here depends on what is read, so the reads overlap.
//
//go:noinline
func (t *idTable) touch(hashes []uint64, heads *[touchIDs]uint32) {
	for i, h := range hashes {
		heads[i%touchIDs] = t.buckets[t.start(h)][0]
	}
}
