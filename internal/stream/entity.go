package stream

import (
	"fmt"
	"time"
)

// Stream is a named, partitioned, ordered log of events.
type Stream struct {
	ID          string // 16 hex digits, made at creation; the log's address, never used twice
	Name        string
	Partitions  int
	StrmMeta    bool // each event gets a strmMeta object
	Description string
	Tags        []string
	Retention   Retention
	Topic       Topic
	CreatedAt   time.Time
}

// Topic is the Kafka topic of a stream. The zero value is that of a stream in
// the embedded log.
type Topic struct {
	Name    string
	ID      string   // the cluster's id of it, which no other topic has, ever; "": not known
	Adopted bool     // it was there before the stream, and will be after it: strm never deletes or trims it
	Values  Values   // what the values of its records are
	Invalid Invalid  // what becomes of a value that is no event
	Base    Position // by how much the stream's offsets are above the topic's, by partition; nil: not at all
}

// Values says what the values of a topic's records are.
type Values string

// The kinds of values.
const (
	ValuesJSON     Values = "json"     // a JSON object each; what strm writes
	ValuesRegistry Values = "registry" // Avro or JSON Schema with the id of a Confluent-compatible schema registry in front
)

// Invalid says what becomes of a value that is no event.
type Invalid string

// The ways. Empty is InvalidBlock.
const (
	InvalidBlock Invalid = "block" // batch exporters stop there and say so
	InvalidDrop  Invalid = "drop"  // it is left out, and counted
)

// Retention bounds what a stream keeps. Zero means no bound. Neither bound ever
// removes an event that an exporter has yet to deliver. A log without room may
// lose delivered events earlier, but none of a stream without an exporter.
type Retention struct {
	MaxAge   time.Duration
	MaxBytes int64 // stored (compressed) bytes; at the bound, intake is refused until deliveries make room
}

// SourceKind says what a source speaks.
type SourceKind string

// The kinds of source.
const (
	SourceEvents  SourceKind = "events"  // POST /v1/streams/{stream}/events and POST /event
	SourceSegment SourceKind = "segment" // Segment's tracking API; has its stream to itself
	SourceSplit   SourceKind = "split"   // the APIs that SDKs of Split (Harness FME) call
)

// Source is a way into one stream. Only a hash of its write key is kept.
type Source struct {
	Name      string
	Stream    string // the stream's name
	StreamID  string
	Kind      SourceKind
	ID        string // kind segment: the source id in keys and lines; else empty
	KeyHash   string // hex SHA-256 of the write key
	CreatedAt time.Time

	// DedupWindow is how long an event's message id is remembered at least:
	// within it the same id counts once. 0 for no de-duplication. Kind segment.
	DedupWindow time.Duration

	Split *Split // kind split; else nil
}

// WritesTo reports whether the source writes to the stream.
func (s *Source) WritesTo(streamID string) bool {
	return s.StreamID == streamID || s.Split != nil && (s.Split.EventsID == streamID || s.Split.CountsID == streamID)
}

// SinkType says what kind of bucket a sink is.
type SinkType string

// The types of sink, spelled as the STRM seeds spell them.
const (
	SinkS3  SinkType = "S3"
	SinkGCS SinkType = "GCLOUD"
	SinkDir SinkType = "DIR"
)

// Support is what is known of a capability of a store: probed, not assumed.
type Support string

// The states of knowledge.
const (
	SupportUnknown Support = ""
	SupportYes     Support = "yes"
	SupportNo      Support = "no"
)

// Encryption says what a sink asks the store to encrypt objects with.
type Encryption string

// The ways to encrypt at rest.
const (
	EncryptByLayout Encryption = ""        // SSE-S3 where the exporter's layout asks for it, else as EncryptByBucket
	EncryptByBucket Encryption = "none"    // no header: the bucket's default decides
	EncryptSSES3    Encryption = "SSE-S3"  // x-amz-server-side-encryption: AES256
	EncryptSSEKMS   Encryption = "SSE-KMS" // aws:kms, with Sink.KMSKey or the account's own key
)

// Role is an IAM role that a sink's credentials assume before they write.
type Role struct {
	ARN        string // empty: no role
	ExternalID string
	Endpoint   string // of STS; empty: the sink's endpoint, or AWS's own
}

// Sink is a bucket with the credentials and settings to write to it.
type Sink struct {
	Name        string
	Type        SinkType
	Bucket      string // bucket name; for SinkDir an absolute directory
	Prefix      string // before every exporter's path prefix; without slashes at its ends
	Endpoint    string // URL; empty for the vendor's own
	Region      string // as configured; empty means find it
	PathStyle   bool
	Role        Role
	Encryption  Encryption
	KMSKey      string // id or ARN of the key, for EncryptSSEKMS; empty: the account's own key for S3
	Credentials []byte // sealed (package seal); empty for ambient credentials
	Shape       string // the shape of the credentials file, for people: "aws-access-key", "ambient", ...
	Principal   string // access key id or service account; never a secret
	Revision    int64  // rises with each update; a running exporter reopens its bucket when it changes
	FoundRegion string // as discovered
	Conditional Support
	Health      Health // of the last trial since the last update
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Place identifies where the sink writes to: its type, endpoint and bucket.
// Sinks of one place share its keys. The endpoint is quoted, so that no two
// places have one name. Region, path style and credentials are ways to reach a
// place, not part of it.
func (s *Sink) Place() string { return fmt.Sprintf("%s %q %s", s.Type, s.Endpoint, s.Bucket) }

// KnownRegion returns the bucket's region: as it was given, else as it was
// discovered, else empty.
func (s *Sink) KnownRegion() string {
	if s.Region != "" {
		return s.Region
	}
	return s.FoundRegion
}

// Cut holds when an exporter closes a batch. Zero means no such rule.
type Cut struct {
	Interval  time.Duration // at wall-clock multiples, counted from the oldest event that waits
	Offset    time.Duration // of those multiples from the full hour, below Interval: 1h and 40m cut at :40
	MaxBytes  int64         // raw (uncompressed) bytes of events in one batch, at most, but at least one block
	MaxPacked int64         // likewise for the bytes as the log keeps them: the size of a gzip object
	MaxEvents int64         // likewise for events
}

// Output holds everything the bytes and names of an object depend on beside
// the events themselves. A plan freezes a copy.
type Output struct {
	PathPrefix  string `json:"pathPrefix"`
	Layout      string `json:"layout"`           // a named layout or a template
	Format      string `json:"format"`           // "jsonl", "csv", "parquet"
	Compression string `json:"compression"`      // "none", "gzip", "zstd"; for Parquet the codec of its pages
	Source      string `json:"source,omitempty"` // source id, for layouts that name it
	// StreamPrefix stands before the stream's name in keys, with nothing between.
	StreamPrefix string `json:"streamPrefix,omitempty"`

	Flattening Flattening `json:"flattening,omitempty"`
	Envelope   Envelope   `json:"envelope,omitzero"`
	Table      Table      `json:"table,omitzero"`
	CSV        CSV        `json:"csv,omitzero"`
	Parquet    Parquet    `json:"parquet,omitzero"`
}

// Exporter carries one stream to one sink.
type Exporter struct {
	ID        string // 8 hex digits, made at creation, in every key it writes
	Name      string // unique per stream
	Stream    string // the stream's name
	StreamID  string
	Sink      string
	Cut       Cut
	Output    Output
	Paused    bool
	TestID    string   // UUID in the name of its validation object
	Start     Position // where it began
	Next      Position // first offsets not yet planned
	LastSeq   int64    // sequence number of its newest batch
	FromStart bool     // created with existing events included
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ExporterState is an exporter with what nodes tell each other of it through the
// catalog.
type ExporterState struct {
	Exporter
	FlushTo      Position  // everything below is to be cut at once; nil: nothing
	Trouble      string    // JSON, what keeps it from delivering beside its batches; empty: nothing
	LastDoneAt   time.Time // of its last delivery
	SinkRevision int64     // Sink.Revision of its sink
}
