// Package s3server is a small S3 endpoint on a directory, for "strm demo" and
// tests. It checks no credentials and is not meant for data that matters.
//
// The protocol is gofakes3's; the storage is our own (store.go): bodies stream
// to disk outside any lock, an object appears by one rename, conditions are
// decided under a lock, checksums are verified, and only keys are in memory.
package s3server

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// headerLimit bounds what gofakes3 counts as metadata: 2 KB of the user's, as in
// S3, and the protocol's own headers.
const headerLimit = 2<<10 + 2<<10

// Options of a server.
type Options struct {
	Dir    string // where the objects are; created if absent
	Region string // what x-amz-bucket-region says; empty: no such header
}

// Server is the endpoint. It answers path-style requests: /bucket/key.
type Server struct {
	store   *store
	region  string
	handler http.Handler
}

// New opens the directory and returns the server, an http.Handler. Objects of
// an earlier server on the directory are there again.
func New(o Options) (*Server, error) {
	st, err := openStore(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("s3server: %w", err)
	}
	return &Server{store: st, region: o.Region, handler: gofakes3.New(st, gofakes3.WithMetadataSizeLimit(headerLimit)).Server()}, nil
}

// CreateBucket creates a bucket; one that exists stays as it is.
func (s *Server) CreateBucket(name string) error {
	err := s.store.CreateBucket(name)
	if gofakes3.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.region != "" {
		w.Header().Set("x-amz-bucket-region", s.region)
	}
	if chunked(r) {
		WriteError(w, http.StatusNotImplemented, "NotImplemented",
			"bodies in aws-chunked encoding are not understood here: set request_checksum_calculation to when_required")
		return
	}
	s.handler.ServeHTTP(w, r)
}

// chunked reports a body with framing that would end up inside the object.
func chunked(r *http.Request) bool {
	sum := r.Header.Get("X-Amz-Content-Sha256")
	return strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") ||
		(strings.HasPrefix(sum, "STREAMING-") && sum != "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
}

// WriteError answers with an S3 error document.
func WriteError(w http.ResponseWriter, status int, code, message string) {
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}{Code: code, Message: message, RequestID: "0000000000000000"})
	if err != nil { // strings always marshal
		panic(err)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	// A client that hung up has no use for the rest.
	_, _ = w.Write(append([]byte(xml.Header), body...))
}
