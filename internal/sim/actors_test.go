package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"strm/internal/control"
	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

const sinkName = "bucket"

// setUp makes the sink, the streams and the first exporters.
func (w *world) setUp() {
	r := w.script.rng("set up", 0)
	time.Sleep(time.Duration(r.Int64N(int64(24 * time.Hour)))) // another time of day
	w.began = time.Now()
	w.insist(func(l *life) error {
		_, _, err := l.db.PutSink(l.ctx, stream.Sink{Name: sinkName, Type: stream.SinkDir, Bucket: "/bucket"})
		return err
	})
	for i, s := range w.script.streams {
		name := fmt.Sprintf("stream-%d", i)
		w.insist(func(l *life) error {
			_, err := l.control.CreateStream(l.ctx, control.NewStream{Name: name, Partitions: s.partitions, Retention: &s.retention})
			if problem.KindOf(err) == problem.Conflict {
				return nil // made before an answer was lost
			}
			return err
		})
		w.insist(func(l *life) error {
			st, err := l.db.Stream(l.ctx, name)
			if err == nil {
				w.seen.note(func() { w.seen.streams = append(w.seen.streams, st) })
			}
			return err
		})
		for j := range s.exporters {
			w.insist(func(l *life) error { return w.createExporter(l, r, i, fmt.Sprintf("e%d", j)) })
		}
	}
}

// insist repeats a call until it does not fail any more.
func (w *world) insist(call func(l *life) error) {
	w.t.Helper()
	var err error
	for range 200 {
		w.with(func(l *life) { err = call(l) })
		if err == nil {
			return
		}
		time.Sleep(time.Minute)
	}
	w.must(fmt.Errorf("it goes on failing: %w", err))
}

func (w *world) createExporter(l *life, r *rand.Rand, of int, name string) error {
	n := control.NewExporter{
		Name: name, Stream: fmt.Sprintf("stream-%d", of), Sink: sinkName, Cut: randomCut(r),
		Output: randomOutput(r, pick(r, "", name, "shared", "a/b/c")), Start: control.Start{Existing: r.IntN(2) == 0},
	}
	_, err := l.control.CreateExporter(l.ctx, n)
	if problem.KindOf(err) == problem.Conflict {
		return nil
	}
	return err
}

// act lets the actors make trouble for the length of the script.
func (w *world) act() {
	var actors sync.WaitGroup
	for i, s := range w.script.streams {
		for j := range s.producers {
			actors.Go(func() { w.produce(i, w.script.rng("producer", i*10+j)) })
		}
	}
	actors.Go(func() { w.operate(w.script.rng("operator", 0)) })
	actors.Wait()
}

func (w *world) busy() bool { return w.elapsed() < w.script.length }

// produce sends bursts of requests, with pauses now short, now of hours.
func (w *world) produce(of int, r *rand.Rand) {
	var sending sync.WaitGroup
	for w.busy() {
		w.with(func(l *life) { w.watch(l, of) })
		for range 1 + r.IntN(5) {
			q := w.newRequest(of, r)
			patience := rand.New(rand.NewPCG(r.Uint64(), 1))
			pad := strings.Repeat("x", pick(r, 0, 0, 10, 300))
			if r.IntN(20) == 0 {
				pad = strings.Repeat("y", 20_000+r.IntN(60_000))
			}
			sending.Go(func() { w.send(q, pad, patience) })
		}
		pause := between(r, time.Millisecond, 5*time.Minute)
		if r.Float64() < w.script.streams[of].quiet {
			pause = between(r, 20*time.Minute, 3*time.Hour)
		}
		time.Sleep(min(pause, w.script.length))
	}
	sending.Wait()
}

// watch holds what exporters claim to have delivered against the ledger. The
// claim is read first, so it may only be behind.
func (w *world) watch(l *life, of int) {
	exporters, err := l.db.ExportersOfStream(l.ctx, w.seen.streams[of].ID)
	if err != nil {
		return // dying
	}
	for _, e := range exporters {
		claim := l.runner.Status(e.ID).Delivered
		left, err := l.db.Unfinished(l.ctx, e.ID)
		if err != nil {
			return
		}
		for i := range left {
			for _, r := range left[i].Ranges() {
				if claim != nil && left[i].Replay == "" && claim[r.Partition] > r.Start {
					w.t.Errorf("exporter %s claims to have delivered %v, but batch %s with %v is %s", e.ID, claim, left[i].ID, r, left[i].State)
				}
			}
		}
	}
}

func (w *world) newRequest(of int, r *rand.Rand) *request {
	q := &request{stream: of, n: 1 + r.IntN(6), partition: stream.Partition(r.IntN(w.script.streams[of].partitions))}
	w.seen.note(func() {
		q.first = w.seen.events
		w.seen.events += q.n
		if r.IntN(6) > 0 {
			q.key = fmt.Sprintf("key-%d", q.first)
		}
		w.seen.requests = append(w.seen.requests, q)
	})
	return q
}

// send makes a request until it is answered; without a key only once, as
// nobody could tell a second one from the first.
func (w *world) send(q *request, pad string, r *rand.Rand) {
	var data bytes.Buffer
	for i := range q.n {
		fmt.Fprintf(&data, `{"id":%d,"pad":%q}`+"\n", q.first+i, pad)
	}
	digest := uint64(crc32.ChecksumIEEE(data.Bytes()))
	for {
		var got eventlog.Appended
		var err error
		w.with(func(l *life) {
			received := w.clock()
			got, err = l.log.Append(l.ctx, w.seen.streams[q.stream].ID, eventlog.Entry{
				Partition: q.partition, Events: q.n, Data: data.Bytes(), Received: received, Key: q.key, Digest: digest,
			})
			if err == nil {
				err = l.alive(func() error { return w.answered(q, got) })
			}
		})
		if err == nil && (q.key == "" || w.calm.Load() || r.IntN(10) > 0) {
			return
		}
		if q.key == "" && !errors.Is(err, eventlog.ErrFull) {
			w.seen.count("request without an answer")
			return
		}
		w.seen.count("request again")
		time.Sleep(between(r, 10*time.Millisecond, 3*time.Minute))
	}
}

// answered notes an acknowledgement, which is a promise from then on.
func (w *world) answered(q *request, got eventlog.Appended) error {
	w.seen.note(func() {
		switch {
		case int(got.Range.End-got.Range.Start) != q.n || got.Events != q.n || got.Range.Partition != q.partition:
			w.t.Errorf("request %d of %d events was answered with %+v", q.first, q.n, got)
		case q.acked && (got.Range != q.at || !got.Duplicate):
			w.t.Errorf("request %d is at %v; repeated, it was answered with %+v", q.first, q.at, got)
		}
		q.acked, q.at = true, got.Range
	})
	return nil
}

// operate does what an operator may do at any time.
func (w *world) operate(r *rand.Rand) {
	for n := 0; w.busy(); n++ {
		time.Sleep(between(r, time.Second, 12*time.Minute))
		of := r.IntN(len(w.seen.streams))
		name := fmt.Sprintf("e%d", r.IntN(w.script.streams[of].exporters))
		what, do := w.operation(r, n, of, name)
		w.with(func(l *life) {
			if err := do(l); err == nil {
				w.seen.count("operator: " + what)
			} else {
				w.refused(what, err)
			}
		})
	}
}

// refused looks at why the operator was refused. Trouble is expected; a fault of
// the program is not.
func (w *world) refused(what string, err error) {
	w.seen.count("operator: " + what + " refused")
	if problem.KindOf(err) == problem.Corrupt || problem.KindOf(err) == problem.Internal && !errors.Is(err, errLost) && !errors.Is(err, errDead) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		w.t.Errorf("%s: %v", what, err)
	}
}

func (w *world) operation(r *rand.Rand, n, of int, name string) (string, func(l *life) error) {
	s := w.seen.streams[of].Name
	switch r.IntN(12) {
	case 0, 1:
		return "pause", func(l *life) error { _, err := l.control.Pause(l.ctx, s, name); return err }
	case 2, 3, 4:
		return "resume", func(l *life) error { _, err := l.control.Resume(l.ctx, s, name); return err }
	case 5:
		wait := between(r, 0, time.Minute)
		return "flush", func(l *life) error { return w.flush(l, of, name, wait) }
	case 6:
		c := randomCut(r)
		return "change the cut", func(l *life) error {
			_, err := l.control.UpdateExporter(l.ctx, s, name, control.ExporterChange{Interval: &c.Interval, MaxBytes: &c.MaxBytes, MaxEvents: &c.MaxEvents})
			return err
		}
	case 7:
		o := randomOutput(r, fmt.Sprintf("moved-%d", n))
		return "change the output", func(l *life) error {
			_, err := l.control.UpdateExporter(l.ctx, s, name, control.ExporterChange{PathPrefix: &o.PathPrefix, Layout: &o.Layout, Compression: &o.Compression})
			return err
		}
	case 8, 9:
		return "replay", func(l *life) error { return w.replay(l, r, of, name, fmt.Sprintf("replay-%d", n)) }
	case 10:
		if r.IntN(2) == 0 {
			w.skew.Add(int64(between(r, 0, 2*time.Hour)))
			return "set the clock forward", func(*life) error { return nil }
		}
		return "audit", func(l *life) error {
			_, v, err := l.control.Verify(l.ctx, s, name)
			if err == nil && !v.OK {
				w.t.Errorf("audit of %s/%s: %+v", s, name, v.Differences)
			}
			return err
		}
	}
	return "delete and create", func(l *life) error {
		if err := l.control.DeleteExporter(l.ctx, s, name); err != nil && problem.KindOf(err) != problem.NotFound {
			return err
		}
		return w.createExporter(l, r, of, name)
	}
}

// flush holds a flush to its word: if it says done, everything acknowledged
// before is in the bucket.
func (w *world) flush(l *life, of int, name string, wait time.Duration) error {
	ends := w.seen.acked(of)
	s := w.seen.streams[of].Name
	f, err := l.control.Flush(l.ctx, s, name, "", wait)
	if err != nil || !f.Done {
		return err
	}
	w.seen.count("flush said done")
	e, err := l.db.ExporterNamed(l.ctx, s, name)
	if err != nil {
		return err
	}
	left, err := l.db.Unfinished(l.ctx, e.ID)
	if err != nil {
		return err
	}
	if e.Next.Before(ends) {
		w.t.Errorf("%s/%s: a flush said done at %v, %v was acknowledged before", s, name, e.Next, ends)
	}
	for i := range left {
		for _, r := range left[i].Ranges() {
			if left[i].Replay == "" && r.Start < ends[r.Partition] {
				w.t.Errorf("%s/%s: a flush said done, but batch %s with %v is %s", s, name, left[i].ID, r, left[i].State)
			}
		}
	}
	return nil
}

func (w *world) replay(l *life, r *rand.Rand, of int, name, into string) error {
	all := r.IntN(2) == 0
	var from, to time.Time
	if !all {
		from = w.clock().Add(-between(r, 0, time.Hour))
		to = from.Add(between(r, time.Second, time.Hour))
	}
	e, err := l.db.ExporterNamed(l.ctx, w.seen.streams[of].Name, name)
	if err != nil {
		return err
	}
	ends := w.seen.acked(of)
	rep, err := l.control.Replay(l.ctx, e.Stream, name, into, from, to)
	if err == nil && len(rep.Batches) > 0 {
		w.seen.note(func() {
			w.seen.replays[rep.ID] = &replayed{exporter: e.ID, all: all, events: rep.Events, batches: rep.Batches, ends: ends}
		})
	}
	return err
}
