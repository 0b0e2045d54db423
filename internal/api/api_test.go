package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/stream"
)

func TestStreams(t *testing.T) {
	s := newSite(t)
	var list map[string][]apiv1.Stream
	if a := s.want(200, "GET", "/v1/streams", nil, &list); strings.TrimSpace(string(a.body)) != `{"streams":[]}` {
		t.Errorf("empty list is %s", a.body)
	}
	var st apiv1.Stream
	s.want(201, "POST", "/v1/streams", `{"name":"demo","partitions":2,"tags":["a"],"retention":{"maxAge":"24h","maxBytes":5}}`, &st)
	if st.Name != "demo" || st.Partitions != 2 || !st.StrmMeta || st.Retention != (apiv1.Retention{MaxAge: "24h0m0s", MaxBytes: 5}) || len(st.ID) != 16 {
		t.Errorf("created %+v", st)
	}
	s.Append("demo", 1, 3, time.Now())
	s.want(200, "GET", "/v1/streams/demo", nil, &st)
	if len(st.Bounds) != 2 || st.Bounds[1].End != 3 || st.Bounds[1].Partition != 1 || st.Bounds[1].Bytes == 0 {
		t.Errorf("bounds %+v", st.Bounds)
	}
	s.want(200, "PATCH", "/v1/streams/demo", `{"strmMeta":false,"retention":{}}`, &st)
	if st.StrmMeta || st.Retention != (apiv1.Retention{}) {
		t.Errorf("changed to %+v", st)
	}
	if a := s.want(204, "DELETE", "/v1/streams/demo", nil, nil); len(a.body) != 0 {
		t.Errorf("deleted with %q", a.body)
	}
	if p := s.refused(404, "GET", "/v1/streams/demo", nil); p.Kind != "not_found" || !strings.Contains(p.Detail, "demo") {
		t.Errorf("%+v", p)
	}
	s.refused(400, "POST", "/v1/streams", `{"name":"x","retention":{"maxAge":"soon"}}`)
}

func TestStreamsOnTopics(t *testing.T) {
	w, _ := controltest.NewOverKafka(t)
	s := newSiteOver(t, w)
	var st apiv1.Stream
	s.want(201, "POST", "/v1/streams", `{"name":"clicks"}`, &st)
	if st.Topic == nil || *st.Topic != (apiv1.Topic{Name: "clicks", Values: "json", Invalid: "block", Repeats: "exact across nodes"}) || st.Partitions != 3 {
		t.Errorf("created %+v", st)
	}
	st = apiv1.Stream{}
	s.want(201, "POST", "/v1/streams", `{"name":"in","topic":"orders","values":"registry","invalid":"drop"}`, &st)
	want := apiv1.Topic{Name: "orders", Adopted: true, Values: "registry", Invalid: "drop"}
	if st.Topic == nil || *st.Topic != want || st.Partitions != 5 || st.StrmMeta || st.Retention != (apiv1.Retention{}) {
		t.Errorf("adopted %+v", st)
	}
	st = apiv1.Stream{}
	s.want(200, "PATCH", "/v1/streams/in", `{"invalid":"block"}`, &st)
	want.Invalid = "block"
	if st.Topic == nil || *st.Topic != want {
		t.Errorf("changed to %+v", st.Topic)
	}
	st = apiv1.Stream{}
	if s.want(200, "GET", "/v1/streams/in", nil, &st); st.Topic == nil || *st.Topic != want || len(st.Bounds) != 5 {
		t.Errorf("shown as %+v", st)
	}
	s.refused(404, "POST", "/v1/streams", `{"name":"x","topic":"nope"}`)
	s.refused(409, "POST", "/v1/streams", `{"name":"x","topic":"orders"}`)
	s.refused(400, "POST", "/v1/streams", `{"name":"x","topic":"orders","values":"avro"}`)
	s.refused(400, "POST", "/v1/streams", `{"name":"x","retention":{"maxBytes":5}}`)
	if p := newSite(t).refused(400, "POST", "/v1/streams", `{"name":"x","topic":"orders"}`); !strings.Contains(p.Detail, "--log kafka://") {
		t.Errorf("%+v", p)
	}
}

func TestSources(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	var src apiv1.Source
	s.want(201, "POST", "/v1/sources", apiv1.CreateSource{Name: "web", Stream: "demo"}, &src)
	key := src.WriteKey
	if !strings.HasPrefix(key, "strm_") || src.Kind != "events" || src.Stream != "demo" {
		t.Errorf("created %+v", src)
	}
	s.seen.Reset() // the one answer that may show the key
	s.want(200, "GET", "/v1/sources/web", nil, &apiv1.Source{})
	s.want(200, "GET", "/v1/sources", nil, &map[string][]apiv1.Source{})
	s.refused(409, "POST", "/v1/sources", apiv1.CreateSource{Name: "web", Stream: "demo"})
	s.want(204, "DELETE", "/v1/sources/web", nil, nil)
	s.refused(404, "DELETE", "/v1/sources/web", nil)
	if text := s.seen.String(); strings.Contains(text, key) || strings.Contains(text, control.KeyHash(key)) {
		t.Error("the write key or its hash is shown again")
	}
}

func TestSinks(t *testing.T) {
	s := newSite(t)
	var k apiv1.Sink
	body := apiv1.PutSink{Bucket: "b", Credentials: controltest.Credentials, Region: "eu-west-1"}
	s.want(201, "PUT", "/v1/sinks/s3", body, &k)
	if k.Type != "S3" || k.Credentials != "aws-access-key" || k.Principal != "AKIAEXAMPLEEXAMPLE12" || k.Region != "eu-west-1" {
		t.Errorf("created %+v", k)
	}
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	s.want(201, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Stream: "demo"}, nil)
	body.Bucket = "other"
	s.want(200, "PUT", "/v1/sinks/s3", body, &k)
	if k.Bucket != "other" || k.Warning == "" {
		t.Errorf("updated %+v", k)
	}
	var list struct{ Sinks []apiv1.Sink }
	s.want(200, "GET", "/v1/sinks", nil, &list)
	if len(list.Sinks) != 1 || len(list.Sinks[0].Exporters) != 0 {
		t.Errorf("listed %+v", list)
	}
	s.want(200, "GET", "/v1/sinks?recursive=true", nil, &list)
	var one apiv1.Sink
	s.want(200, "GET", "/v1/sinks/s3?recursive=true", nil, &one)
	if len(list.Sinks[0].Exporters) != 1 || len(one.Exporters) != 1 || one.Exporters[0].Name != "s3-demo" {
		t.Errorf("with exporters: %+v, %+v", list, one)
	}
	if p := s.refused(409, "DELETE", "/v1/sinks/s3", nil); !strings.HasPrefix(p.Detail, "Cannot delete sink with name s3,") {
		t.Errorf("%+v", p)
	}
	s.want(204, "DELETE", "/v1/sinks/s3?recursive=true", nil, nil)
	s.refused(404, "GET", "/v1/batch-exporters/s3-demo", nil)
}

// All that says how a sink gets access goes in and comes out, and decides its
// policies.
func TestSinkAccess(t *testing.T) {
	s := newSite(t)
	var k apiv1.Sink
	body := apiv1.PutSink{
		Bucket: "b/path/prefix", Credentials: controltest.Credentials, Region: "cn-north-1", RoleARN: "arn:aws-cn:iam::123456789012:role/r",
		ExternalID: "workspace", STSEndpoint: "https://sts.example.org", Encryption: "aws:kms", KMSKey: "k",
	}
	s.want(201, "PUT", "/v1/sinks/s3", body, &k)
	if k.Bucket != "b" || k.Prefix != "path/prefix" || k.RoleARN != body.RoleARN || k.ExternalID != "workspace" ||
		k.STSEndpoint != body.STSEndpoint || k.Encryption != "SSE-KMS" || k.KMSKey != "k" {
		t.Errorf("created %+v", k)
	}
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	s.want(201, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Stream: "demo", PathPrefix: "own"}, nil)
	body.Credentials, body.KeepCredentials, body.Bucket = "", true, "b/other"
	s.want(200, "PUT", "/v1/sinks/s3", body, &k)
	if k.Principal != "AKIAEXAMPLEEXAMPLE12" || !strings.Contains(k.Warning, "another prefix") {
		t.Errorf("updated %+v", k)
	}
	var p apiv1.Policies
	s.want(200, "GET", "/v1/sinks/s3/policy?exporter=demo%2Fs3-demo&principal=arn:aws-cn:iam::1:user/u&enforceEncryption=true", nil, &p)
	if p.IAM.Statement[0].Resource[0] != "arn:aws-cn:s3:::b/other/own/*.jsonl" || p.IAM.Statement[1].Resource[0] != "arn:aws-cn:kms:cn-north-1:123456789012:key/k" ||
		len(p.Bucket.Statement) != 3 || p.Bucket.Statement[0].Principal.AWS != body.RoleARN || p.KMS == nil || p.Assume == nil ||
		p.Trust.Statement[0].Principal.AWS != "arn:aws-cn:iam::1:user/u" || p.Trust.Statement[0].Condition["StringEquals"]["sts:ExternalId"] != "workspace" || len(p.Notes) != 1 {
		t.Errorf("policies %+v", p)
	}
	s.refused(404, "GET", "/v1/sinks/nope/policy", nil)
	s.refused(404, "GET", "/v1/sinks/s3/policy?exporter=nope", nil)
	s.refused(400, "GET", "/v1/sinks/s3/policy?principal=me", nil)
	s.refused(400, "PUT", "/v1/sinks/s3", apiv1.PutSink{Bucket: "b", Encryption: "rot13"})
}

func TestExporters(t *testing.T) {
	s := filled(t)
	var x apiv1.Exporter
	a := s.want(200, "GET", "/v1/batch-exporters/s3-demo", nil, &x)
	if x.Interval != "60s" || x.Layout != "strm" || x.PathPrefix != "events" || x.Status.State != "running" || !strings.Contains(string(a.body), `"position":[0]`) {
		t.Errorf("created %s", a.body)
	}
	s.want(200, "GET", "/v1/batch-exporters/demo%2Fs3-demo", nil, &x)
	s.want(200, "PATCH", "/v1/batch-exporters/s3-demo?stream=demo", `{"interval":"30"}`, &x)
	if x.Interval != "30s" {
		t.Errorf("interval %q", x.Interval)
	}
	s.want(200, "PUT", "/v1/batch-exporters/s3-demo?stream=demo", `{"stream":"","interval":"300s","pathPrefix":"p"}`, &x)
	if x.Interval != "300s" || x.PathPrefix != "p" {
		t.Errorf("put %+v", x)
	}
	s.want(201, "PUT", "/v1/batch-exporters/other?stream=demo", `{"stream":"demo","sink":"s3","interval":"30s"}`, &x)
	if x.Name != "other" {
		t.Errorf("put %+v", x)
	}
	if p := s.refused(400, "PUT", "/v1/batch-exporters/other?stream=demo", `{"stream":"else"}`); !strings.Contains(p.Detail, "the address says") {
		t.Errorf("%+v", p)
	}
	var list map[string][]apiv1.Exporter
	s.want(200, "GET", "/v1/batch-exporters?stream=demo", nil, &list)
	if len(list["batchExporters"]) != 2 {
		t.Errorf("listed %+v", list)
	}
	s.want(200, "POST", "/v1/batch-exporters/other/pause", nil, &x)
	if x.Status.State != "paused" {
		t.Errorf("paused %+v", x.Status)
	}
	s.want(200, "POST", "/v1/batch-exporters/other/resume", nil, &x)
	if x.Status.State != "running" {
		t.Errorf("resumed %+v", x.Status)
	}
	s.want(204, "DELETE", "/v1/batch-exporters/other", nil, nil)
	s.refused(404, "DELETE", "/v1/batch-exporters/other", nil)
	s.refused(409, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Stream: "demo"})
	for _, bad := range []string{`{"interval":"0"}`, `{"interval":"never"}`, `{"interval":"5s"}`} {
		if p := s.refused(400, "PATCH", "/v1/batch-exporters/s3-demo", bad); !strings.Contains(p.Detail, "interval") {
			t.Errorf("%+v", p)
		}
	}
}

// The exporter exists although its sink does not work, and the answer says both.
func TestCreateExporterBlocked(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	s.want(201, "PUT", "/v1/sinks/s3", apiv1.PutSink{Bucket: "b"}, nil)
	s.Runner.ValidateErr = &objstore.Error{Op: "put", Reason: objstore.Denied, Action: "s3:PutObject", Status: 403}
	s.Runner.Trouble = exporter.Status{NextRetryAt: time.Now().Add(time.Minute)}
	var x apiv1.Exporter
	s.want(201, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Stream: "demo"}, &x)
	if x.Status.State != "blocked" || !strings.Contains(x.Status.Reason, "s3:PutObject") || x.Status.Since == nil || x.Status.NextRetryAt == nil {
		t.Errorf("status %+v", x.Status)
	}
	s.want(200, "GET", "/v1/batch-exporters/s3-demo", nil, &x)
}

func TestFlush(t *testing.T) {
	s := filled(t)
	s.Append("demo", 0, 3, time.Now())
	var f apiv1.Flush
	s.want(200, "POST", "/v1/batch-exporters/s3-demo/flush", nil, &f)
	if f.Done || f.Token == "" {
		t.Errorf("%+v", f)
	}
	x, err := s.Exporter(t.Context(), "demo", "s3-demo")
	if err != nil {
		t.Fatal(err)
	}
	s.Runner.Deliver(x.ID, stream.Position{3})
	s.want(200, "POST", "/v1/batch-exporters/s3-demo/flush?wait=30s&until="+f.Token, nil, &f)
	if !f.Done || len(f.Status.Delivered) != 1 || f.Status.Delivered[0] != 3 {
		t.Errorf("%+v", f)
	}
	s.refused(400, "POST", "/v1/batch-exporters/s3-demo/flush?wait=1h", nil)
	s.refused(400, "POST", "/v1/batch-exporters/s3-demo/flush?wait=x", nil)
	s.refused(400, "POST", "/v1/batch-exporters/s3-demo/flush?until=x", nil)
}

func TestReplayAndVerify(t *testing.T) {
	s := filled(t)
	var r apiv1.Replayed
	s.want(200, "POST", "/v1/batch-exporters/s3-demo/replay", `{"into":"again","from":"2026-01-01T00:00:00Z"}`, &r)
	if r.Replay == "" || r.Events != 3 || len(r.Batches) != 1 {
		t.Errorf("%+v", r)
	}
	s.refused(400, "POST", "/v1/batch-exporters/s3-demo/replay", `{"into":"events"}`)
	s.refused(400, "POST", "/v1/batch-exporters/s3-demo/replay", nil)
	var v apiv1.Verification
	s.want(200, "POST", "/v1/batch-exporters/s3-demo/verify", nil, &v)
	if v.OK || v.Exporter != "s3-demo" || len(v.Differences) != 1 {
		t.Errorf("%+v", v)
	}
}

func TestBatches(t *testing.T) {
	s := filled(t)
	x, err := s.Exporter(t.Context(), "demo", "s3-demo")
	if err != nil {
		t.Fatal(err)
	}
	s.Append("demo", 0, 2, time.Now())
	b := stream.Batch{
		ID: stream.BatchID(x.ID, 1), ExporterID: x.ID, StreamID: x.StreamID, Stream: "demo", Sink: x.Sink, Seq: 1, Reason: stream.CutInterval,
		CutAt: time.Now(), State: stream.BatchPlanned, PlannedAt: time.Now(), Output: x.Output, Encoder: "jsonl/1",
		Objects: []stream.Object{{Key: "events/k.jsonl", Events: 2, Ranges: []stream.Range{{End: 2}}}},
	}
	if err := s.DB.Plan(t.Context(), []stream.Batch{b}, stream.Position{2}); err != nil {
		t.Fatal(err)
	}
	b.State, b.Attempts, b.AttemptedAt, b.DoneAt = stream.BatchDone, 1, time.Now(), time.Now()
	b.Objects[0].MaybeStored, b.Objects[0].Stored, b.Objects[0].Bytes, b.Objects[0].CRC32 = true, true, 16, 0x01020304
	if err := s.DB.Save(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	var list struct {
		Batches []apiv1.Batch
		Next    int64
	}
	s.want(200, "GET", "/v1/batch-exporters/s3-demo/batches?limit=10&state=done", nil, &list)
	if len(list.Batches) != 1 || list.Next != 0 {
		t.Fatalf("%+v", list)
	}
	var one apiv1.Batch
	s.want(200, "GET", "/v1/batches/"+b.ID, nil, &one)
	if got, want := fmt.Sprint(one.Objects), fmt.Sprint(list.Batches[0].Objects); got != want {
		t.Errorf("%s and %s", got, want)
	}
	if one.Exporter != "s3-demo" || one.Events != 2 || one.Bytes != 16 || one.Objects[0].CRC32 != "AQIDBA==" || one.Ranges[0].End != 2 || one.DoneAt == nil {
		t.Errorf("%+v", one)
	}
	replay := stream.Batch{
		ID: stream.BatchID(x.ID, 2), ExporterID: x.ID, StreamID: x.StreamID, Stream: "demo", Sink: x.Sink, Seq: 2, Reason: stream.CutReplay, Replay: "replay-1",
		State: stream.BatchPlanned, Output: x.Output, Objects: []stream.Object{{Key: "again/k.jsonl", Events: 2, Ranges: []stream.Range{{End: 2}}}},
	}
	if err := s.DB.Plan(t.Context(), []stream.Batch{replay}, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{1, 0} {
		var gone apiv1.Cancelled
		s.want(200, "DELETE", "/v1/batch-exporters/s3-demo/replays/replay-1?stream=demo", nil, &gone)
		if gone.Abandoned != want {
			t.Errorf("%d abandoned, want %d", gone.Abandoned, want)
		}
	}
	s.refused(404, "DELETE", "/v1/batch-exporters/s3-demo/replays/nope", nil)
	s.refused(404, "GET", "/v1/batches/nope", nil)
	s.refused(400, "GET", "/v1/batch-exporters/s3-demo/batches?limit=x", nil)
	s.refused(400, "GET", "/v1/batch-exporters/s3-demo/batches?state=lost", nil)

	var x1 apiv1.Exporter
	s.want(200, "GET", "/v1/batch-exporters/s3-demo", nil, &x1)
	if x1.Status.DeliveredEvents != 2 || x1.Status.Batches != 1 || x1.Status.LastDeliveryAt == nil {
		t.Errorf("status %+v", x1.Status)
	}
}

func TestInfo(t *testing.T) {
	s := newSite(t)
	var info map[string]string
	s.want(200, "GET", "/v1/info", nil, &info)
	if info["version"] != "v9.9.9" || info["installation"] == "" || info["idempotencyWindow"] != "36h0m0s" {
		t.Errorf("%v", info)
	}
}

func TestTimesAreUTC(t *testing.T) {
	s := filled(t)
	var raw struct {
		CreatedAt string `json:"createdAt"`
	}
	a := s.want(200, "GET", "/v1/streams/demo", nil, nil)
	if err := json.Unmarshal(a.body, &raw); err != nil || !strings.HasSuffix(raw.CreatedAt, "Z") {
		t.Errorf("%q, %v", raw.CreatedAt, err)
	}
}

func TestSegmentSourceAndExporter(t *testing.T) {
	s := newSite(t)
	zero := "0"
	var src apiv1.Source
	s.want(201, "POST", "/v1/sources", apiv1.CreateSource{Name: "web", Kind: "segment", SourceID: "id-1", WriteKey: "old-write-key", Dedup: &zero}, &src)
	if src.Stream != "web" || !src.NewStream || src.SourceID != "id-1" || src.WriteKey != "old-write-key" || src.Dedup != "0s" {
		t.Errorf("created %+v", src)
	}
	s.want(200, "GET", "/v1/sources/web", nil, &src)
	if src.WriteKey != "" || src.NewStream || src.Dedup != "0s" || src.SourceID != "id-1" {
		t.Errorf("got %+v", src)
	}
	week := "168h"
	s.want(200, "PATCH", "/v1/sources/web", apiv1.UpdateSource{Dedup: &week, RotateKey: true}, &src)
	if src.Dedup != "168h0m0s" || !strings.HasPrefix(src.WriteKey, "strm_") {
		t.Errorf("updated %+v", src)
	}
	bad := "soon"
	s.refused(400, "PATCH", "/v1/sources/web", apiv1.UpdateSource{Dedup: &bad})
	s.refused(404, "PATCH", "/v1/sources/nope", apiv1.UpdateSource{RotateKey: true})
	s.refused(409, "POST", "/v1/sources", apiv1.CreateSource{Name: "x", Stream: "web"})

	s.want(201, "PUT", "/v1/sinks/s3", apiv1.PutSink{Bucket: "b", Credentials: controltest.Credentials}, nil)
	var e apiv1.Exporter
	s.want(201, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Stream: "web", Layout: "segment"}, &e)
	if e.Interval != "3600s" || e.Offset != "2400s" || e.MaxPacked != 100_000_000 || e.Format != "jsonl" || e.Compression != "gzip" {
		t.Errorf("created %+v", e)
	}
	none, off, n := int64(0), "0s", int64(7)
	s.want(201, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Name: "x", Stream: "web", Layout: "segment", Interval: "24h", Offset: "0s", MaxPacked: &none}, &e)
	if e.Interval != "86400s" || e.Offset != "" || e.MaxPacked != 0 {
		t.Errorf("created %+v", e)
	}
	late := "30m"
	s.want(200, "PATCH", "/v1/batch-exporters/x", apiv1.UpdateExporter{Offset: &late, MaxPacked: &n}, &e)
	if e.Interval != "86400s" || e.Offset != "1800s" || e.MaxPacked != 7 {
		t.Errorf("updated %+v", e)
	}
	s.want(200, "PATCH", "/v1/batch-exporters/x", apiv1.UpdateExporter{Offset: &off}, &e)
	if e.Offset != "" || e.MaxPacked != 7 {
		t.Errorf("updated %+v", e)
	}
	s.refused(400, "PATCH", "/v1/batch-exporters/x", apiv1.UpdateExporter{Offset: &bad})
	var tarsal apiv1.Exporter
	s.want(201, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Name: "t", Stream: "web", Layout: "tarsal", StreamPrefix: "old_"}, &tarsal)
	if tarsal.StreamPrefix != "old_" || tarsal.Options == nil || *tarsal.Options.Envelope != "tarsal" || tarsal.Compression != "none" {
		t.Errorf("created %+v", tarsal)
	}
	fresh := "new_"
	s.want(200, "PATCH", "/v1/batch-exporters/t", apiv1.UpdateExporter{StreamPrefix: &fresh}, &tarsal)
	if tarsal.StreamPrefix != "new_" {
		t.Errorf("updated %+v", tarsal)
	}
	up := "../"
	s.refused(400, "PATCH", "/v1/batch-exporters/t", apiv1.UpdateExporter{StreamPrefix: &up})
	s.refused(400, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Name: "y", Stream: "web", Layout: "segment", Compression: "none"})
}

func TestSplitSource(t *testing.T) {
	s := newSite(t)
	counts := "prod-counts"
	var src apiv1.Source
	s.want(201, "POST", "/v1/sources", apiv1.CreateSource{Name: "prod", Kind: "split", WriteKey: "sdk-key-1", Split: &apiv1.SplitSettings{
		Environment: "env-1", Counts: &counts, TrafficTypes: map[string]string{"user": "tt"}, Serve: json.RawMessage(`[{"name":"<checkout>","trafficTypeName":"user"}]`),
	}}, &src)
	if p := src.Split; src.WriteKey != "sdk-key-1" || !slices.Equal(src.NewStreams, []string{"prod", "prod-events", "prod-counts"}) || !src.NewStream || p == nil ||
		p.Environment != "env-1" || p.Events != "prod-events" || p.Counts != counts || p.Served == nil || p.Served.Flags != 1 || p.Served.ChangeNumber == 0 {
		t.Errorf("created %+v %+v", src, src.Split)
	}
	src = apiv1.Source{}
	s.want(200, "GET", "/v1/sources/prod", nil, &src)
	if src.WriteKey != "" || src.NewStreams != nil || src.Dedup != "" || src.Split.TrafficTypes["user"] != "tt" {
		t.Errorf("got %+v", src)
	}
	if u := src.Split.Unknown; u == nil || len(u.Flags) != 1 || u.Flags[0] != (apiv1.NameCount{Name: "new", Count: 3}) || !u.More {
		t.Errorf("unknown %+v", u)
	}
	none := ""
	src = apiv1.Source{}
	s.want(200, "PATCH", "/v1/sources/prod", apiv1.UpdateSource{Split: &apiv1.SplitSettings{Counts: &none, Flags: map[string]string{"a": "user"}, Serve: json.RawMessage("[]")}}, &src)
	if src.Split.Counts != "" || src.Split.Flags["a"] != "user" || src.Split.Served != nil || src.Split.Environment != "env-1" {
		t.Errorf("updated %+v", src.Split)
	}
	// A file of flags may be larger than other bodies.
	big := json.RawMessage(`[{"name":"a","x":"` + strings.Repeat("x", 3<<20) + `"}]`)
	s.want(200, "PATCH", "/v1/sources/prod", apiv1.UpdateSource{Split: &apiv1.SplitSettings{Serve: big}}, &src)
	s.refused(400, "PATCH", "/v1/sources/prod", apiv1.UpdateSource{Split: &apiv1.SplitSettings{Serve: json.RawMessage(`{"a":1}`)}})
	s.refused(400, "POST", "/v1/sources", apiv1.CreateSource{Name: "x", Kind: "split"})
	s.refused(409, "DELETE", "/v1/streams/prod-events", nil)
}
