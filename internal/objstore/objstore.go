// Package objstore is the port to object stores: bytes under keys, created at
// most once. Implementations live below it (s3, gcs, dir, mem) and must all
// pass objstoretest. It knows nothing of streams or batches.
//
// The port never retries: the exporter does, because it must note durably that
// an attempt may have happened before it makes the next one.
package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Content is what Create stores. Size and CRC32 are known beforehand, so a
// store can refuse damaged bytes.
type Content struct {
	Size        int64
	CRC32       uint32 // CRC-32 (IEEE) of the bytes
	ContentType string
	Encoding    string            // Content-Encoding, or empty
	Metadata    map[string]string // keys lower case [a-z0-9-], values ASCII; at most 2 KB in all
	// Encrypt asks the store to encrypt at rest with keys of its own, where the
	// bucket's settings say nothing else. Stores that always do ignore it.
	Encrypt bool
	// Open returns a new reader at the first byte; Create closes it.
	Open func() (io.ReadSeekCloser, error)
	// Overwrite asks for an unconditional write, for stores without conditions.
	Overwrite bool
}

// Info describes a stored object.
type Info struct {
	Key       string
	VersionID string // of Open, OpenVersion and Stat, in buckets with versions; empty from List, and where the store has none
	Size      int64
	ETag      string // as the store writes it, mostly in quotes; see SameETag
	Modified  time.Time
	Metadata  map[string]string // nil from List
}

// Bucket is a place to create objects in. All methods are safe for concurrent use.
type Bucket interface {
	// Create stores the content under key if the key is free (always, with
	// Overwrite). On nil the object is durable and whole. Any error is an
	// *Error, whose Outcome says what may have happened.
	Create(ctx context.Context, key string, c Content) error
}

// Reader is a Bucket that can be read. Needs more permission than exporting does.
type Reader interface {
	// Open returns the stored bytes (not decoded by Content-Encoding) and the
	// object's description. A missing key is an *Error with Reason NoObject.
	Open(ctx context.Context, key string) (io.ReadCloser, Info, error)
}

// Versions is a Bucket that reads what an object was when somebody told of it.
type Versions interface {
	// OpenVersion opens the version of the object with the version id, or if that is
	// empty the object as it is now, if it still has the ETag (empty: whatever it
	// has). Bytes and description are of that version and none else. A version that is gone
	// is an *Error with Reason NoObject, another ETag one with Reason Replaced.
	OpenVersion(ctx context.Context, key, versionID, etag string) (io.ReadCloser, Info, error)
}

// Stater is a Bucket that can describe an object without sending its bytes.
type Stater interface {
	// Stat returns the description, metadata included. A missing key is an *Error
	// with Reason NoObject.
	Stat(ctx context.Context, key string) (Info, error)
}

// Deleter is a Bucket that can forget objects. Only what a feature says on its
// face may ever be deleted.
type Deleter interface {
	// Delete removes the object, for good once it has returned nil. A key that is
	// free is a success, so a call whose answer was lost may be repeated.
	Delete(ctx context.Context, key string) error
}

// Lister is a Bucket that can be listed.
type Lister interface {
	// List yields the objects whose keys begin with prefix, in order of key.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
}

// Locator is a Bucket that can find out in which region it lives.
type Locator interface {
	// Region returns the region, found at the first call and remembered.
	Region(ctx context.Context) (string, error)
}

// Diagnoser is a Bucket that can find out more about a refusal.
type Diagnoser interface {
	// Diagnose explains why Create was denied (Reason Denied), by creating key,
	// which must be one that nobody reads, in other ways. It returns refused, or a
	// better account of it.
	Diagnose(ctx context.Context, key string, c Content, refused *Error) *Error
}

// Outcome says what a failed Create may have left behind.
type Outcome uint8

// The outcomes. Ambiguous is the zero value: what we do not know may have happened.
const (
	Ambiguous Outcome = iota // may or may not be stored (no answer, time-out, 5xx)
	Exists                   // the key was taken; nothing was stored by this call
	NotSent                  // never reached the store
	Rejected                 // the store refused; nothing was stored
)

// String returns the word used in metrics.
func (o Outcome) String() string {
	switch o {
	case Ambiguous:
		return "ambiguous"
	case Exists:
		return "exists"
	case NotSent:
		return "not_sent"
	case Rejected:
		return "rejected"
	}
	return "ambiguous"
}

// Reason says why, as far as the store told.
type Reason string

// The reasons. Those marked (person) do not mend themselves.
const (
	Unknown        Reason = ""
	Denied         Reason = "access_denied"          // (person) Action names the missing permission
	BadCredentials Reason = "bad_credentials"        // (person) unknown, inactive, expired or wrong keys
	NoBucket       Reason = "no_bucket"              // (person)
	NoObject       Reason = "no_object"              // reading only
	Replaced       Reason = "replaced"               // reading a version only: the object is another one now
	WrongRegion    Reason = "wrong_region"           // (person) unless found anew
	BadKey         Reason = "bad_key"                // (person) the store cannot hold such a key
	BadRequest     Reason = "bad_request"            // (person) refused for another reason, KMS included
	NoConditions   Reason = "conditions_unsupported" // the store does not know If-None-Match
	Contended      Reason = "conflict"               // 409: somebody else writes the key at this moment
	Throttled      Reason = "throttled"              // 503 SlowDown and the like
	Damaged        Reason = "bad_digest"             // the bytes that arrived do not match CRC32
	ClockSkew      Reason = "clock_skew"             // our clock is off
	Unreachable    Reason = "unreachable"            // no connection, DNS, TLS
	NoSpace        Reason = "no_space"               // dir: the disk is full
)

// NeedsPerson reports whether a retry alone will hardly help.
func (r Reason) NeedsPerson() bool {
	switch r {
	case Denied, BadCredentials, NoBucket, WrongRegion, BadKey, BadRequest:
		return true
	case Unknown, NoObject, Replaced, NoConditions, Contended, Throttled, Damaged, ClockSkew, Unreachable, NoSpace:
		return false
	}
	return false
}

// Error is the failure of a call on a bucket. Its text never holds a secret.
type Error struct {
	Op      string // "put", "get", "list", "delete", "locate"
	Key     string
	Outcome Outcome
	Reason  Reason
	Action  string // permission that is missing ("s3:PutObject on arn:..."), if known
	Status  int    // HTTP status, 0 if none
	Code    string // the store's own code ("AccessDenied"), if any
	Err     error  // the story
}

// Error says what failed, where, and with which answer.
func (e *Error) Error() string {
	s := e.Op
	if e.Key != "" {
		s += " " + e.Key
	}
	if e.Code != "" {
		s += ": " + e.Code
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Action != "" {
		s += ": missing permission " + e.Action
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an *Error. What is not one counts as ambiguous.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Outcome: Ambiguous, Err: err}
}
