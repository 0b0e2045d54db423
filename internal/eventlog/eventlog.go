// Package eventlog is the port to the durable log: streams of partitions of
// blocks. Implementations live below it (embedded, kafka) and must all
// pass eventlogtest. What a log over Kafka has beside is in topics.go and settlement.go.
//
// What an implementation owes its callers:
//
//   - Durable on nil. When Append returns nil, the events survive a crash of
//     the process and of the machine.
//   - Only durable events are visible. Bounds, Index and Read never show an
//     event that a crash could still take back: a plan made from it would name
//     offsets that later belong to other events.
//   - A failed append may have happened. If it carried a Key, IDs or a Mark, it is
//     wholly there or wholly absent, and appending the same again settles it. Without,
//     embedded keeps to the same; over Kafka, where each event is a record, a crash may leave
//     some of its events and not others. Each event is whole in any case.
//   - A range reads the same for ever, or fails with ErrTrimmed. Its offsets need not all
//     have events: over Kafka there are gaps, and headers may be Estimated.
//   - The received times of one partition never go backwards from block to block.
package eventlog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Identity of failures. What a log returns wraps one of them in an error of the
// kind given here, so callers can act on kinds alone.
var (
	// ErrTrimmed: the range begins below the floor; retention removed it. Kind
	// Conflict: the stream is there, its state refuses the reading.
	ErrTrimmed = errors.New("events were removed by retention")
	// ErrClosed: the log has been closed. Kind Unavailable.
	ErrClosed = errors.New("log is closed")
	// ErrNoStream: the log holds no such stream. Kind NotFound.
	ErrNoStream = errors.New("no such stream in the log")
	// ErrFull: no room now. Nothing was written; the same append may succeed later. Kind Busy.
	ErrFull = errors.New("log is full")
	// ErrKeyReused: the idempotency key was used for other content. Kind Conflict.
	ErrKeyReused = errors.New("idempotency key was used before with other content")
	// ErrLate: the entry is Stamped and its hour is over. See LateError.
	ErrLate = errors.New("the received hour of the entry is over")
	// ErrMarkMoved: the entry's mark lies between MarkFrom and MarkAt. Kind Conflict. Nothing
	// was stored; read Mark again and go on from there.
	ErrMarkMoved = errors.New("the source was read further meanwhile, by somebody else")
	// ErrCorrupt: stored bytes are not what was written. The message says stream,
	// partition and offset. Kind Corrupt.
	ErrCorrupt = errors.New("log block is damaged")
)

// LateError refuses a Stamped entry: the partition has reached At, in a later
// UTC hour than the entry's Received. Nothing was stored. Stamp the events with
// At (or a later time) and append them again. It wraps ErrLate; kind Conflict.
type LateError struct{ At time.Time }

// Error says what the partition has reached.
func (e *LateError) Error() string {
	return fmt.Sprintf("%v: received times of the partition have reached %s", ErrLate, e.At.UTC().Format(time.RFC3339Nano))
}

// Unwrap returns the identity and the kind.
func (e *LateError) Unwrap() error { return problem.New(problem.Conflict, "%w", ErrLate) }

// ID identifies an event for de-duplication: 128 bits of a cryptographic hash
// of what its sender calls it. NewID makes one.
type ID [16]byte

// NewID returns the ID of an event that its sender calls name.
func NewID(name []byte) ID {
	sum := sha256.Sum256(name)
	return ID(sum[:16])
}

// Entry is one request's worth of events; nil from Append says that all of it is stored.
type Entry struct {
	Partition stream.Partition
	Events    int       // number of lines in Data, at least 1
	Data      []byte    // newline-delimited JSON, one event a line, every line ended by '\n', no other '\n'. Not kept after Append returns
	Received  time.Time // zero: now
	Key       string    // idempotency key within the stream, at most 255 bytes; empty for none
	Digest    uint64    // of the content as the client sent it; only looked at with a Key

	// IDs, if not empty, holds one ID per event. Events whose ID was stored in
	// this stream within IDWindow, in whatever partition, or stands in the entry
	// before, are left out; those left are stored together with their IDs, or
	// nothing is. Not kept after Append returns. An entry has a Key or IDs, not both.
	IDs      []ID
	IDWindow time.Duration // over 0 with IDs; the same in every entry of a stream, or the log goes by the longest it has seen lately

	// Stamped: Data says when the events were received. They keep Received's UTC
	// hour, or Append fails with a LateError.
	Stamped bool

	// Mark, if not empty, names a source of events that is read in order and
	// perhaps again, such as a file (at most 255 bytes); MarkAt (over 0) is how
	// far it has been read with this entry. Both are stored with the events, or
	// nothing is. If the stream holds MarkAt or more for Mark already, nothing is
	// stored and Appended is a Duplicate. Marks never expire: Unmark removes one.
	// An entry has a Mark, a Key or IDs. MarkFrom is from where the entry goes on: if the
	// stream holds more than that for Mark, but less than MarkAt, somebody else is reading
	// the source, nothing is stored and the error is ErrMarkMoved.
	Mark     string
	MarkAt   uint64
	MarkFrom uint64
}

// Appended says where an entry went.
type Appended struct {
	Range     stream.Range // empty if every event was repeated; over Kafka it may hold offsets of others
	Events    int          // that were stored
	Repeated  int          // that were left out because of their ID
	Duplicate bool         // the key was seen before, and Range names the first append; or the mark was, and Range is empty
}

// Bound describes one partition.
type Bound struct {
	Floor  stream.Offset // first offset still kept
	End    stream.Offset // one past the last durable offset
	Packed int64         // bytes of gzip members kept
}

// Advance tells a subscriber that a stream has grown durably.
type Advance struct {
	StreamID string
	Events   int64
	Raw      int64
	Packed   int64     // bytes as the log keeps them
	First    time.Time // received time of the oldest event
	At       time.Time // received time of the newest event
	// Turned: nothing has come, but whether the stream can be read at all has changed, by what
	// others did to it. Who waits for events looks at once.
	Turned bool
}

// Log is the durable log. All methods are safe for concurrent use. Streams are
// addressed by ID, never by name: a stream made anew under an old name shares
// nothing with the old one.
type Log interface {
	// Create makes the stream's partitions. Creating it again is no error.
	Create(ctx context.Context, streamID string, partitions int) error
	// Drop removes the stream and everything in it. Dropping what is not there is no error.
	Drop(ctx context.Context, streamID string) error
	// Streams returns the ids of all streams the log holds, in no order.
	Streams(ctx context.Context) ([]string, error)

	// Append stores the entry durably, then returns. Errors: ErrFull,
	// ErrKeyReused, ErrLate, ErrNoStream, ErrClosed, or a fault after which the entry
	// may or may not be stored.
	Append(ctx context.Context, streamID string, e Entry) (Appended, error)

	// Bounds returns one Bound per partition, in order.
	Bounds(ctx context.Context, streamID string) ([]Bound, error)
	// Index yields the headers of the blocks that meet the range, in order,
	// without reading their events.
	Index(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error]
	// Read yields the blocks that meet the range, in order, each checked
	// against its checksum. The first error ends the iteration.
	Read(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error]

	// Trim removes the blocks of a partition that lie wholly below before.
	// The space comes back soon, not at once.
	Trim(ctx context.Context, streamID string, p stream.Partition, before stream.Offset) error

	// Subscribe calls fn after every durable append until cancel is called.
	// fn must return at once and must not call the log.
	Subscribe(fn func(Advance)) (cancel func())

	// Mark returns the highest MarkAt that has been stored with the mark, 0 if none
	// has. What it says is durable. Errors: ErrNoStream, ErrClosed, ErrCorrupt.
	Mark(ctx context.Context, streamID, mark string) (uint64, error)
	// Unmark forgets the mark, durably on nil; the events stay. Forgetting what is not
	// there is no error. Whoever forgets a mark makes sure that nobody appends with it again.
	Unmark(ctx context.Context, streamID, mark string) error

	// Close waits for running appends and releases the files.
	Close() error
}
