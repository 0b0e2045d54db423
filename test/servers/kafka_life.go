package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/test/harness"
)

// start starts a broker's process and returns at once.
func (k *Kafka) start(i int) error {
	b := k.brokers[i]
	p, err := harness.StartProcess(fmt.Sprintf("kafka broker %d", b.n), k.env(), b.log, "java",
		"-Xmx"+k.opts.Heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dlog4j.configuration=file:"+k.log4j(),
		"-Djava.net.preferIPv4Stack=true", "-cp", k.classes(), "kafka.Kafka", b.config)
	if err != nil {
		return err
	}
	b.proc = p
	return nil
}

// Kill is kill -9 of a broker, and waits until the process is gone.
func (k *Kafka) Kill(i int) {
	if p := k.brokers[i].proc; p != nil {
		p.Kill()
	}
}

// Stop stops a broker in good order: it gives up leadership first.
func (k *Kafka) Stop(ctx context.Context, i int) error {
	p := k.brokers[i].proc
	if p == nil {
		return nil
	}
	err := p.Stop(ctx, time.Minute)
	if st := p.State(); st != nil && st.ExitCode() == 143 {
		return nil // as a JVM ends after SIGTERM
	}
	return err
}

// Restart starts a broker that was killed or stopped and waits until the
// cluster counts it in again.
func (k *Kafka) Restart(ctx context.Context, i int) error {
	if k.running(i) {
		return fmt.Errorf("kafka broker %d is running", i+1)
	}
	if err := k.start(i); err != nil {
		return err
	}
	return k.Ready(ctx)
}

// running reports whether a broker's process runs.
func (k *Kafka) running(i int) bool {
	p := k.brokers[i].proc
	return p != nil && p.State() == nil
}

// Ready waits until every broker whose process runs answers, and knows of all
// that run. A process that ends first is an error with the end of its log.
func (k *Kafka) Ready(ctx context.Context) error {
	running := map[int32]bool{}
	for i, b := range k.brokers {
		if k.running(i) {
			running[int32(b.n)] = true
		}
	}
	for _, b := range k.brokers {
		if !running[int32(b.n)] {
			continue
		}
		if err := k.ready(ctx, b, running); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kafka) ready(ctx context.Context, b *broker, running map[int32]bool) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.inside))
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer cl.Close()
	what := fmt.Sprintf("kafka broker %d to be ready", b.n)
	return harness.Poll(ctx, kafkaReadyWithin, 50*time.Millisecond, what, func(ctx context.Context) (bool, string, error) {
		if st := b.proc.State(); st != nil {
			return false, "", fmt.Errorf("it ended (%v):\n%s", st, b.tail())
		}
		tctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		m, err := metadata(tctx, cl)
		if err != nil {
			return false, err.Error(), nil // it does not answer yet: the poll goes on
		}
		known := map[int32]bool{}
		for _, d := range m.Brokers {
			known[d.NodeID] = true
		}
		for n := range running {
			if !known[n] {
				return false, fmt.Sprintf("it does not know broker %d", n), nil
			}
		}
		return m.ControllerID >= 0, "no controller", nil
	})
}

// InSync waits until every partition has a leader and all of its replicas are
// in sync, so that any one broker may be ended.
func (k *Kafka) InSync(ctx context.Context) error {
	cl, err := k.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return harness.Poll(ctx, kafkaReadyWithin, 100*time.Millisecond, "kafka's replicas to be in sync", func(ctx context.Context) (bool, string, error) {
		tctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		m, err := metadata(tctx, cl)
		if err != nil {
			return false, err.Error(), nil // no answer yet: the poll goes on
		}
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
					return false, fmt.Sprintf("partition %d of %s: leader %d, replicas %v, in sync %v", p.Partition, deref(t.Topic), p.Leader, p.Replicas, p.ISR), nil
				}
			}
		}
		return true, "", nil
	})
}

// metadata asks a broker itself: the client's own answers are up to minutes old.
func metadata(ctx context.Context, cl *kgo.Client) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	var last error
	for _, seed := range cl.SeedBrokers() {
		r, err := seed.Request(ctx, req)
		if err != nil {
			last = err
			continue
		}
		if m, ok := r.(*kmsg.MetadataResponse); ok {
			return m, nil
		}
		last = fmt.Errorf("metadata: an answer of kind %T", r)
	}
	return nil, last
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Close kills what runs and closes the logs. The files stay.
func (k *Kafka) Close() error {
	var errs []error
	for i, b := range k.brokers {
		k.Kill(i)
		errs = append(errs, b.log.Close())
	}
	return errors.Join(errs...)
}

// tail returns the end of what a broker wrote.
func (b *broker) tail() string {
	text, err := os.ReadFile(b.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4<<10):])
}
