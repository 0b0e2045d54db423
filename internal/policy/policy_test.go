package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"strm/internal/policy"
	"strm/internal/problem"
	"strm/internal/stream"
)

var jsonl = policy.Keys{Ext: "jsonl"}

func sink(change func(*stream.Sink)) stream.Sink {
	s := stream.Sink{Name: "s3", Type: stream.SinkS3, Bucket: "b", Region: "eu-west-1"}
	if change != nil {
		change(&s)
	}
	return s
}

func get(t *testing.T, r policy.Request) policy.Set {
	t.Helper()
	s, err := policy.For(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// As the vendors' pages have them, and no wider.
func TestResources(t *testing.T) {
	raw := policy.Keys{Constant: "segment-logs/", Ext: "gz"}
	for _, tt := range []struct {
		name    string
		bucket  string
		prefix  string
		writers []policy.Writer
		want    string
	}{
		{"no exporter yet", "b", "", nil, "b/*.jsonl"},
		{"no exporter yet, prefix", "b", "p/q", nil, "b/p/q/*.jsonl"},
		{"layout strm", "b", "", []policy.Writer{{PathPrefix: "prefix", Keys: jsonl}}, "b/prefix/*.jsonl"},
		{"layout segment", "b", "path/prefix", []policy.Writer{{Keys: raw}}, "b/path/prefix/segment-logs/*"},
		{"layout segment without prefix", "b", "", []policy.Writer{{Keys: raw}}, "b/segment-logs/*"},
		{"several", "b", "", []policy.Writer{{PathPrefix: "y", Keys: jsonl}, {PathPrefix: "x", Keys: policy.Keys{Ext: "jsonl.gz"}}}, "b/x/*.jsonl.gz b/y/*.jsonl"},
		{"the same twice", "b", "", []policy.Writer{{PathPrefix: "y", Keys: jsonl}, {PathPrefix: "y", Keys: jsonl}}, "b/y/*.jsonl"},
		{"one covers the other", "b", "", []policy.Writer{{PathPrefix: "y/z", Keys: jsonl}, {PathPrefix: "y", Keys: jsonl}}, "b/y/*.jsonl"},
		{"a neighbour does not", "b", "", []policy.Writer{{PathPrefix: "yz", Keys: jsonl}, {PathPrefix: "y", Keys: jsonl}}, "b/y/*.jsonl b/yz/*.jsonl"},
		{"another ending does not", "b", "", []policy.Writer{{PathPrefix: "y/z", Keys: policy.Keys{Ext: "jsonl.gz"}}, {PathPrefix: "y", Keys: jsonl}}, "b/y/*.jsonl b/y/z/*.jsonl.gz"},
		{"one directory, two endings", "b", "", []policy.Writer{{Keys: raw}, {Keys: policy.Keys{Constant: "segment-logs/", Ext: "jsonl"}}}, "b/segment-logs/*"},
		{"a directory covers", "b", "", []policy.Writer{{Keys: raw}, {PathPrefix: "segment-logs", Keys: jsonl}}, "b/segment-logs/*"},
		{"special characters", "b", "a*b?c$d", nil, "b/a${*}b${?}c${$}d/*.jsonl"},
	} {
		s := get(t, policy.Request{Sink: sink(func(s *stream.Sink) { s.Prefix = tt.prefix }), Writers: tt.writers, Principal: "arn:aws:iam::1:user/u"})
		want := strings.Fields(strings.ReplaceAll(" "+tt.want, " b/", " arn:aws:s3:::b/"))
		if len(s.IAM.Statement) != 1 || s.IAM.Statement[0].Action != "s3:PutObject" || !slices.Equal(s.IAM.Statement[0].Resource, want) {
			t.Errorf("%s: %+v, want %s", tt.name, s.IAM.Statement, want)
		}
		if !slices.Equal(s.Bucket.Statement[0].Resource, want) {
			t.Errorf("%s: the bucket policy differs: %v", tt.name, s.Bucket.Statement[0].Resource)
		}
		if (len(tt.writers) == 0) != slices.ContainsFunc(s.Notes, func(n policy.Note) bool { return strings.Contains(n.Text, "no batch exporter yet") }) {
			t.Errorf("%s: notes %v", tt.name, s.Notes)
		}
	}
}

// The whole of it as JSON, for a role with a key.
func TestDocuments(t *testing.T) {
	s := get(t, policy.Request{
		Sink: sink(func(s *stream.Sink) {
			s.Role = stream.Role{ARN: "arn:aws:iam::123456789012:role/writer", ExternalID: "workspace"}
			s.Encryption, s.KMSKey = stream.EncryptSSEKMS, "arn:aws:kms:eu-west-1:123456789012:key/k"
		}),
		Writers: []policy.Writer{{PathPrefix: "p", Keys: jsonl}}, Principal: "arn:aws:iam::999999999999:user/strm", Enforce: true,
	})
	s.Notes = nil
	got, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"IAM":{"Version":"2012-10-17","Statement":[{"Sid":"StrmWrite","Effect":"Allow","Action":"s3:PutObject","Resource":["arn:aws:s3:::b/p/*.jsonl"]},` +
			`{"Sid":"StrmEncrypt","Effect":"Allow","Action":"kms:GenerateDataKey","Resource":["arn:aws:kms:eu-west-1:123456789012:key/k"]}]}`,
		`"Bucket":{"Version":"2012-10-17","Statement":[{"Sid":"StrmWrite","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/writer"},"Action":"s3:PutObject","Resource":["arn:aws:s3:::b/p/*.jsonl"]},` +
			`{"Sid":"DenyIncorrectEncryptionHeader","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:PutObject","Resource":["arn:aws:s3:::b/*"],"Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}},` +
			`{"Sid":"DenyUnEncryptedObjectUploads","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:PutObject","Resource":["arn:aws:s3:::b/*"],"Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}]}`,
		`"KMS":{"Version":"2012-10-17","Statement":[{"Sid":"StrmEncrypt","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/writer"},"Action":"kms:GenerateDataKey","Resource":["*"]}]}`,
		`"Trust":{"Version":"2012-10-17","Statement":[{"Sid":"StrmAssume","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:user/strm"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"workspace"}}}]}`,
		`"Assume":{"Version":"2012-10-17","Statement":[{"Sid":"StrmAssume","Effect":"Allow","Action":"sts:AssumeRole","Resource":["arn:aws:iam::123456789012:role/writer"]}]}`,
	} {
		var flat strings.Builder
		for line := range strings.Lines(string(got)) {
			flat.WriteString(strings.TrimSpace(line))
		}
		if !strings.Contains(strings.ReplaceAll(flat.String(), `": `, `":`), want) {
			t.Errorf("lacks %s\n%s", want, got)
		}
	}
}

func TestPrincipals(t *testing.T) {
	holder := "arn:aws:iam::1:user/u"
	role := func(s *stream.Sink) { s.Role.ARN = "arn:aws:iam::1:role/r" }
	for _, tt := range []struct {
		name              string
		change            func(*stream.Sink)
		principal         string
		bucket, trust     string
		asks, asksExtrnal bool
	}{
		{"given", nil, holder, holder, "", false, false},
		{"nobody said", nil, "", policy.Placeholder, "", true, false},
		{"role", role, holder, "arn:aws:iam::1:role/r", holder, false, true},
		{"role, nobody said", role, "", "arn:aws:iam::1:role/r", policy.Placeholder, true, true},
		{"China", func(s *stream.Sink) { s.Region = "cn-north-1" }, "", strings.Replace(policy.Placeholder, "aws", "aws-cn", 1), "", true, false},
	} {
		s := get(t, policy.Request{Sink: sink(tt.change), Principal: tt.principal})
		if got := s.Bucket.Statement[0].Principal.AWS; got != tt.bucket {
			t.Errorf("%s: bucket for %s", tt.name, got)
		}
		if (s.Trust != nil) != (tt.trust != "") || (s.Assume != nil) != (tt.trust != "") || s.Trust != nil && s.Trust.Statement[0].Principal.AWS != tt.trust {
			t.Errorf("%s: trust %+v", tt.name, s.Trust)
		}
		said := func(text string) bool {
			return slices.ContainsFunc(s.Notes, func(n policy.Note) bool { return strings.Contains(n.Text, text) })
		}
		if said("--principal") != tt.asks || said("--external-id") != tt.asksExtrnal {
			t.Errorf("%s: notes %+v", tt.name, s.Notes)
		}
	}
}

// Who writes keys that others may have too must be able to look at them, and at
// no others.
func TestLooking(t *testing.T) {
	own := policy.Writer{PathPrefix: "own", Keys: jsonl}
	shared := policy.Writer{PathPrefix: "shared", Keys: policy.Keys{Ext: "jsonl.gz", Look: true}}
	said := func(s policy.Set) bool {
		return slices.ContainsFunc(s.Notes, func(n policy.Note) bool { return strings.Contains(n.Text, "s3:GetObject") })
	}
	if s := get(t, policy.Request{Sink: sink(nil), Writers: []policy.Writer{own}}); len(s.IAM.Statement) != 1 || said(s) {
		t.Errorf("nobody needs to look: %+v", s)
	}
	s := get(t, policy.Request{Sink: sink(nil), Writers: []policy.Writer{own, shared}, Principal: "arn:aws:iam::1:user/u"})
	for name, d := range map[string]*policy.Document{"iam": s.IAM, "bucket": s.Bucket} {
		if len(d.Statement) != 2 || !slices.Equal(d.Statement[0].Resource, []string{"arn:aws:s3:::b/own/*.jsonl", "arn:aws:s3:::b/shared/*.jsonl.gz"}) {
			t.Fatalf("%s: %+v", name, d)
		}
		look := d.Statement[1]
		if look.Action != "s3:GetObject" || look.Effect != "Allow" || !slices.Equal(look.Resource, []string{"arn:aws:s3:::b/shared/*.jsonl.gz"}) || (look.Principal != nil) != (name == "bucket") {
			t.Errorf("%s: %+v", name, look)
		}
	}
	if !said(s) {
		t.Errorf("notes %v", s.Notes)
	}
}

func TestPartitions(t *testing.T) {
	for region, want := range map[string]string{
		"": "aws", "eu-west-1": "aws", "us-east-1": "aws", "cn-northwest-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eusc-de-east-1": "aws-eusc",
	} {
		s := get(t, policy.Request{Sink: sink(func(s *stream.Sink) { s.Region, s.FoundRegion = "", region })})
		if got := s.IAM.Statement[0].Resource[0]; got != "arn:"+want+":s3:::b/*.jsonl" {
			t.Errorf("%q: %s", region, got)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct{ key, role, resource, alias string }{
		{"arn:aws:kms:us-east-1:5:key/k", "", "arn:aws:kms:us-east-1:5:key/k", ""},
		{"arn:aws:kms:us-east-1:5:alias/a", "", "arn:aws:kms:us-east-1:5:key/*", "alias/a"},
		{"1234-abcd", "", "arn:aws:kms:eu-west-1:*:key/1234-abcd", ""},
		{"key/1234-abcd", "", "arn:aws:kms:eu-west-1:*:key/1234-abcd", ""},
		{"1234-abcd", "arn:aws:iam::123456789012:role/r", "arn:aws:kms:eu-west-1:123456789012:key/1234-abcd", ""},
		{"alias/a", "", "arn:aws:kms:eu-west-1:*:key/*", "alias/a"},
	} {
		s := get(t, policy.Request{Sink: sink(func(s *stream.Sink) {
			s.Encryption, s.KMSKey, s.Role.ARN = stream.EncryptSSEKMS, tt.key, tt.role
		})})
		st := s.IAM.Statement[1]
		if st.Resource[0] != tt.resource || st.Condition["ForAnyValue:StringEquals"]["kms:ResourceAliases"] != tt.alias {
			t.Errorf("%+v: %+v", tt, st)
		}
	}
	if s := get(t, policy.Request{Sink: sink(func(s *stream.Sink) { s.Encryption = stream.EncryptSSEKMS })}); s.KMS != nil || len(s.IAM.Statement) != 1 {
		t.Errorf("the account's own key needs no leave: %+v", s)
	}
	if s := get(t, policy.Request{Sink: sink(nil), KMSKey: "arn:aws:kms:us-east-1:5:key/k"}); s.KMS == nil || s.IAM.Statement[1].Resource[0] != "arn:aws:kms:us-east-1:5:key/k" {
		t.Errorf("the key of the bucket's default: %+v", s)
	}
}

// Nothing is printed that would lock strm out.
func TestEnforceOnlyWhatIsSent(t *testing.T) {
	sealed := policy.Keys{Constant: "segment-logs/", Ext: "gz", Encrypt: true}
	for _, tt := range []struct {
		as      stream.Encryption
		writers []policy.Writer
		header  string
	}{
		{stream.EncryptSSES3, nil, "AES256"},
		{stream.EncryptSSEKMS, nil, "aws:kms"},
		{stream.EncryptByBucket, []policy.Writer{{Keys: sealed}}, ""},
		{stream.EncryptByLayout, []policy.Writer{{Keys: sealed}}, "AES256"},
		{stream.EncryptByLayout, []policy.Writer{{Keys: sealed}, {Keys: jsonl}}, ""},
		{stream.EncryptByLayout, nil, ""},
	} {
		s, err := policy.For(policy.Request{Sink: sink(func(s *stream.Sink) { s.Encryption = tt.as }), Writers: tt.writers, Enforce: true})
		if (err == nil) != (tt.header != "") || err != nil && problem.KindOf(err) != problem.Invalid {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		if err == nil && s.Bucket.Statement[1].Condition["StringNotEquals"]["s3:x-amz-server-side-encryption"] != tt.header {
			t.Errorf("%+v: %+v", tt, s.Bucket)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, r := range map[string]policy.Request{
		"a directory":     {Sink: stream.Sink{Type: stream.SinkDir}},
		"a name, no ARN":  {Sink: sink(nil), Principal: "strm"},
		"not even AWS":    {Sink: stream.Sink{Type: stream.SinkGCS}},
		"an account's id": {Sink: sink(nil), Principal: "123456789012"},
	} {
		if _, err := policy.For(r); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
