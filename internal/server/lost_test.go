package server_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/server"
)

// A stream whose topic is gone can be looked at, says so, and can be deleted; and a node
// that does not reach Kafka is not ready.
func TestLostTopic(t *testing.T) {
	cluster, log := brokers(t)
	r := start(t, server.Config{Data: t.TempDir(), Log: log})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	r.must("GET", "/readyz", "")
	c, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := kadm.NewClient(c).DeleteTopic(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	if out := r.must("GET", "/v1/streams/demo", ""); !strings.Contains(out, `"problem":"kafka: topic demo`) {
		t.Error(out)
	}
	r.must("DELETE", "/v1/streams/demo?recursive=true", "")
	cluster.Close()
	if status, out := r.do("GET", "/readyz", ""); status != 503 || !strings.Contains(out, "Kafka") {
		t.Errorf("readyz without Kafka: %d %s", status, out)
	}
}
