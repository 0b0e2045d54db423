package s3_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"strm/internal/objstore"
	"strm/internal/objstore/objstoretest"
	"strm/internal/objstore/s3"
)

// scripted answers every PUT in one way and counts them.
type scripted struct {
	puts   atomic.Int32
	answer func(w http.ResponseWriter, r *http.Request)
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		w.Header().Set("x-amz-bucket-region", "eu-west-1")
		return
	}
	s.puts.Add(1)
	s.answer(w, r)
}

func xmlError(status int, code, message string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	}
}

func plain(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}
}

func abort(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

func TestClassification(t *testing.T) {
	tests := []struct {
		name    string
		answer  func(http.ResponseWriter, *http.Request)
		outcome objstore.Outcome
		reason  objstore.Reason
		text    string // must be part of the error's text
	}{
		{"412", xmlError(412, "PreconditionFailed", "At least one"), objstore.Exists, "", "taken"},
		{"412 without body", plain(412), objstore.Exists, "", "taken"},
		{"304 of old stores", plain(304), objstore.Exists, "", "taken"},
		{"409", xmlError(409, "ConditionalRequestConflict", "x"), objstore.Rejected, objstore.Contended, "another write"},
		{"409 other", xmlError(409, "OperationAborted", "x"), objstore.Rejected, objstore.Contended, "conflicting"},
		{"409 without body", plain(409), objstore.Rejected, objstore.Contended, "conflicting"},
		{"500", xmlError(500, "InternalError", "We encountered"), objstore.Ambiguous, "", "may or may not"},
		{"500 without body", plain(500), objstore.Ambiguous, "", "may or may not"},
		{"502", plain(502), objstore.Ambiguous, "", "may or may not"},
		{"504", plain(504), objstore.Ambiguous, "", "may or may not"},
		{"503", xmlError(503, "SlowDown", "Please reduce"), objstore.Ambiguous, objstore.Throttled, "slow down"},
		{"503 without body", plain(503), objstore.Ambiguous, objstore.Throttled, "not available"},
		{"429", xmlError(429, "TooManyRequests", "x"), objstore.Ambiguous, objstore.Throttled, "slow down"},
		{"507", plain(507), objstore.Ambiguous, objstore.NoSpace, "space"},
		{"200 with error", xmlError(200, "InternalError", "x"), objstore.Ambiguous, "", "may or may not"},
		{"200 with slow down", xmlError(200, "SlowDown", "x"), objstore.Ambiguous, objstore.Throttled, "slow down"},
		{"200 with 412", xmlError(200, "PreconditionFailed", "x"), objstore.Exists, "", "taken"},
		{"200 of a web server", plain(200), objstore.Ambiguous, "", "ETag"},
		{"connection ends", abort, objstore.Ambiguous, "", "may or may not"},
		{"400 RequestTimeout", xmlError(400, "RequestTimeout", "x"), objstore.Ambiguous, "", "waiting"},
		{"408", plain(408), objstore.Ambiguous, "", "waiting"},
		{"400 BadDigest", xmlError(400, "BadDigest", "x"), objstore.Rejected, objstore.Damaged, "checksum"},
		{"minio digest", xmlError(400, "XAmzContentChecksumMismatch", "x"), objstore.Rejected, objstore.Damaged, "checksum"},
		{"incomplete", xmlError(400, "IncompleteBody", "x"), objstore.Rejected, objstore.Damaged, "fewer"},
		{"skew", xmlError(403, "RequestTimeTooSkewed", "x"), objstore.Rejected, objstore.ClockSkew, "clock"},
		{"denied", xmlError(403, "AccessDenied", "Access Denied"), objstore.Rejected, objstore.Denied,
			"missing permission s3:PutObject on arn:aws:s3:::" + bucketName + "/p/k.jsonl"},
		{"denied without body", plain(403), objstore.Rejected, objstore.Denied, "missing permission s3:PutObject"},
		{"denied by key", xmlError(403, "AccessDenied",
			`User: arn:aws:iam::1:user/x is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:1:key/2 because no`),
			objstore.Rejected, objstore.Denied, "missing permission kms:GenerateDataKey on arn:aws:kms:eu-west-1:1:key/2"},
		{"unknown key", xmlError(403, "InvalidAccessKeyId", "x"), objstore.Rejected, objstore.BadCredentials, "not known to the store"},
		{"versitygw unknown key", xmlError(404, "XAdminUserNotFound", "x"), objstore.Rejected, objstore.BadCredentials, "not known to the store"},
		{"signature", xmlError(403, "SignatureDoesNotMatch", "x"), objstore.Rejected, objstore.BadCredentials, "secret access key"},
		{"expired", xmlError(400, "ExpiredToken", "x"), objstore.Rejected, objstore.BadCredentials, "expired"},
		{"401", plain(401), objstore.Rejected, objstore.BadCredentials, "credentials"},
		{"no bucket", xmlError(404, "NoSuchBucket", "x"), objstore.Rejected, objstore.NoBucket,
			"bucket " + bucketName + " does not exist (or is in another account)"},
		{"404 of a web server", plain(404), objstore.Rejected, objstore.BadRequest, "is the endpoint an S3 store"},
		{"kms gone", xmlError(400, "KMS.NotFoundException", "Key arn does not exist"), objstore.Rejected, objstore.BadRequest, "KMS"},
		{"kms disabled", xmlError(400, "KMS.DisabledException", "arn is disabled"), objstore.Rejected, objstore.BadRequest, "arn is disabled"},
		{"minio kms", xmlError(404, "kms:KeyNotFound", "x"), objstore.Rejected, objstore.BadRequest, "KMS"},
		{"501", xmlError(501, "NotImplemented", "A header you provided"), objstore.Rejected, objstore.NoConditions, "conditional"},
		{"400 NotImplemented", xmlError(400, "NotImplemented", "x"), objstore.Rejected, objstore.NoConditions, "conditional"},
		{"400 on the header", xmlError(400, "InvalidArgument", "If-None-Match is not supported"), objstore.Rejected, objstore.NoConditions, "conditional"},
		{"key", xmlError(400, "KeyTooLongError", "x"), objstore.Rejected, objstore.BadKey, "too long"},
		{"400", xmlError(400, "InvalidRequest", "Missing required header"), objstore.Rejected, objstore.BadRequest, "Missing required header"},
		{"301", xmlError(301, "PermanentRedirect", "x"), objstore.Rejected, objstore.WrongRegion, "region"},
		{"307", plain(307), objstore.Rejected, objstore.WrongRegion, "region"},
		{"region in header", xmlError(400, "AuthorizationHeaderMalformed", "the region is wrong; expecting x"), objstore.Rejected, objstore.WrongRegion, "region"},
		{"malformed key", xmlError(400, "AuthorizationHeaderMalformed", "a non-empty Access Key must be provided"), objstore.Rejected, objstore.BadCredentials, "form"},
		{"echo", xmlError(400, "InvalidRequest", "you sent "+secret+" and "+token), objstore.Rejected, objstore.BadRequest, "***"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &scripted{answer: tt.answer}
			b := open(t, config(listen(t, s)))
			err := b.Create(t.Context(), "p/k.jsonl", objstore.Bytes([]byte("body")))
			e := objstoretest.Want(t, err, tt.outcome)
			if e.Reason != tt.reason {
				t.Errorf("reason %q, want %q (%v)", e.Reason, tt.reason, e)
			}
			if !strings.Contains(e.Error(), tt.text) {
				t.Errorf("text %q lacks %q", e, tt.text)
			}
			if n := s.puts.Load(); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
			noSecrets(t, err)
		})
	}
}

func noSecrets(t *testing.T, err error) {
	t.Helper()
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		for _, hidden := range []string{secret, token, "Signature=", "AWS4-HMAC"} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q shows %q", text, hidden)
			}
		}
	}
}

// An early answer to a large body, before the body is sent.
func TestEarlyAnswer(t *testing.T) {
	for status, outcome := range map[int]objstore.Outcome{412: objstore.Exists, 403: objstore.Rejected, 503: objstore.Ambiguous} {
		s := &scripted{answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }}
		b := open(t, config(listen(t, s)))
		err := b.Create(t.Context(), "k", objstore.Bytes(make([]byte, 8<<20)))
		if e := objstoretest.Want(t, err, outcome); e.Status != status {
			t.Errorf("status %d, want %d: %v", e.Status, status, e)
		}
	}
}

func TestNotSent(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	untrusted := httptest.NewUnstartedServer(&scripted{answer: plain(200)})
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for name, url := range map[string]string{
		"refused": refusing, "certificate": untrusted.URL, "no such host": "http://strm-test.invalid"} {
		t.Run(name, func(t *testing.T) {
			for _, region := range []string{"", "eu-west-1"} { // with and without a question first
				cfg := config(url)
				cfg.Region = region
				err := open(t, cfg).Create(t.Context(), "k", objstore.Bytes([]byte("x")))
				if e := objstoretest.Want(t, err, objstore.NotSent); e.Reason != objstore.Unreachable || e.Key != "k" {
					t.Errorf("region %q: %+v", region, e)
				}
				noSecrets(t, err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	ts := httptest.NewTLSServer(&scripted{answer: func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Amz-Content-Sha256"); got != "UNSIGNED-PAYLOAD" {
			t.Errorf("payload hash %q", got)
		}
		w.Header().Set("ETag", `"x"`)
	}})
	t.Cleanup(ts.Close)
	cfg := config(ts.URL)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ts.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}
	t.Cleanup(tr.CloseIdleConnections)
	cfg.Transport = tr
	if err := open(t, cfg).Create(t.Context(), "k", objstore.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
}

// Giving up while the store works leaves the outcome open.
func TestCancelledInFlight(t *testing.T) {
	arrived, done := make(chan struct{}), make(chan struct{})
	s := &scripted{answer: func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-done
	}}
	b := open(t, config(listen(t, s)))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	err := b.Create(ctx, "k", objstore.Bytes([]byte("x")))
	close(done)
	objstoretest.Want(t, err, objstore.Ambiguous)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A wrong clock costs one refusal; then the SDK knows the difference.
func TestClockSkewIsCorrected(t *testing.T) {
	const ahead = "Fri, 20 Nov 2037 12:00:00 GMT"
	s := &scripted{answer: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", ahead)
		if !strings.HasPrefix(r.Header.Get("X-Amz-Date"), "20371120T") {
			xmlError(403, "RequestTimeTooSkewed", "x")(w, r)
			return
		}
		w.Header().Set("ETag", `"x"`)
	}}
	b := open(t, config(listen(t, s)))
	e := objstoretest.Want(t, b.Create(t.Context(), "k", objstore.Bytes([]byte("x"))), objstore.Rejected)
	if e.Reason != objstore.ClockSkew {
		t.Errorf("reason %q", e.Reason)
	}
	if err := b.Create(t.Context(), "k", objstore.Bytes([]byte("x"))); err != nil {
		t.Errorf("the second call: %v", err)
	}
	if n := s.puts.Load(); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
}

// Without credentials in the environment nothing is sent, and it says so.
func TestAmbientWithoutCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	s := &scripted{answer: plain(200)}
	cfg := s3.Config{Bucket: bucketName, Endpoint: listen(t, s), PathStyle: true, Region: "eu-west-1", Ambient: true}
	e := objstoretest.Want(t, open(t, cfg).Create(t.Context(), "k", objstore.Bytes(nil)), objstore.NotSent)
	if e.Reason != objstore.BadCredentials || s.puts.Load() != 0 {
		t.Errorf("got %+v after %d requests", e, s.puts.Load())
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENTAMBIENT00")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "AKIAAMBIENTAMBIENT00") {
			t.Error("signed with another key")
		}
		w.Header().Set("ETag", `"x"`)
	}
	if err := open(t, cfg).Create(t.Context(), "k", objstore.Bytes(nil)); err != nil {
		t.Errorf("with credentials: %v", err)
	}
}

// AWS_CA_BUNDLE makes the SDK's loader insist on its own kind of HTTP client,
// and names the authority that the connection must then trust.
func TestAmbientWithCABundle(t *testing.T) {
	ts := httptest.NewTLSServer(&scripted{answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", `"x"`) }})
	t.Cleanup(ts.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw})
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENTAMBIENT00")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	b := open(t, s3.Config{Bucket: bucketName, Endpoint: ts.URL, PathStyle: true, Ambient: true})
	if err := b.Create(t.Context(), "k", objstore.Bytes([]byte("x"))); err != nil {
		t.Error(err)
	}
}
