package objstore

import (
	"errors"
	"io"
	"strings"
)

// BareETag returns an ETag without its quotes, as notices have it.
func BareETag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

// SameETag compares ETags with or without quotes.
func SameETag(a, b string) bool { return BareETag(a) == BareETag(b) }

// AsVersion is OpenVersion for stores without versions: it takes the answer of
// Open, and refuses an object that has another ETag. An empty etag is any.
func AsVersion(key, versionID, etag string, body io.ReadCloser, info Info, err error) (io.ReadCloser, Info, error) {
	if err != nil {
		return nil, Info{}, err
	}
	switch {
	case versionID != "" && versionID != info.VersionID:
		err = &Error{Op: "get", Key: key, Outcome: Rejected, Reason: NoObject, Err: errors.New("there is no such version of the object")}
	case etag != "" && !SameETag(info.ETag, etag):
		err = ReplacedError(key)
	default:
		return body, info, nil
	}
	return nil, Info{}, errors.Join(err, body.Close())
}

// ReplacedError says that an object is not the one that was asked for.
func ReplacedError(key string) *Error {
	return &Error{Op: "get", Key: key, Outcome: Rejected, Reason: Replaced, Err: errors.New("the object was replaced by another one")}
}
