package control_test

import (
	"slices"
	"strings"
	"testing"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

const roleARN = "arn:aws:iam::123456789012:role/path/strm-writer"

func TestPutSinkAccess(t *testing.T) {
	w := controltest.New(t)
	role := stream.Role{ARN: roleARN, ExternalID: "workspace/7", Endpoint: "https://sts.example.org"}
	for _, tt := range []struct {
		name string
		n    control.NewSink
		want stream.Sink
	}{
		{"prefix", control.NewSink{Bucket: "mytestbucket/path/prefix"}, stream.Sink{Bucket: "mytestbucket", Prefix: "path/prefix"}},
		{"slash at the end", control.NewSink{Bucket: "b/p/"}, stream.Sink{Bucket: "b", Prefix: "p"}},
		{"nothing but a slash", control.NewSink{Bucket: "b/"}, stream.Sink{Bucket: "b"}},
		{"of Google", control.NewSink{Bucket: "b/p", Type: "GCLOUD"}, stream.Sink{Type: stream.SinkGCS, Bucket: "b", Prefix: "p"}},
		{"a directory", control.NewSink{Bucket: "/b/p", Type: "DIR"}, stream.Sink{Type: stream.SinkDir, Bucket: "/b/p"}},
		{"role", control.NewSink{Bucket: "b", Role: role}, stream.Sink{Bucket: "b", Role: role}},
		{"role of another store", control.NewSink{Bucket: "b", Endpoint: "http://h", Role: stream.Role{ARN: "arn:aws:iam:::role/r"}}, stream.Sink{Bucket: "b", Role: stream.Role{ARN: "arn:aws:iam:::role/r"}}},
		{"none", control.NewSink{Bucket: "b", Encryption: "NONE"}, stream.Sink{Bucket: "b", Encryption: stream.EncryptByBucket}},
		{"SSE-S3", control.NewSink{Bucket: "b", Encryption: "sse-s3"}, stream.Sink{Bucket: "b", Encryption: stream.EncryptSSES3}},
		{"AES256", control.NewSink{Bucket: "b", Encryption: "aes256"}, stream.Sink{Bucket: "b", Encryption: stream.EncryptSSES3}},
		{"KMS", control.NewSink{Bucket: "b", Encryption: "aws:KMS"}, stream.Sink{Bucket: "b", Encryption: stream.EncryptSSEKMS}},
		{"KMS with a key", control.NewSink{Bucket: "b", Encryption: "SSE-KMS", KMSKey: "alias/strm"}, stream.Sink{Bucket: "b", Encryption: stream.EncryptSSEKMS, KMSKey: "alias/strm"}},
	} {
		tt.n.Name = "s" + strings.ReplaceAll(tt.name, " ", "-")
		if tt.want.Type == "" {
			tt.want.Type = stream.SinkS3
		}
		if _, _, warning, err := w.PutSink(t.Context(), tt.n); err != nil || warning != "" {
			t.Errorf("%s: %q, %v", tt.name, warning, err)
			continue
		}
		got, err := w.Sink(t.Context(), tt.n.Name)
		if err != nil {
			t.Fatal(err)
		}
		got = stream.Sink{Type: got.Type, Bucket: got.Bucket, Prefix: got.Prefix, Role: got.Role, Encryption: got.Encryption, KMSKey: got.KMSKey}
		if got.Place() != tt.want.Place() || got.Prefix != tt.want.Prefix || got.Role != tt.want.Role || got.Encryption != tt.want.Encryption || got.KMSKey != tt.want.KMSKey {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name string
		n    control.NewSink
		text string
	}{
		{"a user", control.NewSink{Role: stream.Role{ARN: "arn:aws:iam::123456789012:user/u"}}, "not the ARN of a role"},
		{"a name", control.NewSink{Role: stream.Role{ARN: "strm-writer"}}, "not the ARN of a role"},
		{"no account, at AWS", control.NewSink{Role: stream.Role{ARN: "arn:aws:iam:::role/r"}}, "not the ARN of a role"},
		{"blank in it", control.NewSink{Endpoint: "http://h", Role: stream.Role{ARN: "arn:aws:iam:::role/r r"}}, "not the ARN of a role"},
		{"long", control.NewSink{Role: stream.Role{ARN: roleARN + strings.Repeat("x", 2048)}}, "not the ARN of a role"},
		{"external id alone", control.NewSink{Role: stream.Role{ExternalID: "xx"}}, "need a role"},
		{"STS alone", control.NewSink{Role: stream.Role{Endpoint: "http://h"}}, "need a role"},
		{"external id too short", control.NewSink{Role: stream.Role{ARN: roleARN, ExternalID: "x"}}, "external id"},
		{"external id too long", control.NewSink{Role: stream.Role{ARN: roleARN, ExternalID: strings.Repeat("x", 1225)}}, "external id"},
		{"external id with a blank", control.NewSink{Role: stream.Role{ARN: roleARN, ExternalID: "a b"}}, "external id"},
		{"STS is no URL", control.NewSink{Role: stream.Role{ARN: roleARN, Endpoint: "sts"}}, "STS: the endpoint"},
		{"unknown encryption", control.NewSink{Encryption: "rot13"}, "use none, SSE-S3 or SSE-KMS"},
		{"key without KMS", control.NewSink{Encryption: "AES256", KMSKey: "k"}, "SSE-KMS"},
		{"key that is none", control.NewSink{Encryption: "SSE-KMS", KMSKey: "k k"}, "KMS key"},
		{"role of Google", control.NewSink{Type: "GCLOUD", Role: stream.Role{ARN: roleARN}}, "S3 sinks"},
		{"encryption of Google", control.NewSink{Type: "GCLOUD", Encryption: "none"}, "S3 sinks"},
		{"encryption of a directory", control.NewSink{Type: "DIR", Bucket: "/data", Encryption: "none"}, "S3 sinks"},
		{"role of a directory", control.NewSink{Type: "DIR", Bucket: "/data", Role: stream.Role{ARN: roleARN}}, "S3 sinks"},
	} {
		tt.n.Name = "refused"
		if tt.n.Bucket == "" {
			tt.n.Bucket = "b"
		}
		_, _, _, err := w.PutSink(t.Context(), tt.n)
		if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.text)
		}
	}
}

// Another prefix moves what its exporters write from now on, and says so.
func TestPutSinkWithAnotherPrefix(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	put := func(bucket string) string {
		t.Helper()
		_, _, warning, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: bucket, Credentials: controltest.Credentials})
		if err != nil {
			t.Fatal(err)
		}
		return warning
	}
	put("b")
	if got := put("b/p"); got != "" {
		t.Errorf("nobody is concerned, but: %q", got)
	}
	mustExporter(t, w, control.NewExporter{Stream: "demo", Output: stream.Output{PathPrefix: strings.Repeat("x", 800)}})
	for bucket, want := range map[string]string{"b/p": "", "b/q": "another prefix now: its exporters write under it from now on"} {
		put("b/p")
		if got := put(bucket); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q", bucket, got)
		}
	}
	_, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b/" + strings.Repeat("y", 200)})
	wantKind(t, err, problem.Invalid, "S3 takes")
}

func TestPutSinkKeepsCredentials(t *testing.T) {
	w := controltest.New(t)
	before := mustSink(t, w, "s3")
	again, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b", Encryption: "AES256", KeepCredentials: true})
	if err != nil {
		t.Fatal(err)
	}
	if again.Encryption != stream.EncryptSSES3 || !slices.Equal(again.Credentials, before.Credentials) || again.Shape != before.Shape || again.Principal != before.Principal {
		t.Errorf("got %+v", again)
	}
	// Nobody learns them by sending them elsewhere.
	for name, n := range map[string]control.NewSink{
		"endpoint": {Endpoint: "http://elsewhere"},
		"STS":      {Role: stream.Role{ARN: roleARN, Endpoint: "http://elsewhere"}},
		"type":     {Type: "GCLOUD"},
	} {
		n.Name, n.Bucket, n.KeepCredentials = "s3", "b", true
		_, _, _, err := w.PutSink(t.Context(), n)
		wantKind(t, err, problem.Invalid, "another service")
		if !strings.Contains(err.Error(), "anew") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, _, err = w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b", KeepCredentials: true, Credentials: controltest.Credentials})
	wantKind(t, err, problem.Invalid, "which?")
	_, _, _, err = w.PutSink(t.Context(), control.NewSink{Name: "new", Bucket: "b", KeepCredentials: true})
	wantKind(t, err, problem.NotFound, "new")
}

func TestPolicies(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	mustStream(t, w, "other", 1)
	if _, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b/top", Credentials: controltest.Credentials}); err != nil {
		t.Fatal(err)
	}
	mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "x", Output: stream.Output{PathPrefix: "one"}})
	mustExporter(t, w, control.NewExporter{Stream: "other", Name: "x", Output: stream.Output{PathPrefix: "two", Compression: "gzip"}})
	mustExporter(t, w, control.NewExporter{Stream: "other", Name: "y", Output: stream.Output{Layout: "logs/{batch}.{ext}"}})
	for _, tt := range []struct{ exporter, want string }{
		{"", "arn:aws:s3:::b/top/logs/* arn:aws:s3:::b/top/one/*.jsonl arn:aws:s3:::b/top/two/*.jsonl.gz"},
		{"demo/x", "arn:aws:s3:::b/top/one/*.jsonl"},
		{"y", "arn:aws:s3:::b/top/logs/*"},
	} {
		s, err := w.Policies(t.Context(), control.PolicyQuery{Sink: "s3", Exporter: tt.exporter})
		if err != nil || strings.Join(s.IAM.Statement[0].Resource, " ") != tt.want {
			t.Errorf("%q: %+v, %v", tt.exporter, s.IAM, err)
		}
	}
	_, err := w.Policies(t.Context(), control.PolicyQuery{Sink: "s3", Exporter: "x"})
	wantKind(t, err, problem.Conflict, "STREAM/x")
	_, err = w.Policies(t.Context(), control.PolicyQuery{Sink: "s3", Exporter: "z"})
	wantKind(t, err, problem.NotFound, "z")
	_, err = w.Policies(t.Context(), control.PolicyQuery{Sink: "nope"})
	wantKind(t, err, problem.NotFound, "nope")
}
