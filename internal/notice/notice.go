// Package notice reads what AWS says when objects are created in a bucket: S3
// event notifications, bare or in an SNS envelope. It does no I/O and proves
// nothing: who sent a notice is settled by whoever received it.
package notice

import "time"

// File is one object that a notice or a listing tells of.
type File struct {
	Bucket    string
	Key       string // decoded
	VersionID string // empty in buckets without versions
	ETag      string // without quotes
	Size      int64
	At        time.Time // when it was stored: eventTime, or LastModified of a listing
}
