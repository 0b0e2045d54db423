package server_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/api/apiv1"
	"strm/internal/server"
)

// others are clients of the cluster that are not strm.
func others(t *testing.T, log string) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(log, "kafka://")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fares waits until the exporter's state and reason are as wanted.
func (r *running) fares(within time.Duration, exporter string, want ...string) {
	r.t.Helper()
	var out string
	r.within(within, func() string { return fmt.Sprintf("%q in %s", want, out) }, func() bool {
		out = r.must("GET", "/v1/batch-exporters/"+exporter, "")
		return !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(out, w) })
	})
}

// A stream that says to leave out what is no event is obeyed while the server runs, and
// what was blocked by it is tried at once.
func TestInvalidIsChangedWhileItRuns(t *testing.T) {
	_, log := brokers(t)
	bucket := filepath.Join(t.TempDir(), "bucket")
	c := others(t, log)
	if _, err := kadm.NewClient(c).CreateTopic(t.Context(), 1, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{`{"id":1}`, `no event`, `{"id":2}`} {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, server.Config{Data: t.TempDir(), Log: log})
	r.must("POST", "/v1/streams", `{"name":"orders","topic":"orders"}`)
	r.must("PUT", "/v1/sinks/files", fmt.Sprintf(`{"type":"DIR","bucket":%q}`, bucket))
	r.must("POST", "/v1/batch-exporters", `{"stream":"orders","sink":"files","interval":"1s","includeExistingEvents":true}`)
	r.fares(20*time.Second, "files-orders", `"state":"blocked"`, "offset 1")
	var x apiv1.Exporter
	if err := json.Unmarshal([]byte(r.must("GET", "/v1/batch-exporters/files-orders", "")), &x); err != nil || x.Status.NextRetryAt == nil {
		t.Fatalf("%+v, %v", x, err)
	}
	r.must("PATCH", "/v1/streams/orders", `{"invalid":"drop"}`)
	r.fares(time.Until(*x.Status.NextRetryAt), "files-orders", `"state":"running"`) // before it would have tried by itself
	if lines := delivered(t, bucket); len(lines) != 2 {
		t.Errorf("%d lines: %v", len(lines), lines)
	}
}

// An exporter that waits for events says that its topic was deleted, and that one made
// anew is not it.
func TestADeletedTopicIsSeenByWhoWaits(t *testing.T) {
	_, log := brokers(t)
	r := start(t, server.Config{Data: t.TempDir(), Log: log})
	r.deliver(filepath.Join(t.TempDir(), "bucket"), 3)
	r.fares(5*time.Second, "files-demo", `"state":"running"`)
	admin := kadm.NewClient(others(t, log))
	if _, err := admin.DeleteTopic(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	r.fares(10*time.Second, "files-demo", `"state":"blocked"`, "topic demo", "does not exist", "strm delete stream")
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "demo"); err != nil {
		t.Fatal(err)
	}
	r.fares(10*time.Second, "files-demo", `"state":"blocked"`, "topic demo", "made anew", "strm delete stream")
}
