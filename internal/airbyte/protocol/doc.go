// Package protocol is the Airbyte protocol as a destination sees it: messages
// that come in, one JSON object a line, and messages that go out. What it does
// not need of a message it never builds: records and states stay the bytes
// they came as.
package protocol

import "fmt"

// MaxLine is the longest line that is read: a record of 100 MB in its message,
// with room to spare.
const MaxLine = 128 << 20

// Descriptor names a stream. An absent namespace and an empty one are the same.
type Descriptor struct {
	Namespace string
	Name      string
}

// String writes the descriptor as upstream's messages do.
func (d Descriptor) String() string {
	ns := d.Namespace
	if ns == "" {
		ns = "null"
	}
	return fmt.Sprintf("Descriptor(namespace=%s, name=%s)", ns, d.Name)
}

// Kind is what a message is.
type Kind uint8

// The kinds. Other is everything a destination has no use for.
const (
	Other Kind = iota
	KindRecord
	KindState
	KindStatus
)

// Message is one line from a source. Its byte slices are parts of the line.
type Message struct {
	Kind   Kind
	Record Record
	State  State
	Status Status
}

// Record is one event.
type Record struct {
	Stream    Descriptor
	Data      []byte // the object, as it came
	EmittedAt int64  // milliseconds since 1970
	Changes   []byte // meta.changes, an array, or empty
	File      bool   // it refers to a file
}

// StateType says what a state is about.
type StateType uint8

// The types. A state without type is Legacy: about everything, like Global.
const (
	Legacy StateType = iota
	Global
	PerStream
)

// String returns the name on the wire.
func (t StateType) String() string {
	switch t {
	case Legacy:
		return "LEGACY"
	case Global:
		return "GLOBAL"
	case PerStream:
		return "STREAM"
	}
	return "LEGACY"
}

// State is a checkpoint of the source.
type State struct {
	Type   StateType
	Stream Descriptor // of PerStream
	Line   []byte     // the whole message
	object span       // the state object in Line
	stats  span       // the member destinationStats in Line, with a comma of its own, if the source sent one
}

// span is a part of a line.
type span struct{ from, to int }

// StreamStatus is how far a source is with a stream.
type StreamStatus uint8

// The statuses.
const (
	Started StreamStatus = iota
	Running
	Complete
	Incomplete
)

// Status is a source's word on a stream.
type Status struct {
	Stream Descriptor
	Status StreamStatus
}
