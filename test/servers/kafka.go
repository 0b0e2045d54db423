package servers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"strm/test/harness"
)

// kafkaReadyWithin is how long brokers may take from their start until they
// answer, on a machine that is busy with other things.
const kafkaReadyWithin = 5 * time.Minute

// KafkaOptions say what StartKafka starts. The zero value is one broker
// without any security.
type KafkaOptions struct {
	Brokers int    // 1 to 3; 0 is 1. Topics have as many replicas unless told otherwise, and need all but one of them
	Heap    string // of each broker's JVM; empty: 256m

	// Users and their passwords. If there are any, clients need TLS and SASL
	// (SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN), and CAFile signs the brokers'
	// certificate. Inside is then a second way in without either, for
	// administration by tests.
	Users map[string]string

	// Properties are further lines of each broker's server.properties.
	Properties map[string]string
}

// Kafka is a cluster of brokers, each controller too, that keep their
// addresses and data while their processes come and go. It is not safe for
// concurrent use, but for Bootstrap and Tool.
type Kafka struct {
	opts    KafkaOptions
	dir     string
	libs    string
	ca      *authority // nil without Users
	brokers []*broker
}

// broker is one of them; its process may be down.
type broker struct {
	n      int // node.id, from 1
	addr   string
	inside string // the address of the listener without security; addr if there is no other
	quorum string
	config string
	log    *os.File
	proc   *harness.Process
}

// KafkaFor starts a cluster that ends with the test, files included.
func KafkaFor(t TB, opts KafkaOptions) *Kafka {
	t.Helper()
	k, err := StartKafka(t.Context(), t.TempDir(), opts)
	if err != nil {
		t.Fatalf("Kafka: %v", err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("Kafka: %v", err)
		}
	})
	return k
}

// StartKafka starts a new cluster with its files below dir and waits until all
// brokers are ready. Close ends it. It needs what install-scale.sh installs.
func StartKafka(ctx context.Context, dir string, opts KafkaOptions) (*Kafka, error) {
	if opts.Brokers == 0 {
		opts.Brokers = 1
	}
	if opts.Heap == "" {
		opts.Heap = "256m"
	}
	libs, err := kafkaLibs()
	if err != nil {
		return nil, err
	}
	k := &Kafka{opts: opts, dir: dir, libs: libs}
	if err := k.prepare(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	for i := range k.brokers {
		if err := k.start(i); err != nil {
			return nil, errors.Join(err, k.Close())
		}
	}
	if err := k.Ready(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// kafkaLibs returns the directory with Kafka's jars.
func kafkaLibs() (string, error) {
	root, err := harness.Root()
	if err != nil {
		return "", err
	}
	libs := filepath.Join(root, ".integration", "kafka", "libs")
	if _, err := os.Stat(libs); err != nil {
		return "", fmt.Errorf("kafka is not installed (test/integration/install-scale.sh installs it): %w", err)
	}
	return libs, nil
}

// prepare writes the configuration and formats the brokers' directories.
func (k *Kafka) prepare(ctx context.Context) error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if len(k.opts.Users) > 0 {
		var err error
		if k.ca, err = newAuthority(k.dir); err != nil {
			return err
		}
	}
	addrs, err := harness.FreeAddrs(ctx, 3*k.opts.Brokers)
	if err != nil {
		return err
	}
	for i := range k.opts.Brokers {
		log, err := os.OpenFile(filepath.Join(k.dir, fmt.Sprintf("broker-%d.log", i+1)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		b := &broker{
			n: i + 1, addr: addrs[3*i], quorum: addrs[3*i+1], inside: addrs[3*i], log: log,
			config: filepath.Join(k.dir, fmt.Sprintf("broker-%d.properties", i+1)),
		}
		if k.ca != nil {
			b.inside = addrs[3*i+2]
		}
		k.brokers = append(k.brokers, b)
	}
	return k.format(ctx)
}

func (k *Kafka) format(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, b := range k.brokers {
		if err := os.WriteFile(b.config, []byte(k.properties(b)), 0o600); err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		args := []string{"format", "-t", clusterID, "-c", b.config}
		for user, password := range k.opts.Users {
			args = append(args, "--add-scram", fmt.Sprintf("SCRAM-SHA-512=[name=%s,password=%s]", user, password),
				"--add-scram", fmt.Sprintf("SCRAM-SHA-256=[name=%s,password=%s]", user, password))
		}
		g.Go(func() error {
			_, err := k.Tool(gctx, nil, "kafka.tools.StorageTool", args...)
			return err
		})
	}
	return g.Wait()
}

// Bootstrap returns the addresses of all brokers as clients are given them,
// divided by commas.
func (k *Kafka) Bootstrap() string { return k.join(func(b *broker) string { return b.addr }) }

// Inside returns the addresses of the listeners without security. They are
// Bootstrap's if the cluster has no users.
func (k *Kafka) Inside() string { return k.join(func(b *broker) string { return b.inside }) }

func (k *Kafka) join(of func(*broker) string) string {
	addrs := make([]string, len(k.brokers))
	for i, b := range k.brokers {
		addrs[i] = of(b)
	}
	return strings.Join(addrs, ",")
}

// Size returns how many brokers the cluster has, running or not.
func (k *Kafka) Size() int { return len(k.brokers) }

// CAFile returns a file with the certificate, PEM, that clients of a cluster
// with users must trust; "" without users.
func (k *Kafka) CAFile() string {
	if k.ca == nil {
		return ""
	}
	return k.ca.file
}

// TLS returns what a Go client of a cluster with users needs to trust it.
func (k *Kafka) TLS() *tls.Config {
	if k.ca == nil {
		return nil
	}
	return &tls.Config{RootCAs: k.ca.pool, MinVersion: tls.VersionTLS12}
}

// Admin returns a client for administration by tests, through Inside. The
// caller closes it.
func (k *Kafka) Admin(opts ...kgo.Opt) (*kadm.Client, error) {
	cl, err := k.Client(opts...)
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(cl), nil
}

// Client returns a client through Inside. The caller closes it.
func (k *Kafka) Client(opts ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(k.Inside(), ",")...)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	return cl, nil
}
