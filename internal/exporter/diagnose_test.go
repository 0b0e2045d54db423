package exporter_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/objstore/mem"
	"strm/internal/stream"
)

// picky denies what it is told to, and can say more about it.
type picky struct {
	*mem.Bucket
	mu     sync.Mutex
	reason objstore.Reason // of the refusal; empty lets through
	asked  []string        // keys
	of     []string        // keys that were denied
}

func (p *picky) Create(ctx context.Context, key string, c objstore.Content) error {
	p.mu.Lock()
	reason := p.reason
	p.mu.Unlock()
	if reason != "" {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: reason, Action: "s3:PutObject on x"}
	}
	return p.Bucket.Create(ctx, key, c)
}

func (p *picky) Diagnose(_ context.Context, key string, c objstore.Content, refused *objstore.Error) *objstore.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.of = append(p.asked, key), append(p.of, refused.Key)
	if c.Open == nil || c.Overwrite {
		return &objstore.Error{Outcome: objstore.Rejected, Err: errors.New("diagnosed with something else than the validation object")}
	}
	e := *refused
	e.Action, e.Err = "", errors.New("policy and encryption do not agree")
	return &e
}

func (p *picky) set(r objstore.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason, p.asked, p.of = r, nil, nil
}

// A denial is looked into once each time, with the validation object, under the
// prefix of the sink; nothing else is.
func TestADenialIsDiagnosed(t *testing.T) {
	w := newWorld(t, stream.Output{PathPrefix: "events"}, 1)
	_, _, err := w.db.PutSink(t.Context(), stream.Sink{Name: "s3", Type: stream.SinkDir, Bucket: "/bucket", Prefix: "top"})
	w.must(err)
	// Blocked batches stay so, for as long as the test looks at them.
	w.backoff = exporter.DefaultBackoff
	store := &picky{Bucket: w.store}
	p := w.start(nil, func(*process, objstore.Bucket) objstore.Bucket { return store })
	w.append(1, time.Now())
	w.flush(p) // so the trial at the start is over
	const test = "top/events/.strm_test_test.jsonl"

	store.set(objstore.Denied)
	err = p.runner.Validate(t.Context(), w.exp)
	if err == nil || !strings.Contains(err.Error(), "do not agree") || !objstore.NeedsPerson(err) {
		t.Errorf("validation: %v", err)
	}
	if strings.Join(store.asked, " ") != test || strings.Join(store.of, " ") != test {
		t.Errorf("validation: asked with %v about %v", store.asked, store.of)
	}

	store.set(objstore.Denied)
	w.append(3, time.Now())
	target, err := p.runner.Flush(t.Context(), w.exp.ID)
	w.must(err)
	if ok, err := p.runner.WaitDelivered(t.Context(), w.exp.ID, target); ok || err != nil {
		t.Fatalf("delivered: %v, %v", ok, err)
	}
	s := p.runner.Status(w.exp.ID)
	if !strings.Contains(s.Reason, "do not agree") {
		t.Errorf("status %+v", s)
	}
	store.mu.Lock()
	if strings.Join(store.asked, " ") != test || len(store.of) != 1 || !strings.HasPrefix(store.of[0], "top/events/2") {
		t.Errorf("delivery: asked with %v about %v", store.asked, store.of)
	}
	store.mu.Unlock()

	for _, other := range []objstore.Reason{objstore.NoBucket, objstore.BadCredentials, objstore.BadRequest} {
		store.set(other)
		if err := p.runner.Validate(t.Context(), w.exp); err == nil || len(store.asked) != 0 {
			t.Errorf("%s: %v, asked with %v", other, err, store.asked)
		}
	}
	store.set("")
	w.must(p.runner.Reload(t.Context(), w.exp.ID))
	p.runner.SinkChanged(t.Context(), "s3")
	w.flush(p)
	w.check(p)
}
