package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Log is an eventlog.Log and eventlog.Topics over Kafka.
type Log struct {
	opts         Options
	logger       *slog.Logger
	client       *kgo.Client // requests of all kinds, and the producer of plain entries
	adm          *kadm.Client
	subs         eventlog.Subscribers
	room         *semaphore.Weighted
	memory       memory
	decompressor kgo.Decompressor
	life         context.Context // ends when Close begins
	end          context.CancelFunc

	mu           sync.RWMutex
	closed       bool
	calls        sync.WaitGroup // of methods that run
	streams      map[string]*topic
	ids          map[string][16]byte       // of the topics that streams were bound to, ever
	invalid      map[string]stream.Invalid // of streams, as last described
	descriptions int                       // calls of Describe
	lost         map[string]lost           // streams whose topic is not there; poll's own
	names        *names
	shift        time.Duration // of the times in records, whole hours; other than 0 in tests only
	largest      sync.Map      // of bytes in a batch (int32), by topic

	appends, events, refused, buffered atomic.Int64
}

var (
	_ eventlog.Log    = (*Log)(nil)
	_ eventlog.Topics = (*Log)(nil)
)

// Open makes a log on the cluster. It does not wait for a broker: while none answers,
// calls fail as they do whenever Kafka is away. Close ends it; Run belongs to it.
func Open(o Options) (*Log, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	l := &Log{opts: o, logger: o.Logger, room: semaphore.NewWeighted(o.Buffer), streams: map[string]*topic{}, ids: map[string][16]byte{}, lost: map[string]lost{}}
	opts := append(o.connection(), o.producing(l.largestBatch)...)
	if l.client, err = kgo.NewClient(append(opts, kgo.ProducerLinger(linger))...); err != nil {
		return nil, problem.New(problem.Invalid, "kafka: %w", err)
	}
	l.adm = kadm.NewClient(l.client)
	l.decompressor = kgo.DefaultDecompressor(&l.memory)
	l.life, l.end = context.WithCancel(context.Background())
	l.names = newNames(l)
	return l, nil
}

// largestBatch is how many bytes a batch for the topic may have: known since it was looked at.
func (l *Log) largestBatch(topic string) int32 {
	if n, ok := l.largest.Load(topic); ok {
		return n.(int32)
	}
	return defaultBatch
}

// Close waits for running calls, appends included, and leaves the cluster.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.end()
	l.calls.Wait()
	l.closeNames()
	l.client.Close()
	return nil
}

// enter begins a call: leave ends it. c ends with ctx and when the log closes.
func (l *Log) enter(ctx context.Context) (c context.Context, leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, nil, errClosed()
	}
	l.calls.Add(1)
	c, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.life, cancel)
	return c, func() {
		stop()
		cancel()
		l.calls.Done()
	}, nil
}

// within runs one step of an iteration: Close waits for steps, not for iterations.
func (l *Log) within(ctx context.Context, step func(context.Context) error) error {
	c, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return l.ended(c, step(c))
}

// ended makes of an error that came because the log closes or ctx ended just that.
func (l *Log) ended(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case l.life.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed)):
		return errClosed()
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("kafka: %w", err)
	}
	return err
}
