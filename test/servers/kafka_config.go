package servers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"strm/test/harness"
)

// clusterID is any 16 bytes in base64.
const clusterID = "c3RybS10ZXN0LWthZmthMQ"

// properties is a broker's server.properties. Dead brokers are noticed after
// three seconds instead of nine, so that tests are not mostly waiting.
func (k *Kafka) properties(b *broker) string {
	var voters []string
	for _, o := range k.brokers {
		voters = append(voters, fmt.Sprintf("%d@%s", o.n, o.quorum))
	}
	p := map[string]string{
		"process.roles":                            "broker,controller",
		"node.id":                                  fmt.Sprint(b.n),
		"controller.quorum.voters":                 strings.Join(voters, ","),
		"listeners":                                "CLIENTS://" + b.addr + ",CONTROLLER://" + b.quorum,
		"advertised.listeners":                     "CLIENTS://" + b.addr,
		"controller.listener.names":                "CONTROLLER",
		"inter.broker.listener.name":               "CLIENTS",
		"listener.security.protocol.map":           "CONTROLLER:PLAINTEXT,CLIENTS:PLAINTEXT,INSIDE:PLAINTEXT",
		"log.dirs":                                 filepath.Join(k.dir, fmt.Sprintf("data-%d", b.n)),
		"auto.create.topics.enable":                "false",
		"default.replication.factor":               fmt.Sprint(k.opts.Brokers),
		"min.insync.replicas":                      fmt.Sprint(max(1, k.opts.Brokers-1)),
		"offsets.topic.num.partitions":             "4",
		"offsets.topic.replication.factor":         fmt.Sprint(k.opts.Brokers),
		"transaction.state.log.num.partitions":     "4",
		"transaction.state.log.replication.factor": fmt.Sprint(k.opts.Brokers),
		"transaction.state.log.min.isr":            fmt.Sprint(max(1, k.opts.Brokers-1)),
		"group.initial.rebalance.delay.ms":         "0",
		"broker.heartbeat.interval.ms":             "500",
		"broker.session.timeout.ms":                "3000",
		"controlled.shutdown.max.retries":          "1",
		"num.network.threads":                      "2",
		"num.io.threads":                           "2",
		"log.cleaner.dedupe.buffer.size":           fmt.Sprint(8 << 20),
		"log.segment.bytes":                        fmt.Sprint(64 << 20),
	}
	if k.ca != nil {
		p["listeners"] += ",INSIDE://" + b.inside
		p["advertised.listeners"] += ",INSIDE://" + b.inside
		p["inter.broker.listener.name"] = "INSIDE"
		p["listener.security.protocol.map"] = "CONTROLLER:PLAINTEXT,CLIENTS:SASL_SSL,INSIDE:PLAINTEXT"
		p["listener.name.clients.sasl.enabled.mechanisms"] = "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN"
		plain := "org.apache.kafka.common.security.plain.PlainLoginModule required"
		for _, user := range slices.Sorted(maps.Keys(k.opts.Users)) {
			plain += fmt.Sprintf(" user_%s=%q", user, k.opts.Users[user])
		}
		p["listener.name.clients.plain.sasl.jaas.config"] = plain + ";"
		for _, m := range []string{"scram-sha-512", "scram-sha-256"} {
			p["listener.name.clients."+m+".sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		}
		p["listener.name.clients.ssl.keystore.type"] = "PEM"
		p["listener.name.clients.ssl.keystore.location"] = k.ca.server
	}
	maps.Copy(p, k.opts.Properties)
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&out, "%s=%s\n", name, p[name])
	}
	return out.String()
}

func (k *Kafka) log4j() string { return filepath.Join(k.libs, "..", "log4j.properties") }

// classes is the JVM's class path.
func (k *Kafka) classes() string { return k.libs + "/*" }

// env leaves nothing in the environment that could change the JVM's options.
func (k *Kafka) env() []string {
	return slices.DeleteFunc(harness.Env(), func(kv string) bool {
		return strings.HasPrefix(kv, "KAFKA_") || strings.HasPrefix(kv, "JAVA_TOOL_OPTIONS=") || strings.HasPrefix(kv, "CLASSPATH=")
	})
}

// Tool runs one of Kafka's own programs, by the class that its scripts name
// (for kafka-console-consumer.sh org.apache.kafka.tools.consumer.ConsoleConsumer),
// and returns its standard output. Tests pass Bootstrap or Inside themselves.
func (k *Kafka) Tool(ctx context.Context, stdin io.Reader, class string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "java", append([]string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j.configuration=file:" + k.log4j(), "-cp", k.classes(), class}, args...)...)
	cmd.Env = k.env()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s%s", class, err, out.String(), errs.String())
	}
	return out.String(), nil
}
