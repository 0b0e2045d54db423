package s3double

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Server answers S3 requests for one bucket, path style.
type Server struct {
	Bucket    string
	Region    string
	AccessKey string // the access key id that requests must be signed with
	Store     *Store
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	w.Header().Set("x-amz-bucket-region", s.Region)
	w.Header().Set("x-amz-request-id", "DOUBLE")
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+s.AccessKey+"/"):
		refuse(w, r, http.StatusForbidden, "AccessDenied", "the request is not signed by the expected key")
	case bucket != s.Bucket:
		refuse(w, r, http.StatusNotFound, "NoSuchBucket", "the specified bucket does not exist")
	case key == "":
		s.bucket(w, r)
	default:
		s.object(w, r, key)
	}
}

func (s *Server) bucket(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodHead:
	case r.Method == http.MethodGet && q.Has("location"):
		write(w, struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
			Region  string   `xml:",chardata"`
		}{Region: s.Region})
	case r.Method == http.MethodGet && q.Get("list-type") == "2":
		s.list(w, q.Get("prefix"), q.Get("continuation-token"), q.Get("start-after"))
	default:
		s.Store.breach("unexpected request: %s %s", r.Method, r.URL.RequestURI())
		refuse(w, r, http.StatusNotImplemented, "NotImplemented", "this double knows no such request")
	}
}

func (s *Server) object(w http.ResponseWriter, r *http.Request, key string) {
	switch r.Method {
	case http.MethodPut:
		s.put(w, r, key)
	case http.MethodGet, http.MethodHead:
		o := s.Store.get(key)
		if o == nil {
			refuse(w, r, http.StatusNotFound, "NoSuchKey", "the specified key does not exist")
			return
		}
		for name, v := range o.Header {
			w.Header().Set(name, v)
		}
		if want := r.Header.Get("If-Match"); want != "" && want != etag(o.Body) {
			refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed", "at least one of the preconditions you specified did not hold")
			return
		}
		w.Header().Set("ETag", etag(o.Body))
		w.Header().Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", strconv.Itoa(len(o.Body)))
		if r.Method == http.MethodGet {
			// A reader that goes away early is its own affair.
			_, _ = w.Write(o.Body)
		}
	default:
		s.Store.breach("unexpected request: %s %s", r.Method, r.URL.RequestURI())
		refuse(w, r, http.StatusNotImplemented, "NotImplemented", "this double knows no such request")
	}
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, key string) {
	if r.ContentLength < 0 {
		refuse(w, r, http.StatusLengthRequired, "MissingContentLength", "a PUT needs a Content-Length")
		return
	}
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") || len(r.URL.Query()["uploadId"]) > 0 {
		s.Store.breach("unexpected request: PUT %s with chunked signing or as a part", key)
		refuse(w, r, http.StatusNotImplemented, "NotImplemented", "this double takes plain PutObject only")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away in the middle: nothing is stored, nobody listens
	}
	if code, why := check(r, body); code != "" {
		refuse(w, r, http.StatusBadRequest, code, why)
		return
	}
	o := &Object{Key: key, Body: body, Header: map[string]string{}, Modified: time.Now()}
	for name := range r.Header {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-amz-meta-") || low == "content-type" || low == "content-encoding" {
			o.Header[name] = r.Header.Get(name)
		}
	}
	if s.Store.put(o, r.Header.Get("If-None-Match") == "*") == exists {
		refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed", "at least one of the preconditions you specified did not hold")
		return
	}
	w.Header().Set("ETag", etag(body))
}

// check compares the body with every digest that came with it.
func check(r *http.Request, body []byte) (code, why string) {
	if int64(len(body)) != r.ContentLength {
		return "IncompleteBody", "fewer bytes than the Content-Length"
	}
	if want := r.Header.Get("x-amz-checksum-crc32"); want != "" {
		got := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
		if got != want {
			return "BadDigest", "the CRC32 you specified did not match"
		}
	}
	if want := r.Header.Get("Content-MD5"); want != "" {
		sum := md5.Sum(body)
		if base64.StdEncoding.EncodeToString(sum[:]) != want {
			return "BadDigest", "the Content-MD5 you specified did not match"
		}
	}
	if want := r.Header.Get("x-amz-content-sha256"); len(want) == 2*sha256.Size {
		sum := sha256.Sum256(body)
		if hex.EncodeToString(sum[:]) != want {
			return "XAmzContentSHA256Mismatch", "the SHA-256 of the body is not the signed one"
		}
	}
	return "", ""
}

// pageSize is small, so that every listing of a test is paged.
const pageSize = 100

type listed struct {
	Key          string
	LastModified string
	ETag         string
	Size         int
	StorageClass string
}

func (s *Server) list(w http.ResponseWriter, prefix, token, after string) {
	from := max(token, after)
	var out struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name                  string
		Prefix                string
		KeyCount              int
		MaxKeys               int
		IsTruncated           bool
		NextContinuationToken string   `xml:",omitempty"`
		Contents              []listed `xml:"Contents"`
	}
	out.Name, out.Prefix, out.MaxKeys = s.Bucket, prefix, pageSize
	for _, o := range s.Store.List(prefix) {
		if o.Key <= from {
			continue
		}
		if len(out.Contents) == pageSize {
			out.IsTruncated = true
			out.NextContinuationToken = out.Contents[pageSize-1].Key
			break
		}
		out.Contents = append(out.Contents, listed{
			Key: o.Key, LastModified: o.Modified.UTC().Format("2006-01-02T15:04:05.000Z"),
			ETag: etag(o.Body), Size: len(o.Body), StorageClass: "STANDARD",
		})
	}
	out.KeyCount = len(out.Contents)
	write(w, out)
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func write(w http.ResponseWriter, v any) {
	b, err := xml.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	// A reader that goes away early is its own affair.
	_, _ = fmt.Fprintf(w, "%s%s", xml.Header, b)
}

// refuse answers an S3 error.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, why string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// As above.
	_, _ = fmt.Fprintf(w, "%s<Error><Code>%s</Code><Message>%s</Message><RequestId>DOUBLE</RequestId></Error>", xml.Header, code, why)
}
