package kafka

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// settlePause is how long it waits at most before it tries again to find out, or to note,
// what became of a claim.
const settlePause = 2 * time.Second

// untilSettled tries until it succeeds, or ctx ends.
func (n *names) untilSettled(ctx context.Context, what string, c *claimed, try func() error) bool {
	wait := 20 * time.Millisecond
	for {
		err := try()
		if err == nil {
			return true
		}
		n.log.logger.Debug("kafka: not settled yet", slog.String("try", what), slog.Int64("claim", c.claim.ID), slog.Any("error", err))
		if pause(ctx, wait) != nil {
			return false // whoever looks for open claims of a node that is gone goes on
		}
		wait = min(2*wait, settlePause)
	}
}

// settle notes the outcome of a claim, however long it takes, and lets it go. If the answer is
// lost it is noted again, which changes nothing.
func (s *slot) settle(ctx context.Context, c *claimed, done bool, taken []*waiting) {
	n := s.names
	defer n.close(c)
	var ranges []eventlog.ClaimRange
	for _, w := range taken {
		if w.entry.Key != "" {
			ranges = append(ranges, eventlog.ClaimRange{Entry: w.number, Range: w.rangeOf()})
		}
	}
	n.untilSettled(ctx, "note the outcome of a claim", c, func() error {
		noted, err := n.log.opts.Names.SettleClaim(ctx, c.claim.ID, done, ranges)
		if err == nil && noted != done && (done || c.commit) {
			n.log.logger.Error("kafka: a claim was noted otherwise than it ended", slog.Int64("claim", c.claim.ID), slog.Bool("stored", done))
		}
		return err
	})
}

// abort gives the transaction up. Unless it was refused by ourselves, the producer is
// replaced, which ends the transaction for certain.
func (s *slot) abort(ctx context.Context, cause error) {
	ctx, cancel := context.WithTimeout(ctx, s.names.log.opts.AppendWait)
	defer cancel()
	if s.client != nil {
		if err := s.client.EndTransaction(ctx, kgo.TryAbort); err == nil && errors.Is(cause, errLateGroup) {
			return
		}
	}
	s.close()
	if _, _, err := s.ready(ctx); err != nil {
		s.names.log.logger.Debug("kafka: replace a producer", slog.Any("error", err)) // the next group does
	}
}

// recover finds out what became of a claim whose commit was not answered, answers and
// notes it.
func (s *slot) recover(ctx context.Context, c *claimed, taken []*waiting, cause error) {
	n := s.names
	var done bool
	known := n.untilSettled(ctx, "find the outcome of a claim", c, func() error {
		if _, _, err := s.ready(ctx); err != nil {
			return err
		}
		var err error
		done, _, _, err = n.log.outcome(ctx, c.claim)
		return err
	})
	switch {
	case !known:
		n.fail(taken, problem.New(problem.Unavailable, "kafka: the log was closed before it was known whether the events are stored: %w", cause))
		n.close(c)
	case done:
		n.log.awaitShown(ctx, placesOf(taken))
		s.stored(taken)
		s.settle(ctx, c, true, taken)
	default:
		s.settle(ctx, c, false, nil)
		for _, w := range taken {
			w.fault = nil
		}
		s.refused(ctx, taken, cause)
	}
}

// awaitClaims waits until claims are settled, and settles those of nodes that are gone.
func (l *Log) awaitClaims(ctx context.Context, giveUp <-chan time.Time, claims []int64) error {
	for _, id := range claims {
		wait := 5 * time.Millisecond
		for {
			settled, err := l.lookAtClaim(ctx, id)
			if err != nil && ctx.Err() != nil {
				return err
			}
			if settled {
				break
			}
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return context.Cause(ctx)
			case <-giveUp:
				timer.Stop()
				if err == nil {
					return errNotSettled()
				}
				return problem.New(problem.Unavailable, "kafka: nothing was stored: %w", err)
			}
			wait = min(2*wait, 200*time.Millisecond)
		}
	}
	return nil
}

// lookAtClaim reports whether a claim is settled. It waits for one that a slot of this log
// has in hand, and settles one whose node is gone.
func (l *Log) lookAtClaim(ctx context.Context, id int64) (settled bool, err error) {
	n := l.names
	n.mu.Lock()
	mine := n.open[id]
	n.mu.Unlock()
	if mine != nil {
		select {
		case <-mine:
		case <-time.After(time.Second): // the caller has a time to give up
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	c, found, err := l.opts.Names.FindClaim(ctx, id)
	if err != nil || !found || c.Void {
		return err == nil, err
	}
	if c.Live && c.Node != l.opts.Node {
		return false, nil
	}
	if err := l.resolve(ctx, c); err != nil {
		l.logger.Debug("kafka: settle a claim", slog.Int64("claim", id), slog.Any("error", err))
		return false, err
	}
	return true, nil
}

// resolve settles an open claim of a node that is gone, or of this one if no slot has it in
// hand: then its answer was lost when it was made, and nothing was written.
func (l *Log) resolve(ctx context.Context, c eventlog.Claim) error {
	l.names.mu.Lock()
	_, mine := l.names.open[c.ID]
	l.names.mu.Unlock()
	if mine {
		return problem.New(problem.Busy, "kafka: claim %d is being written", c.ID)
	}
	if c.Node != l.opts.Node {
		if err := l.fence(ctx, c.Producer); err != nil {
			return err
		}
	}
	done, ranges, places, err := l.outcome(ctx, c)
	if err != nil {
		return err
	}
	l.awaitShown(ctx, places)
	_, err = l.opts.Names.SettleClaim(ctx, c.ID, done, ranges)
	return err
}

// fence ends the transaction of a transactional id, and whatever its producer may still say.
func (l *Log) fence(ctx context.Context, id string) error {
	client, err := l.newProducer(id)
	if err != nil {
		return problem.New(problem.Internal, "kafka: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	if _, _, err := client.ProducerID(ctx); err != nil {
		return classify("end the transaction of a node that is gone", err)
	}
	return nil
}

// How often claims of nodes that are gone are looked for, and names that have expired.
const (
	claimsEvery  = 2 * time.Second
	forgetEvery  = time.Minute
	claimsAtOnce = 1000
	forgetChunks = 10
)

// runNames settles claims that nobody asks for and forgets names that have expired, until
// ctx ends. Any node may do it; so do all.
func (l *Log) runNames(ctx context.Context) {
	if l.opts.Names == nil {
		return
	}
	claims, forget := time.NewTicker(claimsEvery), time.NewTicker(forgetEvery)
	defer claims.Stop()
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-claims.C:
			l.settleAbandoned(ctx)
		case <-forget.C:
			for more := true; more && ctx.Err() == nil; {
				var err error
				if more, err = l.opts.Names.ForgetNames(ctx, time.Now(), forgetChunks); err != nil && ctx.Err() == nil {
					l.logger.Warn("kafka: names that have expired stay for now", slog.Any("error", err))
					break
				}
			}
		}
	}
}

// settleAbandoned settles the open claims of nodes that are gone, so that they hold no
// reader up.
func (l *Log) settleAbandoned(ctx context.Context) {
	c, leave, err := l.enter(ctx)
	if err != nil {
		return
	}
	defer leave()
	for after := int64(0); ; {
		open, err := l.opts.Names.OpenClaims(c, after, claimsAtOnce)
		if err != nil {
			l.logger.Debug("kafka: list open claims", slog.Any("error", err))
			return
		}
		for _, o := range open {
			after = o.ID
			if o.Live && o.Node != l.opts.Node {
				continue
			}
			if err := l.resolve(c, o); err != nil {
				l.logger.Debug("kafka: settle a claim", slog.Int64("claim", o.ID), slog.Any("error", err))
			}
			if c.Err() != nil {
				return
			}
		}
		if len(open) < claimsAtOnce {
			return
		}
	}
}
