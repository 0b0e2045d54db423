package eventlog

import (
	"time"

	"strm/internal/stream"
)

// What a log over Kafka and the place where names are settled say to each other. A
// claim takes the names of several entries before their events are written in one
// transaction; until its outcome is noted it is open, and nobody else gets the names.

// Claim is a transaction that has taken names.
type Claim struct {
	ID       int64  // of Settlement.ClaimNumbers
	Node     string // that made it
	Producer string // transactional id: whoever initialises it ends the claim's transaction
	Parts    []ClaimPart
	Void     bool // it was aborted; its names are free
	Live     bool // the node's lease holds; meaningless when a claim is made
}

// ClaimPart says where events of a claim are, if they are: at From or above, never below.
type ClaimPart struct {
	StreamID  string
	Partition stream.Partition
	From      stream.Offset
}

// ClaimEntry is an entry with names. No name stands twice in the entries of a claim.
type ClaimEntry struct {
	StreamID  string
	Partition stream.Partition
	Key       string
	Digest    uint64
	Events    int
	IDs       []ID
	Mark      string
	MarkAt    uint64
	MarkFrom  uint64
	Until     time.Time // when key or ids are forgotten
	Late      bool      // nothing is to be taken: is any of it new?
}

// Verdict says what to do with an entry of a claim.
type Verdict struct {
	Take bool // its names are the claim's; but for Repeated ids, which are not
	// Wait, if not empty, names the open claims that have names of it: its names were not
	// taken. Ask again when they are settled.
	Wait []int64
	// Err is ErrKeyReused, ErrMarkMoved or ErrLate, as it was found; nothing was taken.
	Err error
	// Repeated says of each id whether it was stored before; nil if none was.
	Repeated []bool
	// First is where a repeated key went; for a repeated mark only Duplicate is set.
	First Appended
}

// ClaimRange says where entry number Entry of a claim went.
type ClaimRange struct {
	Entry int
	Range stream.Range
}
