package notices_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/collect/notices"
	"strm/internal/notice"
	"strm/internal/notice/sns"
	"strm/internal/problem"
	"strm/internal/stream"
	"strm/test/snsdouble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	topic = "arn:aws:sns:us-east-1:123456789012:fme-events"
	token = "s3cr3tTokenOfTheEndpoint"
)

var errDisk = errors.New("disk full while looking for " + token)

// ledger keeps what is noticed, each file once, and holds its caller to the
// contract: subscriptions are never stored over a newer read.
type ledger struct {
	mu       sync.Mutex
	importer stream.Importer
	files    map[string]notice.File
	notices  int
	stored   int // subscriptions
	fail     string
}

func (l *ledger) ImporterByToken(_ context.Context, tok string) (stream.Importer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == "lookup" {
		return stream.Importer{}, errDisk
	}
	if tok != token {
		return stream.Importer{}, problem.New(problem.NotFound, "no importer has this endpoint")
	}
	return l.importer, nil
}

func (l *ledger) Noticed(_ context.Context, id, via string, at time.Time, files []notice.File) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == "noticed" {
		return 0, errDisk
	}
	if id != "1a2b3c4d" || via != "sns" || at.IsZero() {
		return 0, errors.New("not as agreed")
	}
	l.notices++
	added := 0
	for _, f := range files {
		id := f.Key + " " + f.VersionID + " " + f.ETag
		if _, known := l.files[id]; !known {
			l.files[id] = f
			added++
		}
	}
	return added, nil
}

func (l *ledger) SetSubscription(_ context.Context, _ string, s stream.Subscription) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == "subscription" {
		return errDisk
	}
	s.TestedAt, s.TestBucket = l.importer.Subscription.TestedAt, l.importer.Subscription.TestBucket
	l.importer.Subscription = s
	l.stored++
	return nil
}

func (l *ledger) SetTested(_ context.Context, _ string, at time.Time, bucket string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == "subscription" {
		return errDisk
	}
	if s := &l.importer.Subscription; at.After(s.TestedAt) {
		s.TestedAt, s.TestBucket = at, bucket
		l.stored++
	}
	return nil
}

func (l *ledger) subscription() stream.Subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.importer.Subscription
}

func (l *ledger) breaks(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = what
}

// rig is the handler behind a server, before a double of SNS.
type rig struct {
	t        *testing.T
	sns      *snsdouble.Double
	ledger   *ledger
	url      string
	log      *syncBuffer
	mu       sync.Mutex
	woken    int
	outcomes []notices.Outcome
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	d, err := snsdouble.Start(t.Context(), t.TempDir(), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	rt, err := d.Transport(d.Roots())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, sns: d, log: &syncBuffer{}, ledger: &ledger{files: map[string]notice.File{}, importer: stream.Importer{
		ID: "1a2b3c4d", Name: "fme", TopicARN: topic, Token: token, Suffixes: []string{".parquet"}, Prefix: "events/", StatusPrefix: "events/status",
	}}}
	mux := http.NewServeMux()
	notices.New(notices.Deps{
		Ledger: r.ledger, Verifier: sns.New(sns.Options{Transport: rt}),
		Bucket: func(context.Context, stream.Importer) (string, error) {
			if r.ledger.fail == "bucket" {
				return "", errDisk
			}
			return "in-bucket", nil
		},
		Wake: func() { r.mu.Lock(); defer r.mu.Unlock(); r.woken++ },
		Observe: func(_ string, o notices.Outcome) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.outcomes = append(r.outcomes, o)
		},
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}).Register(mux)
	server := httptest.NewServer(mux)
	r.url = server.URL + notices.Endpoint(token)
	t.Cleanup(func() {
		server.Close()
		rt.CloseIdleConnections()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(r.log.String(), token) {
			t.Errorf("the token is in the log:\n%s", r.log)
		}
	})
	return r
}

// deliver returns the last status and how often it was tried.
func (r *rig) deliver(m snsdouble.Message) (status, tries int) {
	r.t.Helper()
	if m.Topic == "" {
		m.Topic = topic
	}
	del, err := r.sns.Deliver(r.t.Context(), r.url, m)
	if err != nil {
		r.t.Fatal(err)
	}
	last := del.Attempts[len(del.Attempts)-1]
	if last.Err != nil {
		r.t.Fatal(last.Err)
	}
	return last.Status, len(del.Attempts)
}

func (r *rig) wants(what string, m snsdouble.Message, status int, o notices.Outcome) {
	r.t.Helper()
	if got, _ := r.deliver(m); got != status || r.last() != o {
		r.t.Errorf("%s: %d, %s; want %d, %s\n%s", what, got, r.last(), status, o, r.log)
	}
}

func (r *rig) last() notices.Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.outcomes) == 0 {
		return ""
	}
	return r.outcomes[len(r.outcomes)-1]
}

// event is a notification of one object.
func event(bucket, key, etag string) string {
	return `{"Records":[` + record(bucket, key, etag) + `]}`
}

func record(bucket, key, etag string) string {
	return `{"eventVersion":"2.1","eventTime":"2026-11-20T08:00:00.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"` + bucket + `"},"object":{"key":"` + key + `","size":9,"eTag":"` + etag + `"}}}`
}
