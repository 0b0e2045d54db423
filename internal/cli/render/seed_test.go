package render_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const inst = "demo8542234275"

func show(t *testing.T, v render.View, f render.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSeedText compares with the vendor's pages character by character; only
// the echo of the credentials is left out.
func TestSeedText(t *testing.T) {
	for _, tt := range []struct {
		name string
		view render.View
		want string
	}{
		{"gen 2 create sink", render.Sink(inst, apiv1.Sink{Name: "s3", Type: "S3", Bucket: "strmprivacy-export-demo", Credentials: "aws-access-key", Principal: "AKIA"}), `{
  "ref": {
    "billingId": "demo8542234275",
    "name": "s3"
  },
  "sinkType": "S3",
  "bucket": {
    "bucketName": "strmprivacy-export-demo"
  }
}
`},
		{"gen 2 list sinks", render.Sinks(inst, []apiv1.Sink{{Name: "s3", Type: "S3", Bucket: "jankees-mybucket", Credentials: "aws-access-key"}}), `{
  "sinks": [
    {
      "sink": {
        "ref": {
          "billingId": "demo8542234275",
          "name": "s3"
        },
        "sinkType": "S3",
        "bucket": {
          "bucketName": "jankees-mybucket"
        }
      }
    }
  ]
}
`},
		{"gen 2 delete", render.Deleted("Sink", true), "{}\n"},
		{"gen 2 no sinks", render.Sinks(inst, nil), "{}\n"},
		{"gen 2 no streams", render.Streams(inst, nil), "{}\n"},
		{"gen 2 no exporters", render.Exporters(inst, nil), "{}\n"},
		{"no sources", render.Sources(nil), "{}\n"},
		{"no batches", render.Batches(nil, 0), "{\n  \"batches\": []\n}\n"},
		{"gen 1 create sink", render.Gen1Sink(apiv1.Sink{Name: "s3-export", Type: "S3", Bucket: "stream-machine-export-demo", Credentials: "aws-access-key"}), `{
  "sinkType": "S3",
  "sinkName": "s3-export",
  "bucketName": "stream-machine-export-demo"
}
`},
		{"gen 1 create exporter", render.Gen1Exporter(apiv1.Exporter{Name: "s3-export-demo", Stream: "demo", Sink: "s3-export", Interval: "30s", PathPrefix: "your-optional-prefix"}, "S3"), `{
  "name": "s3-export-demo",
  "linkedStream": "demo",
  "sinkName": "s3-export",
  "sinkType": "S3",
  "intervalSecs": 30,
  "type": "BATCH",
  "pathPrefix": "your-optional-prefix"
}
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := show(t, tt.view, render.JSON); got != tt.want {
				t.Errorf("got %s want %s", got, tt.want)
			}
		})
	}
}

// TestSeedExporter: the seed's five fields, in its order, come first and as it
// shows them; what strm adds follows.
func TestSeedExporter(t *testing.T) {
	got := show(t, render.Exporter(inst, apiv1.Exporter{Name: "s3-demo", Stream: "demo", Sink: "s3", Interval: "1m0s", PathPrefix: "events"}), render.JSONRaw)
	want := `{"ref":{"billingId":"demo8542234275","name":"s3-demo"},"streamRef":{"billingId":"demo8542234275","name":"demo"},"interval":"60s","sinkName":"s3","pathPrefix":"events",`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %s want it to begin with %s", got, want)
	}
	if !json.Valid([]byte(got)) || strings.Count(got, "\n") != 1 {
		t.Errorf("not one line of JSON: %q", got)
	}
	got = show(t, render.Exporter(inst, apiv1.Exporter{Name: "s3-demo", Stream: "demo", Sink: "s3", Interval: "300s"}), render.JSONRaw)
	if strings.Contains(got, "pathPrefix") || !strings.Contains(got, `"interval":"300s"`) {
		t.Errorf("an unset prefix is shown, or the interval is not in seconds: %s", got)
	}
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func views() map[string]render.View {
	since := at("2026-03-01T10:00:00Z")
	x := apiv1.Exporter{
		Name: "s3-demo", ID: "0a1b2c3d", Stream: "demo", Sink: "s3", PathPrefix: "events", Interval: "60s", MaxBytes: 1 << 20, Layout: "strm",
		Format: "jsonl", Compression: "none", FromStart: true, CreatedAt: since,
		Status: apiv1.Status{
			State: "retrying", Reason: "503 from the store", Since: &since, NextRetryAt: &since, WaitingEvents: 1, DeliveredEvents: 12, Batches: 2,
			LastDeliveryAt: &since, Position: []int64{13}, Delivered: []int64{12},
		},
	}
	s := apiv1.Stream{
		Name: "demo", ID: "151daf78eb704b6a", Partitions: 2, StrmMeta: true, Description: "clicks <b>", Tags: []string{"a", "b"},
		Retention: apiv1.Retention{MaxAge: "168h0m0s", MaxBytes: 10 << 30}, CreatedAt: since,
		Bounds: []apiv1.Partition{{Partition: 0, Floor: 0, End: 10, Bytes: 1000}, {Partition: 1}},
	}
	src := apiv1.Source{Name: "web", Stream: "demo", Kind: "events", WriteKey: "wk-secret", CreatedAt: since}
	k := apiv1.Sink{
		Name: "s3", Type: "S3", Bucket: "b", Endpoint: "http://127.0.0.1:9000", Region: "eu-west-1", PathStyle: true, Credentials: "aws-access-key",
		Principal: "AKIAEXAMPLE", ConditionalWrites: "yes", CreatedAt: since, UpdatedAt: since, Exporters: []apiv1.Exporter{x},
	}
	b := apiv1.Batch{
		ID: "0a1b2c3d-000001", Exporter: "s3-demo", Stream: "demo", Seq: 1, State: "attempted", Reason: "interval", CutAt: since, Events: 3, Bytes: 1500,
		Ranges:  []apiv1.Range{{Partition: 0, Start: 0, End: 2}, {Partition: 1, Start: 0, End: 1}},
		Objects: []apiv1.Object{{Key: "events/k.jsonl", Events: 3, Bytes: 1500, CRC32: "AAAAAA==", Stored: true, Ranges: []apiv1.Range{{Start: 0, End: 2}}}},
		Encoder: "jsonl/1", Attempts: 2, Problem: "denied", Blocked: true, PlannedAt: since,
	}
	imp := apiv1.Importer{
		Name: "fme", ID: "0a1b2c3d", Stream: "fme", Sink: "s3", Environments: []string{"prod", "staging"}, Prefix: "events/", Suffixes: []string{".parquet", ".parquet.gz"},
		StatusFolder: "my_statuses", TopicARN: "arn:aws:sns:eu-west-1:123456789012:fme", QueueURL: "https://sqs.eu-west-1.amazonaws.com/123456789012/q",
		ListEvery: "15m0s", ReportEvery: "300s", FromStart: true, Endpoint: "https://strm.example.org/notices/token", CreatedAt: since, UpdatedAt: since,
		Status: apiv1.ImporterStatus{
			State: "failing", Reason: "s3:ListBucket on b is denied", Subscription: &apiv1.Subscription{State: "confirmed", At: &since, TestedAt: &since, TestBucket: "b"},
			NoticedAt: &since, ListedAt: &since, Files: 2, WaitingFiles: 1, Unreported: 1, Rows: 11, Accepted: 10, LastDoneAt: &since,
		},
	}
	part := 0
	file := apiv1.Import{
		ID: 42, Importer: "fme", Key: "events/part-0001.snappy.parquet", VersionID: "v1", ETag: "d41d", Bytes: 2048, CreatedAt: since, Via: "sns", State: "done",
		Environments: []string{"prod"}, Partition: &part, Rows: 11, Accepted: 10, Attempts: 1, NoticedAt: since, StartedAt: &since, DoneAt: &since,
		Entries: []apiv1.StatusEntry{
			{CreationTime: 1772359200000, EntryID: 1, Valid: true, Rows: 10, Errors: []string{}, Details: []string{}, Warnings: []string{}},
			{CreationTime: 1772359200000, EntryID: 2, Rows: 1, Errors: []string{"INVALID_ENVIRONMENT_ID", "INVALID_TIMESTAMP"}, Details: []string{"unknown environment x", "in seconds"}, Warnings: []string{"w"}},
		},
		Report: &apiv1.Report{Key: "my_statuses/2026-03-01/10-05-00.000.UTC_report.status", State: "done", DoneAt: &since},
	}
	refused := apiv1.Import{
		ID: 43, Importer: "fme", Key: "events/x.parquet", Bytes: 5, CreatedAt: since, Via: "list", State: "done", Attempts: 1, NoticedAt: since, NextTryAt: &since,
		Entries: []apiv1.StatusEntry{{EntryID: 1, Rows: 1, Errors: []string{"INVALID_SCHEMA"}, Details: []string{"no column key"}, Warnings: []string{}}},
		Report:  &apiv1.Report{Key: "k", State: "planned", Problem: "403"},
	}
	d := render.StreamDetail{Stream: s, Sources: []apiv1.Source{{Name: "web", Stream: "demo", Kind: "events", CreatedAt: since}}, Exporters: []apiv1.Exporter{x}}
	return map[string]render.View{
		"stream": render.Stream(inst, s),
		"stream-topic": render.StreamTree(inst, render.StreamDetail{Stream: apiv1.Stream{Name: "clicks", Partitions: 3, CreatedAt: since,
			Topic: &apiv1.Topic{Name: "clicks", Values: "json", Invalid: "block", Repeats: apiv1.ExactAcrossNodes}}}),
		"streams-adopted": render.Streams(inst, []render.StreamDetail{{Stream: apiv1.Stream{Name: "orders", Partitions: 5, CreatedAt: since,
			Topic: &apiv1.Topic{Name: "shop.orders.v1", Adopted: true, Values: "registry", Invalid: "drop"}}}}),
		"stream-tree":    render.StreamTree(inst, d),
		"streams":        render.Streams(inst, []render.StreamDetail{d, {Stream: apiv1.Stream{Name: "other", Partitions: 1, CreatedAt: since}}}),
		"stream-deleted": render.StreamDeleted(inst, render.StreamDetail{Stream: s}, false),
		"source-created": render.Source(src),
		"source":         render.SourceGot(src),
		"source-split": render.SourceGot(apiv1.Source{Name: "prod", Stream: "prod", Kind: "split", CreatedAt: since, Split: &apiv1.SplitSource{
			Environment: "env-1", Events: "prod-events", TrafficTypes: map[string]string{"user": "tt-1"}, Flags: map[string]string{"checkout": "user"},
			Served:  &apiv1.ServedFlags{ChangeNumber: 7, Flags: 2, Segments: 1},
			Unknown: &apiv1.UnknownNames{Flags: []apiv1.NameCount{{Name: "new", Count: 3}}, TrafficTypes: []apiv1.NameCount{{Name: "account", Count: 1}}, More: true},
		}}),
		"sources":      render.Sources([]apiv1.Source{src}),
		"sink":         render.Sink(inst, k),
		"sink-tree":    render.SinkTree(inst, k),
		"sinks":        render.Sinks(inst, []apiv1.Sink{k}),
		"exporter":     render.Exporter(inst, x),
		"exporter-got": render.ExporterGot(inst, x),
		"exporters":    render.Exporters(inst, []apiv1.Exporter{x}),
		"batches":      render.Batches([]apiv1.Batch{b}, 1),
		"batch":        render.Batch(b),
		"importer":     render.Importer(inst, imp),
		"importer-got": render.ImporterGot(inst, imp),
		"importers":    render.Importers(inst, []apiv1.Importer{imp}),
		"nodes": render.Nodes([]apiv1.Node{
			{ID: "0123456789abcdef", Name: "10.0.0.1:7766", Version: "1.2.3", Alive: true, This: true, StartedAt: since, LeaseUntil: &since, Exporters: 2, Importers: 1, Duties: []string{"retention", "sinks"}},
			{ID: "fedcba9876543210", Name: "10.0.0.2:7766", Version: "1.2.3", StartedAt: since, Duties: []string{}},
		}),
		"imports":          render.Imports([]apiv1.Import{refused, file}, 42),
		"import":           render.Import(file),
		"import-refused":   render.Import(refused),
		"verified":         render.Verification(apiv1.Verification{OK: true, Exporter: "s3-demo", Batches: 1, Objects: 1, Events: 3, Bytes: 1500, NotRead: "reading is not permitted"}),
		"differences":      render.Verification(apiv1.Verification{Exporter: "s3-demo", Differences: []apiv1.Difference{{Batch: "b", Key: "k", What: "missing"}}}),
		"deleted":          render.Deleted("Batch Exporter", false),
		"deleted-deep":     render.Deleted("Sink", true),
		"flushed":          render.Flushed("s3-demo", apiv1.Flush{Done: true, Token: "t", Status: x.Status}),
		"replayed":         render.Replayed("s3-demo", "again", apiv1.Replayed{Replay: "r1", Events: 1}),
		"version":          render.Version("1.2.3", "1.2.4", inst),
		"empty-sinks":      render.Sinks(inst, nil),
		"gen1-sinks":       render.Gen1Sinks([]apiv1.Sink{k}),
		"gen1-exporters":   render.Gen1Exporters([]apiv1.Exporter{x}, map[string]string{"s3": "S3"}),
		"gen1-streams":     render.Gen1Streams([]apiv1.Stream{s}),
		"gen1-stream":      render.Gen1Stream(s),
		"control-in-names": render.Sinks(inst, []apiv1.Sink{{Name: "x\x1b[31m", Type: "DIR", Bucket: "a\nb"}}),
	}
}

func TestGolden(t *testing.T) {
	for name, v := range views() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, f := range []render.Format{render.JSON, render.JSONRaw, render.Table, render.Plain} {
				b.WriteString("-- " + string(f) + " --\n" + show(t, v, f))
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
			}
		})
	}
}

// TestNoSecrets: a write key shows in the answer to its creation and nowhere
// else.
func TestNoSecrets(t *testing.T) {
	for name, v := range views() {
		for _, f := range []render.Format{render.JSON, render.JSONRaw, render.Table, render.Plain} {
			has := strings.Contains(show(t, v, f), "wk-secret")
			if has != (name == "source-created" && f != render.Plain) {
				t.Errorf("%s as %s: write key shown: %v", name, f, has)
			}
		}
	}
}

func TestEmptyTable(t *testing.T) {
	if got := show(t, render.Sinks(inst, nil), render.Table); got != "No entities of this resource type exist.\n" {
		t.Errorf("got %q", got)
	}
	if got := show(t, render.Sinks(inst, nil), render.Plain); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range render.Formats() {
		if got, err := render.ParseFormat(f); err != nil || string(got) != f {
			t.Errorf("%s: %v, %v", f, got, err)
		}
	}
	_, err := render.ParseFormat("xml")
	if err == nil || err.Error() != "Output format 'xml' is not supported. Allowed values: table, json, json-raw, plain" {
		t.Errorf("got %v", err)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := render.Bytes(n); got != want {
			t.Errorf("%d: got %s want %s", n, got, want)
		}
	}
}
