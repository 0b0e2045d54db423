package s3_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"strm/internal/objstore"
	"strm/internal/objstore/objstoretest"
	"strm/internal/objstore/s3"
	"strm/internal/objstore/s3server"
	"strm/internal/objstore/s3server/s3fault"
)

const bucketName = "strm-export-demo"

func config(url string) s3.Config {
	return s3.Config{Bucket: bucketName, Endpoint: url, PathStyle: true,
		AccessKeyID: "AKIATESTTESTTESTTEST", SecretAccessKey: secret, SessionToken: token}
}

const (
	secret = "s3cr3t/s3cr3t+s3cr3t"
	token  = "FwoGZXIvYXdzEToken"
)

func open(t *testing.T, cfg s3.Config) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// serve starts an endpoint with an empty bucket behind a recorder.
func serve(t *testing.T, o s3fault.Options) (*s3fault.Handler, string) {
	t.Helper()
	srv, err := s3server.New(s3server.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	h := s3fault.Wrap(srv, o)
	return h, listen(t, h)
}

func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	return ts.URL
}

func TestConformance(t *testing.T) {
	objstoretest.Run(t, objstoretest.Can{Verify: true, Metadata: true, AnyKey: true, LongSegment: true, Pages: 1200},
		func(t *testing.T) objstore.Bucket {
			_, url := serve(t, s3fault.Options{Region: "eu-west-1"})
			return open(t, config(url))
		})
}

// The least-privilege policy of the vendor's pages is enough to export, and one
// PutObject with these headers, and not others, is all that happens.
func TestLeastPrivilegeAndWireFormat(t *testing.T) {
	h, url := serve(t, s3fault.Options{Region: "eu-west-1", Policy: s3fault.LeastPrivilege(bucketName, "some/prefix", ".jsonl")})
	b := open(t, config(url))
	c := objstore.Bytes([]byte("{}\n"))
	c.ContentType, c.Encoding, c.Metadata = "application/x-ndjson", "gzip", map[string]string{"strm-batch": "7"}
	key := "some/prefix/dt=2021-03-26/2021-03-26T10:56:30-x.jsonl"
	if err := b.Create(t.Context(), key, c); err != nil {
		t.Fatal(err)
	}
	e := objstoretest.Want(t, b.Create(t.Context(), "some/prefix/x.csv", c), objstore.Rejected)
	if e.Reason != objstore.Denied || e.Action != "s3:PutObject on arn:aws:s3:::"+bucketName+"/some/prefix/x.csv" {
		t.Errorf("denied: %+v", e)
	}
	_, _, err := b.Open(t.Context(), key)
	if e := objstore.AsError(err); e.Reason != objstore.Denied || e.Action != "s3:GetObject on arn:aws:s3:::"+bucketName+"/"+key {
		t.Errorf("get: %+v", e)
	}
	for _, err := range b.List(t.Context(), "some/") {
		if e := objstore.AsError(err); e.Reason != objstore.Denied || e.Action != "s3:ListBucket on arn:aws:s3:::"+bucketName {
			t.Errorf("list: %+v", e)
		}
	}
	puts := 0
	for _, r := range h.Records() {
		if r.Action != "s3:PutObject" || r.Key != key {
			continue
		}
		puts++
		want := map[string]string{
			"If-None-Match": "*", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "X-Amz-Checksum-Crc32": "3aGwBg==",
			"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip", "X-Amz-Meta-Strm-Batch": "7",
			"X-Amz-Trailer": "", "X-Amz-Tagging": "", "X-Amz-Acl": "", "Idempotency-Key": "", "Content-Length": "3",
		}
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		}
	}
	if puts != 1 {
		t.Errorf("%d PUTs of the key, want 1", puts)
	}
}

func TestOverwriteSendsNoCondition(t *testing.T) {
	h, url := serve(t, s3fault.Options{})
	b := open(t, config(url))
	c := objstore.Bytes([]byte("x"))
	c.Overwrite = true
	if err := b.Create(t.Context(), "k", c); err != nil {
		t.Fatal(err)
	}
	for _, r := range h.Records() {
		if r.Header.Get("If-None-Match") != "" {
			t.Errorf("a condition was sent: %v", r)
		}
	}
}

func TestOpenRefusesBadConfig(t *testing.T) {
	good := config("http://127.0.0.1:1")
	for name, change := range map[string]func(*s3.Config){
		"no bucket":       func(c *s3.Config) { c.Bucket = "" },
		"bucket and path": func(c *s3.Config) { c.Bucket = "a/b" },
		"no scheme":       func(c *s3.Config) { c.Endpoint = "localhost:9000" },
		"user in url":     func(c *s3.Config) { c.Endpoint = "http://u:p@h/" },
		"no key":          func(c *s3.Config) { c.AccessKeyID = "" },
		"no secret":       func(c *s3.Config) { c.SecretAccessKey = "" },
		"both":            func(c *s3.Config) { c.Ambient = true },
	} {
		cfg := good
		change(&cfg)
		if _, err := s3.Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
