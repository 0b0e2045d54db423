// Package builtin is the one list of what strm can speak: formats, layouts and
// object stores. Adding one is a line here and a directory of its own.
package builtin

import (
	"context"
	"sort"
	"strings"

	"strm/internal/awsauth"
	"strm/internal/credential"
	"strm/internal/format"
	"strm/internal/format/csv"
	"strm/internal/format/jsonl"
	"strm/internal/format/parquet"
	"strm/internal/layout"
	"strm/internal/notice/sqs"
	"strm/internal/objstore"
	"strm/internal/objstore/dir"
	"strm/internal/objstore/gcs"
	"strm/internal/objstore/s3"
	"strm/internal/policy"
	"strm/internal/problem"
	"strm/internal/stream"
)

// formats are the file formats.
var formats = []format.Format{jsonl.Format{}, csv.Format{}, parquet.Format{}}

// Format returns the format of that name.
func Format(name string) (format.Format, error) {
	for _, f := range formats {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, problem.New(problem.Invalid, "format %q is not known; use one of %s", name, strings.Join(FormatNames(), ", "))
}

// FormatNames returns what --format takes.
func FormatNames() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name())
	}
	sort.Strings(names)
	return names
}

// CheckOutput fills the defaults of an output (layout strm, and the format,
// compression, envelope and schema that the layout goes with) and refuses what no layout or format
// can do, and what could make a key longer than stores take below the sink's
// prefix for a stream of this name and number of partitions.
func CheckOutput(o stream.Output, sinkPrefix, streamName string, partitions int) (stream.Output, error) {
	if o.Layout == "" {
		o.Layout = "strm"
	}
	l, err := layout.Parse(o.Layout)
	if err != nil {
		return o, err
	}
	if o.Format == "" {
		o.Format = l.Defaults().Format
	}
	if o.Compression == "" && o.Format != "parquet" { // there it is of the pages
		o.Compression = l.Defaults().Compression
	}
	if o.Envelope.Style == stream.EnvelopeNone {
		o.Envelope.Style = l.Defaults().Envelope
	}
	if o.Table.Schema == "" {
		o.Table.Schema = l.Defaults().Schema
	}
	if err := stream.CheckPathPrefix(o.PathPrefix); err != nil {
		return o, err
	}
	if err := stream.CheckStreamPrefix(o.StreamPrefix); err != nil {
		return o, err
	}
	if o.StreamPrefix != "" && !l.NamesStream() {
		return o, problem.New(problem.Invalid, "layout %s does not name the stream, so a stream prefix has no place in it; leave it out, or put {stream} into the layout", o.Layout)
	}
	f, err := Format(o.Format)
	if err != nil {
		return o, err
	}
	v, err := f.Variant(o)
	if err != nil {
		return o, err
	}
	o.Compression = v.Compression
	if err := l.CheckForm(o.Format, o.Compression); err != nil {
		return o, err
	}
	if l.Fixed() && (o.Envelope != stream.Envelope{} || o.Flattening != stream.FlattenDefault) {
		return o, problem.New(problem.Invalid, "layout %s holds events as they are: envelope and flattening do not fit; leave them out", o.Layout)
	}
	if l.NeedsSource() {
		if err := stream.CheckSourceID(o.Source); err != nil {
			return o, err
		}
	}
	facts := layout.Facts{Prefix: stream.JoinPrefix(sinkPrefix, o.PathPrefix), Stream: o.StreamPrefix + streamName, Source: o.Source, Ext: v.Ext, Compression: v.Compression}
	return o, l.CheckLength(facts, partitions)
}

// Writes returns what an exporter with this output (its defaults filled in) puts
// into a bucket, below the prefixes: of use to who writes a policy.
func Writes(o stream.Output) (policy.Keys, error) {
	f, err := Format(o.Format)
	if err != nil {
		return policy.Keys{}, err
	}
	v, err := f.Variant(o)
	if err != nil {
		return policy.Keys{}, err
	}
	l, err := layout.Parse(o.Layout)
	if err != nil {
		return policy.Keys{}, err
	}
	return policy.Keys{Constant: l.Constant(), Ext: l.Ext(v.Compression, v.Ext), Encrypt: l.Form().Encrypt, Look: l.ByMoment()}, nil
}

// OpenBucket opens the bucket of a sink with its unsealed credentials. session
// names the sessions of a role that they assume.
func OpenBucket(ctx context.Context, s stream.Sink, c credential.Credential, session string) (objstore.Bucket, error) {
	switch s.Type {
	case stream.SinkS3:
		return s3.Open(ctx, s3.Config{
			Bucket: s.Bucket, Endpoint: s.Endpoint, Region: s.KnownRegion(), PathStyle: s.PathStyle,
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Ambient: c.AccessKeyID == "",
			Role: role(s), Session: session,
			Encryption: s3.Encryption(s.Encryption), KMSKey: s.KMSKey,
		})
	case stream.SinkGCS:
		return gcs.Open(ctx, gcs.Config{Bucket: s.Bucket, CredentialsJSON: c.GCSJSON, Endpoint: s.Endpoint})
	case stream.SinkDir:
		return dir.Open(s.Bucket)
	}
	return nil, problem.New(problem.Invalid, "sink type %q is not known; use S3, GCLOUD or DIR", s.Type)
}

// OpenQueue opens the queue at queueURL with the unsealed credentials of a sink,
// to take notices from it; if topicARN is not empty, no other topic's.
func OpenQueue(ctx context.Context, s stream.Sink, c credential.Credential, session, queueURL, topicARN string, d sqs.Deps) (*sqs.Poller, error) {
	if s.Type != stream.SinkS3 {
		return nil, problem.New(problem.Invalid, "only sinks of type S3 have queues: sink %s is of type %s", s.Name, s.Type)
	}
	region := s.KnownRegion()
	return sqs.Open(ctx, sqs.Config{
		QueueURL: queueURL, Region: region, TopicARN: topicARN,
		Auth: awsauth.Config{
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Ambient: c.AccessKeyID == "",
			Role: role(s), Region: region, Endpoint: s.Endpoint, Session: session,
		},
	}, d)
}

func role(s stream.Sink) awsauth.Role {
	return awsauth.Role{ARN: s.Role.ARN, ExternalID: s.Role.ExternalID, STSEndpoint: s.Role.Endpoint}
}
