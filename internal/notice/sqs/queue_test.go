package sqs_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// queue is a queue of SQS in memory, as an HTTP transport: messages are hidden
// while somebody has them and come again, a long poll waits, and after a number of
// receptions a message goes to the dead-letter queue. It holds its caller to the
// rules: what it deletes it must have received, and it asks for long polls only.
type queue struct {
	mu       sync.Mutex
	messages []*message
	changed  chan struct{}
	dead     []string
	deleted  []string
	polls    int
	most     int // receptions before a message is dead; 0: any number
	fault    func(action string) *http.Response
	breaches []string
	sent     []http.Header
}

type message struct {
	id, body  string
	visible   time.Time
	received  int
	receiptID string
}

func newQueue(bodies ...string) *queue {
	q := &queue{changed: make(chan struct{})}
	for _, b := range bodies {
		q.send(b)
	}
	return q
}

func (q *queue) send(body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, &message{id: fmt.Sprintf("m%d", len(q.messages)+len(q.deleted)+len(q.dead)), body: body})
	close(q.changed)
	q.changed = make(chan struct{})
}

// seen is a copy to look at while somebody uses the queue.
func (q *queue) seen() *queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := &queue{dead: slices.Clone(q.dead), deleted: slices.Clone(q.deleted), polls: q.polls, sent: slices.Clone(q.sent)}
	for _, m := range q.messages {
		c.messages = append(c.messages, &message{id: m.id, body: m.body, received: m.received})
	}
	return c
}

func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

func (q *queue) RoundTrip(r *http.Request) (*http.Response, error) {
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.sent = append(q.sent, r.Header.Clone())
	fault := q.fault
	q.mu.Unlock()
	if fault != nil {
		if res := fault(action); res != nil {
			return res, nil
		}
	}
	switch action {
	case "ReceiveMessage":
		return q.receive(r, b)
	case "DeleteMessageBatch":
		return q.remove(b)
	}
	return says(http.StatusBadRequest, "UnsupportedOperation", action), nil
}

func (q *queue) receive(r *http.Request, b []byte) (*http.Response, error) {
	var in struct{ MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout int }
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.polls++
	if in.MaxNumberOfMessages != 10 || in.WaitTimeSeconds != 20 || in.VisibilityTimeout < 30 {
		q.breaches = append(q.breaches, string(b))
	}
	q.mu.Unlock()
	end := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer end.Stop()
	for {
		got, changed, next := q.pick(in.MaxNumberOfMessages, time.Duration(in.VisibilityTimeout)*time.Second)
		if len(got) > 0 {
			return reply(http.StatusOK, map[string]any{"Messages": got}), nil
		}
		again := time.NewTimer(next)
		select {
		case <-changed:
		case <-again.C:
		case <-end.C:
			again.Stop()
			return reply(http.StatusOK, map[string]any{}), nil
		case <-r.Context().Done():
			again.Stop()
			return nil, r.Context().Err()
		}
		again.Stop()
	}
}

// pick returns visible messages, or when the next may be.
func (q *queue) pick(most int, hide time.Duration) (got []map[string]any, changed chan struct{}, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, next := time.Now(), time.Hour
	var keep []*message
	for _, m := range q.messages {
		if d := m.visible.Sub(now); d > 0 {
			next = min(next, d)
		} else if len(got) < most {
			m.received++
			if q.most > 0 && m.received > q.most {
				q.dead = append(q.dead, m.body)
				continue
			}
			m.visible, m.receiptID = now.Add(hide), fmt.Sprintf("%s-%d", m.id, m.received)
			sum := md5.Sum([]byte(m.body))
			got = append(got, map[string]any{"MessageId": m.id, "ReceiptHandle": m.receiptID, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:])})
		}
		keep = append(keep, m)
	}
	q.messages = keep
	return got, q.changed, next
}

func (q *queue) remove(b []byte) (*http.Response, error) {
	var in struct {
		Entries []struct{ Id, ReceiptHandle string }
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var ok []map[string]string
	for _, e := range in.Entries {
		at := -1
		for i, m := range q.messages {
			if m.receiptID == e.ReceiptHandle {
				at = i
			}
		}
		if at < 0 {
			q.breaches = append(q.breaches, "deleted what it does not have: "+e.ReceiptHandle)
			continue
		}
		q.deleted = append(q.deleted, q.messages[at].body)
		q.messages = append(q.messages[:at], q.messages[at+1:]...)
		ok = append(ok, map[string]string{"Id": e.Id})
	}
	return reply(http.StatusOK, map[string]any{"Successful": ok, "Failed": []any{}}), nil
}

func reply(status int, body any) *http.Response {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b))}
}

// says is an error as SQS sends it.
func says(status int, code, text string) *http.Response {
	return reply(status, map[string]string{"__type": "com.amazonaws.sqs#" + code, "message": text})
}
