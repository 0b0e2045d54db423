package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// What follows is about layouts whose keys only the millisecond of the cut tells
// apart: others may have them too.

var tarsal = stream.Output{Layout: "tarsal", PathPrefix: "data_output_path", StreamPrefix: "my-"}

// batches returns the exporter's batches and checks that each key names the
// moment that the ledger has.
func (w *world) batches() []stream.Batch {
	w.t.Helper()
	var out []stream.Batch
	w.must(w.db.EachBatch(w.t.Context(), w.exp.ID, func(b *stream.Batch) error {
		want := fmt.Sprintf("%s/my_demo/%s_%d_0.jsonl", b.Output.PathPrefix, b.CutAt.UTC().Format("2006_01_02"), b.CutAt.UnixMilli())
		if b.Output.Layout == "tarsal" && b.Objects[0].Key != want {
			w.t.Errorf("batch %s is %s, want %s", b.ID, b.Objects[0].Key, want)
		}
		out = append(out, *b)
		return nil
	}))
	return out
}

func TestKeysByTheMomentNameWhenTheBatchWasPlanned(t *testing.T) {
	w := newWorld(t, tarsal, 2)
	if w.exp.Output.Envelope.Style != stream.EnvelopeTarsal || w.exp.Output.Compression != "none" {
		t.Fatalf("output %+v", w.exp.Output)
	}
	p := w.start(nil, nil)
	before := time.Now().Truncate(time.Millisecond)
	for range 20 { // some in one millisecond
		w.append(3, time.Now().AddDate(0, 0, -3)) // the day of receipt does not matter
		w.flush(p)
	}
	w.check(p)
	all := w.batches()
	if len(all) != 20 {
		t.Errorf("%d batches", len(all))
	}
	for i, b := range all {
		if b.CutAt.Before(before) || b.CutAt.After(time.Now().Add(20*time.Millisecond)) || i > 0 && !b.CutAt.After(all[i-1].CutAt) {
			t.Errorf("batch %s names %v", b.ID, b.CutAt)
		}
	}
}

// A batch that the interval closes is named by when it was planned, too, not by
// the boundary: at that all installations plan.
func TestKeysByTheMomentDoNotNameTheBoundary(t *testing.T) {
	w := newWorld(t, tarsal, 1)
	before := time.Now().Truncate(time.Millisecond)
	w.append(3, before.Add(-2*time.Hour)) // the interval is an hour
	p := w.start(nil, nil)
	w.must(p.runner.Load(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if ok, err := p.runner.WaitDelivered(ctx, w.exp.ID, stream.Position{3}); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	w.check(p)
	if all := w.batches(); len(all) != 1 || all[0].Reason != stream.CutInterval || all[0].CutAt.Before(before) {
		t.Errorf("batches %+v", all)
	}
}

// rival plans a batch of another exporter with the key of ours, and some more of
// the milliseconds that follow, before ours reaches the ledger.
type rival struct {
	exporter.Ledger
	w    *world
	more int64
	once *sync.Once
}

func (r rival) Plan(ctx context.Context, b []stream.Batch, next stream.Position) error {
	r.once.Do(func() {
		for n := range r.more {
			theirs := b[0]
			theirs.ExporterID, theirs.Seq, theirs.CutAt = "99999999", n+1, b[0].CutAt.Add(time.Duration(n)*time.Millisecond)
			theirs.ID = stream.BatchID(theirs.ExporterID, theirs.Seq)
			key := strings.Replace(b[0].Objects[0].Key, strconv.FormatInt(b[0].CutAt.UnixMilli(), 10), strconv.FormatInt(theirs.CutAt.UnixMilli(), 10), 1)
			theirs.Objects = []stream.Object{{Key: key, Events: 1, Ranges: []stream.Range{{Start: stream.Offset(n), End: stream.Offset(n + 1)}}}}
			r.w.must(r.w.db.Plan(ctx, []stream.Batch{theirs}, stream.Position{stream.Offset(n + 1)}))
		}
	})
	return r.Ledger.Plan(ctx, b, next)
}

func TestAKeyThatIsPlannedAlreadyMeansTheNextMillisecond(t *testing.T) {
	w := newWorld(t, tarsal, 1)
	other := w.exp
	other.ID, other.Name, other.Paused = "99999999", "other", true
	w.must(w.db.CreateExporter(t.Context(), other))
	w.append(3, time.Now())
	p := w.start(func(_ *process, l exporter.Ledger) exporter.Ledger { return rival{l, w, 3, &sync.Once{}} }, nil)
	w.flush(p)
	w.check(p)
	theirs, err := w.db.Unfinished(t.Context(), other.ID)
	w.must(err)
	ours := w.batches()
	if len(theirs) != 3 || len(ours) != 1 || !ours[0].CutAt.Equal(theirs[2].CutAt.Add(time.Millisecond)) {
		t.Errorf("%d of theirs, ours %+v", len(theirs), ours)
	}
}

// stranger is another installation that writes into the same bucket: it puts an
// object under the key of our first n attempts before they get there.
type stranger struct {
	objstore.Bucket
	objstore.Reader
	w    *world
	n    int
	lost bool // the first attempt that it precedes gets no answer, and is lost
	mu   *sync.Mutex
	took *[]string
}

var foreign = []byte("somebody else's\n")

func (s stranger) Create(ctx context.Context, key string, c objstore.Content) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(key, ".strm_test_") && len(*s.took) < s.n {
		*s.took = append(*s.took, key)
		s.w.must(s.w.store.Create(ctx, key, objstore.Bytes(foreign)))
		if s.lost && len(*s.took) == 1 {
			return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: errFault}
		}
	}
	return s.Bucket.Create(ctx, key, c)
}

// untouched checks that what a stranger has written is as it was, and takes it
// away, so that the rest of the bucket is ours.
func (w *world) untouched(keys []string) {
	w.t.Helper()
	for _, key := range keys {
		body, _, err := w.store.Open(w.t.Context(), key)
		w.must(err)
		got, err := io.ReadAll(body)
		w.must(errors.Join(err, body.Close()))
		if string(got) != string(foreign) {
			w.t.Errorf("the foreign object %s is now %q", key, got)
		}
		w.remove(key)
	}
}

func TestAStrangersObjectMeansTheNextMillisecond(t *testing.T) {
	w := newWorld(t, tarsal, 1)
	w.append(3, time.Now())
	var took []string
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return stranger{Bucket: b, Reader: w.store, w: w, n: 3, mu: &sync.Mutex{}, took: &took}
	})
	w.flush(p)
	w.append(2, time.Now())
	w.flush(p)
	w.untouched(took)
	w.check(p)
	if all := w.batches(); len(took) != 3 || len(all) != 2 || all[0].Attempts != 1 {
		t.Errorf("%d foreign objects, batches %+v", len(took), all)
	}
}

// blockedOn flushes until the exporter says that it is blocked, and why.
func (w *world) blockedOn(p *process, words ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		st := p.runner.Status(w.exp.ID)
		has := st.State == exporter.StateBlocked
		for _, word := range words {
			has = has && strings.Contains(st.Reason, word)
		}
		if has {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatalf("status %+v, want blocked with %q", st, words)
		}
		target, err := p.runner.Flush(ctx, w.exp.ID)
		if err != nil {
			continue // the runner has not read its exporters yet
		}
		if ok, err := p.runner.WaitDelivered(ctx, w.exp.ID, target); ok || err != nil {
			w.t.Fatalf("delivered, or not waited for: %v, %v", ok, err)
		}
	}
}

// Our own upload may still arrive, so the batch cannot have another name; and
// what is there is not ours, so it is not delivered either.
func TestAStrangersObjectAfterALostAnswerStopsTheExporter(t *testing.T) {
	w := newWorld(t, tarsal, 1)
	w.append(3, time.Now())
	var took []string
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return stranger{Bucket: b, Reader: w.store, w: w, n: 1, lost: true, mu: &sync.Mutex{}, took: &took}
	})
	w.blockedOn(p, "not written by this exporter")
	w.untouched(took) // a person mends it
	w.flush(p)
	w.check(p)
	if all := w.batches(); len(all) != 1 || all[0].Objects[0].Key != took[0] {
		t.Errorf("batches %+v", all)
	}
}

// blind is a bucket that credentials may only write to, and that loses the
// answer to the first upload.
type blind struct {
	objstore.Bucket
	objstore.Reader
	mu   *sync.Mutex
	lost *bool
	sees *bool
}

func (b blind) Create(ctx context.Context, key string, c objstore.Content) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.Bucket.Create(ctx, key, c)
	if !strings.Contains(key, ".strm_test_") && !*b.lost {
		*b.lost = true
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: errFault}
	}
	return err
}

func (b blind) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !*b.sees {
		return nil, objstore.Info{}, &objstore.Error{Op: "get", Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Err: errFault}
	}
	return b.Reader.Open(ctx, key)
}

func TestAnObjectThatCannotBeSeenIsNobodys(t *testing.T) {
	w := newWorld(t, tarsal, 1)
	w.append(3, time.Now())
	b := blind{Bucket: w.store, Reader: w.store, mu: &sync.Mutex{}, lost: new(bool), sees: new(bool)}
	p := w.start(nil, func(*process, objstore.Bucket) objstore.Bucket { return b })
	w.blockedOn(p, "s3:GetObject", "strm policy")
	b.mu.Lock()
	*b.sees = true // somebody grants it
	b.mu.Unlock()
	w.flush(p)
	w.check(p)
}

func TestKeysOfTheMomentAreNeverWrittenWithoutACondition(t *testing.T) {
	w := newWorld(t, tarsal, 1)
	w.append(3, time.Now())
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket { return unconditional{Bucket: b, Reader: w.store} })
	w.blockedOn(p, "conditional writes", "{batch}")
	for info, err := range w.store.List(t.Context(), "") {
		w.must(err)
		if !strings.Contains(info.Key, ".strm_test_") {
			t.Errorf("%s was written", info.Key)
		}
	}
	if err := p.runner.Validate(t.Context(), w.exp); err == nil || !objstore.NeedsPerson(err) || !strings.Contains(err.Error(), "conditional writes") {
		t.Errorf("validation says %v", err)
	}
	if h, err := p.runner.TestSink(t.Context(), w.exp); err != nil || h.Status != stream.HealthOK {
		t.Errorf("the sink itself is well: %+v, %v", h, err)
	}
	w.stop()
	p = w.start(nil, nil)
	w.blockedOn(p, "conditional writes") // so it is remembered
	s, err := w.db.Sink(t.Context(), "s3")
	w.must(err)
	w.must(w.db.SetSinkFound(t.Context(), s.Name, s.Revision, "", stream.SupportUnknown)) // as when the sink is put anew
	w.stop()
	p = w.start(nil, nil)
	w.flush(p)
	w.check(p)
}

// Whatever happens while a batch gets another name, every event is delivered
// once: at once, or when a person has taken the stranger's object away.
func TestEveryEventIsDeliveredOnceWhateverFailsAtAStrangersObject(t *testing.T) {
	for step, limit := range map[string]int64{"plan": 1, "save": 4, "put": 2, "rekey": 1} {
		for at := int64(0); at < limit; at += every {
			for k, name := range whats {
				t.Run(fmt.Sprintf("%s %d/%s", step, at, name), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, tarsal, 1)
					w.append(5, time.Now())
					struck := make(chan struct{})
					arm := func(p *process, of string) *gate {
						g := &gate{p: p, what: k, at: -1, struck: func() { close(struck) }}
						if of == step {
							g.at = at
						}
						return g
					}
					var took []string
					bucket := func(p *process, b objstore.Bucket) objstore.Bucket {
						gated := gatedBucket{Bucket: b, Reader: w.store, put: arm(p, "put")}
						return stranger{Bucket: gated, Reader: w.store, w: w, n: 1, mu: &sync.Mutex{}, took: &took}
					}
					p := w.start(func(p *process, l exporter.Ledger) exporter.Ledger {
						return gatedLedger{Ledger: l, plan: arm(p, "plan"), save: arm(p, "save"), rekey: arm(p, "rekey")}
					}, bucket)
					if !w.flushUntil(p, func(st exporter.Status) bool {
						return st.State == exporter.StateBlocked && strings.Contains(st.Reason, "not written by this exporter")
					}) {
						w.stop()
						w.untouched(took)
						took = nil
						p = w.start(nil, nil)
					}
					w.flush(p)
					w.untouched(took)
					select {
					case <-struck:
					default:
						t.Error("the fault never struck")
					}
					w.check(p)
					if all := w.batches(); len(all) != 1 {
						t.Errorf("%d batches", len(all))
					}
				})
			}
		}
	}
}

func TestReplaysByTheMomentHaveAMillisecondPerBatch(t *testing.T) {
	w := newWorld(t, tarsal, 1)
	e, err := w.db.Exporter(t.Context(), w.exp.ID)
	w.must(err)
	e.Cut.MaxEvents = 2
	w.must(w.db.UpdateExporter(t.Context(), e))
	for range 10 {
		w.append(2, time.Now())
	}
	p := w.start(nil, nil)
	w.flush(p)
	for range 3 { // into one place, at the same time as far as keys can tell
		rep, err := p.runner.Replay(t.Context(), w.exp.ID, "again", time.Time{}, time.Time{})
		w.must(err)
		if rep.Events != 20 || len(rep.Batches) != 10 {
			t.Fatalf("replay: %+v", rep)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for left := 1; left > 0; {
		all, err := w.db.Unfinished(ctx, w.exp.ID)
		w.must(err)
		left = len(all)
	}
	keys := map[string]bool{}
	for _, b := range w.batches() {
		keys[b.Objects[0].Key] = true
	}
	if len(keys) != 40 {
		t.Errorf("%d keys", len(keys))
	}
	v, err := p.runner.Verify(t.Context(), w.exp.ID)
	w.must(err)
	if !v.OK || v.Events != 80 || v.Read != 40 {
		t.Errorf("audit: %+v", v)
	}
}
