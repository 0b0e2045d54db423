package rawlog

import (
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// MaxDepth is how deep objects and arrays of a body may nest, the body itself
// included. It is what intake allows elsewhere.
const MaxDepth = 512

// Limits of one request. Zero fields get their defaults, which are Segment's
// but for MaxShared, of which Segment says nothing.
type Limits struct {
	MaxEvent  int // bytes of one call as sent, and of what the envelope has for all of them; default 32 KiB
	MaxEvents int // calls in a batch; default 2500

	// MaxShared bounds what copies of the envelope's context and integrations
	// add to all calls together, in bytes; default 8 MiB. Without it a small
	// body could become lines without end. The lines of a body take no more than
	// the body, this, and half a kilobyte a call; where text is not UTF-8, at
	// most three times as much.
	MaxShared int
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.MaxEvent, 32<<10)
	def(&l.MaxEvents, 2500)
	def(&l.MaxShared, 8<<20)
	return l
}

// The codes of an Error.
const (
	CodeInvalidJSON   = "invalid_json"    // the body is not JSON
	CodeInvalidBody   = "invalid_body"    // it is, but neither a batch nor a call
	CodeTooDeep       = "too_deep"        // it nests deeper than MaxDepth
	CodeEventTooLarge = "event_too_large" // over Limits.MaxEvent or Limits.MaxShared
	CodeTooManyEvents = "too_many_events" // over Limits.MaxEvents
	CodeEmptyBatch    = "empty_batch"     // a batch of nothing
)

// Error refuses a whole body. Its kind is Invalid: the same body is refused for ever.
type Error struct {
	Code    string // one of the codes above
	Message string // what is wrong, where, and what would be right
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns an error that carries the kind.
func (e *Error) Unwrap() error { return problem.New(problem.Invalid, "%s", e.Message) }

// Reason says why a call was left out. There are only the ones below, so it
// serves as the label of a metric.
type Reason string

// The reasons.
const (
	NotAnObject  Reason = "not_an_object"  // an element of the batch is not a call
	NoType       Reason = "no_type"        // neither the call nor the path names a type
	UnknownType  Reason = "unknown_type"   // it names one that does not exist
	NoUser       Reason = "no_user"        // neither userId nor anonymousId; for alias not even previousId
	NoEventName  Reason = "no_event_name"  // a track call without event
	BadMessageID Reason = "bad_message_id" // not a string, over 100 characters, or with control characters
)

// Dropped reports whether Segment takes such calls with 200 and drops them.
func (r Reason) Dropped() bool { return r == NoUser || r == NoEventName }

// Rejection is a call that was left out.
type Rejection struct {
	Index  int // in the request, from 0
	Reason Reason
}

// Facts are what the server knows of a request and its source.
type Facts struct {
	Received  time.Time // taken down to the millisecond
	ProjectID string
	Channel   string // "client" for browsers, else "server"
	IP        string // the client's; empty if it is not known
	WriteKey  string // put into the lines; empty to leave it out

	// NewMessageID returns a new id for a call that has none. It is asked once
	// for each such call of a Batch, in order, at the first AppendLines. It may
	// be nil only if every call has an id.
	NewMessageID func() string
}

// Batch is what a body held. It belongs to the Parser that read it, uses the
// body's bytes, and is valid until the Parser's next Parse. Not safe for
// concurrent use.
type Batch struct {
	tree     tree
	body     []byte
	envelope envelope
	calls    []call
	rejected []Rejection
	size     int // about the bytes of all lines
	line     lineWriter
}

// Parser reads bodies, one after the other, into the same memory. The zero
// value is ready. Not safe for concurrent use.
type Parser struct {
	batch Batch
}

// Parse reads a body: an envelope with a "batch" array, or one call. callType
// is the type that the request's path named, empty if it named none: then a
// body that is one call must have a "type". The Batch keeps slices of body,
// which must not change while the Batch is used. Errors are of type *Error.
func (p *Parser) Parse(body []byte, callType string, l Limits) (*Batch, error) {
	b := &p.batch
	b.reset(body)
	if err := b.read(callType, l.withDefaults()); err != nil {
		b.reset(nil)
		return nil, err
	}
	return b, nil
}

// keepNodes is how many nodes stay for the next body: enough for 512 KB from
// any SDK, while a body made of brackets needs many more.
const keepNodes = 64 << 10

func (b *Batch) reset(body []byte) {
	if cap(b.tree.nodes) > keepNodes {
		b.tree.nodes = nil
	}
	b.body, b.tree.body = body, nil
	clear(b.calls) // generated ids are strings that would be kept
	b.calls, b.rejected = b.calls[:0], b.rejected[:0]
	b.envelope, b.size = envelope{}, 0
}

// Len returns the number of calls that AppendLines writes.
func (b *Batch) Len() int { return len(b.calls) }

// Size returns about how many bytes AppendLines appends: rather too many, but
// too few where text is not UTF-8 and has to be mended.
func (b *Batch) Size(f Facts) int {
	return b.size + len(b.calls)*(len(f.ProjectID)+len(f.WriteKey))
}

// Rejected returns the calls that were left out, in the order of the request.
func (b *Batch) Rejected() []Rejection { return b.rejected }

// WriteKey returns the write key of the body: the one at its top, else that of
// the first call that has one, rejected calls included; empty if there is none.
func (b *Batch) WriteKey() string {
	if b.envelope.writeKey == 0 {
		return ""
	}
	return string(b.tree.content(b.envelope.writeKey))
}

// AppendLines appends one line for each call, each ended by '\n', to dst, and
// the ids of their messageIds, in the same order, to ids. It may be called again
// with another Received: messageIds and ids stay the same.
func (b *Batch) AppendLines(dst []byte, ids []eventlog.ID, f Facts) ([]byte, []eventlog.ID) {
	return b.appendLines(dst, ids, &f)
}
