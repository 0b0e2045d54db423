package policy

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"strm/internal/stream"
)

// Importer is one batch importer of the sink.
type Importer struct {
	Prefix       string   // of the keys of its files, from the bucket's root
	Suffixes     []string // what they end in
	StatusPrefix string
	TopicARN     string
	QueueURL     string
}

// importing adds what the importers need. who reads and writes: the role, else
// the principal.
func (s *Set) importing(part string, r Request, who string) {
	bucket := "arn:" + part + ":s3:::" + r.Sink.Bucket
	var files, reports []string
	for _, i := range r.Importers {
		files = append(files, bucket+"/"+escape(i.Prefix)+"*")
		reports = append(reports, bucket+"/"+escape(i.StatusPrefix)+"/*")
	}
	files, reports = widest(files), widest(reports)
	for _, st := range []Statement{
		{Sid: "StrmListFiles", Action: "s3:ListBucket", Resource: []string{bucket}},
		{Sid: "StrmReadFiles", Action: "s3:GetObject", Resource: files},
		{Sid: "StrmReadFileVersions", Action: "s3:GetObjectVersion", Resource: files},
		{Sid: "StrmReport", Action: "s3:PutObject", Resource: reports},
	} {
		st.Effect = "Allow"
		s.IAM.Statement = append(s.IAM.Statement, st)
		st.Principal = &Principal{AWS: who}
		s.Bucket.Statement = append(s.Bucket.Statement, st)
	}
	s.note("s3:ListBucket is for the whole bucket: with a condition on the prefix S3 would answer 403 for a file that is gone, as if it were forbidden. "+
		"The vendor's page gives s3:Get*, s3:List* and s3:PutObjectAcl, which strm does not use", IAM, Bucket)
	s.notifying(part, bucket, r)
	s.queueing(part, r)
}

// widest leaves out what another resource with a * at its end covers.
func widest(resources []string) []string {
	slices.Sort(resources)
	var out []string
	for _, a := range slices.Compact(resources) {
		if !slices.ContainsFunc(out, func(b string) bool { return strings.HasPrefix(a, strings.TrimSuffix(b, "*")) }) {
			out = append(out, a)
		}
	}
	return out
}

// notifying adds the statements that let the bucket publish and send. The
// filters of its notifications are the reader's work, so the notes tell of them.
func (s *Set) notifying(part, bucket string, r Request) {
	var topics, direct, fanned []Statement
	for _, i := range r.Importers {
		queue := queueARN(part, r.Sink, i.QueueURL)
		if i.TopicARN != "" {
			topics = append(topics, Statement{Sid: "StrmNotify", Effect: "Allow", Principal: &Principal{Service: "s3.amazonaws.com"}, Action: "SNS:Publish",
				Resource: []string{i.TopicARN}, Condition: fromBucket(bucket, account(r.Sink, i.TopicARN))})
			if queue != "" {
				fanned = append(fanned, Statement{Sid: "StrmNotifyByTopic", Effect: "Allow", Principal: &Principal{Service: "sns.amazonaws.com"}, Action: "sqs:SendMessage",
					Resource: []string{queue}, Condition: map[string]map[string]string{"ArnLike": {"aws:SourceArn": i.TopicARN}}})
			}
		}
		if queue != "" {
			direct = append(direct, Statement{Sid: "StrmNotify", Effect: "Allow", Principal: &Principal{Service: "s3.amazonaws.com"}, Action: "sqs:SendMessage",
				Resource: []string{queue}, Condition: fromBucket(bucket, account(r.Sink, queue))})
		}
	}
	if len(topics) > 0 {
		s.Topic = document(numbered(topics)...)
		s.note("add the statement to the topic's policy; do not replace what is there", Topic)
	}
	if len(direct) > 0 {
		s.Queue = document(append(numbered(direct), numbered(fanned)...)...)
		s.note("add the statements to the queue's policy; do not replace what is there", Queue)
		if len(fanned) > 0 {
			s.note("StrmNotify lets the bucket send to the queue itself, StrmNotifyByTopic lets the topic: only one of them is needed", Queue)
		}
	}
	if s.Topic == nil && s.Queue == nil {
		return
	}
	s.note("aws:SourceAccount is the account that owns the bucket: put its id in the place of the one printed, if that is another", Topic, Queue)
	s.note("the filters of the bucket's notifications take no wildcard: enter the suffix "+firstSuffix(r.Importers)+", not *"+firstSuffix(r.Importers)+
		"; each suffix is a notification of its own, of all object create events", Topic, Queue)
}

func firstSuffix(importers []Importer) string {
	for _, i := range importers {
		if len(i.Suffixes) > 0 {
			return i.Suffixes[0]
		}
	}
	return ".parquet"
}

// numbered drops repeats and gives the rest Sids of their own, which a policy asks for.
func numbered(list []Statement) []Statement {
	var out []Statement
	for _, st := range list {
		if slices.ContainsFunc(out, func(o Statement) bool { return o.Resource[0] == st.Resource[0] }) {
			continue
		}
		if n := len(out); n > 0 {
			st.Sid += strconv.Itoa(n + 1)
		}
		out = append(out, st)
	}
	return out
}

func fromBucket(bucket, account string) map[string]map[string]string {
	return map[string]map[string]string{"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": bucket}}
}

// account is whose the bucket is, as far as can be told: who has the role, the
// topic or the queue.
func account(s stream.Sink, arn string) string {
	for _, a := range []string{s.Role.ARN, arn} {
		if f := strings.SplitN(a, ":", 6); len(f) == 6 && f[4] != "" && f[4] != "*" {
			return f[4]
		}
	}
	return "ACCOUNT_ID"
}

// queueing adds what who takes from the queues needs.
func (s *Set) queueing(part string, r Request) {
	var queues []string
	for _, i := range r.Importers {
		if q := queueARN(part, r.Sink, i.QueueURL); q != "" {
			queues = append(queues, q)
		}
	}
	if len(queues) == 0 {
		return
	}
	slices.Sort(queues)
	queues = slices.Compact(queues)
	for _, a := range [][2]string{{"StrmReceive", "sqs:ReceiveMessage"}, {"StrmDelete", "sqs:DeleteMessage"}} {
		s.IAM.Statement = append(s.IAM.Statement, Statement{Sid: a[0], Effect: "Allow", Action: a[1], Resource: queues})
	}
	s.note("the queue is read with the same credentials: across accounts its policy must allow these actions too", IAM)
}

// queueARN reads https://sqs.REGION.amazonaws.com/ACCOUNT/NAME; other
// implementations have other hosts, so what they do not say is left open.
func queueARN(part string, s stream.Sink, text string) string {
	u, err := url.Parse(text)
	if text == "" || err != nil {
		return ""
	}
	region, account, name := "*", "*", strings.Trim(u.Path, "/")
	if r := s.KnownRegion(); r != "" {
		region = r
	}
	if f := strings.Split(u.Hostname(), "."); len(f) > 3 && f[0] == "sqs" && f[2] == "amazonaws" {
		region = f[1]
	}
	if f := strings.Split(name, "/"); len(f) > 1 {
		account, name = f[len(f)-2], f[len(f)-1]
	}
	return "arn:" + part + ":sqs:" + region + ":" + account + ":" + name
}
