package kafka

import (
	"cmp"
	"log/slog"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"strm/internal/problem"
)

// How long the client tries. Every call is bounded by these beside its context.
const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 10 * time.Second // beyond what the broker is told to take
	retryTimeout   = 8 * time.Second  // of requests that are no produce requests, retries included
	linger         = time.Millisecond
)

// complete checks the options and fills in defaults.
func (o Options) complete() (Options, error) {
	if len(o.Brokers) == 0 {
		return o, problem.New(problem.Invalid, "kafka: no broker is named")
	}
	switch o.SASL {
	case "":
		if o.User != "" {
			o.SASL = SASLScramSHA512
		}
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
		if o.User == "" {
			return o, problem.New(problem.Invalid, "kafka: sasl=%s needs a user: kafka://user@host", o.SASL)
		}
	default:
		return o, problem.New(problem.Invalid, "kafka: unknown sasl mechanism %q; there are %s, %s, %s", o.SASL, SASLPlain, SASLScramSHA256, SASLScramSHA512)
	}
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	o.Buffer = cmp.Or(o.Buffer, DefaultBuffer)
	o.AppendWait = cmp.Or(o.AppendWait, DefaultAppendWait)
	o.PollEvery = cmp.Or(o.PollEvery, time.Second)
	o.MaxEventLen = cmp.Or(o.MaxEventLen, DefaultMaxEventLen)
	o.news = cmp.Or(o.news, newsWithin)
	o.KeyTTL = cmp.Or(o.KeyTTL, 24*time.Hour)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// metadataAge is how often the client asks for metadata at most.
const metadataAge = 100 * time.Millisecond

// connection is what every client of the cluster is made with.
func (o Options) connection() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID("strm"),
		kgo.SoftwareNameAndVersion("strm", "1"),
		kgo.WithLogger(logging{o.Logger}),
		kgo.DialTimeout(dialTimeout),
		kgo.RequestTimeoutOverhead(requestTimeout),
		kgo.RetryTimeout(retryTimeout),
		kgo.MetadataMinAge(metadataAge),
		kgo.DisableClientMetrics(),
	}
	if o.dial != nil {
		opts = append(opts, kgo.Dialer(o.dial))
	} else if o.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(o.TLS.Clone()))
	}
	if m := o.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

func (o Options) mechanism() sasl.Mechanism {
	switch o.SASL {
	case SASLPlain:
		return plain.Auth{User: o.User, Pass: o.Password}.AsMechanism()
	case SASLScramSHA256:
		return scram.Auth{User: o.User, Pass: o.Password}.AsSha256Mechanism()
	case SASLScramSHA512:
		return scram.Auth{User: o.User, Pass: o.Password}.AsSha512Mechanism()
	}
	return nil
}

// producing is what every client that produces is made with beside connection. largest
// says how many bytes a batch for a topic may have. There is no RecordDeliveryTimeout,
// because the client counts that from a record's timestamp, which is when the event was
// received: a context with a deadline for each entry does the same.
func (o Options) producing(largest func(topic string) int32) []kgo.Opt {
	return []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytesFn(largest),
		kgo.ProduceRequestTimeout(o.AppendWait),
		kgo.UnknownTopicRetries(int(max(4, o.news/metadataAge))), // one with each metadata
		kgo.MaxBufferedRecords(math.MaxInt32),                    // room is given out by bytes, before records are made
	}
}

// logging hands what the client logs to slog. What a person should see, errors of calls say.
type logging struct{ *slog.Logger }

// Level implements kgo.Logger.
func (l logging) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (l logging) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := l.Debug
	if level == kgo.LogLevelError {
		to = l.Warn
	}
	to("kafka: "+msg, keyvals...)
}
