package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

func errClosed() error { return problem.New(problem.Unavailable, "kafka: %w", eventlog.ErrClosed) }

func errNoStream(streamID string) error {
	return problem.New(problem.NotFound, "kafka: stream %s: %w", streamID, eventlog.ErrNoStream)
}

func errNotSettled() error {
	return problem.New(problem.Unavailable, "kafka: nothing was stored: another append has its key, its mark or its ids, and is not settled")
}

// errDeleted: the catalog has the stream, the cluster has not its topic. Kind Conflict,
// because that is no stream that is gone but one that has lost its events.
func errDeleted(st *topic) error {
	return problem.New(problem.Conflict, "kafka: topic %s of stream %s does not exist; it was deleted, or these are other brokers than those it was made on. "+
		"Go back to those; if it was deleted, its events are gone: delete the stream too (strm delete stream) and create it anew", st.desc.Name, st.streamID)
}

// errRemade: what is in the topic now are not the stream's events.
func errRemade(st *topic) error {
	return problem.New(problem.Conflict, "kafka: topic %s of stream %s was deleted and made anew; its offsets begin again, so nothing that was read or delivered before tells where to go on. "+
		"Delete the stream (strm delete stream) and create it anew", st.desc.Name, st.streamID)
}

func isUnknownTopic(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID)
}

// denied reports whether err is a refusal by who we are.
func denied(err error) bool {
	for _, e := range []error{kerr.SaslAuthenticationFailed, kerr.IllegalSaslState, kerr.UnsupportedSaslMechanism, kerr.TopicAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fault gives err, which a broker or the client answered to what was asked of a topic, a
// kind and, where there is one, advice.
func (l *Log) fault(ctx context.Context, st *topic, doing string, err error) error {
	if ended := l.ended(ctx, err); ctx.Err() != nil {
		return ended
	}
	if isUnknownTopic(err) {
		l.forget(st)
		// A broker that has not heard of it yet says the same.
		switch d, derr := l.detail(ctx, st.desc.Name); {
		case isUnknownTopic(derr):
			return errDeleted(st)
		case derr == nil && d.ID != st.id:
			return errRemade(st)
		}
		return problem.New(problem.Unavailable, "kafka: %s topic %s: %w", doing, st.desc.Name, err)
	}
	return classify(doing+" topic "+st.desc.Name, err)
}

// classify gives err a kind and advice.
func classify(doing string, err error) error {
	var ke *kerr.Error
	var pe *problem.Error
	var eof *kgo.ErrFirstReadEOF
	switch {
	case errors.As(err, &pe):
		return err
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.IllegalSaslState):
		return problem.New(problem.Unavailable, "kafka: %s: the brokers refuse user and password: %w", doing, err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return problem.New(problem.Unavailable, "kafka: %s: the brokers do not take this sasl mechanism; name another with sasl=: %w", doing, err)
	case denied(err):
		return problem.New(problem.Unavailable, "kafka: %s: the user may not do this until an ACL of the cluster allows it: %w", doing, err)
	case errors.As(err, &eof):
		return problem.New(problem.Unavailable, "kafka: %s: the broker hangs up at once; perhaps it wants tls=true or sasl=, or does not: %w", doing, err)
	case errors.As(err, &ke) && !ke.Retriable:
		return problem.New(problem.Internal, "kafka: %s: %w", doing, err)
	}
	return problem.New(problem.Unavailable, "kafka: %s: %w", doing, err)
}
