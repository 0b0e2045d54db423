package sqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"strm/internal/awsauth"
	"strm/internal/notice"
	"strm/internal/notice/sqs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	queueURL = "https://sqs.eu-west-1.amazonaws.com/123456789012/fme-events"
	queueARN = "arn:aws:sqs:eu-west-1:123456789012:fme-events"
	topic    = "arn:aws:sns:eu-west-1:123456789012:fme-events"
	secret   = "s3cr3tKey"
)

func event(key string) string {
	return `{"Records":[{"eventVersion":"2.1","eventTime":"2026-11-20T08:00:00.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"in-bucket"},"object":{"key":"` + key + `","size":9,"eTag":"e1"}}}]}`
}

func wrapped(t *testing.T, topic, text string) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"Type": "Notification", "TopicArn": topic, "Message": text, "Signature": "none"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run is a poller at work in a bubble, and what it has told.
type run struct {
	mu       sync.Mutex
	keys     []string
	tests    int
	problems []string
	parked   int
	fail     error
}

func (r *run) take(_ context.Context, n notice.Notice) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	for _, f := range n.Files {
		r.keys = append(r.keys, f.Key)
	}
	if n.Test != nil {
		r.tests++
	}
	return nil
}

// seen is a copy to look at while the poller runs.
func (r *run) seen() *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &run{keys: slices.Clone(r.keys), tests: r.tests, problems: slices.Clone(r.problems), parked: r.parked}
}

func (r *run) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

func (r *run) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) == 0 {
		return "nothing told"
	}
	return r.problems[len(r.problems)-1]
}

// start runs a poller until the test calls what it returns.
func start(t *testing.T, q *queue, c sqs.Config) (r *run, stop func()) {
	t.Helper()
	r = &run{}
	return r, startAs(t, q, c, r)
}

// startAs starts a poller whose notices go to r.
func startAs(t *testing.T, q *queue, c sqs.Config, r *run) (stop func()) {
	t.Helper()
	c.QueueURL = queueURL
	c.Auth.AccessKeyID, c.Auth.SecretAccessKey, c.Auth.Transport = "AKIA", secret, q
	p, err := sqs.Open(t.Context(), c, sqs.Deps{
		Take: r.take,
		Problem: func(_ context.Context, text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.problems = append(r.problems, text)
		},
		Parked: func() { r.mu.Lock(); defer r.mu.Unlock(); r.parked++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.Close()
		if len(q.breaches) > 0 {
			t.Error(q.breaches)
		}
	}
}

func TestEveryShapeIsTakenAndDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(event("a+b.parquet"), wrapped(t, topic, event("c.parquet")), `{"Event":"s3:TestEvent","Bucket":"in-bucket"}`, `{"Records":[]}`)
		r, stop := start(t, q, sqs.Config{TopicARN: topic})
		synctest.Wait()
		if strings.Join(r.seen().keys, " ") != "a b.parquet c.parquet" || r.seen().tests != 1 || q.left() != 0 || len(q.seen().deleted) != 4 {
			t.Errorf("%v, %d tests, %d left", r.seen().keys, r.seen().tests, q.left())
		}
		time.Sleep(time.Minute) // of the bubble: long polls, and not a problem
		q.send(event("d.parquet"))
		synctest.Wait()
		if len(r.seen().keys) != 3 || q.seen().polls > 6 || r.last() != "" {
			t.Errorf("%v after %d polls: %s", r.seen().keys, q.seen().polls, r.last())
		}
		for _, h := range q.seen().sent {
			if !strings.Contains(h.Get("Authorization"), "AKIA/") || !strings.Contains(h.Get("Authorization"), "/eu-west-1/sqs/") {
				t.Errorf("%v", h)
			}
		}
		stop()
	})
}

func TestWhatNobodyUnderstandsIsLeftToTheRedrivePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strange := strings.Replace(event("strange"), `"2.1"`, `"9.9"`, 1)
		q := newQueue("hello", wrapped(t, topic+"-other", event("x")), `{"Type":"UnsubscribeConfirmation"}`, strange, event("good.parquet"))
		q.most = 3
		r, stop := start(t, q, sqs.Config{TopicARN: topic})
		synctest.Wait()
		if len(r.seen().keys) != 1 || len(q.seen().deleted) != 1 || q.left() != 4 || r.seen().parked != 4 || !strings.HasPrefix(r.last(), "4 of the queue") || !strings.Contains(r.last(), "9.9") {
			t.Errorf("%v, %d left, %d parked: %s", r.seen().keys, q.left(), r.seen().parked, r.last())
		}
		polls := q.seen().polls
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(q.seen().dead) != 4 || q.left() != 0 || len(r.seen().keys) != 1 || r.seen().parked != 12 || q.seen().polls-polls > 40 || !strings.HasPrefix(r.last(), "4 of the queue") {
			t.Errorf("%d dead, %d left, %d parked, %d polls: %s", len(q.seen().dead), q.left(), r.seen().parked, q.seen().polls-polls, r.last())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if r.last() != "" {
			t.Errorf("still told: %s", r.last())
		}
		stop()
	})
}

func TestNothingIsDeletedBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(event("a.parquet"), event("b.parquet"))
		q.most = 10
		r, stop := start(t, q, sqs.Config{})
		synctest.Wait()
		r.set(errors.New("disk full"))
		q.send(event("c.parquet"))
		q.send(event("d.parquet"))
		synctest.Wait()
		if q.left() != 2 || !strings.Contains(r.last(), "disk full") {
			t.Errorf("%d left: %s", q.left(), r.last())
		}
		// A short trouble of ours costs no reception.
		time.Sleep(20 * time.Second)
		r.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, m := range q.seen().messages {
			t.Errorf("%s is left", m.body)
		}
		if len(r.seen().keys) != 4 || len(q.seen().dead) != 0 || r.last() != "" {
			t.Errorf("%v: %s", r.seen().keys, r.last())
		}
		// A long one few of them.
		r.set(errors.New("disk full"))
		q.send(event("e.parquet"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := q.seen().messages[0].received; n < 2 || n > 6 {
			t.Errorf("received %d times in ten minutes", n)
		}
		r.set(nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if len(r.seen().keys) != 5 || q.left() != 0 || r.last() != "" {
			t.Errorf("%v: %s", r.seen().keys, r.last())
		}
		stop()
	})
}

func TestStopLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		r, stop := start(t, q, sqs.Config{})
		synctest.Wait()
		stop() // in a long poll
		q.send(event("a.parquet"))
		if q.left() != 1 || len(r.seen().keys) != 0 {
			t.Error(r.seen().keys)
		}
		broken := &run{}
		broken.set(errors.New("disk full"))
		stop = startAs(t, q, sqs.Config{}, broken)
		synctest.Wait()
		stop() // with a message in hand
		if q.left() != 1 {
			t.Error("it is gone")
		}
		r, stop = start(t, q, sqs.Config{})
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		stop()
		if len(r.seen().keys) != 1 || q.left() != 0 {
			t.Error(r.seen().keys)
		}
	})
}

func TestLostAnswerOfDeletionBringsItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(event("a.parquet"))
		refused := false
		q.fault = func(action string) *http.Response {
			if action == "DeleteMessageBatch" && !refused {
				refused = true
				return says(http.StatusInternalServerError, "InternalError", "oops")
			}
			return nil
		}
		r, stop := start(t, q, sqs.Config{})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if len(r.seen().keys) != 2 || q.left() != 0 || r.last() != "" {
			t.Errorf("%v, %d left: %s", r.seen().keys, q.left(), r.last())
		}
		stop()
	})
}

func TestProblemsNameWhatIsMissing(t *testing.T) {
	for _, tt := range []struct {
		action, code string
		status       int
		want         string
	}{
		{"ReceiveMessage", "AccessDeniedException", 400, "missing permission sqs:ReceiveMessage on " + queueARN},
		{"ReceiveMessage", "AccessDenied", 403, "missing permission sqs:ReceiveMessage on " + queueARN},
		{"DeleteMessageBatch", "AccessDenied", 403, "missing permission sqs:DeleteMessage on " + queueARN},
		{"ReceiveMessage", "KmsAccessDenied", 400, "missing permission kms:Decrypt"},
		{"ReceiveMessage", "QueueDoesNotExist", 400, "there is no queue " + queueARN},
		{"ReceiveMessage", "AWS.SimpleQueueService.NonExistentQueue", 400, "there is no queue " + queueARN},
		{"ReceiveMessage", "InvalidClientTokenId", 403, "the credentials are not accepted"},
		{"ReceiveMessage", "ExpiredToken", 403, "the credentials are not accepted"},
		{"ReceiveMessage", "RequestThrottled", 403, "slow down"},
		{"ReceiveMessage", "Odd", 418, "Odd (status 418)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(event("a.parquet"))
			var mended atomic.Bool
			var calls atomic.Int32
			q.fault = func(action string) *http.Response {
				if action != tt.action || mended.Load() {
					return nil
				}
				calls.Add(1)
				return says(tt.status, tt.code, "words with "+secret+"\nand more")
			}
			r, stop := start(t, q, sqs.Config{})
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if got := r.seen().problems[0]; !strings.Contains(got, tt.want) || strings.Contains(got, secret) || strings.Contains(got, "\n") {
				t.Errorf("%s: %s", tt.code, got)
			}
			if n := calls.Load(); n < 5 || n > 40 {
				t.Errorf("%s: asked %d times in ten minutes", tt.code, n)
			}
			mended.Store(true)
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if r.last() != "" || q.left() != 0 {
				t.Errorf("%s: after it was mended: %s", tt.code, r.last())
			}
			stop()
		})
	}
}

func TestRoleThatCannotBeAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.fault = func(action string) *http.Response {
			if action != "" {
				t.Errorf("%s without a role", action)
			}
			res := reply(http.StatusForbidden, nil)
			body := `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`
			res.Header.Set("Content-Type", "text/xml")
			res.Body, res.ContentLength = http.NoBody, 0
			res.Body = readCloser{strings.NewReader(body)}
			return res
		}
		role := "arn:aws:iam::123456789012:role/reader"
		r, stop := start(t, q, sqs.Config{Auth: awsauth.Config{Role: awsauth.Role{ARN: role}}})
		synctest.Wait()
		if !strings.Contains(r.last(), "missing permission sts:AssumeRole on "+role) {
			t.Error(r.last())
		}
		stop()
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestSilenceIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{}
		p, err := sqs.Open(t.Context(), sqs.Config{QueueURL: queueURL, Auth: awsauth.Config{AccessKeyID: "AKIA", SecretAccessKey: secret, Transport: silent{}}}, sqs.Deps{
			Take: r.take, Problem: func(_ context.Context, text string) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.problems = append(r.problems, text)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
		p.Close()
		if r.last() != "ask the queue: the queue does not answer" {
			t.Error(r.last())
		}
	})
}

type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
