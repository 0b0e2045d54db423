package stream

import "time"

// BlockHeader describes a block without its events. Everything a planner
// needs is here, so planning never touches the events themselves.
type BlockHeader struct {
	Range   Range     // offsets the block covers; blocks of a partition do not overlap
	Events  int64     // events in the block
	Raw     int64     // bytes of newline-delimited JSON
	Packed  int64     // bytes of the gzip member
	CRC32   uint32    // CRC-32 (IEEE) of the gzip member
	FirstAt time.Time // received time of its first event, to the millisecond
	LastAt  time.Time // of its last; in the same UTC hour as FirstAt
}

// Block is a run of events of one partition as the log keeps them: one gzip
// member of newline-delimited JSON, every line ended by '\n'. Concatenated
// members are a valid gzip file.
type Block struct {
	BlockHeader
	Gzip []byte // valid only until the iteration that yielded the block goes on
}
