package s3fault

import (
	"net/http"
	"net/url"
	"strings"
)

// Request is what a decision may depend on.
type Request struct {
	Action string // "s3:PutObject", "s3:GetBucketLocation", ..., "" if unknown
	Bucket string
	Key    string
	Method string
	Header http.Header // as it came; not to be changed
	N      int         // counts the requests with this action, bucket and key from 0
}

func parse(r *http.Request) Request {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return Request{Action: action(r.Method, key, r.URL.Query()), Bucket: bucket, Key: key,
		Method: r.Method, Header: r.Header.Clone()}
}

// action returns the permission a request needs, as the Service Authorization
// Reference has it; "" for requests that nobody here is expected to make.
func action(method, key string, q url.Values) string {
	if key == "" {
		switch {
		case method == http.MethodGet && q.Has("location"):
			return "s3:GetBucketLocation"
		case method == http.MethodHead, method == http.MethodGet && !q.Has("uploads"):
			return "s3:ListBucket"
		}
		return ""
	}
	switch method {
	case http.MethodPut, http.MethodPost:
		return "s3:PutObject" // multipart too
	case http.MethodGet, http.MethodHead:
		return "s3:GetObject"
	case http.MethodDelete:
		if q.Has("uploadId") {
			return "s3:AbortMultipartUpload"
		}
		return "s3:DeleteObject"
	}
	return ""
}
