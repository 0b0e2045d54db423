package controltest

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/eventlog"
	"strm/internal/exporter"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Runner is a runner that delivers nothing and complains when it is called in
// a way that a real one could not bear.
type Runner struct {
	t   testing.TB
	db  *catalog.DB
	log eventlog.Log

	mu          sync.Mutex
	Running     map[string]stream.Exporter // as of the latest Reload
	Reloads     []string                   // names of exporters, "-id" for those found gone
	Validated   []stream.Exporter
	SinkChanges []string
	Tested      []stream.Exporter // what TestSink wrote as
	Replays     []string          // prefixes
	delivered   map[string]stream.Position
	moved       chan struct{} // closed and made anew when delivered changes

	ValidateErr error
	TestHealth  stream.Health // what TestSink finds; ok when zero
	TestErr     error
	ReloadErr   error
	VerifyErr   error
	ObjectErr   error
	Objects     map[string]string // by key
	Missing     int64             // bytes that the store announces and does not send
	// Trouble is what Status shows.
	Trouble exporter.Status
	// OnValidate, when set, runs in each Validate.
	OnValidate func(ctx context.Context)
}

func newRunner(t testing.TB, db *catalog.DB, log eventlog.Log) *Runner {
	return &Runner{
		t: t, db: db, log: log,
		Running:   map[string]stream.Exporter{},
		delivered: map[string]stream.Position{},
		moved:     make(chan struct{}),
	}
}

// Validate checks that the exporter is stored as it is given.
func (r *Runner) Validate(ctx context.Context, e stream.Exporter) error {
	stored, err := r.db.Exporter(context.Background(), e.ID)
	if err != nil {
		r.t.Errorf("exporter %s is validated before it is stored: %v", e.Name, err)
	} else if stored.Output != e.Output || stored.Sink != e.Sink {
		r.t.Errorf("exporter %s is validated as %+v and stored as %+v", e.Name, e, stored)
	}
	if _, ok := ctx.Deadline(); !ok {
		r.t.Error("validation has no bound of time")
	}
	r.mu.Lock()
	r.Validated = append(r.Validated, e)
	hook, fail := r.OnValidate, r.ValidateErr
	r.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	return fail
}

// TestSink finds TestHealth and stores it.
func (r *Runner) TestSink(ctx context.Context, e stream.Exporter) (stream.Health, error) {
	if _, ok := ctx.Deadline(); !ok {
		r.t.Error("the trial of a sink has no bound of time")
	}
	r.mu.Lock()
	r.Tested = append(r.Tested, e)
	h, fail := r.TestHealth, r.TestErr
	r.mu.Unlock()
	if fail != nil {
		return stream.Health{}, fail
	}
	if h.Status == stream.HealthUnknown {
		h.Status = stream.HealthOK
	}
	h.At = time.Now().UTC().Truncate(time.Microsecond)
	s, err := r.db.Sink(ctx, e.Sink)
	if err != nil {
		return stream.Health{}, err
	}
	return h, r.db.SetSinkHealth(ctx, e.Sink, s.Revision, h)
}

// Reload takes up what the catalog holds.
func (r *Runner) Reload(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		r.t.Errorf("reload with a context that has ended: %v", err)
	}
	e, err := r.db.Exporter(context.Background(), id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ReloadErr != nil {
		return r.ReloadErr
	}
	if err != nil && problem.KindOf(err) == problem.NotFound {
		delete(r.Running, id)
		r.Reloads = append(r.Reloads, "-"+id)
		return nil
	}
	if err != nil {
		return err
	}
	r.Running[id] = e
	r.Reloads = append(r.Reloads, e.Name)
	return nil
}

// SinkChanged notes the name.
func (r *Runner) SinkChanged(ctx context.Context, name string) {
	if err := ctx.Err(); err != nil {
		r.t.Errorf("sink changed with a context that has ended: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.SinkChanges = append(r.SinkChanges, name)
}

// Status shows Trouble and what Deliver said.
func (r *Runner) Status(id string) exporter.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.Running[id]; !ok {
		return exporter.Status{}
	}
	s := r.Trouble
	if s.State == "" {
		s.State = exporter.StateRunning
	}
	s.Delivered = r.delivered[id].Clone()
	return s
}

// Flush returns the end of the log.
func (r *Runner) Flush(ctx context.Context, id string) (stream.Position, error) {
	e, err := r.db.Exporter(ctx, id)
	if err != nil {
		return nil, err
	}
	bounds, err := r.log.Bounds(ctx, e.StreamID)
	if err != nil {
		return nil, err
	}
	p := make(stream.Position, len(bounds))
	for i, b := range bounds {
		p[i] = b.End
	}
	return p, nil
}

// Deliver makes WaitDelivered and Status say that everything below p is stored.
func (r *Runner) Deliver(id string, p stream.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delivered[id] = p
	close(r.moved)
	r.moved = make(chan struct{})
}

// WaitDelivered waits for Deliver.
func (r *Runner) WaitDelivered(ctx context.Context, id string, target stream.Position) (bool, error) {
	for {
		r.mu.Lock()
		done, moved := !r.delivered[id].Before(target), r.moved
		stuck := r.Trouble.State == exporter.StateBlocked
		r.mu.Unlock()
		if done || stuck {
			return done, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false, nil
		}
	}
}

// Replay notes the prefix and says that it planned one batch.
func (r *Runner) Replay(_ context.Context, id, into string, _, _ time.Time) (exporter.Replay, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Replays = append(r.Replays, into)
	return exporter.Replay{ID: "r1", Events: 3, Batches: []string{stream.BatchID(id, 1)}}, nil
}

// Object returns what is in Objects.
func (r *Runner) Object(_ context.Context, _, key string) (io.ReadCloser, int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ObjectErr != nil {
		return nil, 0, r.ObjectErr
	}
	text, ok := r.Objects[key]
	if !ok {
		return nil, 0, problem.New(problem.NotFound, "the ledger has no stored object %q", key)
	}
	return io.NopCloser(strings.NewReader(text)), int64(len(text)) + r.Missing, nil
}

// Verify finds one difference.
func (r *Runner) Verify(context.Context, string) (exporter.Verification, error) {
	if r.VerifyErr != nil {
		return exporter.Verification{}, r.VerifyErr
	}
	return exporter.Verification{Batches: 1, Objects: 1, Differences: []exporter.Difference{{Key: "a", What: "is missing"}}}, nil
}
