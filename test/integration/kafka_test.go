//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strm/test/harness"
	"strm/test/servers"
)

// TestKafka is strm on Kafka beside others who use the same brokers: Kafka's own
// tools, librdkafka, and franz-go by itself.
func TestKafka(t *testing.T) {
	s := startScaled(t, servers.KafkaOptions{Properties: map[string]string{"log.cleaner.backoff.ms": "200", "log.cleaner.min.cleanable.ratio": "0.01"}})
	t.Run("others read our topics", s.othersRead)
	t.Run("groups", s.groups)
	t.Run("console producer", s.consoleProducer)
	t.Run("transactions", s.transactions)
	t.Run("open transaction", s.openTransaction)
	t.Run("compaction", s.compaction)
	t.Run("invalid value", s.invalidValue)
	t.Run("deleted topic", s.deletedTopic)
}

// othersRead: one event per record, as it was sent, in a topic of the stream's name.
func (s *scaled) othersRead(t *testing.T) {
	const n = 200
	s.run(t, "create", "stream", "ours", "--partitions", "4", "--strm-meta=false")
	in := s.intake(t, "ours")
	post(t, in, "ours", 0, n/2)
	for i := n / 2; i < n; i++ {
		body := fmt.Appendf(nil, `{"id":"ours-%d","text":"één → 日本 \" \\ 1.50"}`, i)
		if a, err := in.Post(t.Context(), harness.Request{Body: body}); err != nil || !a.Acknowledged() {
			t.Fatalf("%+v %v", a, err)
		}
	}
	var records []struct {
		Partition, Kind int
		Offset          int64
		Value           string
	}
	s.python(t, &records, "consume", s.kafka.Bootstrap(), "ours", strconv.Itoa(n))
	var lines []string
	for _, r := range records {
		lines = append(lines, r.Value)
		if r.Kind != 1 {
			t.Errorf("partition %d offset %d: timestamp of kind %d, want CreateTime", r.Partition, r.Offset, r.Kind)
		}
	}
	exactly(t, []entry{{Key: "topic ours", Lines: lines}}, "ours", n)
	out := s.tool(t, "", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", "ours", "--from-beginning", "--max-messages", strconv.Itoa(n), "--timeout-ms", "30000",
		"--isolation-level", "read_committed")
	exactly(t, []entry{{Key: "console consumer", Lines: strings.Split(strings.TrimSpace(out), "\n")}}, "ours", n)
	s.exporter(t, "ours")
	s.flush(t, "ours")
	exactly(t, s.gateway.bucket(t, scaledBucket, "ours/"), "ours", n)
	s.run(t, "verify", "batch-exporter", "ours")
}

// groups: Kafka's own tool shows how far an exporter has got.
func (s *scaled) groups(t *testing.T) {
	got, err := s.cli.Exporter(t.Context(), "ours")
	if err != nil {
		t.Fatal(err)
	}
	err = harness.Poll(t.Context(), 5*time.Minute, 500*time.Millisecond, "the group to be where the exporter is", func(context.Context) (bool, string, error) {
		out := s.tool(t, "", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--describe", "--group", "strm-"+got.ID)
		partitions := 0
		for line := range strings.Lines(out) {
			// GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
			if f := strings.Fields(line); len(f) > 5 && f[1] == "ours" {
				if f[3] != f[4] || f[5] != "0" {
					return false, line, nil
				}
				partitions++
			}
		}
		return partitions == 4, out, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// consoleProducer: a topic that others made and write.
func (s *scaled) consoleProducer(t *testing.T) {
	s.topic(t, "console", "3")
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf(`{"id":"console-%d","text":"één → 日本 \" \\ 1.50"}`, i))
	}
	s.tool(t, strings.Join(lines, "\n")+"\n", "kafka.tools.ConsoleProducer", "--topic", "console")
	s.run(t, "create", "stream", "console", "--topic", "console")
	s.exporter(t, "console", "--compression", "gzip")
	s.flush(t, "console")
	exactly(t, s.gateway.bucket(t, scaledBucket, "console/"), "console", 300)
	s.run(t, "verify", "batch-exporter", "console")
	if out := s.run(t, "get", "stream", "console", "-o", "json"); !strings.Contains(out, `"adopted": true`) {
		t.Errorf("get stream does not say that the topic is adopted:\n%s", out)
	}
	s.run(t, "delete", "stream", "console", "--recursive")
	if out := s.tool(t, "", "org.apache.kafka.tools.TopicCommand", "--list"); !strings.Contains(out, "console\n") {
		t.Errorf("an adopted topic went with its stream:\n%s", out)
	}
}

// transactions: what was aborted is in no object.
func (s *scaled) transactions(t *testing.T) {
	s.topic(t, "transactions", "2")
	s.run(t, "create", "stream", "transactions", "--topic", "transactions")
	s.exporter(t, "transactions")
	var want []string
	s.python(t, &want, "transactions", s.kafka.Bootstrap(), "transactions")
	s.flush(t, "transactions")
	s.same(t, "transactions", want)
	s.run(t, "verify", "batch-exporter", "transactions")
}

// openTransaction: what stands behind a transaction that is not decided waits for it.
func (s *scaled) openTransaction(t *testing.T) {
	s.topic(t, "open", "1")
	s.run(t, "create", "stream", "open", "--topic", "open")
	s.exporter(t, "open")
	s.write(t, "open", `{"id":"before"}`)
	cmd := pythonCommand(t.Context(), "open", s.kafka.Bootstrap(), "open")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open\n" {
		t.Fatalf("%q %v", line, err)
	}
	s.write(t, "open", `{"id":"behind"}`)
	s.flush(t, "open")
	s.same(t, "open", []string{"before"})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	want := []string{"before", "behind"}
	for n := range 10 {
		want = append(want, fmt.Sprintf("open-%d", n))
	}
	s.eventually(t, "open", len(want))
	s.same(t, "open", want)
}

// eventually waits until an exporter has delivered n events.
func (s *scaled) eventually(t *testing.T, exporter string, n int) {
	t.Helper()
	err := harness.Poll(t.Context(), 5*time.Minute, 200*time.Millisecond, fmt.Sprintf("%s to have %d events", exporter, n), func(ctx context.Context) (bool, string, error) {
		batches, err := s.cli.Batches(ctx, exporter)
		var got int64
		for _, b := range batches {
			for _, o := range b.Objects {
				if b.State == "done" {
					got += o.Events
				}
			}
		}
		return got >= int64(n), fmt.Sprintf("%d events", got), err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// same compares what is delivered with what should be, as multisets.
func (s *scaled) same(t *testing.T, exporter string, want []string) {
	t.Helper()
	got, want := slices.Sorted(slices.Values(s.ids(t, exporter))), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: delivered %q, want %q", exporter, got, want)
	}
}

// compaction: a topic that is compacted cannot be exported exactly, and is
// refused; the gaps of one that was compacted harm nothing.
func (s *scaled) compaction(t *testing.T) {
	s.topic(t, "compacted", "1", "cleanup.policy=compact", "segment.ms=200", "min.cleanable.dirty.ratio=0.01", "max.compaction.lag.ms=200", "delete.retention.ms=100")
	if out, err := s.cli.Run(t.Context(), "create", "stream", "compacted", "--topic", "compacted"); err == nil || !strings.Contains(err.Error(), "cleanup.policy") {
		t.Errorf("a compacted topic was adopted: %s %v", out, err)
	}
	// Writing rolls segments, and only those that are closed are compacted.
	var left []string
	n := 0
	err := harness.Poll(t.Context(), 5*time.Minute, 300*time.Millisecond, "Kafka to compact the topic", func(ctx context.Context) (bool, string, error) {
		for range 5 {
			s.write(t, "compacted", fmt.Sprintf("key%d\t{\"id\":\"c-%d\"}", n%3, n))
			n++
		}
		left = s.readAll(t, "compacted")
		return len(left) < n/2 && n > 30, fmt.Sprintf("%d of %d left", len(left), n), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.tool(t, "", "kafka.admin.ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", "compacted", "--add-config", "cleanup.policy=delete")
	// The cleaner may be at work still: what there is, is read when it has ended.
	before := -1
	err = harness.Poll(t.Context(), 5*time.Minute, time.Second, "the cleaner to end", func(context.Context) (bool, string, error) {
		left = s.readAll(t, "compacted")
		done := len(left) == before
		before = len(left)
		return done, strconv.Itoa(before), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.run(t, "create", "stream", "compacted", "--topic", "compacted")
	s.exporter(t, "compacted")
	s.flush(t, "compacted")
	s.same(t, "compacted", left)
	s.run(t, "verify", "batch-exporter", "compacted")
}

// readAll returns the ids of what a topic of one partition holds.
func (s *scaled) readAll(t *testing.T, topic string) []string {
	t.Helper()
	adm, err := s.kafka.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	cl, err := s.kafka.Client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var out []string
	for at := int64(0); at < end.Offset; {
		f := cl.PollFetches(t.Context())
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) {
			var ev struct{ ID string }
			if err := json.Unmarshal(r.Value, &ev); err != nil {
				t.Error(err)
			}
			at = r.Offset + 1
			out = append(out, ev.ID)
		})
	}
	return out
}

// invalidValue: a value that is no JSON object stops the exporter, which says
// where it is, until the stream says that such are dropped.
func (s *scaled) invalidValue(t *testing.T) {
	s.topic(t, "mixed", "1")
	s.run(t, "create", "stream", "mixed", "--topic", "mixed")
	s.exporter(t, "mixed")
	s.write(t, "mixed", `{"id":"a"}`, `{"id":"b"}`, `no JSON`, `{"id":"c"}`)
	s.state(t, "mixed", "blocked", 5*time.Minute, "partition 0", "offset 2")
	if out := s.run(t, "list", "batch-exporters"); !strings.Contains(out, "blocked") {
		t.Errorf("list batch-exporters:\n%s", out)
	}
	s.run(t, "update", "stream", "mixed", "--invalid", "drop")
	s.run(t, "resume", "mixed")
	s.eventually(t, "mixed", 3)
	s.same(t, "mixed", []string{"a", "b", "c"})
	s.run(t, "verify", "batch-exporter", "mixed")
}

// deletedTopic: the exporter says so.
func (s *scaled) deletedTopic(t *testing.T) {
	s.topic(t, "doomed", "1")
	s.run(t, "create", "stream", "doomed", "--topic", "doomed")
	s.exporter(t, "doomed", "--interval", "1h")
	s.write(t, "doomed", `{"id":"a"}`)
	s.tool(t, "", "org.apache.kafka.tools.TopicCommand", "--delete", "--topic", "doomed")
	s.state(t, "doomed", "blocked", 5*time.Minute, "doomed")
	// Others go on.
	post(t, s.intake2(t, "ours"), "more", 0, 10)
	s.flush(t, "ours")
}

// intake2 is a further source of a stream that has one.
func (s *scaled) intake2(t *testing.T, stream string) *harness.Intake {
	t.Helper()
	key, err := s.cli.Source(t.Context(), stream+"-in2", stream)
	if err != nil {
		t.Fatal(err)
	}
	return &harness.Intake{Server: s.srv.URL(), Stream: stream, Key: key, Client: http.DefaultClient}
}

// TestKafkaSecurity: TLS and each way to log in, and what is said of wrong ones.
func TestKafkaSecurity(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Users: map[string]string{"alice": "alice-secret"}})
	pg := servers.Postgres(t)
	for _, sasl := range []string{"scram-sha-512", "scram-sha-256", "plain"} {
		t.Run(sasl, func(t *testing.T) {
			if err := pg.Exec(t.Context(), "CREATE DATABASE "+strings.ReplaceAll("db-"+sasl, "-", "_")); err != nil {
				t.Fatal(err)
			}
			log := "kafka://alice@" + k.Bootstrap() + "?tls=true&sasl=" + sasl
			s := startNode(t, pg.Database(strings.ReplaceAll("db-"+sasl, "-", "_")), log, []string{"SSL_CERT_FILE=" + k.CAFile(), "STRM_KAFKA_PASSWORD=alice-secret"})
			s.run(t, "create", "stream", "secure-"+sasl)
			post(t, s.intake(t, "secure-"+sasl), "secure", 0, 10)
			if text := s.srv.LogTail(1 << 20); strings.Contains(text, "alice-secret") {
				t.Error("the password is in the log")
			}
		})
	}
	for name, tc := range map[string]struct {
		query, password, ca string
		word                string
	}{
		"wrong password": {"?tls=true&sasl=scram-sha-512", "wrong-secret", k.CAFile(), "authentication"},
		"no trust":       {"?tls=true&sasl=scram-sha-512", "alice-secret", "", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			secrets, db := t.TempDir(), strings.ReplaceAll(name, " ", "_")
			if err := pg.Exec(ctx, "CREATE DATABASE "+db); err != nil { // each has secrets of its own
				t.Fatal(err)
			}
			if _, err := (&harness.CLI{Bin: strmBin}).Run(ctx, "init", "--secrets", secrets); err != nil {
				t.Fatal(err)
			}
			env := []string{"STRM_KAFKA_PASSWORD=" + tc.password}
			if tc.ca != "" {
				env = append(env, "SSL_CERT_FILE="+tc.ca)
			}
			cli := &harness.CLI{Bin: strmBin, Env: env}
			_, err := cli.Run(ctx, "serve", "--data", t.TempDir(), "--secrets", secrets, "--listen", freeAddr(t), "--start-timeout", "5s",
				"--log", "kafka://alice@"+k.Bootstrap()+tc.query, "--catalog", pg.Database(db))
			if err == nil || ctx.Err() != nil || !strings.Contains(strings.ToLower(err.Error()), tc.word) {
				t.Errorf("want an error that mentions %q: %v", tc.word, err)
			}
			if err != nil && strings.Contains(err.Error(), tc.password) {
				t.Errorf("the password is in the output: %v", err)
			}
		})
	}
}
