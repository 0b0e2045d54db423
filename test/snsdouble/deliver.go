package snsdouble

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// attempts is how often SNS tries by default: once and three times more would
// be its policy; three in all suffice to see who is asked again.
const attempts = 3

// Attempt is one try to deliver a message.
type Attempt struct {
	Status int // 0 without an answer
	Err    error
	Took   time.Duration
}

// Delivery is what became of a message.
type Delivery struct {
	Attempts  []Attempt
	Delivered bool // the endpoint took it
}

// Subscribe makes a token for an endpoint and sends it the confirmation of its
// subscription.
func (d *Double) Subscribe(ctx context.Context, topic, endpoint string) (name string, del Delivery, err error) {
	name = d.NewToken(topic)
	del, err = d.Deliver(ctx, endpoint, d.Confirmation(topic, name))
	return name, del, err
}

// NewToken makes a token that confirms a subscription of a topic.
func (d *Double) NewToken(topic string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	name := fmt.Sprintf("2336412f37fb687f5d51e6e241d09c80%08d", d.next)
	d.tokens[name] = token{topic: topic, arn: fmt.Sprintf("%s:2bcfbf39-05c3-41de-beaa-%012d", topic, d.next)}
	return name
}

// Confirmation is the message that asks an endpoint to confirm.
func (d *Double) Confirmation(topic, name string) Message {
	return Message{Type: Subscription, Topic: topic, Token: name,
		Text: "You have chosen to subscribe to the topic " + topic + ".\nTo confirm the subscription, visit the SubscribeURL included in this message."}
}

// Deliver posts a message to an endpoint as SNS does, but without its pauses:
// again after no answer, a 5xx and a 429, for any other answer is the last.
func (d *Double) Deliver(ctx context.Context, endpoint string, m Message) (Delivery, error) {
	body, err := d.Body(m)
	if err != nil {
		return Delivery{}, err
	}
	var del Delivery
	for range attempts {
		a := d.post(ctx, endpoint, m, body)
		del.Attempts = append(del.Attempts, a)
		if a.Status >= 200 && a.Status < 300 {
			del.Delivered = true
			break
		}
		if a.Status >= 300 && a.Status < 500 && a.Status != http.StatusTooManyRequests {
			break
		}
	}
	return del, ctx.Err()
}

func (d *Double) post(ctx context.Context, endpoint string, m Message, body []byte) Attempt {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return Attempt{Err: err}
	}
	req.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	req.Header.Set("User-Agent", "Amazon Simple Notification Service Agent")
	if !m.NoHeader {
		req.Header.Set("x-amz-sns-message-type", m.kind())
		req.Header.Set("x-amz-sns-topic-arn", m.Topic)
	}
	if m.Raw && !m.NoHeader {
		req.Header.Set("x-amz-sns-rawdelivery", "true")
	}
	res, err := d.client.Do(req)
	if err != nil {
		return Attempt{Err: err, Took: time.Since(began)}
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return Attempt{Status: res.StatusCode, Err: err, Took: time.Since(began)}
}
