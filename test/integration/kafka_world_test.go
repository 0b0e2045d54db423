//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strm/test/harness"
	"strm/test/servers"
)

// scaled is strm as a node on a real Kafka and a real PostgreSQL, with a bucket
// of versitygw.
type scaled struct {
	*strm
	kafka   *servers.Kafka
	pg      *servers.PostgreSQL
	gateway *gateway
}

// scaledBucket is where it delivers.
const scaledBucket = "scaled"

// startScaled starts all of it; it ends with the test.
func startScaled(t *testing.T, opts servers.KafkaOptions) *scaled {
	t.Helper()
	k := servers.KafkaFor(t, opts)
	pg := servers.Postgres(t)
	s := &scaled{strm: startNode(t, pg.URL(), "kafka://"+k.Bootstrap(), nil), kafka: k, pg: pg, gateway: startGateway(t)}
	s.sink(t)
	return s
}

// startNode starts a node with secrets of its own.
func startNode(t *testing.T, catalog, log string, env []string) *strm {
	t.Helper()
	secrets := filepath.Join(t.TempDir(), "secrets")
	if _, err := (&harness.CLI{Bin: strmBin}).Run(t.Context(), "init", "--secrets", secrets); err != nil {
		t.Fatal(err)
	}
	token, err := harness.AdminToken(secrets)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	srv, err := harness.NewServer(t.Context(), strmBin, dir, "--allow-short-intervals", "--secrets", secrets, "--catalog", catalog, "--log", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the node's log ends:\n%s", srv.LogTail(8<<10))
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	srv.Env = env
	if err := srv.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &strm{srv: srv, cli: &harness.CLI{Bin: strmBin, Server: srv.URL(), Token: token, Dir: dir}, dir: dir}
}

// sink makes the bucket, and the sink "s3" for it.
func (s *scaled) sink(t *testing.T) {
	t.Helper()
	s.gateway.root().aws(t, "s3", "mb", "s3://"+scaledBucket)
	s.gateway.user(t, scaledBucket, s.dir, allow(scaledBucket, "s3:GetBucketLocation"), allow(scaledBucket+"/*", "s3:PutObject", "s3:GetObject"))
	s.run(t, "create", "sink", "s3", scaledBucket, "--credentials-file", "s3.json", "--endpoint", s.gateway.url, "--path-style")
}

// exporter makes an exporter of the stream with the same name and prefix.
func (s *scaled) exporter(t *testing.T, stream string, flags ...string) {
	t.Helper()
	s.run(t, append([]string{"create", "batch-exporter", stream, "--sink", "s3", "--name", stream, "--path-prefix", stream, "--interval", "1s", "--include-existing-events"}, flags...)...)
}

// ids returns the ids of what is delivered, in order.
func (s *scaled) ids(t *testing.T, exporter string) []string {
	t.Helper()
	var out []string
	for _, o := range s.gateway.bucket(t, scaledBucket, exporter+"/") {
		for _, line := range o.Lines {
			var ev struct{ ID string }
			if err := json.Unmarshal([]byte(line), &ev); err != nil {
				t.Errorf("%s: %v in line %q", o.Key, err, line)
			}
			out = append(out, ev.ID)
		}
	}
	return out
}

// python runs kafka.py and reads what it prints.
func (s *scaled) python(t *testing.T, v any, args ...string) {
	t.Helper()
	out, err := runTool(t, 10*time.Minute, harness.Env(), pythonKafka(), append([]string{filepath.Join(sources, "kafka.py")}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("kafka.py: %v\n%s", err, out)
	}
}

func pythonKafka() string { return filepath.Join(tools, "kafka", "venv", "bin", "python") }

// pythonCommand is kafka.py that runs beside the test.
func pythonCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, pythonKafka(), append([]string{filepath.Join(sources, "kafka.py")}, args...)...)
	cmd.Env = harness.Env()
	return cmd
}

// tool runs one of Kafka's own programs, which must succeed.
func (s *scaled) tool(t *testing.T, stdin, class string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := s.kafka.Tool(ctx, strings.NewReader(stdin), class, append([]string{"--bootstrap-server", s.kafka.Inside()}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// topic makes a topic as others do.
func (s *scaled) topic(t *testing.T, name string, partitions string, config ...string) {
	t.Helper()
	args := []string{"--create", "--topic", name, "--partitions", partitions}
	for _, c := range config {
		args = append(args, "--config", c)
	}
	s.tool(t, "", "org.apache.kafka.tools.TopicCommand", args...)
}

// write produces values to a topic, without keys unless "key\tvalue" is given.
func (s *scaled) write(t *testing.T, topic string, values ...string) {
	t.Helper()
	cl, err := s.kafka.Client(kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, v := range values {
		r := kgo.StringRecord(v)
		if key, value, ok := strings.Cut(v, "\t"); ok {
			r = kgo.KeyStringRecord(key, value)
		}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
