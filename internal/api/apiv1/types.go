// Package apiv1 holds the bodies of the control API as they travel: what the
// server answers and the CLI reads. Durations are strings as Go writes them
// ("60s"), times RFC 3339 in UTC, sizes bytes. No body carries a secret back,
// but for the write key of a source in the answer that creates it.
package apiv1

import (
	"encoding/json"
	"time"
)

// Stream is a stream as the API shows it.
type Stream struct {
	Name        string      `json:"name"`
	ID          string      `json:"id"`
	Partitions  int         `json:"partitions"`
	StrmMeta    bool        `json:"strmMeta"`
	Description string      `json:"description,omitempty"`
	Tags        []string    `json:"tags,omitempty"`
	Retention   Retention   `json:"retention"`
	Topic       *Topic      `json:"topic,omitempty"` // of a stream on Kafka
	CreatedAt   time.Time   `json:"createdAt"`
	Bounds      []Partition `json:"bounds,omitempty"`  // GET of one stream only
	Problem     string      `json:"problem,omitempty"` // why its topic cannot be looked at; GET of one stream only
}

// Topic is the Kafka topic of a stream.
type Topic struct {
	Name    string `json:"name"`
	Adopted bool   `json:"adopted"` // it was there before the stream; strm never deletes or trims it
	Values  string `json:"values"`  // what the values of its records are: "json", "registry"
	Invalid string `json:"invalid"` // what becomes of a value that is no event: "block", "drop"
	// Repeats says how idempotency keys and event ids are settled; absent where nothing is
	// sent through strm.
	Repeats string `json:"repeats,omitempty"`
}

// ExactAcrossNodes is Topic.Repeats: a key or an id counts once, whichever node gets it.
const ExactAcrossNodes = "exact across nodes"

// Retention bounds a stream. Empty or 0 means no bound.
type Retention struct {
	MaxAge   string `json:"maxAge,omitempty"`
	MaxBytes int64  `json:"maxBytes,omitempty"`
}

// Partition shows one partition of the log.
type Partition struct {
	Partition int   `json:"partition"`
	Floor     int64 `json:"floor"`
	End       int64 `json:"end"`
	Bytes     int64 `json:"bytes"`
}

// CreateStream is the body of POST /v1/streams.
type CreateStream struct {
	Name        string     `json:"name"`
	Partitions  int        `json:"partitions,omitempty"` // default 1 (over Kafka what its brokers say, or what the topic has), at most 256
	StrmMeta    *bool      `json:"strmMeta,omitempty"`   // default true, but for an adopted topic
	Description string     `json:"description,omitempty"`
	Tags        []string   `json:"tags,omitempty"`
	Retention   *Retention `json:"retention,omitempty"` // default 7 days, no size bound; none for an adopted topic
	Topic       string     `json:"topic,omitempty"`     // a Kafka topic to adopt; default one of its own, with the stream's name
	Values      string     `json:"values,omitempty"`    // what its values are: json (default), registry
	Invalid     string     `json:"invalid,omitempty"`   // what becomes of a value that is no event: block (default), drop
}

// UpdateStream is the body of PATCH /v1/streams/{stream}; absent fields stay.
type UpdateStream struct {
	StrmMeta    *bool      `json:"strmMeta,omitempty"`
	Description *string    `json:"description,omitempty"`
	Tags        []string   `json:"tags,omitempty"`
	Retention   *Retention `json:"retention,omitempty"`
	Invalid     *string    `json:"invalid,omitempty"` // of a stream on a Kafka topic: block, drop
}

// Source is a source as the API shows it.
type Source struct {
	Name      string    `json:"name"`
	Stream    string    `json:"stream"`
	Kind      string    `json:"kind"`
	SourceID  string    `json:"sourceId,omitempty"`    // kind segment: in keys and lines
	Dedup     string    `json:"dedupWindow,omitempty"` // kind segment: "24h0m0s"; "0s" for no de-duplication
	WriteKey  string    `json:"writeKey,omitempty"`    // in the answer that makes it only: to a creation, or a change of the key
	NewStream bool      `json:"newStream,omitempty"`   // in the answer to its creation only: its stream was made for it
	CreatedAt time.Time `json:"createdAt"`

	Split      *SplitSource `json:"split,omitempty"`      // kind split
	NewStreams []string     `json:"newStreams,omitempty"` // in the answer to its creation only: the streams that were made for it
}

// SplitSource is what a source of kind split has beside others.
type SplitSource struct {
	Environment  string            `json:"environment"`
	Events       string            `json:"eventsStream"`
	Counts       string            `json:"countsStream,omitempty"` // absent: counts and unique keys are dropped
	TrafficTypes map[string]string `json:"trafficTypes,omitempty"` // id by name
	Flags        map[string]string `json:"flags,omitempty"`        // name of its traffic type by flag, as given
	Served       *ServedFlags      `json:"served,omitempty"`       // absent: no flags are served
	Unknown      *UnknownNames     `json:"unknown,omitempty"`      // GET of one source only
}

// ServedFlags is what a source serves to SDKs.
type ServedFlags struct {
	ChangeNumber int64 `json:"changeNumber"` // of the whole; rises with every change
	Flags        int   `json:"flags"`
	Segments     int   `json:"ruleBasedSegments"`
}

// UnknownNames is what was seen since the server started that the catalogue does
// not know: its rows have no traffic type id.
type UnknownNames struct {
	Flags        []NameCount `json:"flags,omitempty"`        // with the number of impressions
	TrafficTypes []NameCount `json:"trafficTypes,omitempty"` // with the number of events
	More         bool        `json:"more,omitempty"`         // there were more names than are counted
}

// NameCount is how often a name was seen.
type NameCount struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// SplitSettings sets up or changes a source of kind split; absent fields stay.
type SplitSettings struct {
	Environment  string            `json:"environment,omitempty"`
	Events       string            `json:"eventsStream,omitempty"` // made with the source if it is not there; default the source's name and "-events"
	Counts       *string           `json:"countsStream,omitempty"` // likewise; default none
	TrafficTypes map[string]string `json:"trafficTypes,omitempty"` // id by name; added to those there are; empty takes out
	Flags        map[string]string `json:"flags,omitempty"`        // name of its traffic type by flag; likewise
	Replace      bool              `json:"replaceCatalogue,omitempty"`
	Serve        json.RawMessage   `json:"serve,omitempty"` // a splitChanges body, or an array of flags; [] for none
}

// CreateSource is the body of POST /v1/sources.
type CreateSource struct {
	Name     string  `json:"name"`
	Stream   string  `json:"stream,omitempty"`      // kind segment, split: made if it is not there; default the source's name
	Kind     string  `json:"kind,omitempty"`        // default "events"
	SourceID string  `json:"sourceId,omitempty"`    // kind segment: default made up
	WriteKey string  `json:"writeKey,omitempty"`    // kind segment, split: one that is in use already; default made up
	Dedup    *string `json:"dedupWindow,omitempty"` // kind segment: default 24h; 0 for none

	Split *SplitSettings `json:"split,omitempty"` // kind split: needed, with an environment
}

// UpdateSource is the body of PATCH /v1/sources/{name}; absent fields stay.
type UpdateSource struct {
	Dedup     *string `json:"dedupWindow,omitempty"`    // kind segment: 0 for none
	RotateKey bool    `json:"rotateWriteKey,omitempty"` // make up another write key; the answer shows it, once
	WriteKey  string  `json:"writeKey,omitempty"`       // kind segment, split: take this one

	Split *SplitSettings `json:"split,omitempty"` // kind split
}

// Sink is a sink as the API shows it, without its credentials.
type Sink struct {
	Name              string     `json:"name"`
	Type              string     `json:"type"` // S3, GCLOUD, DIR
	Bucket            string     `json:"bucket"`
	Prefix            string     `json:"prefix,omitempty"`
	Endpoint          string     `json:"endpoint,omitempty"`
	Region            string     `json:"region,omitempty"` // configured, else as found
	PathStyle         bool       `json:"pathStyle,omitempty"`
	RoleARN           string     `json:"roleArn,omitempty"`
	ExternalID        string     `json:"externalId,omitempty"`
	STSEndpoint       string     `json:"stsEndpoint,omitempty"`
	Encryption        string     `json:"encryption,omitempty"` // none, SSE-S3, SSE-KMS; absent: as the layout says
	KMSKey            string     `json:"kmsKey,omitempty"`
	Credentials       string     `json:"credentials"`         // shape: "aws-access-key", "gcs-service-account", "ambient", ...
	Principal         string     `json:"principal,omitempty"` // access key id or service account
	ConditionalWrites string     `json:"conditionalWrites,omitempty"`
	Health            *Health    `json:"health,omitempty"` // absent: not tried since it was last changed
	Warning           string     `json:"warning,omitempty"`
	CreatedAt         time.Time  `json:"createdAt"`
	UpdatedAt         time.Time  `json:"updatedAt"`
	Exporters         []Exporter `json:"batchExporters,omitempty"` // with ?recursive=true
}

// Health is what the last trial of a sink said.
type Health struct {
	Status string    `json:"status"`           // ok, failing
	Step   string    `json:"step,omitempty"`   // that failed: credentials, connection, role, bucket, region, put
	Reason string    `json:"reason,omitempty"` // of the failure
	At     time.Time `json:"at"`
}

// TestSink is the body of POST /v1/sinks/{name}/test.
type TestSink struct {
	PathPrefix string `json:"pathPrefix,omitempty"` // below the sink's own, to write the validation object under
}

// SinkTest is the answer to it. A sink that fails is an answer, not an error.
type SinkTest struct {
	Sink              string `json:"sink"`
	OK                bool   `json:"ok"`
	Health            Health `json:"health"`
	Bucket            string `json:"bucket"`
	Prefix            string `json:"prefix,omitempty"`            // the sink's
	Region            string `json:"region,omitempty"`            // configured, else as found
	ConditionalWrites string `json:"conditionalWrites,omitempty"` // yes, no; absent: not known
}

// PutSink is the body of PUT /v1/sinks/{name}: creates or replaces.
type PutSink struct {
	Type        string `json:"type,omitempty"`        // inferred from the credentials file when empty
	Bucket      string `json:"bucket"`                // BUCKET or BUCKET/prefix
	Credentials string `json:"credentials,omitempty"` // the credentials file, verbatim; empty for ambient
	// KeepCredentials leaves an existing sink the credentials it has, as long as
	// they go to the same service.
	KeepCredentials bool `json:"keepCredentials,omitempty"`

	Endpoint    string `json:"endpoint,omitempty"`
	Region      string `json:"region,omitempty"`
	PathStyle   bool   `json:"pathStyle,omitempty"`
	RoleARN     string `json:"roleArn,omitempty"` // assumed before writing
	ExternalID  string `json:"externalId,omitempty"`
	STSEndpoint string `json:"stsEndpoint,omitempty"`
	Encryption  string `json:"encryption,omitempty"` // none, SSE-S3, SSE-KMS; empty: as the layout says
	KMSKey      string `json:"kmsKey,omitempty"`
}

// Policies is the answer to GET /v1/sinks/{name}/policy: the least AWS policies
// under which the sink's exporters and importers can do their work.
type Policies struct {
	IAM    *Policy      `json:"iam,omitempty"`    // identity policy of who writes: the role, else the principal
	Bucket *Policy      `json:"bucket,omitempty"` // policy of the bucket; instead of iam within one account, besides it across accounts
	KMS    *Policy      `json:"kms,omitempty"`    // statement to add to the policy of the key
	Trust  *Policy      `json:"trust,omitempty"`  // trust policy of the role
	Assume *Policy      `json:"assume,omitempty"` // identity policy of the principal: may assume the role
	Topic  *Policy      `json:"topic,omitempty"`  // statements to add to the policies of the importers' SNS topics
	Queue  *Policy      `json:"queue,omitempty"`  // statements to add to the policies of the importers' SQS queues
	Notes  []PolicyNote `json:"notes,omitempty"`
}

// PolicyNote is something the reader of policies must know.
type PolicyNote struct {
	For  []string `json:"for"` // the fields of Policies that it is about
	Text string   `json:"text"`
}

// Policy is a policy as AWS reads it.
type Policy struct {
	Version   string            `json:"Version"`
	Statement []PolicyStatement `json:"Statement"`
}

// PolicyStatement is one rule of a policy.
type PolicyStatement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal *PolicyPrincipal             `json:"Principal,omitempty"`
	Action    string                       `json:"Action"`
	Resource  []string                     `json:"Resource,omitempty"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

// PolicyPrincipal says whom a rule is for.
type PolicyPrincipal struct {
	AWS     string `json:"AWS,omitempty"`
	Service string `json:"Service,omitempty"` // one of AWS's services, instead
}

// Exporter is a batch exporter as the API shows it.
type Exporter struct {
	Name         string    `json:"name"`
	ID           string    `json:"id"`
	Stream       string    `json:"stream"`
	Sink         string    `json:"sink"`
	PathPrefix   string    `json:"pathPrefix,omitempty"`
	StreamPrefix string    `json:"streamPrefix,omitempty"` // before the stream's name in keys
	Interval     string    `json:"interval"`
	Offset       string    `json:"intervalOffset,omitempty"`
	MaxBytes     int64     `json:"maxBytes,omitempty"`
	MaxPacked    int64     `json:"maxPackedBytes,omitempty"`
	MaxEvents    int64     `json:"maxEvents,omitempty"`
	Layout       string    `json:"layout"`
	Format       string    `json:"format"`
	Compression  string    `json:"compression"`
	FromStart    bool      `json:"includeExistingEvents,omitempty"`
	CreatedAt    time.Time `json:"createdAt"`
	Status       Status    `json:"status"`

	Options *FileOptions `json:"options,omitempty"` // those that are not the default
}

// Status is how an exporter fares now.
type Status struct {
	State           string     `json:"state"` // running, retrying, blocked, paused
	Reason          string     `json:"reason,omitempty"`
	Since           *time.Time `json:"since,omitempty"` // of the present trouble
	NextRetryAt     *time.Time `json:"nextRetryAt,omitempty"`
	WaitingEvents   int64      `json:"waitingEvents"` // accepted, not yet delivered
	DeliveredEvents int64      `json:"deliveredEvents"`
	Batches         int64      `json:"batches"` // done
	LastDeliveryAt  *time.Time `json:"lastDeliveryAt,omitempty"`
	Position        []int64    `json:"position"`  // per partition, next to plan
	Delivered       []int64    `json:"delivered"` // per partition, everything below is in the bucket
}

// CreateExporter is the body of POST /v1/batch-exporters.
type CreateExporter struct {
	Name                  string     `json:"name,omitempty"` // default <sink>-<stream>
	Stream                string     `json:"stream"`
	Sink                  string     `json:"sink,omitempty"` // default the only sink
	PathPrefix            string     `json:"pathPrefix,omitempty"`
	StreamPrefix          string     `json:"streamPrefix,omitempty"`   // before the stream's name in keys, nothing between
	Interval              string     `json:"interval,omitempty"`       // "60s" or "60"; default the layout's, mostly 60s
	Offset                string     `json:"intervalOffset,omitempty"` // default the layout's, mostly 0
	MaxBytes              int64      `json:"maxBytes,omitempty"`
	MaxPacked             *int64     `json:"maxPackedBytes,omitempty"` // of the events as the log keeps them (gzip); default the layout's
	MaxEvents             int64      `json:"maxEvents,omitempty"`
	Layout                string     `json:"layout,omitempty"`      // default "strm"
	Format                string     `json:"format,omitempty"`      // default "jsonl"
	Compression           string     `json:"compression,omitempty"` // default the layout's, mostly "none"
	IncludeExistingEvents bool       `json:"includeExistingEvents,omitempty"`
	From                  *time.Time `json:"from,omitempty"`

	Options *FileOptions `json:"options,omitempty"`
}

// FileOptions say how events become files. What is absent stays as it is; an
// empty text, 0 and false are the default.
type FileOptions struct {
	Flattening    *string           `json:"flattening,omitempty"`    // none, root; default root for csv without an envelope, else none
	Envelope      *string           `json:"envelope,omitempty"`      // tarsal, tarsal-prose, airbyte-0.x, airbyte-1.x; default the layout's, mostly none
	EnvelopeNames map[string]string `json:"envelopeNames,omitempty"` // of metadata, id, time, data, meta, generation
	Schema        *string           `json:"schema,omitempty"`        // JSON Schema of an event, as text; default: columns are found in each object
	StrictSchema  *bool             `json:"strictSchema,omitempty"`  // refuse types that are not known
	ColumnOrder   *string           `json:"columnOrder,omitempty"`   // name, schema
	CleanNames    *bool             `json:"cleanNames,omitempty"`    // parquet: column names of letters, digits and _

	CSVDelimiter *string `json:"csvDelimiter,omitempty"` // default ","
	CSVNull      *string `json:"csvNull,omitempty"`      // default ""
	CSVQuote     *string `json:"csvQuote,omitempty"`     // all, non-numeric, needed
	CSVNoHeader  *bool   `json:"csvNoHeader,omitempty"`

	RowGroupBytes   *int64 `json:"rowGroupBytes,omitempty"`   // parquet: JSON bytes in a row group; default 16 MiB
	RowGroupRows    *int64 `json:"rowGroupRows,omitempty"`    // default no bound
	PageBytes       *int64 `json:"pageBytes,omitempty"`       // default 256 KiB
	DictionaryBytes *int64 `json:"dictionaryBytes,omitempty"` // default 1 MiB
	NoDictionary    *bool  `json:"noDictionary,omitempty"`
}

// UpdateExporter is the body of PATCH /v1/batch-exporters/{name}; absent fields
// stay. Batches already planned keep the settings they were planned with.
type UpdateExporter struct {
	Sink         *string `json:"sink,omitempty"`
	PathPrefix   *string `json:"pathPrefix,omitempty"`
	StreamPrefix *string `json:"streamPrefix,omitempty"`
	Interval     *string `json:"interval,omitempty"`
	Offset       *string `json:"intervalOffset,omitempty"`
	MaxBytes     *int64  `json:"maxBytes,omitempty"`
	MaxPacked    *int64  `json:"maxPackedBytes,omitempty"`
	MaxEvents    *int64  `json:"maxEvents,omitempty"`
	Layout       *string `json:"layout,omitempty"`
	Format       *string `json:"format,omitempty"` // another one drops the options of the one before
	Compression  *string `json:"compression,omitempty"`

	Options *FileOptions `json:"options,omitempty"`
}

// Flush is the answer to POST /v1/batch-exporters/{name}/flush[?wait=30s].
// Done is true once every event that was durable when the flush began is in
// the bucket. Call again with ?until=Token to go on waiting.
type Flush struct {
	Done   bool   `json:"done"`
	Token  string `json:"token"`
	Status Status `json:"status"`
}

// Replay is the body of POST /v1/batch-exporters/{name}/replay.
type Replay struct {
	Into string     `json:"into"` // another path prefix
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
}

// Replayed is its answer.
type Replayed struct {
	Replay  string   `json:"replay"` // id, in the batches that it planned
	Events  int64    `json:"events"`
	Batches []string `json:"batches"`
}

// Cancelled is the answer to DELETE /v1/batch-exporters/{name}/replays/{id}.
type Cancelled struct {
	Abandoned int64 `json:"abandoned"` // batches given up; those that were done stay
}

// Batch is a line of the ledger.
type Batch struct {
	ID          string     `json:"id"`
	Exporter    string     `json:"exporter"`
	Stream      string     `json:"stream"`
	Seq         int64      `json:"seq"`
	Sink        string     `json:"sink,omitempty"`
	State       string     `json:"state"` // planned, attempted, done, abandoned
	Reason      string     `json:"reason"`
	Replay      string     `json:"replay,omitempty"`
	CutAt       time.Time  `json:"cutAt"`
	Events      int64      `json:"events"`
	Bytes       int64      `json:"bytes"`
	Ranges      []Range    `json:"ranges"`
	PathPrefix  string     `json:"pathPrefix,omitempty"` // of the objects' keys, the sink's included
	Objects     []Object   `json:"objects"`
	Encoder     string     `json:"encoder"`
	Attempts    int        `json:"attempts"`
	Problem     string     `json:"problem,omitempty"`
	Blocked     bool       `json:"blocked,omitempty"`
	NextRetryAt *time.Time `json:"nextRetryAt,omitempty"`
	PlannedAt   time.Time  `json:"plannedAt"`
	AttemptedAt *time.Time `json:"attemptedAt,omitempty"`
	DoneAt      *time.Time `json:"doneAt,omitempty"`
}

// Range is a half-open run of offsets.
type Range struct {
	Partition int   `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
}

// Object is one object of a batch.
type Object struct {
	Key      string     `json:"key"`
	Events   int64      `json:"events"`
	Bytes    int64      `json:"bytes"`
	CRC32    string     `json:"crc32,omitempty"` // base64 of the big-endian value, as x-amz-checksum-crc32
	Stored   bool       `json:"stored"`
	Received *time.Time `json:"received,omitempty"` // start of the day or hour of receipt, where the layout divides
	Ranges   []Range    `json:"ranges"`
}

// Verification is the answer to POST /v1/batch-exporters/{name}/verify.
type Verification struct {
	OK          bool         `json:"ok"`
	Exporter    string       `json:"exporter"`
	Batches     int64        `json:"batches"`
	Objects     int64        `json:"objects"`
	Events      int64        `json:"events"`
	Bytes       int64        `json:"bytes"`
	Read        int64        `json:"objectsRead"` // objects fetched and compared
	NotRead     string       `json:"notRead,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
}

// Difference is one thing that is not as the ledger says.
type Difference struct {
	Batch string `json:"batch,omitempty"`
	Key   string `json:"key,omitempty"`
	What  string `json:"what"`
}

// Problem is an RFC 9457 body for every error of the API.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Kind   string `json:"kind"`           // problem.Kind
	Line   int    `json:"line,omitempty"` // intake: 1-based number of the event at fault
	Reason string `json:"reason,omitempty"`
}
