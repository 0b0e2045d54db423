package sim

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"strm/internal/catalog"
	"strm/internal/objstore"
	"strm/internal/objstore/faulty"
	"strm/internal/problem"
	"strm/internal/stream"
)

// gatedCatalog is the catalog as a process reaches it: a dead one not at all, a
// living one with faults.
type gatedCatalog struct {
	*catalog.DB
	l *life
}

var errLost = problem.New(problem.Unavailable, "injected fault of the catalog")

// write makes one write, which may be slow, lost, or done without an answer.
func (c gatedCatalog) write(ctx context.Context, what string, slow bool, act func() error) error {
	var before, after bool
	var wait time.Duration
	if !c.l.w.calm.Load() {
		c.l.chance(func(r *rand.Rand) {
			p := c.l.w.script.ledger
			before, after = r.Float64() < p, r.Float64() < p
			if slow && r.Float64() < p {
				wait = between(r, time.Millisecond, 5*time.Second)
			}
		})
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if before {
		c.l.w.seen.count(what + " lost")
		return errLost
	}
	if err := c.l.effect(act); err != nil {
		return err
	}
	if after {
		c.l.w.seen.count(what + " done without an answer")
		return errLost
	}
	return nil
}

func (c gatedCatalog) Plan(ctx context.Context, b []stream.Batch, next stream.Position) error {
	return c.write(ctx, "plan", true, func() error { return c.DB.Plan(ctx, b, next) })
}

func (c gatedCatalog) Save(ctx context.Context, b *stream.Batch) error {
	return c.write(ctx, "save", true, func() error { return c.DB.Save(ctx, b) })
}

func (c gatedCatalog) Rekey(ctx context.Context, b *stream.Batch) error {
	return c.write(ctx, "rekey", true, func() error { return c.DB.Rekey(ctx, b) })
}

func (c gatedCatalog) Unfinished(ctx context.Context, id string) (found []stream.Batch, err error) {
	err = c.l.alive(func() error {
		found, err = c.DB.Unfinished(ctx, id)
		return err
	})
	return found, err
}

func (c gatedCatalog) CreateStream(ctx context.Context, s stream.Stream) error {
	return c.l.effect(func() error { return c.DB.CreateStream(ctx, s) })
}

func (c gatedCatalog) CreateExporter(ctx context.Context, e stream.Exporter) error {
	return c.write(ctx, "create", false, func() error {
		err := c.DB.CreateExporter(ctx, e)
		if err == nil {
			c.l.w.seen.note(func() {
				c.l.w.seen.exporters[e.ID] = &known{Exporter: e}
				c.l.w.seen.order = append(c.l.w.seen.order, e.ID)
			})
		}
		return err
	})
}

func (c gatedCatalog) UpdateExporter(ctx context.Context, e stream.Exporter) error {
	return c.write(ctx, "update", false, func() error { return c.DB.UpdateExporter(ctx, e) })
}

func (c gatedCatalog) DeleteExporter(ctx context.Context, id string) error {
	return c.write(ctx, "delete", false, func() error {
		err := c.DB.DeleteExporter(ctx, id)
		if err == nil {
			c.l.w.seen.note(func() { c.l.w.seen.exporters[id].deleted = true })
		}
		return err
	})
}

func (c gatedCatalog) SetSinkFound(ctx context.Context, name string, rev int64, region string, s stream.Support) error {
	return c.write(ctx, "learn", false, func() error { return c.DB.SetSinkFound(ctx, name, rev, region, s) })
}

func (c gatedCatalog) SetSinkHealth(ctx context.Context, name string, rev int64, h stream.Health) error {
	return c.write(ctx, "learn", false, func() error { return c.DB.SetSinkHealth(ctx, name, rev, h) })
}

// putFault decides on one call of the bucket.
func (l *life) putFault(op, key string, _ int) faulty.Fault {
	w := l.w
	if w.calm.Load() {
		return faulty.Fault{}
	}
	if op != "put" { // an audit, or a look at whose an object is
		var f faulty.Fault
		l.chance(func(r *rand.Rand) {
			if r.Float64() < w.script.put {
				f = pick(r, faulty.Fault{Kind: faulty.RequestLost}, faulty.Fault{Kind: faulty.AnswerLost}) // a denial is a finding to an audit
				w.seen.count("look with a fault")
			}
		})
		return f
	}
	for _, o := range w.script.outages {
		if o.holds(w.elapsed()) {
			w.seen.count("put in an outage")
			return o.fault
		}
	}
	var f faulty.Fault
	l.chance(func(r *rand.Rand) {
		if r.Float64() >= w.script.put {
			return
		}
		f = pick(r,
			faulty.Fault{Kind: faulty.RequestLost}, faulty.Fault{Kind: faulty.AnswerLost}, faulty.Fault{Kind: faulty.NoAnswer},
			faulty.Fault{Kind: faulty.Refused, Reason: objstore.Contended}, faulty.Fault{Kind: faulty.Refused, Reason: objstore.Throttled},
			faulty.Fault{Kind: faulty.Refused, Reason: objstore.Denied}, faulty.Fault{Kind: faulty.Stalled}, faulty.Fault{Kind: faulty.Stalled})
		if f.Kind == faulty.Stalled {
			release := make(chan struct{})
			f.Release = release
			time.AfterFunc(between(r, time.Millisecond, 3*time.Minute), func() { close(release) })
		}
	})
	if f.Kind != faulty.None {
		w.seen.count("put with a fault")
	}
	return f
}

// gatedBucket is the bucket as a process reaches it.
type gatedBucket struct{ l *life }

func (b gatedBucket) Create(ctx context.Context, key string, c objstore.Content) error {
	w := b.l.w
	data, err := readAll(c)
	if err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: err}
	}
	w.sameBytes(key, data)
	c.Open = func() (io.ReadSeekCloser, error) { return body{bytes.NewReader(data)}, nil }
	unknown := &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: faulty.ErrInjected}

	var late time.Duration
	b.l.chance(func(r *rand.Rand) {
		if !w.calm.Load() && r.Float64() < w.script.put/8 {
			late = between(r, time.Millisecond, 10*time.Minute)
		}
	})
	if late > 0 {
		// The request lingers in the network: the caller has given up, and the
		// process may be dead, when the store gets it.
		if err := b.l.effect(func() error { return nil }); err != nil {
			return unknown
		}
		w.seen.count("put that came late")
		w.late.Go(func() {
			time.Sleep(late)
			_ = w.bucket.Create(context.Background(), key, c) // nobody hears the answer
		})
		return unknown
	}
	err = b.l.effect(func() error { return w.bucket.Create(ctx, key, c) })
	if errors.Is(err, errDead) {
		return unknown
	}
	return err
}

func (b gatedBucket) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	return b.l.w.bucket.Open(ctx, key)
}

func (b gatedBucket) Stat(ctx context.Context, key string) (objstore.Info, error) {
	return b.l.w.bucket.Stat(ctx, key)
}

type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

func readAll(c objstore.Content) ([]byte, error) {
	r, err := c.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// sameBytes holds every put of a key to the bytes of the first.
func (w *world) sameBytes(key string, data []byte) {
	if strings.Contains(key, ".strm_test_") {
		return
	}
	h := fnv.New64a()
	_, _ = h.Write(data) // a hash never fails
	w.seen.note(func() {
		if was, ok := w.seen.puts[key]; ok && was != h.Sum64() {
			w.t.Errorf("%s: put again with other bytes", key)
		}
		w.seen.puts[key] = h.Sum64()
		w.seen.counts["put"]++
	})
}
