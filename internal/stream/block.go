package stream

import "time"

// BlockHeader describes a block without its events. Everything a planner
// needs is here, so planning never touches the events themselves.
type BlockHeader struct {
	Range  Range  // offsets the block covers; blocks of a partition do not overlap
	Events int64  // events in the block
	Raw    int64  // bytes of newline-delimited JSON
	Packed int64  // bytes of the gzip member; 0 where the log keeps none
	CRC32  uint32 // CRC-32 (IEEE) of the gzip member; 0 where the log keeps none

	// Estimated: the block has not been read. Events is how many there are at most,
	// and Raw about how large they are.
	Estimated bool
	// Dropped counts values in the range that are no events and were left out, as the
	// stream says (InvalidDrop). Known of blocks that were read.
	Dropped int64

	FirstAt time.Time // received time of its first event, to the millisecond
	LastAt  time.Time // of its last; in the same UTC hour as FirstAt
}

// Block is a run of events of one partition, read from the log: lines of JSON,
// every one ended by '\n', as the log keeps them. Its header is never Estimated.
//
// Where the log keeps gzip members, Gzip is one, and concatenated members are a valid
// gzip file. Otherwise Gzip is nil, Packed and CRC32 are 0 and Lines has the text, which is
// empty where a run of offsets turned out to hold no event. Both are valid only until the
// iteration that yielded the block goes on.
//
// Event n of the block has offset Range.Start+n, unless Offsets names them one by
// one, which it does where offsets have gaps.
type Block struct {
	BlockHeader
	Gzip    []byte
	Lines   []byte
	Offsets []Offset // likewise valid only until the iteration goes on
}
