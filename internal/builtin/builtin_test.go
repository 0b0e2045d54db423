package builtin

import (
	"strings"
	"testing"

	"strm/internal/credential"
	"strm/internal/notice/sqs"
	"strm/internal/policy"
	"strm/internal/problem"
	"strm/internal/stream"
)

// What fits depends on the stream: its name and the partitions that a key may list.
func TestCheckOutputKnowsTheStream(t *testing.T) {
	out := func(prefix int) stream.Output {
		return stream.Output{PathPrefix: strings.Repeat("p", prefix), Compression: "gzip"}
	}
	for _, tt := range []struct {
		name       string
		partitions int
		longest    int // prefix
	}{
		{"demo", 1, stream.MaxPathPrefix},
		{strings.Repeat("s", stream.MaxName), 1, 860},
		{"demo", 256, 830},
		{strings.Repeat("s", stream.MaxName), 256, 734},
	} {
		if _, err := CheckOutput(out(tt.longest), "", tt.name, tt.partitions); err != nil {
			t.Errorf("%d bytes of prefix, %d of name, %d partitions: %v", tt.longest, len(tt.name), tt.partitions, err)
		}
		if _, err := CheckOutput(out(tt.longest+1), "", tt.name, tt.partitions); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%d bytes of prefix, %d of name, %d partitions: %v", tt.longest+1, len(tt.name), tt.partitions, err)
		}
	}
}

func TestCheckOutputFillsDefaults(t *testing.T) {
	got, err := CheckOutput(stream.Output{}, "", "demo", 1)
	if want := (stream.Output{Layout: "strm", Format: "jsonl", Compression: "none"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// The sink's prefix is a part of every key.
func TestCheckOutputKnowsTheSinksPrefix(t *testing.T) {
	o := stream.Output{PathPrefix: strings.Repeat("p", 800)}
	if _, err := CheckOutput(o, strings.Repeat("q", 100), "demo", 1); err != nil {
		t.Error(err)
	}
	if _, err := CheckOutput(o, strings.Repeat("q", 200), "demo", 1); problem.KindOf(err) != problem.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestCheckOutputOfLayoutSegment(t *testing.T) {
	want := stream.Output{Layout: "segment", Format: "jsonl", Compression: "gzip", Source: "id"}
	for _, o := range []stream.Output{{Layout: "segment", Source: "id"}, want} {
		if got, err := CheckOutput(o, "", "demo", 1); err != nil || got != want {
			t.Errorf("%+v: got %+v, %v", o, got, err)
		}
	}
	for text, o := range map[string]stream.Output{
		"gzip JSON lines": {Layout: "segment", Source: "id", Compression: "none"},
		"source id":       {Layout: "segment"},
		"does not fit":    {Layout: "segment", Source: "id", Format: "csv"},
		"as they are":     {Layout: "segment", Source: "id", Envelope: stream.Envelope{Style: stream.EnvelopeTarsal}},
		"is not known":    {Format: "xml"},
	} {
		if _, err := CheckOutput(o, "", "demo", 1); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", o, err, text)
		}
	}
}

// What policies allow is where keys are, and no more of it.
func TestWrites(t *testing.T) {
	for _, tt := range []struct {
		o    stream.Output
		want policy.Keys
	}{
		{stream.Output{}, policy.Keys{Ext: "jsonl"}},
		{stream.Output{Compression: "gzip"}, policy.Keys{Ext: "jsonl.gz"}},
		{stream.Output{Layout: "hive", Compression: "zstd"}, policy.Keys{Ext: "jsonl.zst"}},
		{stream.Output{Layout: "a/b/{stream}/{batch}.{ext}"}, policy.Keys{Constant: "a/b/", Ext: "jsonl"}},
		{stream.Output{Layout: "segment", Source: "s"}, policy.Keys{Constant: "segment-logs/", Ext: "gz", Encrypt: true}},
	} {
		o, err := CheckOutput(tt.o, "", "demo", 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Writes(o); err != nil || got != tt.want {
			t.Errorf("%+v: %+v, %v; want %+v", tt.o, got, err, tt.want)
		}
	}
	if _, err := Writes(stream.Output{Layout: "nope", Format: "jsonl"}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("unknown layout: %v", err)
	}
}

func TestOpenQueue(t *testing.T) {
	const queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/q"
	c := credential.Credential{AccessKeyID: "AKIA", SecretAccessKey: "x"}
	s3 := stream.Sink{Name: "in", Type: stream.SinkS3, Bucket: "b", Role: stream.Role{ARN: "arn:aws:iam::123456789012:role/r"}}
	p, err := OpenQueue(t.Context(), s3, c, "strm", queue, "", sqs.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if _, err := OpenQueue(t.Context(), s3, c, "strm", "queue", "", sqs.Deps{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("no URL: %v", err)
	}
	if _, err := OpenQueue(t.Context(), stream.Sink{Name: "in", Type: stream.SinkGCS}, c, "strm", queue, "", sqs.Deps{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("GCS: %v", err)
	}
}
