package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"strm/internal/problem"
	"strm/internal/server"
)

// brokers are a Kafka of this test.
func brokers(t *testing.T) (*kfake.Cluster, string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, "kafka://" + strings.Join(c.ListenAddrs(), ",")
}

// post sends events with a key and returns status and answer.
func (r *running) post(stream, key, body string) (int, string, http.Header) {
	r.t.Helper()
	return r.postAs(r.s.AdminToken(), stream, key, body)
}

func (r *running) postAs(token, stream, key, body string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/v1/streams/"+stream+"/events", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/x-ndjson")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(out), resp.Header
}

// delivered returns the lines of the bucket's files, sorted by nothing.
func delivered(t *testing.T, bucket string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(bucket, "2*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")...)
	}
	return lines
}

// One node whose events are in Kafka does what a single machine does.
func TestNodeOnKafka(t *testing.T) {
	_, log := brokers(t)
	data, bucket := t.TempDir(), filepath.Join(t.TempDir(), "bucket")
	cfg := server.Config{Data: data, Log: log}
	r := start(t, cfg)
	r.deliver(bucket, 10)
	for range 2 {
		if status, out, _ := r.post("demo", "k1", "{\"id\":10}\n{\"id\":11}\n"); status != 200 {
			t.Fatalf("%d %s", status, out)
		}
	}
	if out := r.must("GET", "/v1/streams/demo", ""); !strings.Contains(out, `"demo"`) {
		t.Error(out)
	}
	if out := r.must("GET", "/metrics", ""); !strings.Contains(out, "strm_nodes 1") || strings.Contains(out, "strm_log_disk_bytes") {
		t.Errorf("metrics of a node:\n%s", out)
	}
	r.stop()

	// A restart finds everything: the key, and what waits.
	r = start(t, cfg)
	if status, out, _ := r.post("demo", "k1", "{\"id\":10}\n{\"id\":11}\n"); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	r.flush("files-demo")
	if out := r.must("POST", "/v1/batch-exporters/files-demo/verify", ""); !strings.Contains(out, `"ok":true`) || !strings.Contains(out, `"events":12`) {
		t.Errorf("verify: %s", out)
	}
	if lines := delivered(t, bucket); len(lines) != 12 {
		t.Errorf("%d lines: %v", len(lines), lines)
	}
	r.must("DELETE", "/v1/streams/demo?recursive=true", "")
	r.stop()

	// Its catalog is of no use to a log in the directory, and the other way round.
	r = start(t, cfg)
	r.must("POST", "/v1/streams", `{"name":"other"}`)
	r.stop()
	refused(t, server.Config{Data: data}, problem.Conflict, "are in topic")
	single := t.TempDir()
	r = start(t, server.Config{Data: single})
	r.must("POST", "/v1/streams", `{"name":"other"}`)
	r.stop()
	refused(t, server.Config{Data: single, Log: log}, problem.Conflict, "strm migrate")
}

// What was let in is delivered: with its strmMeta, which the limit does not count, and
// also when the limit was lowered since.
func TestLargestEventIsDeliveredFromKafka(t *testing.T) {
	_, log := brokers(t)
	data, bucket := t.TempDir(), filepath.Join(t.TempDir(), "bucket")
	r := start(t, server.Config{Data: data, Log: log})
	r.deliver(bucket, 1)
	const limit = 1 << 20
	event := `{"a":"` + strings.Repeat("x", limit-len(`{"a":""}`)) + "\"}"
	if status, out, _ := r.post("demo", "", event+"\n"); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	if status, out, _ := r.post("demo", "", event+" {}\n"); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	r.stop()
	r = start(t, server.Config{Data: data, Log: log, MaxEvent: 1000})
	r.flush("files-demo")
	if lines := delivered(t, bucket); len(lines) != 4 {
		t.Errorf("%d lines", len(lines))
	}
	r.stop()
}

// refused opens a server that must not open.
func refused(t *testing.T, cfg server.Config, kind problem.Kind, want string) string {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	logged := &lockedBuffer{}
	cfg.MinFreeDisk = -1
	cfg.Logger = slog.New(slog.NewTextHandler(logged, nil))
	s, err := server.Open(t.Context(), cfg)
	if err == nil {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = s.Run(ctx)
		t.Fatal("it was not refused")
	}
	if problem.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
		t.Errorf("kind %v, not %v with %q: %v", problem.KindOf(err), kind, want, err)
	}
	return err.Error() + logged.String()
}

// What cannot work is refused with a reason, and no password is told.
func TestNodeSettingsAreRefused(t *testing.T) {
	const secret = "s3cr3t-of-kafka"
	for name, c := range map[string]struct {
		cfg  server.Config
		kind problem.Kind
		want string
	}{
		"PostgreSQL without Kafka": {server.Config{Catalog: "postgres://u:" + secret + "@127.0.0.1:1/x"}, problem.Invalid, "--log kafka://"},
		"no such log":              {server.Config{Log: "https://u:" + secret + "@h"}, problem.Invalid, "kafka://"},
		"parameter":                {server.Config{Log: "kafka://u:" + secret + "@h?x=" + secret}, problem.Invalid, "unknown parameter"},
		"lease":                    {server.Config{Log: "kafka://h", Lease: time.Second}, problem.Invalid, "--lease"},
		"long lease":               {server.Config{Log: "kafka://h", Lease: time.Hour}, problem.Invalid, "--lease"},
		"registry alone":           {server.Config{SchemaRegistry: "http://h", RegistryKey: secret}, problem.Invalid, "--log"},
		"Kafka away":               {server.Config{Log: "kafka://127.0.0.1:1", KafkaPassword: secret, StartTimeout: time.Second}, problem.Unavailable, "Kafka is not there after 1s"},
		"PostgreSQL away": {server.Config{Log: "kafka://127.0.0.1:1", Catalog: "postgres://u:" + secret + "@127.0.0.1:1/x", StartTimeout: time.Second},
			problem.Unavailable, "PostgreSQL is not there after 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Data = t.TempDir()
			if out := refused(t, c.cfg, c.kind, c.want); strings.Contains(out, secret) {
				t.Errorf("a password was told: %s", out)
			}
		})
	}
}

// While the brokers are away intake says when to come again, and what needs no
// brokers goes on.
func TestKafkaAway(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	addr := c.ListenAddrs()[0]
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			c.Close()
		}
	})
	r := start(t, server.Config{Data: t.TempDir(), Log: "kafka://" + addr})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	if status, out, _ := r.post("demo", "", "{}\n"); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	c.Close()
	stopped = true
	for _, key := range []string{"", "key"} {
		status, out, h := r.post("demo", key, "{}\n")
		if status != 429 && status != 503 || h.Get("Retry-After") == "" {
			t.Errorf("key %q: %d %s, Retry-After %q", key, status, out, h.Get("Retry-After"))
		}
	}
	if status, out := r.do("GET", "/v1/streams", ""); status != 200 {
		t.Errorf("list: %d %s", status, out)
	}
	if status, out := r.do("GET", "/healthz", ""); status != 200 {
		t.Errorf("health: %d %s", status, out)
	}
}
