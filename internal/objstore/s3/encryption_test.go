package s3_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"strm/internal/objstore"
	"strm/internal/objstore/objstoretest"
	"strm/internal/objstore/s3"
)

const keyARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

func TestEncryptionHeaders(t *testing.T) {
	for _, tt := range []struct {
		sink      s3.Encryption
		key       string
		wanted    bool
		algorithm string
	}{
		{s3.ByContent, "", false, ""},
		{s3.ByContent, "", true, "AES256"},
		{s3.ByBucket, "", true, ""},
		{s3.SSES3, "", false, "AES256"},
		{s3.SSEKMS, "", true, "aws:kms"},
		{s3.SSEKMS, keyARN, false, "aws:kms"},
	} {
		s := &scripted{answer: func(w http.ResponseWriter, r *http.Request) {
			alg, key := r.Header.Get("X-Amz-Server-Side-Encryption"), r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
			if alg != tt.algorithm || key != tt.key {
				t.Errorf("%+v: header %q, key %q", tt, alg, key)
			}
			if signed := strings.Contains(r.Header.Get("Authorization"), "x-amz-server-side-encryption"); signed != (alg != "") {
				t.Errorf("%+v: header signed: %v", tt, signed)
			}
			w.Header().Set("ETag", `"x"`)
		}}
		cfg := config(listen(t, s))
		cfg.Encryption, cfg.KMSKey = tt.sink, tt.key
		c := objstore.Bytes(nil)
		c.Encrypt = tt.wanted
		if err := open(t, cfg).Create(t.Context(), "k", c); err != nil || s.puts.Load() != 1 {
			t.Errorf("%+v: %v after %d puts", tt, err, s.puts.Load())
		}
	}
}

func TestEncryptionRefused(t *testing.T) {
	denied := "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: kms:GenerateDataKey on resource: " + keyARN + " because no identity-based policy allows it"
	for _, tt := range []struct {
		name   string
		as     s3.Encryption
		answer func(http.ResponseWriter, *http.Request)
		reason objstore.Reason
		text   string
	}{
		{"key gone", s3.SSEKMS, xmlError(400, "KMS.NotFoundException", "Key x does not exist"), objstore.BadRequest, "there is no such KMS key"},
		{"key disabled", s3.SSEKMS, xmlError(400, "KMS.DisabledException", "x is disabled"), objstore.BadRequest, "the KMS key is disabled"},
		{"key dying", s3.SSEKMS, xmlError(400, "KMS.KMSInvalidStateException", "x is pending deletion"), objstore.BadRequest, "to be deleted"},
		{"key denied", s3.SSEKMS, xmlError(403, "AccessDenied", denied), objstore.Denied, "missing permission kms:GenerateDataKey on " + keyARN},
		{"key denied, no resource", s3.SSEKMS, xmlError(403, "AccessDenied", "User: x is not authorized to perform: kms:GenerateDataKey"), objstore.Denied,
			"missing permission kms:GenerateDataKey on " + keyARN},
		{"key denied, other spelling", s3.SSEKMS, xmlError(400, "KMS.AccessDeniedException", "no"), objstore.Denied, "missing permission kms:GenerateDataKey on " + keyARN},
		{"default key denied", s3.ByBucket, xmlError(403, "AccessDenied", denied), objstore.Denied, "missing permission kms:GenerateDataKey on " + keyARN},
		{"minio without KMS", s3.SSES3, xmlError(501, "NotImplemented", "Server side encryption specified but KMS is not configured"), objstore.BadRequest, "strm update sink NAME --encryption none"},
		{"says nothing", s3.SSES3, xmlError(501, "NotImplemented", "A header you provided implies functionality that is not implemented"), objstore.BadRequest, "--encryption none"},
		{"no body", s3.SSEKMS, plain(501), objstore.BadRequest, "--encryption none"},
		{"400", s3.SSEKMS, xmlError(400, "InvalidRequest", "Server Side Encryption with KMS managed key requires HTTPS"), objstore.BadRequest, "does not accept the sink's encryption (aws:kms)"},
		{"the condition after all", s3.SSES3, xmlError(501, "NotImplemented", "If-None-Match is not implemented"), objstore.NoConditions, "conditional"},
		{"not asked for", s3.ByBucket, xmlError(501, "NotImplemented", "x"), objstore.NoConditions, "conditional"},
		{"not about it", s3.SSES3, xmlError(400, "InvalidRequest", "x"), objstore.BadRequest, "refuses the request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(listen(t, &scripted{answer: tt.answer}))
			cfg.Encryption = tt.as
			if tt.as == s3.SSEKMS {
				cfg.KMSKey = keyARN
			}
			e := objstoretest.Want(t, open(t, cfg).Create(t.Context(), "k", objstore.Bytes(nil)), objstore.Rejected)
			if e.Reason != tt.reason || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("reason %q, %v; want %q and %q", e.Reason, e, tt.reason, tt.text)
			}
		})
	}
}

// demanding is a bucket whose policy lets objects through by their encryption
// header and key.
type demanding struct {
	header string // "" for none
	suffix string
	status int
	log    []string
}

func (d *demanding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		w.Header().Set("x-amz-bucket-region", "eu-west-1")
		return
	}
	got := r.Header.Get("X-Amz-Server-Side-Encryption")
	d.log = append(d.log, fmt.Sprintf("%s:%s", strings.TrimPrefix(r.URL.Path, "/"+bucketName+"/"), got))
	switch {
	case got != d.header || !strings.HasSuffix(r.URL.Path, d.suffix):
		xmlError(403, "AccessDenied", "Access Denied")(w, r)
	case d.status != 0:
		plain(d.status)(w, r)
	default:
		w.Header().Set("ETag", `"x"`)
	}
}

func TestDiagnose(t *testing.T) {
	for _, tt := range []struct {
		name   string
		as     s3.Encryption
		wanted bool
		key    string // that was denied
		bucket demanding
		text   string // "" if there is nothing to find out
		log    string
	}{
		{"header missing", s3.ByContent, false, "batch", demanding{header: "AES256"}, "--encryption SSE-S3", "batch: test: test:AES256 test:"},
		{"header missing, at creation", s3.ByBucket, false, "test", demanding{header: "AES256"}, "without an encryption header are refused", "test: test:AES256 test:"},
		{"key is taken already", s3.ByBucket, false, "test", demanding{header: "AES256", status: 412}, "--encryption SSE-S3", "test: test:AES256 test:"},
		{"header refused", s3.ByContent, true, "batch", demanding{}, "--encryption none", "batch:AES256 test:AES256 test: test:AES256"},
		{"KMS refused", s3.SSEKMS, false, "test", demanding{header: "AES256"}, "--encryption SSE-S3", "test:aws:kms test: test:AES256 test:aws:kms"},
		{"KMS demanded", s3.SSES3, false, "test", demanding{header: "aws:kms"}, "", "test:AES256 test:"},
		{"not permitted at all", s3.ByBucket, false, "test", demanding{header: "none of ours"}, "", "test: test:AES256"},
		{"bound to the key", s3.ByBucket, false, "batch", demanding{suffix: "test"}, "", "batch: test:"},
		{"the store fails meanwhile", s3.ByBucket, false, "test", demanding{header: "AES256", status: 503}, "", "test: test:AES256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.bucket
			cfg := config(listen(t, &d))
			cfg.Encryption = tt.as
			b := open(t, cfg)
			c := objstore.Bytes(nil)
			c.Encrypt = tt.wanted
			first := objstoretest.Want(t, b.Create(t.Context(), tt.key, c), objstore.Rejected)
			e := b.Diagnose(t.Context(), "test", c, first)
			if got := strings.Join(d.log, " "); got != tt.log {
				t.Errorf("requests %q, want %q", got, tt.log)
			}
			if tt.text == "" {
				if e != first {
					t.Errorf("made up: %v", e)
				}
				return
			}
			if e == first || e.Reason != objstore.Denied || e.Outcome != objstore.Rejected || e.Action != "" || e.Key != tt.key || !strings.Contains(e.Error(), tt.text) {
				t.Errorf("got %+v, want %q", e, tt.text)
			}
		})
	}
	d := demanding{header: "AES256"}
	b := open(t, config(listen(t, &d)))
	for name, e := range map[string]*objstore.Error{
		"not sent": {Op: "put", Outcome: objstore.NotSent, Reason: objstore.Denied},
		"no right": {Op: "put", Outcome: objstore.Rejected, Reason: objstore.BadCredentials},
		"the key":  {Op: "put", Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "kms:GenerateDataKey on x"},
		"reading":  {Op: "get", Outcome: objstore.Rejected, Reason: objstore.Denied},
	} {
		if got := b.Diagnose(t.Context(), "test", objstore.Bytes(nil), e); got != e || len(d.log) != 0 {
			t.Errorf("%s: %v after %v", name, got, d.log)
		}
	}
}
