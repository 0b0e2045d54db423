package s3double

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, h http.Handler) *Listener {
	t.Helper()
	l, err := Listen(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func server() *Server {
	return &Server{Bucket: "b", Region: "eu-west-1", AccessKey: "AKIATEST", Store: &Store{}}
}

// do sends one request on a connection of its own; 0 means no answer came.
func do(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.GetBody = nil
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=x")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() {
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

func TestConditionalCreate(t *testing.T) {
	s := server()
	l := start(t, s)
	if code, body := do(t, "PUT", l.URL+"/b/p/k.jsonl", "one", "If-None-Match", "*"); code != 200 {
		t.Fatalf("first put: %d %s", code, body)
	}
	if code, body := do(t, "PUT", l.URL+"/b/p/k.jsonl", "one", "If-None-Match", "*"); code != 412 || !strings.Contains(body, "PreconditionFailed") {
		t.Fatalf("second put: %d %s", code, body)
	}
	if b := s.Store.Breaches(); len(b) != 0 {
		t.Fatalf("the same bytes again are no breach: %q", b)
	}
	if code, _ := do(t, "PUT", l.URL+"/b/p/k.jsonl", "two", "If-None-Match", "*"); code != 412 {
		t.Fatalf("put of other bytes: %d", code)
	}
	if b := s.Store.Breaches(); len(b) != 1 || !strings.Contains(b[0], "other bytes") {
		t.Fatalf("other bytes under a taken key: breaches %q", b)
	}
	if code, body := do(t, "GET", l.URL+"/b/p/k.jsonl", ""); code != 200 || body != "one" {
		t.Fatalf("get: %d %q", code, body)
	}
}

// What others put may be replaced, and a reader that asks for what was there
// before is told.
func TestOthersReplaceObjects(t *testing.T) {
	s := server()
	l := start(t, s)
	s.Store.Add("in/a", []byte("one"))
	was := etag([]byte("one"))
	if code, body := do(t, "GET", l.URL+"/b/in/a", "", "If-Match", was); code != 200 || body != "one" {
		t.Fatalf("what is there: %d %q", code, body)
	}
	s.Store.Add("in/a", []byte("two"))
	if code, body := do(t, "GET", l.URL+"/b/in/a", "", "If-Match", was); code != 412 || !strings.Contains(body, "PreconditionFailed") {
		t.Errorf("what was replaced: %d %q", code, body)
	}
	if code, body := do(t, "GET", l.URL+"/b/in/a", ""); code != 200 || body != "two" {
		t.Errorf("what is there now: %d %q", code, body)
	}
	if b := s.Store.Breaches(); len(b) != 0 || s.Store.Puts() != 0 {
		t.Errorf("breaches %q, %d puts", b, s.Store.Puts())
	}
}

func TestBreaches(t *testing.T) {
	for name, tc := range map[string]struct {
		method, path, want string
		header             []string
	}{
		"unconditional": {"PUT", "/b/k", "without If-None-Match", nil},
		"delete":        {"DELETE", "/b/k", "unexpected request: DELETE", nil},
		"policy":        {"GET", "/b/?policy", "unexpected request: GET", nil},
		"chunked":       {"PUT", "/b/k", "chunked signing", []string{"Content-Encoding", "aws-chunked"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := server()
			l := start(t, s)
			do(t, tc.method, l.URL+tc.path, "x", tc.header...)
			if b := s.Store.Breaches(); len(b) != 1 || !strings.Contains(b[0], tc.want) {
				t.Fatalf("breaches %q, want one with %q", b, tc.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	s := server()
	l := start(t, s)
	crc := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte("one"))))
	for name, tc := range map[string]struct {
		path, body string
		header     []string
		status     int
		code       string
	}{
		"right digest": {"/b/k", "one", []string{"x-amz-checksum-crc32", crc}, 200, ""},
		"wrong digest": {"/b/k", "two", []string{"x-amz-checksum-crc32", crc}, 400, "BadDigest"},
		"wrong bucket": {"/c/k", "one", nil, 404, "NoSuchBucket"},
		"wrong key":    {"/b/k", "one", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=OTHER/x"}, 403, "AccessDenied"},
	} {
		code, body := do(t, "PUT", l.URL+tc.path, tc.body, append([]string{"If-None-Match", "*"}, tc.header...)...)
		if code != tc.status || !strings.Contains(body, tc.code) {
			t.Errorf("%s: %d %s, want %d %s", name, code, body, tc.status, tc.code)
		}
	}
	if got := len(s.Store.List("")); got != 1 {
		t.Errorf("%d objects, want the one with the right digest", got)
	}
}

func TestListIsPaged(t *testing.T) {
	s := server()
	l := start(t, s)
	for i := range pageSize + 1 {
		s.Store.put(&Object{Key: "p/" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)}, true)
	}
	_, body := do(t, "GET", l.URL+"/b/?list-type=2&prefix=p/", "")
	if strings.Count(body, "<Contents>") != pageSize || !strings.Contains(body, "<IsTruncated>true") {
		t.Fatalf("first page: %s", body)
	}
	_, token, _ := strings.Cut(body, "<NextContinuationToken>")
	token, _, _ = strings.Cut(token, "<")
	_, body = do(t, "GET", l.URL+"/b/?list-type=2&prefix=p/&continuation-token="+token, "")
	if strings.Count(body, "<Contents>") != 1 || !strings.Contains(body, "<IsTruncated>false") {
		t.Fatalf("second page: %s", body)
	}
}

// TestFaults shows what each fault leaves behind and what the client hears.
func TestFaults(t *testing.T) {
	for kind, want := range map[Fault]struct {
		status int
		stored bool
	}{
		LostAnswer:   {0, true},
		Stored500:    {500, true},
		LateStore:    {0, true},
		DroppedFirst: {0, false},
		ResetMidBody: {0, false},
		SlowDown:     {503, false},
		Conflict:     {409, false},
		SlowAnswer:   {200, true},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			s := server()
			f := NewFaults(s, 1, 1)
			f.only = kind
			l := start(t, f)
			status, body := do(t, "PUT", l.URL+"/b/k", strings.Repeat("x", 1<<16), "If-None-Match", "*")
			f.Off()
			if f.counts[kind] != 1 {
				t.Fatalf("the fault did not occur: %s", f.Counts())
			}
			if status != want.status {
				t.Errorf("status %d, want %d: %s", status, want.status, body)
			}
			if got := s.Store.get("k") != nil; got != want.stored {
				t.Errorf("stored %v, want %v", got, want.stored)
			}
			if code, _ := do(t, "PUT", l.URL+"/b/k2", "x", "If-None-Match", "*"); code != 200 {
				t.Errorf("with the faults off: %d", code)
			}
		})
	}
}

func TestScheduleFollowsTheSeed(t *testing.T) {
	schedule := func(seed uint64) []byte {
		f := NewFaults(nil, seed, 0.5)
		var out []byte
		for range 200 {
			kind, wait := f.draw()
			out = append(out, byte(kind), byte(wait/time.Millisecond))
		}
		return out
	}
	if !bytes.Equal(schedule(7), schedule(7)) {
		t.Error("one seed gave two schedules")
	}
	if bytes.Equal(schedule(7), schedule(8)) {
		t.Error("two seeds gave one schedule")
	}
	seen := map[byte]bool{}
	for i, b := range schedule(7) {
		if i%2 == 0 {
			seen[b] = true
		}
	}
	if len(seen) != int(faultKinds) {
		t.Errorf("200 draws hit %d of %d kinds", len(seen), faultKinds)
	}
}
