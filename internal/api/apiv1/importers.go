package apiv1

import "time"

// Importer is a batch importer as the API shows it.
type Importer struct {
	Name         string         `json:"name"`
	ID           string         `json:"id"`
	Stream       string         `json:"stream"`
	Sink         string         `json:"sink"` // whose bucket is read, and gets the reports
	Environments []string       `json:"environments"`
	Prefix       string         `json:"prefix,omitempty"` // of the files' keys
	Suffixes     []string       `json:"suffixes"`
	StatusFolder string         `json:"statusFolder"`
	TopicARN     string         `json:"topicArn,omitempty"`
	QueueURL     string         `json:"queueUrl,omitempty"`
	ListEvery    string         `json:"listEvery"`
	ReportEvery  string         `json:"reportEvery"`
	FromStart    bool           `json:"includeExistingFiles,omitempty"`
	Endpoint     string         `json:"notificationEndpoint,omitempty"` // with a topic: URL to subscribe; only its path, if the server has no public URL with https
	CreatedAt    time.Time      `json:"createdAt"`
	UpdatedAt    time.Time      `json:"updatedAt"`
	NewStream    bool           `json:"newStream,omitempty"` // in the answer to its creation only: its stream was made for it
	Status       ImporterStatus `json:"status"`
}

// ImporterStatus is how an importer fares now.
type ImporterStatus struct {
	State        string        `json:"state"`            // running, failing, paused
	Reason       string        `json:"reason,omitempty"` // what keeps it from noticing files
	Subscription *Subscription `json:"subscription,omitempty"`
	NoticedAt    *time.Time    `json:"noticedAt,omitempty"` // last notice from topic or queue
	ListedAt     *time.Time    `json:"listedAt,omitempty"`  // end of the last whole listing
	Files        int64         `json:"files"`               // done
	WaitingFiles int64         `json:"waitingFiles"`        // noticed, not done
	Unreported   int64         `json:"unreportedFiles"`     // done, not in a status report yet
	Rows         int64         `json:"rows"`                // read in the files that are done
	Accepted     int64         `json:"acceptedRows"`        // of those, became events
	LastDoneAt   *time.Time    `json:"lastDoneAt,omitempty"`
}

// Subscription is what is known of the topic's subscription.
type Subscription struct {
	State      string     `json:"state"` // pending, confirmed, unsubscribed, raw
	ARN        string     `json:"arn,omitempty"`
	At         *time.Time `json:"at,omitempty"`
	TestedAt   *time.Time `json:"testedAt,omitempty"` // last s3:TestEvent: the bucket is configured to notify
	TestBucket string     `json:"testBucket,omitempty"`
}

// CreateImporter is the body of POST /v1/batch-importers.
type CreateImporter struct {
	Name                 string   `json:"name"`
	Stream               string   `json:"stream,omitempty"`       // made if it is not there; default the importer's name
	Sink                 string   `json:"sink,omitempty"`         // default the only sink
	Environments         []string `json:"environments,omitempty"` // needed
	Prefix               string   `json:"prefix,omitempty"`
	Suffixes             []string `json:"suffixes,omitempty"`     // default .parquet, .parquet.gz, .parquet.bz2, .parquet.snappy, .parquet.lzo
	StatusFolder         string   `json:"statusFolder,omitempty"` // needed
	TopicARN             string   `json:"topicArn,omitempty"`
	QueueURL             string   `json:"queueUrl,omitempty"`
	ListEvery            string   `json:"listEvery,omitempty"`   // default 15m
	ReportEvery          string   `json:"reportEvery,omitempty"` // default 5m
	IncludeExistingFiles bool     `json:"includeExistingFiles,omitempty"`
}

// UpdateImporter is the body of PATCH /v1/batch-importers/{name}; absent fields
// stay. Files that are being imported keep the environments that they began with.
type UpdateImporter struct {
	Sink         *string  `json:"sink,omitempty"`
	Environments []string `json:"environments,omitempty"`
	Prefix       *string  `json:"prefix,omitempty"`
	Suffixes     []string `json:"suffixes,omitempty"`
	StatusFolder *string  `json:"statusFolder,omitempty"`
	TopicARN     *string  `json:"topicArn,omitempty"` // empty: none
	QueueURL     *string  `json:"queueUrl,omitempty"` // empty: none
	ListEvery    *string  `json:"listEvery,omitempty"`
	ReportEvery  *string  `json:"reportEvery,omitempty"`
}

// Import is one version of one file, imported once.
type Import struct {
	ID           int64      `json:"id"`
	Importer     string     `json:"importer"`
	Key          string     `json:"key"` // fileName in the status reports
	VersionID    string     `json:"versionId,omitempty"`
	ETag         string     `json:"etag,omitempty"`
	Bytes        int64      `json:"bytes"`
	CreatedAt    time.Time  `json:"createdAt"`              // when this version was stored; originalCreationTime in the status reports
	Via          string     `json:"via"`                    // who told of it: sns, sqs, list
	State        string     `json:"state"`                  // noticed, running, done, abandoned
	Environments []string   `json:"environments,omitempty"` // that its rows were checked against
	Partition    *int       `json:"partition,omitempty"`    // where its rows go
	Rows         int64      `json:"rows"`                   // read
	Accepted     int64      `json:"acceptedRows"`           // became events
	Attempts     int        `json:"attempts"`
	Problem      string     `json:"problem,omitempty"` // why it is not done yet
	NextTryAt    *time.Time `json:"nextTryAt,omitempty"`
	NoticedAt    time.Time  `json:"noticedAt"`
	StartedAt    *time.Time `json:"startedAt,omitempty"`
	DoneAt       *time.Time `json:"doneAt,omitempty"`

	// GET of one import only.
	Entries []StatusEntry `json:"statusEntries,omitempty"`
	Report  *Report       `json:"report,omitempty"` // that holds them
}

// StatusEntry is what became of a group of a file's rows, as in the status report.
type StatusEntry struct {
	CreationTime int64    `json:"originalCreationTime"` // ms since 1970
	EntryID      int      `json:"entryId"`
	Valid        bool     `json:"valid"`
	Rows         int64    `json:"numberOfRows"`
	Errors       []string `json:"errors"`
	Details      []string `json:"errorsDetails"`
	Warnings     []string `json:"warnings"`
}

// Report is a status report.
type Report struct {
	Key       string     `json:"key"`
	State     string     `json:"state"` // planned, done, abandoned
	Problem   string     `json:"problem,omitempty"`
	NextTryAt *time.Time `json:"nextTryAt,omitempty"`
	DoneAt    *time.Time `json:"doneAt,omitempty"`
}
