package stream

import (
	"strings"
	"time"
)

// Importer carries event files from the bucket of a sink into one stream, and
// status reports about them back.
type Importer struct {
	ID           string // 8 hex digits, made at creation, never used twice
	Name         string // unique
	Stream       string // the stream's name
	StreamID     string
	Sink         string   // whose bucket is read, and gets the reports, with its credentials
	Environments []string // the environment ids whose events are taken
	Prefix       string   // only files whose keys begin with it; relative to the bucket
	Suffixes     []string // only files whose keys end with one of them
	StatusPrefix string   // where reports go, without slashes at its ends; files below it are never imported
	TopicARN     string   // of the SNS topic that tells of new files; empty: none may
	QueueURL     string   // of the SQS queue that does; empty: none
	Token        string   // of the notification endpoint's path; unguessable
	ListEvery    time.Duration
	ReportEvery  time.Duration
	FromStart    bool // files older than the importer, too, when listing
	Paused       bool
	Subscription Subscription
	Problem      string    // what keeps it from noticing files; empty when nothing is wrong
	ListedAt     time.Time // end of the last whole listing
	NoticedAt    time.Time // of the last notice from topic or queue
	CreatedAt    time.Time
	UpdatedAt    time.Time
	DeletedAt    time.Time // zero while it lives; what it has noticed is reported all the same
}

// reportSuffix ends the keys of status reports.
const reportSuffix = ".UTC_report.status"

// Wants reports whether an object of the bucket with this key is a file to
// import: by prefix and suffix, but never a folder's marker, nor a status report
// of ours. Without suffixes every ending will do. Notices and listings ask it
// alike, so that both find the same files.
func (i *Importer) Wants(key string) bool {
	if key == "" || strings.HasSuffix(key, "/") || !strings.HasPrefix(key, i.Prefix) {
		return false
	}
	// Reports that lie in the bucket's root have only their names to be known by.
	if i.StatusPrefix == "" && strings.HasSuffix(key, reportSuffix) || i.StatusPrefix != "" && strings.HasPrefix(key, i.StatusPrefix+"/") {
		return false
	}
	for _, s := range i.Suffixes {
		if strings.HasSuffix(key, s) {
			return true
		}
	}
	return len(i.Suffixes) == 0
}

// SubscriptionState says how the topic stands to the notification endpoint.
type SubscriptionState string

// The states of a subscription.
const (
	SubscriptionNone      SubscriptionState = ""             // nothing came from the topic yet
	SubscriptionConfirmed SubscriptionState = "confirmed"    // we have confirmed it
	SubscriptionEnded     SubscriptionState = "unsubscribed" // the topic said so
	SubscriptionRaw       SubscriptionState = "raw"          // sends without signatures: refused
)

// Subscription is what is known of the topic's subscription.
type Subscription struct {
	State      SubscriptionState
	ARN        string    // of the subscription, once confirmed
	At         time.Time // of State
	TestedAt   time.Time // of the last s3:TestEvent: the bucket is configured to notify
	TestBucket string
}

// ImportState is where the import of one file stands.
type ImportState string

// The states. A file is running from the moment its settings are frozen.
//
//	noticed -> running -> done
//	    \__________\----> abandoned   (its sink was deleted with all that used it)
const (
	ImportNoticed   ImportState = "noticed"
	ImportRunning   ImportState = "running"
	ImportDone      ImportState = "done"
	ImportAbandoned ImportState = "abandoned"
)

// Open reports whether the file still has to be imported.
func (s ImportState) Open() bool { return s == ImportNoticed || s == ImportRunning }

// Import is one version of one file, imported once.
type Import struct {
	ID         int64 // rising with the time of notice
	ImporterID string
	Importer   string // its name
	StreamID   string
	Place      string // Sink.Place when noticed: where the file is
	Key        string
	Version    string // "v:" and the version id, or in buckets without versions "e:" and the ETag; with Key and ImporterID its identity
	ETag       string // without quotes
	Size       int64
	ObjectAt   time.Time // when this version was stored, as first heard; its originalCreationTime
	Via        string    // who told: "sns", "sqs", "list"
	NoticedAt  time.Time

	State        ImportState
	Environments []string  // frozen when the import begins to run
	Partition    Partition // where its rows go; fixed when it begins to run
	Rows         int64     // read, when done
	Accepted     int64     // rows that became events
	Owner        string    // the node that works on it; empty if none
	Attempts     int
	Problem      string    // why it is not done yet; empty when nothing is wrong
	NextTryAt    time.Time // not before; zero: at once
	StartedAt    time.Time
	DoneAt       time.Time
}

// VersionID returns the version id of the file; "" in buckets without versions.
func (i *Import) VersionID() string {
	if id, ok := strings.CutPrefix(i.Version, "v:"); ok {
		return id
	}
	return ""
}

// RowError is a code of a status entry.
type RowError string

// The codes, in the order in which entries list them. The first two are for whole files.
const (
	ErrConfigNotFound RowError = "INTEGRATION_CONFIG_NOT_FOUND"
	ErrSchema         RowError = "INVALID_SCHEMA"
	ErrEnvironment    RowError = "INVALID_ENVIRONMENT_ID"
	ErrFieldsNull     RowError = "REQUIRED_FIELDS_NULL"
	ErrTimestamp      RowError = "INVALID_TIMESTAMP"
)

// StatusEntry is what became of a group of rows of one file: all rows that have
// the same validity, errors, details and warnings.
type StatusEntry struct {
	ImportID int64
	EntryID  int // 1, 2, ... within the import; never changes
	Valid    bool
	Rows     int64 // 1, and of no meaning, where the whole file is refused
	Errors   []RowError
	Details  []string // one text for each error
	Warnings []string
	ReportID int64 // of the report that holds it; 0 until there is one, -1 when there will be none: its sink was deleted
}

// ReportEntry is one entry of a report with what it is about.
type ReportEntry struct {
	Key      string
	ObjectAt time.Time
	Entry    StatusEntry
}

// ReportState is where a status report stands.
type ReportState string

// The states: planned before the first PUT, done when it is in the bucket,
// abandoned when its sink was deleted with all that used it.
const (
	ReportPlanned   ReportState = "planned"
	ReportDone      ReportState = "done"
	ReportAbandoned ReportState = "abandoned"
)

// Report is one status report: a plan of which entries it holds and of its key.
type Report struct {
	ID           int64
	Place        string // of the sinks whose importers it is for
	StatusPrefix string
	Sink         string    // by whose credentials it is stored
	At           time.Time // in its name, to the millisecond
	State        ReportState
	MaybeStored  bool   // as Object.MaybeStored
	Owner        string // as of an Import
	Attempts     int
	Problem      string
	NextTryAt    time.Time
	DoneAt       time.Time
}
