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

// Notice is what one S3 event notification says.
type Notice struct {
	Files   []File
	Test    *Test     // the bucket was configured to notify; then there is nothing else
	Ignored []Ignored // records that are no files
}

// Test is an s3:TestEvent, which S3 sends when somebody configures notifications.
type Test struct {
	Bucket string
	At     time.Time // zero if it does not say
}

// Ignored is a record that names no file, and why.
type Ignored struct {
	Bucket string // as far as it says
	Key    string // likewise, decoded if it can be
	Event  string
	Reason string
	Wrong  bool // it may have meant a file, but cannot be understood; else it is of no interest
}

// Wrong returns the reason of the first record that cannot be understood, and
// how many there are.
func (n *Notice) Wrong() (reason string, count int) {
	for _, i := range n.Ignored {
		if !i.Wrong {
			continue
		}
		if count == 0 {
			reason = i.Reason
		}
		count++
	}
	return reason, count
}
