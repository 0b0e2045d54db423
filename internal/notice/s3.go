package notice

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"strm/internal/problem"
)

// testEvent is the name of the message that S3 sends when notifications are
// configured.
const testEvent = "s3:TestEvent"

// maxKey is the longest key of an object in bytes.
const maxKey = 1024

// message is an S3 event notification, or a test event.
type message struct {
	Records []json.RawMessage `json:"Records"`
	Event   string            `json:"Event"`
	Bucket  string            `json:"Bucket"`
	Time    string            `json:"Time"`
}

// record is one event. Unknown fields are those of later versions.
type record struct {
	EventVersion string `json:"eventVersion"`
	EventTime    string `json:"eventTime"`
	EventName    string `json:"eventName"`
	S3           struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      int64  `json:"size"`
			ETag      string `json:"eTag"`
			VersionID string `json:"versionId"`
		} `json:"object"`
	} `json:"s3"`
}

// Parse reads an S3 event notification. What is no such thing is an error of
// kind Invalid. A single record that cannot be understood does not spoil the
// others: it is among Ignored.
func Parse(body []byte) (Notice, error) {
	fields, err := object(body)
	if err != nil {
		return Notice{}, err
	}
	if !isNotice(fields) {
		return Notice{}, problem.New(problem.Invalid, "neither an S3 event notification nor a test event: it has no Records")
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return Notice{}, problem.New(problem.Invalid, "the S3 event notification has not the form that S3 gives it: %w", err)
	}
	if m.Event == testEvent {
		at, _ := parseTime(m.Time) // it is news without a time, too
		return Notice{Test: &Test{Bucket: m.Bucket, At: at}}, nil
	}
	var n Notice
	for _, raw := range m.Records {
		f, ignored := parseRecord(raw)
		if ignored != nil {
			n.Ignored = append(n.Ignored, *ignored)
			continue
		}
		n.Files = append(n.Files, f)
	}
	return n, nil
}

// isNotice reports whether an object is what S3 sends.
func isNotice(fields map[string]json.RawMessage) bool {
	if records, ok := fields["Records"]; ok {
		return len(records) > 0 && records[0] == '['
	}
	var event string
	return json.Unmarshal(fields["Event"], &event) == nil && event == testEvent
}

// parseRecord returns the file of a record, or why there is none.
func parseRecord(raw []byte) (File, *Ignored) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return File{}, &Ignored{Reason: "a record has not the form that S3 gives it: " + err.Error(), Wrong: true}
	}
	f := File{Bucket: r.S3.Bucket.Name, Key: r.S3.Object.Key, Size: r.S3.Object.Size,
		VersionID: r.S3.Object.VersionID, ETag: strings.Trim(r.S3.Object.ETag, `"`)}
	// In buckets whose versions are suspended all objects of a key have this id:
	// it tells none from the other.
	if f.VersionID == "null" {
		f.VersionID = ""
	}
	ignored := func(wrong bool, format string, args ...any) (File, *Ignored) {
		return File{}, &Ignored{Bucket: f.Bucket, Key: f.Key, Event: r.EventName, Reason: fmt.Sprintf(format, args...), Wrong: wrong}
	}
	// The version first: by another one's rules the rest may mean anything.
	if !knownVersion(r.EventVersion) {
		return ignored(true, "event version %q is not known: 2.1 and later 2.x are", short(r.EventVersion))
	}
	if !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:") {
		return ignored(false, "event %q creates no object", short(r.EventName))
	}
	key, err := url.QueryUnescape(f.Key) // once: "+" is a space, "%2B" is a plus
	if err != nil {
		return ignored(true, "the key is not encoded as S3 does: %v", err)
	}
	f.Key = key
	if f.At, err = parseTime(r.EventTime); err != nil {
		return ignored(true, "eventTime %q is no time", short(r.EventTime))
	}
	switch {
	case f.Bucket == "":
		return ignored(true, "the record names no bucket")
	case f.Key == "":
		return ignored(true, "the record names no key")
	case len(f.Key) > maxKey || !utf8.ValidString(f.Key):
		return ignored(true, "no object of S3 can have such a key")
	case f.Size < 0:
		return ignored(true, "the size is %d", f.Size)
	case f.VersionID == "" && f.ETag == "":
		return ignored(true, "neither a version id nor an ETag tells this object from a later one")
	case strings.HasSuffix(f.Key, "/"):
		return ignored(false, "a folder's marker, not a file")
	}
	return f, nil
}

// knownVersion reports whether a record of this eventVersion can be read:
// "2.1" or a later minor, which only adds fields.
func knownVersion(v string) bool {
	major, minor, ok := strings.Cut(v, ".")
	n, err := strconv.ParseUint(minor, 10, 16)
	return ok && err == nil && major == "2" && n >= 1
}

// parseTime reads a time of S3. Some of its imitators leave out the zone, UTC.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", s)
	}
	return t.UTC(), err
}

// object returns the fields of a JSON object, by their exact names.
func object(body []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, problem.New(problem.Invalid, "the message is not a JSON object: %w", err)
	}
	if fields == nil {
		return nil, problem.New(problem.Invalid, "the message is not a JSON object but null")
	}
	return fields, nil
}

// OneLine makes foreign words fit for a message: one line, not long.
func OneLine(s string) string {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "..."
	}
	return s
}

// short cuts foreign words for a message.
func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
