package kafka

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"strm/internal/problem"
	"strm/internal/record"
	"strm/internal/stream"
)

// Options say where the cluster is and how to use it.
type Options struct {
	Brokers []string    // host:port, at least one
	TLS     *tls.Config // nil: without TLS
	SASL    string      // one of the SASL constants; empty: without, or SCRAM-SHA-512 where User is set

	User     string
	Password string // never shown

	Prefix      string // of the names of topics that Create makes; DefaultPrefix if empty
	Replication int    // of topics that are made; 0: 3, or as many as there are brokers if fewer
	Partitions  int    // of topics that are made, if nobody says; 0: the brokers' default

	Topics Topics     // which stream has which topic; nil: only those that Make has bound
	Names  Settlement // settles names; nil: entries with names are refused

	// Node names this start of the process: no other, past or present, has it.
	Node string
	// Values makes what turns the records of a topic into lines. nil: JSON objects only.
	Values func(t stream.Topic) (record.Values, error)
	Logger *slog.Logger // nil: none

	Buffer      int64         // bytes of events that may be on their way to brokers; 0: DefaultBuffer
	AppendWait  time.Duration // how long an append waits for room or for a leader before it is refused, and as long again for an answer; 0: DefaultAppendWait
	PollEvery   time.Duration // how often Run looks for growth by others; 0: a second
	MaxEventLen int           // bytes of the largest event; the topics that are made take it; 0: DefaultMaxEventLen
	KeyTTL      time.Duration // how long a key is remembered; 0: 24 h

	dial   func(ctx context.Context, network, address string) (net.Conn, error) // tests cut the line with it
	news   time.Duration                                                        // how long brokers may not have heard of a topic; 0: newsWithin
	answer time.Duration                                                        // how long an append waits in all; 0: twice AppendWait
}

// Defaults.
const (
	DefaultPrefix      = "strm."
	DefaultBuffer      = 64 << 20
	DefaultAppendWait  = 5 * time.Second
	DefaultMaxEventLen = 4 << 20
)

// The SASL mechanisms, as Parse takes them.
const (
	SASLPlain       = "plain"
	SASLScramSHA256 = "scram-sha-256"
	SASLScramSHA512 = "scram-sha-512"
)

// Topics says which topic a stream has: the catalog does.
type Topics interface {
	// TopicStream returns a stream that has a topic; kind NotFound if there is none.
	TopicStream(ctx context.Context, streamID string) (stream.Stream, error)
	// TopicStreams returns all streams that have a topic, in no order.
	TopicStreams(ctx context.Context) ([]stream.Stream, error)
	// GrowStream notes that a stream's topic has more partitions than the stream. Until
	// it is noted the new ones are not read; then from their beginning.
	GrowStream(ctx context.Context, streamID string, partitions int) error
}

// values returns what makes lines of the values of a topic.
func (o *Options) values(t stream.Topic) (record.Values, error) {
	if o.Values != nil {
		return o.Values(t)
	}
	if t.Values != "" && t.Values != stream.ValuesJSON {
		return nil, problem.New(problem.Invalid, "kafka: topic %s: values of kind %q cannot be read here", t.Name, t.Values)
	}
	return record.JSON{Limit: -1}, nil
}
