//go:build integration

package servers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// TestKafkaGoesOnWithoutAnyOneBroker: what was acknowledged is there after each
// broker in turn was killed and came back.
func TestKafkaGoesOnWithoutAnyOneBroker(t *testing.T) {
	k := KafkaFor(t, KafkaOptions{Brokers: 3})
	adm, err := k.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Close()
	if _, err := adm.CreateTopic(t.Context(), 2, -1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	cl, err := k.Client(kgo.DefaultProduceTopic("events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for i := range k.Size() {
		k.Kill(i)
		if err := cl.ProduceSync(ctx, kgo.StringRecord("event")).FirstErr(); err != nil {
			t.Fatalf("without broker %d: %v", i+1, err)
		}
		if err := k.Restart(ctx, i); err != nil {
			t.Fatal(err)
		}
		if err := k.InSync(ctx); err != nil {
			t.Fatal(err)
		}
	}
	ends, err := adm.ListEndOffsets(ctx, "events")
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	if n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	if err := k.Stop(ctx, 0); err != nil {
		t.Errorf("a stop in good order: %v", err)
	}
}

func TestKafkaRefusesStrangers(t *testing.T) {
	k := KafkaFor(t, KafkaOptions{Users: map[string]string{"alice": "alice-secret"}})
	ask := func(opts ...kgo.Opt) error {
		cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.Bootstrap()), kgo.RetryTimeout(5 * time.Second)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return cl.Ping(ctx)
	}
	tls := kgo.DialTLSConfig(k.TLS())
	good := scram.Auth{User: "alice", Pass: "alice-secret"}
	bad := scram.Auth{User: "alice", Pass: "wrong"}
	for name, opts := range map[string][]kgo.Opt{
		"SCRAM-SHA-512": {tls, kgo.SASL(good.AsSha512Mechanism())},
		"SCRAM-SHA-256": {tls, kgo.SASL(good.AsSha256Mechanism())},
		"PLAIN":         {tls, kgo.SASL(plain.Auth{User: "alice", Pass: "alice-secret"}.AsMechanism())},
	} {
		if err := ask(opts...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, opts := range map[string][]kgo.Opt{
		"wrong password": {tls, kgo.SASL(bad.AsSha512Mechanism())},
		"wrong PLAIN":    {tls, kgo.SASL(plain.Auth{User: "alice", Pass: "wrong"}.AsMechanism())},
		"no TLS":         {kgo.SASL(good.AsSha512Mechanism())},
		"no user":        {tls},
		"no trust":       {kgo.DialTLS(), kgo.SASL(good.AsSha512Mechanism())},
	} {
		if err := ask(opts...); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
}

func TestKafkaTool(t *testing.T) {
	k := KafkaFor(t, KafkaOptions{})
	if _, err := k.Tool(t.Context(), nil, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", k.Bootstrap(), "--create", "--topic", "made-by-tool"); err != nil {
		t.Fatal(err)
	}
	out, err := k.Tool(t.Context(), nil, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", k.Bootstrap(), "--list")
	if err != nil || !strings.Contains(out, "made-by-tool") {
		t.Errorf("topics %q: %v", out, err)
	}
}
