package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/builtin"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/objstore/mem"
	"strm/internal/problem"
	"strm/internal/stream"
)

// sinkBook is a catalog with one sink, and what was remembered of it.
type sinkBook struct {
	exporter.Catalog
	mu    sync.Mutex
	sink  stream.Sink
	wrote int
	fail  error
}

func (b *sinkBook) Sink(_ context.Context, name string) (stream.Sink, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name != b.sink.Name {
		return stream.Sink{}, problem.New(problem.NotFound, "there is no sink %s", name)
	}
	return b.sink, nil
}

func (b *sinkBook) SetSinkFound(context.Context, string, int64, string, stream.Support) error {
	return nil
}

func (b *sinkBook) SetSinkHealth(ctx context.Context, _ string, revision int64, h stream.Health) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if revision != b.sink.Revision {
		return problem.New(problem.Conflict, "another revision")
	}
	b.wrote++
	b.sink.Health = h
	return b.fail
}

// failing is a bucket that answers with one error, or none.
type failing struct {
	*mem.Bucket
	err error
}

func (f failing) Create(ctx context.Context, key string, c objstore.Content) error {
	if f.err != nil {
		return f.err
	}
	return f.Bucket.Create(ctx, key, c)
}

func tester(t *testing.T, book *sinkBook, b objstore.Bucket, open error) *exporter.Runner {
	t.Helper()
	return exporter.New(exporter.Options{
		Catalog: book, Format: builtin.Format, Logger: slog.New(slog.DiscardHandler), Observer: quiet{},
		Open: func(context.Context, stream.Sink) (objstore.Bucket, error) { return b, open },
	})
}

func testAs(t *testing.T, prefix string) stream.Exporter {
	t.Helper()
	out, err := builtin.CheckOutput(stream.Output{PathPrefix: prefix}, "top", "demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	return stream.Exporter{Sink: "s3", Output: out, TestID: "id"}
}

func TestATrialNamesTheStepThatFails(t *testing.T) {
	said := func(e objstore.Error) error {
		if e.Op == "" {
			e.Op = "put"
		}
		return &e
	}
	for _, tt := range []struct {
		name string
		err  error // of the store
		open error // of opening it
		typ  stream.SinkType
		role string
		want stream.HealthStep // empty: ok
	}{
		{name: "stored"},
		{name: "exists", err: said(objstore.Error{Outcome: objstore.Exists})},
		{name: "sealed by another key", open: problem.New(problem.Corrupt, "the credentials do not open"), want: stream.StepCredentials},
		{name: "no directory", open: errors.New("not a directory"), typ: stream.SinkDir, want: stream.StepBucket},
		{name: "unknown access key", err: said(objstore.Error{Outcome: objstore.Rejected, Reason: objstore.BadCredentials, Status: 403}), want: stream.StepCredentials},
		{name: "no ambient credentials", err: said(objstore.Error{Outcome: objstore.NotSent, Reason: objstore.BadCredentials}), want: stream.StepCredentials},
		{name: "clock", err: said(objstore.Error{Outcome: objstore.Rejected, Reason: objstore.ClockSkew, Status: 403}), want: stream.StepCredentials},
		{name: "role denied", err: said(objstore.Error{Outcome: objstore.NotSent, Reason: objstore.Denied, Action: "sts:AssumeRole on r", Status: 403}), role: "r", want: stream.StepRole},
		{name: "no such role", err: said(objstore.Error{Outcome: objstore.NotSent, Reason: objstore.BadRequest, Status: 404}), role: "r", want: stream.StepRole},
		{name: "role denied while looking for the region", err: said(objstore.Error{Op: "locate", Outcome: objstore.NotSent, Reason: objstore.Denied, Action: "sts:AssumeRole on r"}), role: "r", want: stream.StepRole},
		{name: "no bucket", err: said(objstore.Error{Op: "locate", Outcome: objstore.Rejected, Reason: objstore.NoBucket, Status: 404}), want: stream.StepBucket},
		{name: "other region", err: said(objstore.Error{Outcome: objstore.Rejected, Reason: objstore.WrongRegion, Status: 301}), want: stream.StepRegion},
		{name: "region not found", err: said(objstore.Error{Op: "locate", Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "s3:GetBucketLocation", Status: 403}), want: stream.StepRegion},
		{name: "put denied", err: said(objstore.Error{Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "s3:PutObject on x", Status: 403}), want: stream.StepPut},
		{name: "key denied", err: said(objstore.Error{Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "kms:GenerateDataKey on k", Status: 403}), role: "r", want: stream.StepPut},
		{name: "nothing listens", err: said(objstore.Error{Op: "locate", Outcome: objstore.NotSent, Reason: objstore.Unreachable}), want: stream.StepConnection},
		{name: "no answer", err: said(objstore.Error{Outcome: objstore.Ambiguous}), want: stream.StepConnection},
		{name: "the store failed", err: said(objstore.Error{Outcome: objstore.Ambiguous, Status: 500}), want: stream.StepPut},
		{name: "disk full", err: said(objstore.Error{Outcome: objstore.Rejected, Reason: objstore.NoSpace}), typ: stream.SinkDir, want: stream.StepPut},
		{name: "disk broken", err: said(objstore.Error{Outcome: objstore.Rejected}), typ: stream.SinkDir, want: stream.StepPut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.typ == "" {
				tt.typ = stream.SinkS3
			}
			book := &sinkBook{sink: stream.Sink{Name: "s3", Type: tt.typ, Prefix: "top", Revision: 3, Role: stream.Role{ARN: tt.role}}}
			store := mem.New(nil)
			h, err := tester(t, book, failing{store, tt.err}, tt.open).TestSink(t.Context(), testAs(t, "events"))
			if err != nil || h.Step != tt.want || (h.Status == stream.HealthOK) != (tt.want == "") || (h.Reason == "") != (tt.want == "") {
				t.Errorf("health %+v, %v", h, err)
			}
			if book.sink.Health != h || h.At.IsZero() {
				t.Errorf("remembered %+v, found %+v", book.sink.Health, h)
			}
			if tt.name != "stored" {
				return
			}
			if _, err := store.Stat(t.Context(), "top/events/.strm_test_id.jsonl"); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a trial cannot say of the sink is not remembered of it.
func TestATrialThatSaysNothing(t *testing.T) {
	book := &sinkBook{sink: stream.Sink{Name: "s3", Type: stream.SinkS3}}
	r := tester(t, book, failing{Bucket: mem.New(nil)}, nil)
	as := testAs(t, "")
	as.Sink = "nope"
	if h, err := r.TestSink(t.Context(), as); problem.KindOf(err) != problem.NotFound || h != (stream.Health{}) {
		t.Errorf("no such sink: %+v, %v", h, err)
	}
	as = testAs(t, "")
	as.Output.Layout = "{nonsense}"
	if h, err := r.TestSink(t.Context(), as); problem.KindOf(err) != problem.Invalid || h != (stream.Health{}) {
		t.Errorf("wrong layout: %+v, %v", h, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if h, err := tester(t, book, deadBucket{}, nil).TestSink(gone, testAs(t, "")); !errors.Is(err, context.Canceled) || h != (stream.Health{}) {
		t.Errorf("given up: %+v, %v", h, err)
	}
	if book.wrote != 0 {
		t.Errorf("%d times remembered %+v", book.wrote, book.sink.Health)
	}
	// What cannot be remembered is told all the same.
	book.fail = errors.New("disk")
	if h, err := r.TestSink(t.Context(), testAs(t, "")); err != nil || h.Status != stream.HealthOK {
		t.Errorf("not remembered: %+v, %v", h, err)
	}
}

// A store that never answers costs the time that the caller gives, and is
// remembered although that time is over. The same answer is not written again
// and again.
func TestATrialIsBoundedAndRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := &sinkBook{sink: stream.Sink{Name: "s3", Type: stream.SinkS3}}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		h, err := tester(t, book, deadBucket{}, nil).TestSink(ctx, testAs(t, ""))
		if took := time.Since(began); err != nil || h.Step != stream.StepConnection || took != 10*time.Second || book.sink.Health != h {
			t.Errorf("after %v: %+v, %v, remembered %+v", took, h, err, book.sink.Health)
		}
		r := tester(t, book, failing{Bucket: mem.New(nil)}, nil)
		for i, wrote := range []int{2, 2, 3} {
			if i == 2 {
				time.Sleep(2 * time.Minute)
			}
			if h, err := r.TestSink(t.Context(), testAs(t, "")); err != nil || h.Status != stream.HealthOK || book.wrote != wrote {
				t.Errorf("trial %d: %+v, %v, remembered %d times", i, h, err, book.wrote)
			}
		}
	})
}

// Deliveries keep the health of their sink up to date.
func TestDeliveriesTellTheHealthOfTheirSink(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	store := &picky{Bucket: w.store}
	p := w.start(nil, func(*process, objstore.Bucket) objstore.Bucket { return store })
	health := func() stream.Health {
		s, err := w.db.Sink(t.Context(), "s3")
		w.must(err)
		return s.Health
	}
	w.append(1, time.Now())
	w.flush(p)
	if h := health(); h.Status != stream.HealthOK {
		t.Fatalf("after the first delivery: %+v", h)
	}
	store.set(objstore.Denied)
	w.append(1, time.Now())
	target, err := p.runner.Flush(t.Context(), w.exp.ID)
	w.must(err)
	if ok, err := p.runner.WaitDelivered(t.Context(), w.exp.ID, target); ok || err != nil {
		t.Fatalf("delivered: %v, %v", ok, err)
	}
	if h := health(); h.Status != stream.HealthFailing || h.Step != stream.StepPut || !strings.Contains(h.Reason, "do not agree") {
		t.Errorf("blocked: %s", fmt.Sprint(h))
	}
	store.set("")
	w.flush(p)
	w.stop() // the delivery is told before the health is written
	if h := health(); h.Status != stream.HealthOK || h.Reason != "" {
		t.Errorf("delivered again: %+v", h)
	}
}

// A delivery says that a sink is well also where that was known, but not each
// time.
func TestDeliveriesAreNewsOfTheirSink(t *testing.T) {
	for _, tt := range []struct {
		status stream.HealthStatus
		age    time.Duration
		fresh  bool
	}{{stream.HealthOK, 9 * time.Minute, false}, {stream.HealthOK, 11 * time.Minute, true}, {stream.HealthUnknown, 0, true}} {
		w := newWorld(t, stream.Output{}, 1)
		p := w.start(nil, nil)
		w.append(1, time.Now())
		w.flush(p) // validated by now
		s, err := w.db.Sink(t.Context(), "s3")
		w.must(err)
		before := time.Now().UTC().Truncate(time.Microsecond)
		w.must(w.db.SetSinkHealth(t.Context(), "s3", s.Revision, stream.Health{Status: tt.status, At: before.Add(-tt.age)}))
		w.append(1, time.Now())
		w.flush(p)
		w.stop()
		s, err = w.db.Sink(t.Context(), "s3")
		w.must(err)
		if got := s.Health.Status == stream.HealthOK && !s.Health.At.Before(before); got != tt.fresh {
			t.Errorf("%q %v old: %+v", tt.status, tt.age, s.Health)
		}
	}
}
