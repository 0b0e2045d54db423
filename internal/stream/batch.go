package stream

import (
	"fmt"
	"time"
)

// BatchState is where a batch stands in the protocol.
type BatchState string

// The states. Planned and attempted batches are unfinished and hold the log;
// done and abandoned ones do not.
//
//	planned -> attempted -> done
//	    \___________\______-> abandoned   (its exporter was deleted)
const (
	BatchPlanned   BatchState = "planned"
	BatchAttempted BatchState = "attempted"
	BatchDone      BatchState = "done"
	BatchAbandoned BatchState = "abandoned"
)

// Unfinished reports whether the batch still has to be delivered.
func (s BatchState) Unfinished() bool { return s == BatchPlanned || s == BatchAttempted }

// CutReason says why a batch was closed.
type CutReason string

// The reasons.
const (
	CutInterval CutReason = "interval"
	CutBytes    CutReason = "bytes"
	CutEvents   CutReason = "events"
	CutFlush    CutReason = "flush"
	CutReplay   CutReason = "replay"
)

// Batch is a plan: which events go into which objects, fixed before anything
// is written. Everything the objects depend on is in it.
type Batch struct {
	ID         string // "<exporter id>-<seq>"
	ExporterID string
	StreamID   string
	Stream     string // the stream's name when planned
	Seq        int64  // 1, 2, ... per exporter, replays included
	Replay     string // the replay's id; empty for an export. Replays are outside the tiling
	Reason     CutReason
	CutAt      time.Time // the time in the names
	Sink       string    // the sink's name when planned: a batch never moves to another
	Place      string    // Sink.Place when planned, noted by the ledger: where the objects are, whatever the sink becomes
	Output     Output
	Encoder    string // name and version of the encoder that must produce the bytes
	Objects    []Object

	// Claim counts how often somebody was chosen to work on the batch. The ledger
	// takes news of it only from who was chosen last. See exporter.Ledger.
	Claim int64

	State       BatchState
	Attempts    int       // PUT rounds begun
	Problem     string    // why it is not done yet; empty when nothing is wrong
	Blocked     bool      // the problem needs a person
	NextRetryAt time.Time // zero when no retry is scheduled
	PlannedAt   time.Time
	AttemptedAt time.Time // first attempt
	DoneAt      time.Time
}

// KeyTakenError says that a key of a plan belongs to another plan for the same
// bucket. Nothing of the plan was stored.
type KeyTakenError struct{ Key string }

// Error names the key.
func (e *KeyTakenError) Error() string {
	return fmt.Sprintf("object key %q is taken by another plan for the same bucket", e.Key)
}

// ClaimLostError says that another has been chosen to work on a batch since: what was to
// be stored of it was not, and whoever gets this must leave the batch alone. Kind Conflict.
type ClaimLostError struct{ Batch string }

// Error names the batch.
func (e *ClaimLostError) Error() string {
	return fmt.Sprintf("batch %s was taken over by another worker", e.Batch)
}

// BatchID returns the id of an exporter's batch number seq.
func BatchID(exporterID string, seq int64) string { return fmt.Sprintf("%s-%06d", exporterID, seq) }

// Events returns the number of events in the batch's objects.
func (b *Batch) Events() int64 {
	var n int64
	for i := range b.Objects {
		n += b.Objects[i].Events
	}
	return n
}

// Bytes returns the size of the batch's objects as stored; 0 until done.
func (b *Batch) Bytes() int64 {
	var n int64
	for i := range b.Objects {
		n += b.Objects[i].Bytes
	}
	return n
}

// Ranges returns the union of the objects' ranges: one per partition, in order
// of partition. Objects of one batch divide a partition's range into adjacent
// runs, so joining neighbours is enough.
func (b *Batch) Ranges() []Range {
	var out []Range
	for i := range b.Objects {
		for _, r := range b.Objects[i].Ranges {
			out = joinRange(out, r)
		}
	}
	return out
}

func joinRange(rs []Range, r Range) []Range {
	at := len(rs)
	for i := range rs {
		switch {
		case rs[i].Partition == r.Partition:
			rs[i].Start = min(rs[i].Start, r.Start)
			rs[i].End = max(rs[i].End, r.End)
			return rs
		case rs[i].Partition > r.Partition && at == len(rs):
			at = i
		}
	}
	rs = append(rs, Range{})
	copy(rs[at+1:], rs[at:])
	rs[at] = r
	return rs
}

// Empty reports whether the object was settled without a PUT, as its ranges turned
// out to hold no event: the bucket has nothing under its key.
func (o *Object) Empty() bool { return o.Stored && o.Bytes == 0 }

// Object is what a batch becomes in the bucket: a pure function of its plan.
type Object struct {
	Key      string
	Ranges   []Range   // by partition, then offset
	Events   int64     // planned count; the encoder must produce exactly this many
	Received time.Time // start of the day or hour that its events were received in; zero where the layout does not divide

	// Estimated: Events is how many there are at most, as the log cannot count without
	// reading. The first attempt counts, before the PUT, and from then on the count is fixed.
	Estimated bool

	// MaybeStored is set durably before each PUT and put back only when the
	// store definitely refused it. While it is set, "exists already" means
	// "we wrote it and lost the answer".
	MaybeStored bool
	Stored      bool
	Bytes       int64  // size as stored
	CRC32       uint32 // CRC-32 (IEEE) of the stored bytes
}
