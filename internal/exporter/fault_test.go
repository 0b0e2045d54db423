package exporter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The fault table: every step of the protocol, times what can happen to it,
// while events go on arriving. Whatever happens, after a restart every event is
// in the bucket once.
//
// The steps of one batch with n objects are: plan, then for each object a save
// (it may exist from now on) and a put, then a last save (done).

// what happens to a step.
type what int

const (
	requestLost  what = iota // fails without effect
	answerLost               // takes effect, then fails
	killedBefore             // the process dies before it
	killedAfter              // it takes effect, then the process dies
)

var whats = map[what]string{requestLost: "request lost", answerLost: "answer lost", killedBefore: "killed before", killedAfter: "killed after"}

var errFault = errors.New("injected fault")

// gate lets the n-th call of one kind fail.
type gate struct {
	p      *process
	what   what
	at     int64
	calls  atomic.Int64
	struck func()
}

// pass runs act under the gate.
func (g *gate) pass(act func() error, lost, ambiguous error) error {
	if g.p.dead() {
		return ambiguous // nothing a dead process does has any effect
	}
	if g.calls.Add(1)-1 != g.at {
		return act()
	}
	g.struck()
	switch g.what {
	case requestLost:
		return lost
	case answerLost:
		if err := act(); err != nil {
			return err
		}
		return ambiguous
	case killedBefore:
		g.p.die()
		return ambiguous
	case killedAfter:
		_ = act()
		g.p.die()
		return ambiguous
	}
	return act()
}

type gatedLedger struct {
	exporter.Ledger
	plan, save, rekey *gate
}

func (l gatedLedger) Rekey(ctx context.Context, b *stream.Batch) error {
	return l.rekey.pass(func() error { return l.Ledger.Rekey(ctx, b) }, errFault, errFault)
}

func (l gatedLedger) Plan(ctx context.Context, b []stream.Batch, next stream.Position) error {
	return l.plan.pass(func() error { return l.Ledger.Plan(ctx, b, next) }, errFault, errFault)
}

func (l gatedLedger) Save(ctx context.Context, b *stream.Batch) error {
	return l.save.pass(func() error { return l.Ledger.Save(ctx, b) }, errFault, errFault)
}

type gatedBucket struct {
	objstore.Bucket
	objstore.Reader
	put *gate
}

func (b gatedBucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if strings.Contains(key, ".strm_test_") {
		return b.Bucket.Create(ctx, key, c)
	}
	return b.put.pass(func() error { return b.Bucket.Create(ctx, key, c) },
		&objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: errFault},
		&objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: errFault})
}

func TestEveryEventIsDeliveredOnceWhateverStepFails(t *testing.T) {
	hour := time.Now().UTC().Truncate(time.Hour)
	for _, output := range []stream.Output{
		{Layout: "strm", Compression: "none"},
		{Layout: "strm", Compression: "gzip"},
		{Layout: "hive", Compression: "zstd"},
		{Layout: "tarsal"},
		{Layout: "{date}/{cut_ms}_{part}.{ext}", Compression: "gzip"},
	} {
		objects := 1
		if output.Layout == "hive" {
			objects = 3 // of three hours
		}
		for step, limit := range map[string]int{"plan": 1, "save": objects + 1, "put": objects} {
			for at := 0; at < limit; at += every {
				for k, name := range whats {
					t.Run(fmt.Sprintf("%s %s/%s %d/%s", output.Layout, output.Compression, step, at, name), func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, output, 2)
						// Three hours of events: three objects in the hive layout.
						w.append(40, hour.Add(-2*time.Hour))
						w.append(40, hour.Add(-time.Hour))
						w.append(41, hour)
						struck := make(chan struct{})
						arm := func(p *process, of string) *gate {
							g := &gate{p: p, what: k, at: -1, struck: func() {
								w.append(7, hour) // events go on arriving
								close(struck)
							}}
							if of == step {
								g.at = int64(at)
							}
							return g
						}
						var p *process
						p = w.start(func(p *process, l exporter.Ledger) exporter.Ledger {
							return gatedLedger{Ledger: l, plan: arm(p, "plan"), save: arm(p, "save")}
						}, func(p *process, b objstore.Bucket) objstore.Bucket {
							return gatedBucket{Bucket: b, Reader: w.store, put: arm(p, "put")}
						})
						if !w.flush(p) {
							w.append(5, hour)
							w.stop()
							p = w.start(nil, nil)
						}
						w.flush(p)
						w.flush(p) // what arrived during the first
						select {
						case <-struck:
						default:
							t.Error("the fault never struck")
						}
						w.check(p)
					})
				}
			}
		}
	}
}

func TestForeignObjectStopsTheExporterAndIsNeverTouched(t *testing.T) {
	w := newWorld(t, stream.Output{Layout: "{batch}.{ext}"}, 1)
	w.append(3, time.Now())
	key := stream.BatchID(w.exp.ID, 1) + ".jsonl"
	foreign := []byte("somebody else's\n")
	w.must(w.store.Create(t.Context(), key, objstore.Bytes(foreign)))
	p := w.start(nil, nil)
	var st exporter.Status
	for st.State != exporter.StateBlocked {
		target, err := p.runner.Flush(t.Context(), w.exp.ID)
		if err == nil {
			if ok, err := p.runner.WaitDelivered(t.Context(), w.exp.ID, target); ok || err != nil {
				t.Fatalf("delivered over a foreign object: %v, %v", ok, err)
			}
		}
		st = p.runner.Status(w.exp.ID)
	}
	if !strings.Contains(st.Reason, key) || !strings.Contains(st.Reason, "not written by this exporter") || st.NextRetryAt.IsZero() {
		t.Errorf("status: %+v", st)
	}
	body, _, err := w.store.Open(t.Context(), key)
	w.must(err)
	got, err := io.ReadAll(body)
	w.must(err)
	if !bytes.Equal(got, foreign) {
		t.Errorf("the foreign object is now %q", got)
	}
	w.remove(key) // a person mends it
	w.flush(p)
	w.check(p)
}

func TestStatesNameTheReasonAndRecoverWhenMended(t *testing.T) {
	for reason, state := range map[objstore.Reason]string{
		objstore.Denied: exporter.StateBlocked, objstore.BadCredentials: exporter.StateBlocked, objstore.NoBucket: exporter.StateBlocked,
		objstore.Throttled: exporter.StateRetrying, objstore.Contended: exporter.StateRetrying, objstore.Unreachable: exporter.StateRetrying,
	} {
		t.Run(string(reason), func(t *testing.T) {
			w := newWorld(t, stream.Output{}, 1)
			w.append(3, time.Now())
			var broken atomic.Bool
			broken.Store(true)
			p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
				return &breakable{Bucket: b, Reader: w.store, reason: reason, broken: &broken}
			})
			for p.runner.Status(w.exp.ID).State != state {
				_, _ = p.runner.Flush(t.Context(), w.exp.ID) // not found until the runner has begun
			}
			if st := p.runner.Status(w.exp.ID); !strings.Contains(st.Reason, "told so") || st.Since.IsZero() {
				t.Errorf("status: %+v", st)
			}
			broken.Store(false)
			w.flush(p)
			if st := p.runner.Status(w.exp.ID); st.State != exporter.StateRunning || st.Reason != "" || st.Waiting != 0 {
				t.Errorf("status after mending: %+v", st)
			}
			w.check(p)
		})
	}
}

type breakable struct {
	objstore.Bucket
	objstore.Reader
	reason objstore.Reason
	broken *atomic.Bool
}

func (b *breakable) Create(ctx context.Context, key string, c objstore.Content) error {
	if b.broken.Load() {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: b.reason, Err: errors.New("told so")}
	}
	return b.Bucket.Create(ctx, key, c)
}

func TestStoreWithoutConditionsIsWrittenUnconditionally(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	w.append(3, time.Now())
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket { return unconditional{Bucket: b, Reader: w.store} })
	w.flush(p)
	w.check(p)
	s, err := w.db.Sink(t.Context(), "s3")
	w.must(err)
	if s.Conditional != stream.SupportNo {
		t.Errorf("the sink's conditional support is %q", s.Conditional)
	}
}

// unconditional is a store that ignores conditions, as old ones do.
type unconditional struct {
	objstore.Bucket
	objstore.Reader
}

func (b unconditional) Create(ctx context.Context, key string, c objstore.Content) error {
	c.Overwrite = true
	return b.Bucket.Create(ctx, key, c)
}

func TestReplayDeliversAgainElsewhereAndLeavesTheExportAlone(t *testing.T) {
	w := newWorld(t, stream.Output{PathPrefix: "events"}, 2)
	hour := time.Now().UTC().Truncate(time.Hour)
	w.append(10, hour.Add(-3*time.Hour))
	w.append(20, hour.Add(-2*time.Hour))
	w.append(30, hour.Add(-time.Hour))
	p := w.start(nil, nil)
	w.flush(p)
	rep, err := p.runner.Replay(t.Context(), w.exp.ID, "again", hour.Add(-150*time.Minute), hour.Add(-90*time.Minute))
	w.must(err)
	if rep.Events != 20 || len(rep.Batches) != 1 {
		t.Fatalf("replay: %+v", rep)
	}
	for {
		b, err := w.db.Batch(t.Context(), rep.Batches[0])
		w.must(err)
		if b.State == stream.BatchDone {
			if ids := w.ids(b.Objects[0].Key); len(ids) != 20 || !strings.HasPrefix(b.Objects[0].Key, "again/") {
				t.Errorf("%s holds %d events", b.Objects[0].Key, len(ids))
			}
			break
		}
	}
	w.append(3, hour)
	w.flush(p)
	v, err := p.runner.Verify(t.Context(), w.exp.ID)
	w.must(err)
	if !v.OK || v.Events != 63+20 {
		t.Errorf("audit: %+v", v)
	}
	if _, err := p.runner.Replay(t.Context(), w.exp.ID, "events", time.Time{}, time.Time{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a replay into the exporter's own prefix: %v", err)
	}
}

// denied refuses every object below a prefix and counts them.
type denied struct {
	objstore.Bucket
	objstore.Reader
	prefix string
	asked  chan struct{} // one for each, as far as it has room
}

func (b denied) Create(ctx context.Context, key string, c objstore.Content) error {
	if !strings.HasPrefix(key, b.prefix) {
		return b.Bucket.Create(ctx, key, c)
	}
	select {
	case b.asked <- struct{}{}:
	default:
	}
	return &objstore.Error{Outcome: objstore.Rejected, Reason: objstore.Denied, Key: key, Action: "s3:PutObject", Err: errFault}
}

// A replay that cannot be delivered is given up: the exporter lets go of it,
// shows no trouble any more, and goes on.
func TestAnAbandonedReplayIsForgotten(t *testing.T) {
	w := newWorld(t, stream.Output{PathPrefix: "events"}, 1)
	w.append(10, time.Now())
	asked := make(chan struct{}, 1)
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return denied{b, b.(objstore.Reader), "again/", asked}
	})
	w.flush(p)
	rep, err := p.runner.Replay(t.Context(), w.exp.ID, "again", time.Time{}, time.Time{})
	w.must(err)
	<-asked // it is being tried, in vain
	n, err := w.db.AbandonReplay(t.Context(), w.exp.ID, rep.ID)
	w.must(err)
	if n != 1 {
		t.Errorf("%d batches abandoned", n)
	}
	w.must(p.runner.Reload(t.Context(), w.exp.ID))
	soon, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for p.runner.Status(w.exp.ID).Reason != "" {
		// The next step finds nothing left that could be in trouble.
		if soon.Err() != nil {
			t.Fatal("the trouble stays")
		}
		runtime.Gosched()
	}
	w.append(5, time.Now())
	w.flush(p)
	if st := p.runner.Status(w.exp.ID); st.State != exporter.StateRunning || st.Reason != "" {
		t.Errorf("status %+v", st)
	}
	w.check(p)
}

// A batch stays with its sink when its exporter is given another. So when that
// sink is mended, the exporter must try at once, though it writes elsewhere now.
func TestMendingASinkHelpsTheBatchThatStayed(t *testing.T) {
	w := newWorld(t, stream.Output{PathPrefix: "events"}, 1)
	w.backoff = exporter.Backoff{Min: time.Hour, Max: time.Hour, BlockedMin: time.Hour, BlockedMax: time.Hour}
	w.append(10, time.Now())
	asked := make(chan struct{}) // without room: each try waits to be seen
	var mended atomic.Bool
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return mendable{denied{b, b.(objstore.Reader), "events/2", nil}, asked, &mended}
	})
	for _, err := p.runner.Flush(t.Context(), w.exp.ID); err != nil; _, err = p.runner.Flush(t.Context(), w.exp.ID) {
		runtime.Gosched() // the runner has not read its exporters yet
	}
	<-asked
	_, _, err := w.db.PutSink(t.Context(), stream.Sink{Name: "two", Type: stream.SinkDir, Bucket: "/two"})
	w.must(err)
	e, err := w.db.Exporter(t.Context(), w.exp.ID)
	w.must(err)
	e.Sink = "two"
	w.must(w.db.UpdateExporter(t.Context(), e))
	w.must(p.runner.Reload(t.Context(), e.ID))
	<-asked // that was a reason to try, too
	mended.Store(true)
	p.runner.SinkChanged(t.Context(), "s3")
	soon, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for done := false; !done; {
		// The try before may still be on its way to say that it is blocked.
		if done, err = p.runner.WaitDelivered(soon, e.ID, stream.Position{10}); err != nil || soon.Err() != nil {
			t.Fatalf("not delivered: %v, %+v", err, p.runner.Status(e.ID))
		}
		runtime.Gosched()
	}
	w.check(p)
}

// mendable is denied until it is mended.
type mendable struct {
	denied
	asked  chan struct{}
	mended *atomic.Bool
}

func (b mendable) Create(ctx context.Context, key string, c objstore.Content) error {
	if b.mended.Load() || !strings.HasPrefix(key, b.prefix) {
		return b.Bucket.Create(ctx, key, c)
	}
	err := b.denied.Create(ctx, key, c)
	if err != nil {
		select {
		case b.asked <- struct{}{}:
		case <-ctx.Done():
		}
	}
	return err
}

// watched reports saves of one batch, once it is named.
type watched struct {
	exporter.Ledger
	t  *testing.T
	id *atomic.Pointer[string]
}

func (l watched) Save(ctx context.Context, b *stream.Batch) error {
	if id := l.id.Load(); id != nil && b.ID == *id {
		l.t.Errorf("batch %s is abandoned, but its exporter goes on with it", b.ID)
	}
	return l.Ledger.Save(ctx, b)
}

// A lane that has the batches of a replay in memory reads anew when it is told to.
func TestNothingOfAnAbandonedReplayIsTriedAgain(t *testing.T) {
	w := newWorld(t, stream.Output{PathPrefix: "events"}, 1)
	w.append(10, time.Now())
	asked := make(chan struct{}, 1)
	var gone atomic.Pointer[string]
	p := w.start(
		func(_ *process, l exporter.Ledger) exporter.Ledger { return watched{l, t, &gone} },
		func(_ *process, b objstore.Bucket) objstore.Bucket {
			return denied{b, b.(objstore.Reader), "again/", asked}
		})
	w.flush(p)
	rep, err := p.runner.Replay(t.Context(), w.exp.ID, "again", time.Time{}, time.Time{})
	w.must(err)
	<-asked
	pause := func(paused bool) {
		e, err := w.db.Exporter(t.Context(), w.exp.ID)
		w.must(err)
		e.Paused = paused
		w.must(w.db.UpdateExporter(t.Context(), e))
		w.must(p.runner.Reload(t.Context(), w.exp.ID))
	}
	pause(true) // no step runs now
	_, err = w.db.AbandonReplay(t.Context(), w.exp.ID, rep.ID)
	w.must(err)
	gone.Store(&rep.Batches[0])
	pause(false)
	w.append(5, time.Now())
	w.flush(p)
	w.check(p)
}

// When a sink points elsewhere, what it delivered before is not looked for in
// the new bucket; what it delivers from then on is.
func TestAuditDoesNotLookForOldObjectsInANewBucket(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	w.append(3, time.Now())
	p := w.start(nil, nil)
	w.flush(p)
	batches, err := w.db.Batches(t.Context(), w.exp.ID, catalogAll)
	w.must(err)
	s, err := w.db.Sink(t.Context(), "s3")
	w.must(err)
	s.Bucket = "/elsewhere"
	_, _, err = w.db.PutSink(t.Context(), s)
	w.must(err)
	w.remove(batches[0].Objects[0].Key) // the new bucket never had it
	w.append(4, time.Now())
	w.flush(p)
	v, err := p.runner.Verify(t.Context(), w.exp.ID)
	w.must(err)
	if !v.OK || v.Objects != 2 || v.Read != 1 || v.NotRead != "sink s3 points to another bucket now; its older objects were not compared" {
		t.Errorf("audit: %+v", v)
	}
}

func TestAuditFindsWhatWasChangedBehindItsBack(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	w.append(3, time.Now())
	p := w.start(nil, nil)
	w.flush(p)
	batches, err := w.db.Batches(t.Context(), w.exp.ID, catalogAll)
	w.must(err)
	key := batches[0].Objects[0].Key
	for what, change := range map[string]func(){
		"not in the bucket": func() { w.remove(key) },
		"bytes long": func() {
			w.remove(key)
			w.must(w.store.Create(t.Context(), key, objstore.Bytes([]byte("{}\n"))))
		},
	} {
		change()
		v, err := p.runner.Verify(t.Context(), w.exp.ID)
		w.must(err)
		if v.OK || len(v.Differences) != 1 || !strings.Contains(v.Differences[0].What, what) || v.Differences[0].Key != key {
			t.Errorf("%s: %+v", what, v)
		}
	}
}

func inflated(t *testing.T, raw []byte) []byte {
	t.Helper()
	switch {
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		return out
	case bytes.HasPrefix(raw, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return unzstd(t, raw)
	}
	return raw
}

func TestSinkThatNeverAnswersHoldsUpNobodyElse(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	_, _, err := w.db.PutSink(t.Context(), stream.Sink{Name: "dead", Type: stream.SinkDir, Bucket: "/dead"})
	w.must(err)
	for i := range 8 {
		e := w.exp
		e.ID, e.Name, e.Sink = fmt.Sprintf("dead%04d", i), fmt.Sprintf("dead-%d", i), "dead"
		w.must(w.db.CreateExporter(t.Context(), e))
	}
	w.append(3, time.Now())
	p := w.start(nil, nil)
	if !w.flush(p) {
		t.Fatal("not delivered")
	}
	w.check(p)
}

func TestReplayInTroubleDoesNotHideHowTheExportFares(t *testing.T) {
	w := newWorld(t, stream.Output{PathPrefix: "events"}, 1)
	w.append(3, time.Now())
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return prefixDenied{Bucket: b, Reader: w.store, prefix: "again/"}
	})
	w.flush(p)
	_, err := p.runner.Replay(t.Context(), w.exp.ID, "again", time.Time{}, time.Time{})
	w.must(err)
	for p.runner.Status(w.exp.ID).State != exporter.StateBlocked {
		w.append(1, time.Now())
		w.flush(p) // the export goes on
	}
	w.check(p)
}

// prefixDenied refuses keys under a prefix.
type prefixDenied struct {
	objstore.Bucket
	objstore.Reader
	prefix string
}

func (b prefixDenied) Create(ctx context.Context, key string, c objstore.Content) error {
	if strings.HasPrefix(key, b.prefix) {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Err: errors.New("told so")}
	}
	return b.Bucket.Create(ctx, key, c)
}

// hiding is a store that answers "denied" for what is missing, as S3 does to
// those who may not list the bucket.
type hiding struct {
	objstore.Bucket
	objstore.Reader
	all bool // denies everything
}

func (b hiding) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	body, info, err := b.Reader.Open(ctx, key)
	if b.all && err == nil {
		err = body.Close()
	}
	if b.all || objstore.AsError(err).Reason == objstore.NoObject && err != nil {
		return nil, info, &objstore.Error{Op: "get", Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Err: errors.New("told so")}
	}
	return body, info, err
}

func TestAuditFindsAMissingObjectAlsoWhereTheStoreHidesIt(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket { return hiding{Bucket: b, Reader: w.store} })
	for range 3 {
		w.append(3, time.Now())
		w.flush(p)
	}
	batches, err := w.db.Batches(t.Context(), w.exp.ID, catalogAll)
	w.must(err)
	key := batches[1].Objects[0].Key
	w.remove(key)
	v, err := p.runner.Verify(t.Context(), w.exp.ID)
	w.must(err)
	if v.OK || v.Read != 2 || len(v.Differences) != 1 || v.Differences[0].Key != key {
		t.Errorf("audit: %+v", v)
	}
	w.stop()
	p = w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return hiding{Bucket: b, Reader: w.store, all: true}
	})
	v, err = p.runner.Verify(t.Context(), w.exp.ID)
	w.must(err)
	if !v.OK || v.Read != 0 || !strings.Contains(v.NotRead, "do not permit reading") {
		t.Errorf("audit without the right to read: %+v", v)
	}
}

// stuck hangs in its first put until that is cut off.
type stuck struct {
	objstore.Bucket
	objstore.Reader
	hung chan struct{}
	once *atomic.Bool
}

func (b stuck) Create(ctx context.Context, key string, c objstore.Content) error {
	if !strings.Contains(key, ".strm_test_") && b.once.CompareAndSwap(false, true) {
		close(b.hung)
		<-ctx.Done()
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: ctx.Err()}
	}
	return b.Bucket.Create(ctx, key, c)
}

func TestAMendedSinkDoesNotWaitForAHangingUpload(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	w.append(3, time.Now())
	hung := make(chan struct{})
	p := w.start(nil, func(_ *process, b objstore.Bucket) objstore.Bucket {
		return stuck{Bucket: b, Reader: w.store, hung: hung, once: new(atomic.Bool)}
	})
	go func() {
		<-hung
		p.runner.SinkChanged(context.Background(), "s3")
	}()
	w.flush(p)
	w.check(p)
}
