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

var fme = policy.Importer{Prefix: "events/", Suffixes: []string{".parquet.gz"}, StatusPrefix: "my_statuses"}

// flat is a document's JSON.
func flat(t *testing.T, d *policy.Document) string {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func said(s policy.Set, in, text string) bool {
	return slices.ContainsFunc(s.Notes, func(n policy.Note) bool { return slices.Contains(n.For, in) && strings.Contains(n.Text, text) })
}

// The whole of it as JSON, for a role, a key, a topic and a queue.
func TestImporterDocuments(t *testing.T) {
	i := fme
	i.TopicARN, i.QueueURL = "arn:aws:sns:eu-west-1:123456789012:fme", "https://sqs.eu-west-2.amazonaws.com/123456789012/q"
	s := get(t, policy.Request{
		Sink: sink(func(s *stream.Sink) {
			s.Role.ARN, s.Encryption, s.KMSKey = "arn:aws:iam::999999999999:role/fme", stream.EncryptSSEKMS, "arn:aws:kms:eu-west-1:999999999999:key/k"
		}),
		Importers: []policy.Importer{i}, Principal: "arn:aws:iam::111111111111:user/strm",
	})
	role := `"Principal":{"AWS":"arn:aws:iam::999999999999:role/fme"},`
	objects := func(who string) string {
		return `{"Sid":"StrmListFiles","Effect":"Allow",` + who + `"Action":"s3:ListBucket","Resource":["arn:aws:s3:::b"]},` +
			`{"Sid":"StrmReadFiles","Effect":"Allow",` + who + `"Action":"s3:GetObject","Resource":["arn:aws:s3:::b/events/*"]},` +
			`{"Sid":"StrmReadFileVersions","Effect":"Allow",` + who + `"Action":"s3:GetObjectVersion","Resource":["arn:aws:s3:::b/events/*"]},` +
			`{"Sid":"StrmReport","Effect":"Allow",` + who + `"Action":"s3:PutObject","Resource":["arn:aws:s3:::b/my_statuses/*"]}`
	}
	const (
		head  = `{"Version":"2012-10-17","Statement":[`
		queue = `"Resource":["arn:aws:sqs:eu-west-2:123456789012:q"]`
		from  = `"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::b"},"StringEquals":{"aws:SourceAccount":"999999999999"}}}`
	)
	for name, c := range map[string]struct {
		got  *policy.Document
		want string
	}{
		"iam": {s.IAM, head + objects("") + `,{"Sid":"StrmReceive","Effect":"Allow","Action":"sqs:ReceiveMessage",` + queue + `},` +
			`{"Sid":"StrmDelete","Effect":"Allow","Action":"sqs:DeleteMessage",` + queue + `},` +
			`{"Sid":"StrmEncrypt","Effect":"Allow","Action":"kms:GenerateDataKey","Resource":["arn:aws:kms:eu-west-1:999999999999:key/k"]},` +
			`{"Sid":"StrmDecrypt","Effect":"Allow","Action":"kms:Decrypt","Resource":["arn:aws:kms:eu-west-1:999999999999:key/k"]}]}`},
		"bucket": {s.Bucket, head + objects(role) + `]}`},
		"kms": {s.KMS, head + `{"Sid":"StrmEncrypt","Effect":"Allow",` + role + `"Action":"kms:GenerateDataKey","Resource":["*"]},` +
			`{"Sid":"StrmDecrypt","Effect":"Allow",` + role + `"Action":"kms:Decrypt","Resource":["*"]}]}`},
		"topic": {s.Topic, head + `{"Sid":"StrmNotify","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":["arn:aws:sns:eu-west-1:123456789012:fme"],` + from + `]}`},
		"queue": {s.Queue, head + `{"Sid":"StrmNotify","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage",` + queue + `,` + from + `,` +
			`{"Sid":"StrmNotifyByTopic","Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage",` + queue + `,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:sns:eu-west-1:123456789012:fme"}}}]}`},
	} {
		if got := flat(t, c.got); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
	for _, c := range [][2]string{{policy.Topic, "no wildcard: enter the suffix .parquet.gz, not *.parquet.gz"}, {policy.Topic, "do not replace"}, {policy.Queue, "do not replace"},
		{policy.Queue, "only one of them"}, {policy.Topic, "aws:SourceAccount"}, {policy.IAM, "s3:PutObjectAcl"}, {policy.IAM, "across accounts"}} {
		if !said(s, c[0], c[1]) {
			t.Errorf("%s: no note says %q: %+v", c[0], c[1], s.Notes)
		}
	}
}

func TestImporterResources(t *testing.T) {
	with := func(change func(*policy.Importer)) policy.Importer {
		i := fme
		change(&i)
		return i
	}
	for name, c := range map[string]struct {
		importers []policy.Importer
		writers   []policy.Writer
		want      string // resources of each statement of iam
	}{
		"one":              {[]policy.Importer{fme}, nil, "b | b/events/* | b/events/* | b/my_statuses/*"},
		"the whole bucket": {[]policy.Importer{with(func(i *policy.Importer) { i.Prefix = "" }), fme}, nil, "b | b/* | b/* | b/my_statuses/*"},
		"two": {[]policy.Importer{with(func(i *policy.Importer) { i.Prefix, i.StatusPrefix = "other", "s" }), fme}, nil,
			"b | b/events/* b/other* | b/events/* b/other* | b/my_statuses/* b/s/*"},
		"special characters": {[]policy.Importer{with(func(i *policy.Importer) { i.Prefix, i.StatusPrefix = "a?b", "$c" })}, nil, "b | b/a${?}b* | b/a${?}b* | b/${$}c/*"},
		"an exporter, too":   {[]policy.Importer{fme}, []policy.Writer{{PathPrefix: "out", Keys: jsonl}}, "b/out/*.jsonl | b | b/events/* | b/events/* | b/my_statuses/*"},
	} {
		s := get(t, policy.Request{Sink: sink(nil), Importers: c.importers, Writers: c.writers, Principal: "arn:aws:iam::1:user/u"})
		var got []string
		for _, st := range s.IAM.Statement {
			got = append(got, strings.ReplaceAll(strings.Join(st.Resource, " "), "arn:aws:s3:::", ""))
		}
		if text := strings.Join(got, " | "); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
		if s.Topic != nil || s.Queue != nil || s.KMS != nil || said(s, policy.IAM, "no batch exporter yet") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestImporterQueues(t *testing.T) {
	for url, want := range map[string]string{
		"https://sqs.eu-west-2.amazonaws.com/123456789012/q":       "arn:aws:sqs:eu-west-2:123456789012:q",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q":   "arn:aws:sqs:cn-north-1:123456789012:q",
		"http://127.0.0.1:5000/123456789012/q":                     "arn:aws:sqs:eu-west-1:123456789012:q",
		"https://queues.example.org/q":                             "arn:aws:sqs:eu-west-1:*:q",
		"https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1234/q-1": "arn:aws:sqs:eu-west-1:1234:q-1",
	} {
		i := fme
		i.QueueURL = url
		s := get(t, policy.Request{Sink: sink(nil), Importers: []policy.Importer{i}, Principal: "arn:aws:iam::1:user/u"})
		if got := s.Queue.Statement; len(got) != 1 || got[0].Resource[0] != want {
			t.Errorf("%s: %+v, want %s", url, got, want)
		}
	}
}

// Two topics have a statement each, with names of their own; one topic of two importers has one.
func TestImporterTopics(t *testing.T) {
	of := func(name string) policy.Importer {
		i := fme
		i.TopicARN = "arn:aws:sns:eu-west-1:123456789012:" + name
		return i
	}
	s := get(t, policy.Request{Sink: sink(nil), Importers: []policy.Importer{of("a"), of("b"), of("a")}, Principal: "arn:aws:iam::1:user/u"})
	st := s.Topic.Statement
	if len(st) != 2 || st[0].Sid != "StrmNotify" || st[1].Sid != "StrmNotify2" || st[1].Resource[0] != of("b").TopicARN ||
		st[0].Condition["StringEquals"]["aws:SourceAccount"] != "123456789012" {
		t.Errorf("%+v", st)
	}
}

// Reports carry no encryption header that only a layout asks for.
func TestEnforceWithImporters(t *testing.T) {
	sealed := []policy.Writer{{Keys: policy.Keys{Constant: "segment-logs/", Ext: "gz", Encrypt: true}}}
	r := policy.Request{Sink: sink(nil), Writers: sealed, Importers: []policy.Importer{fme}, Enforce: true}
	if _, err := policy.For(r); problem.KindOf(err) != problem.Invalid {
		t.Errorf("strm would be locked out: %v", err)
	}
	r.Sink.Encryption = stream.EncryptSSES3
	get(t, r)
}
