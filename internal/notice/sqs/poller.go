package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"strm/internal/awsauth"
	"strm/internal/notice"
	"strm/internal/problem"
)

// Times and numbers of polling.
const (
	waitSeconds = 20 // of a long poll
	atOnce      = 10 // messages, the most that SQS gives
	// hidden is how long a message is ours: enough to try to record it for a
	// while, so that a full disk of ours does not use up its receptions, of which a
	// redrive policy may allow few.
	hidden       = 2 * time.Minute
	tryFor       = 90 * time.Second // to record what one reception gave; below hidden, with a margin
	callTime     = 15 * time.Second // of a request, beside the long poll
	parkedFor    = time.Hour        // after which a message that did not come again is gone
	maxParked    = 1000
	firstBackOff = time.Second
	maxBackOff   = time.Minute
)

// Config says which queue, and as whom.
type Config struct {
	QueueURL string
	Region   string         // where the URL does not say; default us-east-1
	Auth     awsauth.Config // of the importer's sink
	TopicARN string         // whose envelopes are taken; empty: any topic's
}

// Deps are what a Poller works for.
type Deps struct {
	// Take makes a notice durable: on nil, its message is deleted. The same notice
	// may come again. It is tried again after an error.
	Take func(ctx context.Context, n notice.Notice) error
	// Problem is told what keeps notices from being taken, and "" when nothing does
	// any more. It is told changes only, the first state included.
	Problem func(ctx context.Context, text string)
	// Parked is told of each reception of a message that nobody understands. May be nil.
	Parked func()
	Logger *slog.Logger // may be nil
}

// Poller takes notices from one queue.
type Poller struct {
	Deps
	queue    string
	at       notice.Queue
	topic    string
	roleARN  string
	client   *awssqs.Client
	identity *awsauth.Identity

	// Owned by Run.
	told   *string              // the problem that was told last
	parked map[string]time.Time // ids of messages that nobody understands, and when they came last
	why    string               // the reason of the last of them
}

// Open checks the configuration and returns a Poller. Nothing is sent. Close
// releases what it keeps.
func Open(ctx context.Context, c Config, d Deps) (*Poller, error) {
	at, err := notice.ParseQueue(c.QueueURL, c.Region)
	if err != nil {
		return nil, err
	}
	id, err := c.Auth.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqs: %w", err)
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Parked == nil {
		d.Parked = func() {}
	}
	return &Poller{
		Deps: d, queue: c.QueueURL, at: at, topic: c.TopicARN, roleARN: c.Auth.Role.ARN, identity: id, parked: map[string]time.Time{},
		client: awssqs.New(awssqs.Options{
			Region: at.Region, BaseEndpoint: aws.String(at.Endpoint), RetryMaxAttempts: 1,
			Credentials: id.Credentials, HTTPClient: id.Client,
		}),
	}, nil
}

// Close releases idle connections. Run must have returned.
func (p *Poller) Close() { p.identity.CloseIdle() }

// Run takes messages until ctx ends, which is no error. It must run once at a
// time. A process that dies leaves what it has received to come again.
func (p *Poller) Run(ctx context.Context) error {
	fails := 0
	for ctx.Err() == nil {
		fails = p.settle(ctx, fails, p.round(ctx))
	}
	return nil
}

// settle tells how a round went, pauses after a failure, and returns how many
// rounds have failed in a row.
func (p *Poller) settle(ctx context.Context, fails int, err error) int {
	switch {
	case ctx.Err() != nil: // whatever failed may have failed because of it
		return fails
	case err == nil:
		p.tell(ctx, p.parkedText(time.Now()))
		return 0
	}
	p.tell(ctx, err.Error())
	pause(ctx, fails+1)
	return fails + 1
}

// round receives once, takes what came, and deletes what is durable.
func (p *Poller) round(ctx context.Context) error {
	messages, err := p.receive(ctx)
	if err != nil {
		return err
	}
	received := time.Now()
	var done []types.Message
	var failed error
	for _, m := range messages {
		n, why := p.read(m)
		if why != nil {
			p.park(ctx, m, why, received)
			continue
		}
		if failed = p.take(ctx, n, received.Add(tryFor)); failed != nil {
			break // the rest comes again, as this one does
		}
		done = append(done, m)
	}
	return errors.Join(failed, p.remove(ctx, done))
}

func (p *Poller) receive(ctx context.Context) ([]types.Message, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, waitSeconds*time.Second+callTime, errors.New("the queue does not answer"))
	defer cancel()
	out, err := p.client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
		QueueUrl: &p.queue, MaxNumberOfMessages: atOnce, WaitTimeSeconds: waitSeconds, VisibilityTimeout: int32(hidden / time.Second),
	})
	if err != nil {
		return nil, p.explain(ctx, "sqs:ReceiveMessage", began, err)
	}
	return out.Messages, nil
}

// read returns what a message says, or why nobody understands it.
func (p *Poller) read(m types.Message) (notice.Notice, error) {
	body, topic, err := notice.Unwrap([]byte(aws.ToString(m.Body)))
	if err != nil {
		return notice.Notice{}, err
	}
	if topic != "" && p.topic != "" && topic != p.topic {
		return notice.Notice{}, problem.New(problem.Forbidden, "the message is of another topic than the configured one")
	}
	n, err := notice.Parse(body)
	if err != nil {
		return notice.Notice{}, err
	}
	if why, wrong := n.Wrong(); wrong > 0 && len(n.Files) == 0 {
		return notice.Notice{}, problem.New(problem.Invalid, "%s", why)
	}
	return n, nil
}

// take tries to make a notice durable until a time.
func (p *Poller) take(ctx context.Context, n notice.Notice, until time.Time) error {
	for fails := 1; ; fails++ {
		err := p.Take(ctx, n)
		if err == nil {
			if why, wrong := n.Wrong(); wrong > 0 {
				p.Logger.LogAttrs(ctx, slog.LevelWarn, "a notice has records that cannot be understood", slog.String("queue", p.queue), slog.Int("records", wrong), slog.String("reason", why))
			}
			return nil
		}
		err = fmt.Errorf("record a notice: %w", err)
		if ctx.Err() != nil || !time.Now().Add(backOff(fails)).Before(until) {
			return err
		}
		p.tell(ctx, err.Error())
		pause(ctx, fails)
	}
}

// remove deletes messages whose content is durable. What if the request or its
// answer is lost, or a deletion fails: the message comes again, and nothing is
// added. It goes on for a moment when ctx ends, to spare that.
func (p *Poller) remove(ctx context.Context, done []types.Message) error {
	if len(done) == 0 {
		return nil
	}
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), callTime, errors.New("the queue does not answer"))
	defer cancel()
	in := &awssqs.DeleteMessageBatchInput{QueueUrl: &p.queue}
	for i, m := range done {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	out, err := p.client.DeleteMessageBatch(ctx, in)
	if err != nil {
		return p.explain(ctx, "sqs:DeleteMessage", began, err)
	}
	if len(out.Failed) > 0 {
		f := out.Failed[0]
		return problem.New(problem.Unavailable, "delete %d of %d messages of the queue: %s: %s", len(out.Failed), len(done), notice.OneLine(aws.ToString(f.Code)), notice.OneLine(aws.ToString(f.Message)))
	}
	return nil
}

// park leaves a message to the queue's redrive policy.
func (p *Poller) park(ctx context.Context, m types.Message, why error, now time.Time) {
	id := aws.ToString(m.MessageId)
	if _, known := p.parked[id]; !known {
		p.Logger.LogAttrs(ctx, slog.LevelWarn, "a message of the queue cannot be understood", slog.String("queue", p.queue), slog.String("message", id), slog.Any("reason", why))
	}
	if len(p.parked) < maxParked {
		p.parked[id] = now
	}
	p.why = notice.OneLine(why.Error())
	p.Parked()
}

// parkedText tells of messages that were left in the queue lately.
func (p *Poller) parkedText(now time.Time) string {
	for id, at := range p.parked {
		if now.Sub(at) > parkedFor {
			delete(p.parked, id)
		}
	}
	if len(p.parked) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the queue's messages cannot be understood and are left to its redrive policy: %s", len(p.parked), p.why)
}

// tell tells a problem that was not told last.
func (p *Poller) tell(ctx context.Context, text string) {
	if p.told != nil && *p.told == text {
		return
	}
	p.told = &text
	p.Problem(ctx, text)
}

// backOff is the pause after a number of failures.
func backOff(fails int) time.Duration {
	return min(firstBackOff<<min(fails-1, 10), maxBackOff)
}

// pause waits between half and the whole of the back-off, or until ctx ends.
func pause(ctx context.Context, fails int) {
	d := backOff(fails)
	t := time.NewTimer(d/2 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
