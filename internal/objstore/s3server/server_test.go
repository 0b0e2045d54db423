package s3server_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/objstore/s3server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, dir string) (string, *http.Client) {
	t.Helper()
	srv, err := s3server.New(s3server.Options{Dir: dir, Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // creating it again is no error
		if err := srv.CreateBucket("demo"); err != nil {
			t.Fatal(err)
		}
	}
	ts := httptest.NewServer(srv)
	t.Cleanup(ts.Close)
	return ts.URL, ts.Client()
}

func do(t *testing.T, c *http.Client, method, url, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestObjectsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	url, c := serve(t, dir)
	status, _, text := do(t, c, "PUT", url+"/demo/a/b.jsonl", "hello", "Content-Type", "text/x", "x-amz-meta-batch", "7", "X-Amz-Security-Token", "secret")
	if status != 200 {
		t.Fatal(status, text)
	}
	if status, _, _ := do(t, c, "PUT", url+"/demo/a", "both"); status != 200 {
		t.Fatal("a and a/b cannot both be", status)
	}
	if err := os.WriteFile(filepath.Join(dir, "demo", "x.part"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	url, c = serve(t, dir)
	status, header, text := do(t, c, "GET", url+"/demo/a/b.jsonl", "")
	if status != 200 || text != "hello" || header.Get("Content-Type") != "text/x" || header.Get("x-amz-meta-batch") != "7" ||
		header.Get("x-amz-bucket-region") != "eu-west-1" || header.Get("ETag") != `"5d41402abc4b2a76b9719d911017c592"` {
		t.Errorf("%d %q %v", status, text, header)
	}
	if header.Get("X-Amz-Security-Token") != "" {
		t.Error("a request's token is shown")
	}
	if status, _, text := do(t, c, "GET", url+"/demo/a/b.jsonl", "", "Range", "bytes=1-3"); status != 206 || text != "ell" {
		t.Errorf("range: %d %q", status, text)
	}
	if _, err := os.Stat(filepath.Join(dir, "demo", "x.part")); err == nil {
		t.Error("the unfinished file is still there")
	}
	if status, _, _ := do(t, c, "DELETE", url+"/demo/a/b.jsonl", ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if status, _, _ := do(t, c, "GET", url+"/demo/a/b.jsonl", ""); status != 404 {
		t.Errorf("deleted: %d", status)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	url, c := serve(t, dir)
	tests := []struct {
		name, code string
		status     int
		header     []string
	}{
		{"wrong checksum", "BadDigest", 400, []string{"x-amz-checksum-crc32", "AAAAAA=="}},
		{"wrong MD5", "BadDigest", 400, []string{"Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="}},
		{"framed body", "NotImplemented", 501, []string{"Content-Encoding", "aws-chunked", "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}},
	}
	for _, tt := range tests {
		if status, _, text := do(t, c, "PUT", url+"/demo/k", "hello", tt.header...); status != tt.status || !strings.Contains(text, "<Code>"+tt.code) {
			t.Errorf("%s: %d %s", tt.name, status, text)
		}
	}
	if status, _, _ := do(t, c, "GET", url+"/demo/k", ""); status != 404 {
		t.Errorf("something was stored: %d", status)
	}
	if status, _, text := do(t, c, "PUT", url+"/missing/k", "x"); status != 404 || !strings.Contains(text, "NoSuchBucket") {
		t.Errorf("missing bucket: %d %s", status, text)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "demo")); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

type listing struct {
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct{ Key string }
	CommonPrefixes        []struct{ Prefix string }
}

// Pages with a delimiter name each folder once.
func TestListFolders(t *testing.T) {
	url, c := serve(t, t.TempDir())
	for i := range 12 {
		if status, _, _ := do(t, c, "PUT", fmt.Sprintf("%s/demo/p/d%d/%d.jsonl", url, i/4, i), ""); status != 200 {
			t.Fatal(status)
		}
	}
	do(t, c, "PUT", url+"/demo/p/file.jsonl", "")
	var got []string
	next := ""
	for {
		_, _, text := do(t, c, "GET", url+"/demo?list-type=2&max-keys=1&prefix=p/&delimiter=/"+next, "")
		var l listing
		if err := xml.NewDecoder(bytes.NewReader([]byte(text))).Decode(&l); err != nil {
			t.Fatal(err)
		}
		for _, o := range l.Contents {
			got = append(got, o.Key)
		}
		for _, p := range l.CommonPrefixes {
			got = append(got, p.Prefix)
		}
		if !l.IsTruncated || len(got) > 20 {
			break
		}
		next = "&continuation-token=" + l.NextContinuationToken
	}
	if want := "p/d0/ p/d1/ p/d2/ p/file.jsonl"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestDamagedFileIsReported(t *testing.T) {
	dir := t.TempDir()
	url, c := serve(t, dir)
	do(t, c, "PUT", url+"/demo/k", "hello")
	entries, err := os.ReadDir(filepath.Join(dir, "demo"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	name := filepath.Join(dir, "demo", entries[0].Name())
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := os.WriteFile(name, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s3server.New(s3server.Options{Dir: dir}); err == nil {
			t.Fatalf("a file cut to %d of %d bytes was accepted", n, len(whole))
		}
	}
}
