package control_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestPutSinkKinds(t *testing.T) {
	mc := `{"url":"http://127.0.0.1:9000","accessKey":"minio","secretKey":"s"}`
	gcs := `{"type":"service_account","project_id":"p","client_email":"strm@example.iam","private_key":"-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n"}`
	for _, tt := range []struct {
		name string
		n    control.NewSink
		want stream.Sink
	}{
		{"s3 by its file", control.NewSink{Bucket: "b", Credentials: controltest.Credentials},
			stream.Sink{Type: stream.SinkS3, Bucket: "b", Shape: "aws-access-key", Principal: "AKIAEXAMPLEEXAMPLE12"}},
		{"gcs by its file", control.NewSink{Bucket: "b", Credentials: gcs},
			stream.Sink{Type: stream.SinkGCS, Bucket: "b", Shape: "gcp-service-account", Principal: "strm@example.iam"}},
		{"endpoint of the file", control.NewSink{Bucket: "b", Credentials: mc},
			stream.Sink{Type: stream.SinkS3, Bucket: "b", Shape: "mc-alias", Principal: "minio", Endpoint: "http://127.0.0.1:9000"}},
		{"endpoint given wins", control.NewSink{Bucket: "b", Credentials: mc, Endpoint: "https://s3.example.org"},
			stream.Sink{Type: stream.SinkS3, Bucket: "b", Shape: "mc-alias", Principal: "minio", Endpoint: "https://s3.example.org"}},
		{"the shortest keys of AWS", control.NewSink{Bucket: "b", Credentials: awsKey("AKIA567890123456", "0123456789012345")},
			stream.Sink{Type: stream.SinkS3, Bucket: "b", Shape: "aws-access-key", Principal: "AKIA567890123456"}},
		{"the longest", control.NewSink{Bucket: "b", Credentials: awsKey(strings.Repeat("A", 128), strings.Repeat("s", 128))},
			stream.Sink{Type: stream.SinkS3, Bucket: "b", Shape: "aws-access-key", Principal: strings.Repeat("A", 128)}},
		{"short keys of another store", control.NewSink{Bucket: "b", Credentials: awsKey("minioadmin", "minioadmin"), Endpoint: "http://127.0.0.1:9000"},
			stream.Sink{Type: stream.SinkS3, Bucket: "b", Shape: "aws-access-key", Principal: "minioadmin", Endpoint: "http://127.0.0.1:9000"}},
		{"ambient", control.NewSink{Bucket: "b", Region: "eu-west-1", PathStyle: true},
			stream.Sink{Type: stream.SinkS3, Bucket: "b", Shape: "ambient", Region: "eu-west-1", PathStyle: true}},
		{"ambient gcs", control.NewSink{Bucket: "b", Type: "gcloud"},
			stream.Sink{Type: stream.SinkGCS, Bucket: "b", Shape: "ambient"}},
		{"directory", control.NewSink{Bucket: "/data/out", Type: "dir"},
			stream.Sink{Type: stream.SinkDir, Bucket: "/data/out", Shape: "none"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := controltest.New(t)
			tt.n.Name = "sink"
			got, created, warning, err := w.PutSink(t.Context(), tt.n)
			if err != nil {
				t.Fatal(err)
			}
			if !created || warning != "" {
				t.Errorf("created %v, warning %q", created, warning)
			}
			if (tt.n.Credentials != "") != (len(got.Credentials) > 0) {
				t.Errorf("sealed credentials: %q", got.Credentials)
			}
			if tt.n.Credentials != "" {
				plain, err := w.Sealer.Open(got.Credentials, []byte("sink:sink"))
				if err != nil || string(plain) != tt.n.Credentials {
					t.Errorf("sealed for the sink: %q, %v", plain, err)
				}
				if bytes.Contains(got.Credentials, []byte(tt.n.Credentials)) {
					t.Error("the credentials are not sealed")
				}
			}
			got = stream.Sink{Type: got.Type, Bucket: got.Bucket, Shape: got.Shape, Principal: got.Principal, Endpoint: got.Endpoint, Region: got.Region, PathStyle: got.PathStyle}
			if got.Type != tt.want.Type || got.Bucket != tt.want.Bucket || got.Shape != tt.want.Shape || got.Principal != tt.want.Principal ||
				got.Endpoint != tt.want.Endpoint || got.Region != tt.want.Region || got.PathStyle != tt.want.PathStyle {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func awsKey(id, secret string) string {
	return `{"AccessKey":{"UserName":"u","AccessKeyId":"` + id + `","Status":"Active","SecretAccessKey":"` + secret + `"}}`
}

func TestPutSinkRefuses(t *testing.T) {
	w := controltest.New(t)
	for _, tt := range []struct {
		name string
		n    control.NewSink
		text string
	}{
		{"no name", control.NewSink{Bucket: "b"}, "needs a name"},
		{"no bucket", control.NewSink{Name: "s"}, "needs a bucket"},
		{"unknown type", control.NewSink{Name: "s", Bucket: "b", Type: "azure"}, `"azure"`},
		{"ambiguous file", control.NewSink{Name: "s", Bucket: "b", Credentials: `{"` + controltest.Secret + `":1}`}, "none of the known shapes"},
		{"type against file", control.NewSink{Name: "s", Bucket: "b", Type: "GCLOUD", Credentials: controltest.Credentials}, "--sink-type says GCLOUD"},
		{"password in the file's endpoint", control.NewSink{Name: "s", Bucket: "b", Credentials: `{"url":"http://u:` + controltest.Secret + `@h","accessKey":"a","secretKey":"s"}`}, "no user"},
		{"key id too short for AWS", control.NewSink{Name: "s", Bucket: "b", Credentials: awsKey("minioadmin", controltest.Secret+strings.Repeat("s", 20))}, "the access key id has 10 characters; it must have 16 to 128 on AWS; for another store give its endpoint"},
		{"key id too long", control.NewSink{Name: "s", Bucket: "b", Credentials: awsKey(strings.Repeat("A", 129), strings.Repeat("s", 40))}, "has 129 characters"},
		{"secret too short for AWS", control.NewSink{Name: "s", Bucket: "b", Credentials: awsKey("AKIAEXAMPLEEXAMPLE12", "secretsecretsec")}, "the secret access key has 15 characters"},
		{"secret too long", control.NewSink{Name: "s", Bucket: "b", Credentials: awsKey("AKIAEXAMPLEEXAMPLE12", strings.Repeat("s", 129))}, "has 129 characters"},
		{"scheme", control.NewSink{Name: "s", Bucket: "s3://b"}, "without a scheme"},
		{"path with an empty part", control.NewSink{Name: "s", Bucket: "b//c"}, "double slashes"},
		{"path that leads out", control.NewSink{Name: "s", Bucket: "b/../c"}, "not allowed"},
		{"path without bucket", control.NewSink{Name: "s", Bucket: "/c"}, "name before the first slash"},
		{"directory without type", control.NewSink{Name: "s", Bucket: "/data"}, "DIR"},
		{"blank", control.NewSink{Name: "s", Bucket: "a b"}, "letters"},
		{"endpoint without scheme", control.NewSink{Name: "s", Bucket: "b", Endpoint: "localhost:9000"}, "URL"},
		{"endpoint with password", control.NewSink{Name: "s", Bucket: "b", Endpoint: "http://u:" + controltest.Secret + "@h"}, "no user"},
		{"endpoint that is none", control.NewSink{Name: "s", Bucket: "b", Endpoint: "http://u:" + controltest.Secret + "@h:x"}, "URL"},
		{"region", control.NewSink{Name: "s", Bucket: "b", Region: "eu west"}, "region"},
		{"relative directory", control.NewSink{Name: "s", Bucket: "data", Type: "DIR"}, "absolute"},
		{"directory with dots", control.NewSink{Name: "s", Bucket: "/data/../etc", Type: "DIR"}, "absolute"},
		{"directory with credentials", control.NewSink{Name: "s", Bucket: "/data", Type: "DIR", Credentials: controltest.Credentials}, "no credentials"},
		{"directory with region", control.NewSink{Name: "s", Bucket: "/data", Type: "DIR", Region: "x"}, "no endpoint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, err := w.PutSink(t.Context(), tt.n)
			wantKind(t, err, problem.Invalid, tt.text)
			if strings.Contains(err.Error(), controltest.Secret) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
	if len(w.Runner.SinkChanges) != 0 {
		t.Errorf("the runner heard of sinks that were refused: %v", w.Runner.SinkChanges)
	}
}

// Putting a sink again updates it, leaves its exporters alone and tells the runner.
func TestPutSinkAgain(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	first := mustSink(t, w, "s3")
	x := mustExporter(t, w, control.NewExporter{Stream: "demo"})
	w.Runner.SinkChanges = nil

	again, created, warning, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b", Credentials: controltest.Credentials})
	if err != nil {
		t.Fatal(err)
	}
	if created || warning != "" || again.Revision <= first.Revision || !again.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("created %v, warning %q, %+v", created, warning, again)
	}
	if !slices.Equal(w.Runner.SinkChanges, []string{"s3"}) {
		t.Errorf("the runner heard of %v", w.Runner.SinkChanges)
	}
	_, _, warning, err = w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "other"})
	if err != nil || !strings.Contains(warning, "another place") {
		t.Errorf("warning %q, %v", warning, err)
	}
	after, err := w.Exporter(t.Context(), "demo", x.Name)
	if err != nil || after.ID != x.ID || after.Sink != "s3" {
		t.Errorf("its exporter is %+v, %v", after.Exporter, err)
	}
}

// While a batch waits for its sink, the sink stays where it is, and the refusal
// says how to go on. Credentials are not part of the place.
func TestPutSinkWhileABatchWaits(t *testing.T) {
	w, x := exporterWorld(t)
	w.Append("demo", 0, 2, time.Now())
	b := stream.Batch{
		ID: stream.BatchID(x.ID, 1), ExporterID: x.ID, StreamID: x.StreamID, Stream: "demo", Seq: 1, Sink: "s3", State: stream.BatchPlanned,
		Objects: []stream.Object{{Key: "k", Ranges: []stream.Range{{End: 2}}, Events: 2}},
	}
	if err := w.DB.Plan(t.Context(), []stream.Batch{b}, stream.Position{2}); err != nil {
		t.Fatal(err)
	}
	before, err := w.Sink(t.Context(), "s3")
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "other"})
	wantKind(t, err, problem.Conflict, "make a sink of another name")
	if after, err := w.Sink(t.Context(), "s3"); err != nil || after.Revision != before.Revision || after.Bucket != before.Bucket {
		t.Errorf("refused, but changed: %+v, %v", after, err)
	}
	if _, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: before.Bucket, Region: "eu-west-1", Credentials: controltest.Credentials}); err != nil {
		t.Errorf("other credentials: %v", err)
	}
	// The exporter goes elsewhere, its batch does not.
	if _, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "two", Bucket: "other"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UpdateExporter(t.Context(), "demo", "x", control.ExporterChange{Sink: ptr("two")}); err != nil {
		t.Fatal(err)
	}
	if got, _, err := w.Batch(t.Context(), b.ID); err != nil || got.Sink != "s3" {
		t.Errorf("batch %+v, %v", got, err)
	}
	wantKind(t, w.DeleteSink(t.Context(), "s3", true), problem.Conflict, "strm flush")
}

// A sink whose credentials cannot be sealed is not stored at all.
func TestPutSinkCannotSeal(t *testing.T) {
	w := controltest.New(t)
	d := w.Deps
	d.Sealer = brokenSealer{}
	_, _, _, err := control.New(d).PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b", Credentials: controltest.Credentials})
	wantInjected(t, err)
	if _, err := w.Sink(t.Context(), "s3"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("the sink exists: %v", err)
	}
}

type brokenSealer struct{}

func (brokenSealer) Seal([]byte, []byte) ([]byte, error) { return nil, controltest.ErrInjected }

func TestPutSinkFaults(t *testing.T) {
	w := controltest.New(t)
	w.Faults.LoseRequest("PutSink")
	_, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b"})
	wantInjected(t, err)
	w.Faults.Clear()
	w.Faults.LoseAnswer("PutSink")
	w.Runner.SinkChanges = nil
	_, _, _, err = w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b"})
	wantInjected(t, err)
	if !slices.Equal(w.Runner.SinkChanges, []string{"s3"}) {
		t.Errorf("the write happened, but the runner heard of %v", w.Runner.SinkChanges)
	}
	w.Faults.Clear()
	if _, created, _, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b"}); err != nil || created {
		t.Errorf("repeated: created %v, %v", created, err)
	}
}

func TestDeleteSink(t *testing.T) {
	for _, tt := range []struct {
		name    string
		inject  func(*controltest.World)
		deleted bool
		failed  bool
	}{
		{"well", func(*controltest.World) {}, true, false},
		{"request lost", func(w *controltest.World) { w.Faults.LoseRequest("DeleteSink") }, false, true},
		{"answer lost", func(w *controltest.World) { w.Faults.LoseAnswer("DeleteSink") }, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := controltest.New(t)
			mustStream(t, w, "demo", 1)
			mustSink(t, w, "s3sink")
			x := mustExporter(t, w, control.NewExporter{Stream: "demo"})
			wantKind(t, w.DeleteSink(t.Context(), "s3sink", false), problem.Conflict,
				"Cannot delete sink with name s3sink, as it still has exporters linked to it. Delete those first before deleting this sink.")

			tt.inject(w)
			err := w.DeleteSink(t.Context(), "s3sink", true)
			w.Faults.Clear()
			if tt.failed {
				wantInjected(t, err)
			} else if err != nil {
				t.Fatal(err)
			}
			_, running := w.Runner.Running[x.ID]
			_, err = w.Sink(t.Context(), "s3sink")
			if gone := problem.KindOf(err) == problem.NotFound; gone != tt.deleted || running == tt.deleted {
				t.Errorf("sink gone %v, exporter runs %v", gone, running)
			}
		})
	}
	w := controltest.New(t)
	wantKind(t, w.DeleteSink(t.Context(), "nope", true), problem.NotFound, "nope")
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	mustExporter(t, w, control.NewExporter{Stream: "demo"})
	w.Runner.ReloadErr = controltest.ErrInjected
	wantKind(t, w.DeleteSink(t.Context(), "s3", true), problem.Internal, "still runs")
}

// One store that is written in two ways is one place: who shares a bucket by two
// sinks shares its keys and its status reports.
func TestEndpointsAreWrittenInOneWay(t *testing.T) {
	w := controltest.New(t)
	for name, endpoint := range map[string]string{"a": "https://s3.example.org", "b": "https://s3.example.org/", "c": "HTTPS://S3.Example.org//", "d": "https://s3.example.org:443"} {
		s, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: name, Bucket: "b", Credentials: controltest.Credentials, Endpoint: endpoint})
		if err != nil || s.Endpoint != "https://s3.example.org" {
			t.Errorf("%s: %q, %v", endpoint, s.Endpoint, err)
		}
	}
	s, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "e", Bucket: "b", Credentials: controltest.Credentials, Endpoint: "http://S3.example.org:9000/Base/"})
	if err != nil || s.Endpoint != "http://s3.example.org:9000/Base" {
		t.Errorf("%q, %v", s.Endpoint, err)
	}

	// A sink that was stored before keeps its way of writing, and so its place.
	old := s
	old.Name, old.Endpoint = "old", "https://S3.example.org/"
	_, _, err = w.DB.PutSink(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	s, _, warning, err := w.PutSink(t.Context(), control.NewSink{Name: "old", Bucket: "b", Credentials: controltest.Credentials, Endpoint: "https://s3.example.org"})
	if err != nil || s.Endpoint != old.Endpoint || warning != "" {
		t.Errorf("%q, %q, %v", s.Endpoint, warning, err)
	}
}
