package gcs_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"go.uber.org/goleak"

	"strm/internal/objstore"
	"strm/internal/objstore/gcs"
	"strm/internal/objstore/objstoretest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Started when the library is imported, for its whole life.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

const (
	bucketName = "strm-export-demo"
	email      = "writer@demo.iam.gserviceaccount.com"
	token      = "ya29.token-of-the-test"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// serviceAccount returns a key file as Google prints it.
func serviceAccount(t *testing.T, key *rsa.PrivateKey, tokenURI string) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "demo", "private_key_id": "k1", "client_email": email, "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// tokens is a token endpoint that gives a token for a JWT signed by rsaKey.
type tokens struct{ given atomic.Int32 }

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := checkAssertion(r.FormValue("assertion")); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, err.Error()+" "+r.FormValue("assertion"))
		return
	}
	s.given.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
}

func checkAssertion(jwt string) error {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return errors.New("no JWT")
	}
	header, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	claims, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	signature, err3 := base64.RawURLEncoding.DecodeString(parts[2])
	var h struct{ Alg, Kid string }
	var c struct{ Iss, Scope string }
	if err := errors.Join(err1, err2, err3, json.Unmarshal(header, &h), json.Unmarshal(claims, &c)); err != nil {
		return err
	}
	if h.Alg != "RS256" || h.Kid != "k1" || c.Iss != email || !strings.Contains(c.Scope, "devstorage.read_write") {
		return fmt.Errorf("header %s claims %s", header, claims)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, digest[:], signature)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	return ts.URL
}

func open(t *testing.T, cfg gcs.Config) *gcs.Bucket {
	t.Helper()
	b, err := gcs.Open(t.Context(), cfg)
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

// fake is an object store that takes the test's token alone.
func fake(t *testing.T) string {
	t.Helper()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucketName})
	next := server.HTTPHandler()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

func TestConformance(t *testing.T) {
	var endpoint tokens
	key := serviceAccount(t, rsaKey(), serve(t, &endpoint))
	objstoretest.Run(t, objstoretest.Can{Verify: true, Metadata: true, AnyKey: true, LongSegment: true, Pages: 100},
		func(t *testing.T) objstore.Bucket {
			return open(t, gcs.Config{Bucket: bucketName, CredentialsJSON: key, Endpoint: fake(t)})
		})
	if endpoint.given.Load() == 0 {
		t.Error("no token was asked for: the service account was not used")
	}
}

func TestCredentials(t *testing.T) {
	endpoint := serve(t, &tokens{})
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for _, tt := range []struct {
		name   string
		key    []byte
		reason objstore.Reason
	}{
		{"another key", serviceAccount(t, other, endpoint), objstore.BadCredentials},
		{"endpoint down", serviceAccount(t, rsaKey(), down.URL), objstore.Unreachable},
	} {
		b := open(t, gcs.Config{Bucket: bucketName, CredentialsJSON: tt.key, Endpoint: fake(t)})
		err := b.Create(t.Context(), "k.jsonl", objstore.Bytes([]byte("x")))
		if e := objstoretest.Want(t, err, objstore.NotSent); e.Reason != tt.reason {
			t.Errorf("%s: %+v", tt.name, e)
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "eyJ") || strings.Contains(text, "PRIVATE") {
			t.Errorf("%s: the assertion or the key shows in %s", tt.name, text)
		}
	}
	for _, bad := range []string{"{}", "x", `{"type":"external_account"}`, `{"type":"service_account","private_key":"secret-in-here"}`} {
		if _, err := gcs.Open(t.Context(), gcs.Config{Bucket: bucketName, CredentialsJSON: []byte(bad)}); err == nil {
			t.Errorf("%s: accepted", bad)
		} else if strings.Contains(err.Error(), "secret-in-here") {
			t.Errorf("the key shows in %v", err)
		}
	}
}

func apiError(status int, reason, message string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%q,"errors":[{"reason":%q,"message":%q}]}}`, status, message, reason, message)
	}
}

func TestClassification(t *testing.T) {
	key := serviceAccount(t, rsaKey(), serve(t, &tokens{}))
	tests := []struct {
		name    string
		answer  func(http.ResponseWriter, *http.Request)
		outcome objstore.Outcome
		reason  objstore.Reason
		text    string
	}{
		{"412", apiError(412, "conditionNotMet", "x"), objstore.Exists, "", "taken"},
		{"409", apiError(409, "conflict", "x"), objstore.Rejected, objstore.Contended, "conflict"},
		{"403", apiError(403, "forbidden", "x"), objstore.Rejected, objstore.Denied,
			"missing permission storage.objects.create on gs://" + bucketName + "/k.jsonl"},
		{"403 rate", apiError(403, "rateLimitExceeded", "x"), objstore.Ambiguous, objstore.Throttled, "slow down"},
		{"401", apiError(401, "authError", "x"), objstore.Rejected, objstore.BadCredentials, "credentials"},
		{"404", apiError(404, "notFound", "x"), objstore.Rejected, objstore.NoBucket, "bucket " + bucketName + " does not exist"},
		{"429", apiError(429, "rateLimitExceeded", "x"), objstore.Ambiguous, objstore.Throttled, "slow down"},
		{"408", apiError(408, "x", "x"), objstore.Ambiguous, "", "waiting"},
		{"500", apiError(500, "backendError", "x"), objstore.Ambiguous, "", "may or may not"},
		{"502", apiError(502, "x", "x"), objstore.Ambiguous, "", "may or may not"},
		{"503", apiError(503, "backendError", "x"), objstore.Ambiguous, objstore.Throttled, "slow down"},
		{"bad digest", apiError(400, "invalid", `Provided CRC32C "x" doesn't match calculated CRC32C "y".`), objstore.Rejected, objstore.Damaged, "checksum"},
		{"bad name", apiError(400, "invalid", "Disallowed unicode characters present in object name"), objstore.Rejected, objstore.BadKey, "key"},
		{"kms", apiError(400, "invalid", "Cloud KMS key is disabled"), objstore.Rejected, objstore.BadRequest, "KMS"},
		{"400", apiError(400, "invalid", "words of the store"), objstore.Rejected, objstore.BadRequest, "words of the store"},
		{"connection ends", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		}, objstore.Ambiguous, "", "may or may not"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var attempts atomic.Int32
			url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				attempts.Add(1)
				if r.URL.Query().Get("ifGenerationMatch") != "0" {
					t.Errorf("no condition in %s", r.URL)
				}
				tt.answer(w, r)
			}))
			b := open(t, gcs.Config{Bucket: bucketName, CredentialsJSON: key, Endpoint: url})
			err := b.Create(t.Context(), "k.jsonl", objstore.Bytes([]byte("body")))
			e := objstoretest.Want(t, err, tt.outcome)
			if e.Reason != tt.reason || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("reason %q, want %q; text %q, want %q", e.Reason, tt.reason, e, tt.text)
			}
			if n := attempts.Load(); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, token) {
				t.Errorf("the token shows in %s", text)
			}
		})
	}
}

func TestNotSentAndCancelled(t *testing.T) {
	key := serviceAccount(t, rsaKey(), serve(t, &tokens{}))
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	b := open(t, gcs.Config{Bucket: bucketName, CredentialsJSON: key, Endpoint: down.URL})
	if e := objstoretest.Want(t, b.Create(t.Context(), "k", objstore.Bytes(nil)), objstore.NotSent); e.Reason != objstore.Unreachable {
		t.Errorf("%+v", e)
	}
	arrived, done := make(chan struct{}), make(chan struct{})
	url := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-done
	}))
	b = open(t, gcs.Config{Bucket: bucketName, CredentialsJSON: key, Endpoint: url})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	err := b.Create(ctx, "k", objstore.Bytes([]byte("x")))
	close(done)
	objstoretest.Want(t, err, objstore.Ambiguous)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
