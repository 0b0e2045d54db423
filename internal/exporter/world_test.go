package exporter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/builtin"
	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/objstore/mem"
	"strm/internal/stream"
)

// world is one installation whose process may die and start again: the log,
// the ledger and the bucket are real and stay, the runner does not.
type world struct {
	t       *testing.T
	log     *embedded.Log
	events  eventlog.Log // what runners read: log, or a view of it
	commit  func(ctx context.Context, streamID, group string, p stream.Position) error
	db      *catalog.DB
	store   *mem.Bucket
	stream  stream.Stream
	exp     stream.Exporter
	backoff exporter.Backoff
	sent    int // events appended so far; their ids are 0..sent-1
	logger  *slog.Logger
	observe exporter.Observer
	looks   atomic.Int64 // how often the exporter was read from the catalog

	process *process // the one that runs; a dead one reaches nothing any more
}

// remove takes an object out of the bucket, as a person or a consumer would.
func (w *world) remove(key string) {
	w.t.Helper()
	if err := w.store.Delete(w.t.Context(), key); err != nil {
		w.t.Fatal(err)
	}
}

// process is one life of the exporter. Everything it says to ledger and bucket
// goes through gates that a test can close.
type process struct {
	runner *exporter.Runner
	cancel context.CancelFunc
	done   chan struct{}
	died   chan struct{} // closed when a fault killed it
	once   sync.Once
}

// patience is how long a test waits for what must come about; a slow machine takes its time.
const patience = 10 * time.Minute

// quick suits tests that do not care when something is tried again.
var quick = exporter.Backoff{Min: time.Millisecond, Max: 4 * time.Millisecond, BlockedMin: 2 * time.Millisecond, BlockedMax: 8 * time.Millisecond}

func newWorld(t *testing.T, output stream.Output, partitions int) *world {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem(), MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, log: log, events: log, db: db, backoff: quick, logger: slog.New(slog.DiscardHandler), observe: quiet{}, store: mem.New(func(key string) { t.Errorf("%s was overwritten with other bytes", key) })}
	t.Cleanup(func() {
		w.stop()
		if err := errors.Join(db.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	ctx := t.Context()
	w.stream = stream.Stream{ID: "00112233aabbccdd", Name: "demo", Partitions: partitions, CreatedAt: time.Now()}
	w.must(log.Create(ctx, w.stream.ID, partitions))
	w.must(db.CreateStream(ctx, w.stream))
	_, _, err = db.PutSink(ctx, stream.Sink{Name: "s3", Type: stream.SinkDir, Bucket: "/bucket"})
	w.must(err)
	output, err = builtin.CheckOutput(output, "", "demo", partitions)
	w.must(err)
	w.exp = stream.Exporter{
		ID: "1a2b3c4d", Name: "s3-demo", Stream: "demo", StreamID: w.stream.ID, Sink: "s3", Cut: stream.Cut{Interval: time.Hour}, Output: output,
		TestID: "test", Start: make(stream.Position, partitions), Next: make(stream.Position, partitions), CreatedAt: time.Now(),
	}
	w.must(db.CreateExporter(ctx, w.exp))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// append stores n events, received at the given time.
func (w *world) append(n int, at time.Time) {
	w.t.Helper()
	var buf bytes.Buffer
	for range n {
		fmt.Fprintf(&buf, `{"id":%d}`+"\n", w.sent)
		w.sent++
	}
	_, err := w.log.Append(w.t.Context(), w.stream.ID, eventlog.Entry{
		Partition: stream.Partition(w.sent % w.stream.Partitions), Events: n, Data: buf.Bytes(), Received: at,
	})
	w.must(err)
}

// start begins a life with the given gates; nil means open ones.
func (w *world) start(ledger func(*process, exporter.Ledger) exporter.Ledger, bucket func(*process, objstore.Bucket) objstore.Bucket) *process {
	w.process = w.node(nil, ledger, bucket)
	return w.process
}

// node begins a life beside others, or with no members alone. The caller stops it.
func (w *world) node(m exporter.Members, ledger func(*process, exporter.Ledger) exporter.Ledger, bucket func(*process, objstore.Bucket) objstore.Bucket) *process {
	p := &process{done: make(chan struct{}), died: make(chan struct{})}
	var l exporter.Ledger = w.db
	var b objstore.Bucket = w.store
	if ledger != nil {
		l = ledger(p, l)
	}
	if bucket != nil {
		b = bucket(p, b)
	}
	p.runner = exporter.New(exporter.Options{
		Members: m, Poll: 10 * time.Millisecond, Commit: w.commit,
		Log: w.events, Ledger: l, Catalog: counting{w.db, &w.looks}, Format: builtin.Format, SpoolDir: w.t.TempDir(), Logger: w.logger,
		Open: func(_ context.Context, s stream.Sink) (objstore.Bucket, error) {
			if s.Name == "dead" {
				return deadBucket{}, nil
			}
			return b, nil
		},
		Observer: w.observe, Grace: 50 * time.Millisecond, Parallel: 4,
		Backoff: w.backoff,
	})
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() {
		defer close(p.done)
		if err := p.runner.Run(ctx); !errors.Is(err, context.Canceled) {
			w.t.Errorf("run: %v", err)
		}
	}()
	return p
}

func (p *process) stop() {
	p.cancel()
	<-p.done
}

// counting counts reads of an exporter: every step of a lane begins with one.
type counting struct {
	exporter.Catalog
	looks *atomic.Int64
}

func (c counting) Exporter(ctx context.Context, id string) (stream.Exporter, error) {
	c.looks.Add(1)
	return c.Catalog.Exporter(ctx, id)
}

func (c counting) ExporterState(ctx context.Context, id string) (stream.ExporterState, error) {
	c.looks.Add(1)
	return c.Catalog.ExporterState(ctx, id)
}

// deadBucket never answers.
type deadBucket struct{}

func (deadBucket) Create(ctx context.Context, key string, _ objstore.Content) error {
	<-ctx.Done()
	return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: ctx.Err()}
}

type quiet struct{}

func (quiet) BatchPlanned(*stream.Batch) {}
func (quiet) BatchDone(*stream.Batch)    {}
func (quiet) Lost(string, int64, int64)  {}
func (quiet) Dropped(string, int64)      {}
func (quiet) Put(string)                 {}

func (w *world) stop() {
	if w.process != nil {
		w.process.cancel()
		<-w.process.done
		w.process = nil
	}
}

// die makes the process deaf and dumb: from now on its gates refuse everything.
func (p *process) die() { p.once.Do(func() { close(p.died) }) }

func (p *process) dead() bool {
	select {
	case <-p.died:
		return true
	default:
		return false
	}
}

// flush waits until everything appended so far is delivered, or the process
// dies, and says which.
func (w *world) flush(p *process) (delivered bool) {
	w.t.Helper()
	return w.flushUntil(p, func(exporter.Status) bool { return false })
}

// flushUntil gives up, too, once the exporter is as hopeless says.
func (w *world) flushUntil(p *process, hopeless func(exporter.Status) bool) (delivered bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		if hopeless(p.runner.Status(w.exp.ID)) {
			return false
		}
		target, err := p.runner.Flush(ctx, w.exp.ID)
		if err != nil {
			if p.dead() {
				return false
			}
			continue // the runner has not read its exporters yet
		}
		waited, stop := context.WithCancel(ctx)
		go func() {
			select {
			case <-p.died:
			case <-waited.Done():
			}
			stop()
		}()
		ok, err := p.runner.WaitDelivered(waited, w.exp.ID, target)
		stop()
		if err != nil || p.dead() {
			return false
		}
		if ok {
			return true
		}
	}
	w.t.Fatalf("not delivered in time: %+v", p.runner.Status(w.exp.ID))
	return false
}

// check holds the bucket against what was appended: every id once, and an
// audit that finds nothing.
func (w *world) check(p *process) {
	w.t.Helper()
	seen := map[int]int{}
	for info, err := range w.store.List(w.t.Context(), "") {
		w.must(err)
		for _, id := range w.ids(info.Key) {
			seen[id]++
		}
	}
	for id := range w.sent {
		if seen[id] != 1 {
			w.t.Errorf("event %d is in the bucket %d times", id, seen[id])
		}
	}
	if len(seen) != w.sent {
		w.t.Errorf("the bucket holds %d different events, %d were appended", len(seen), w.sent)
	}
	v, err := p.runner.Verify(w.t.Context(), w.exp.ID)
	w.must(err)
	if !v.OK || v.Events != int64(w.sent) || v.Read != v.Objects {
		w.t.Errorf("audit: %+v", v)
	}
}

func (w *world) ids(key string) []int {
	w.t.Helper()
	body, _, err := w.store.Open(w.t.Context(), key)
	w.must(err)
	defer body.Close()
	raw, err := io.ReadAll(body)
	w.must(err)
	raw = inflated(w.t, raw)
	var ids []int
	for _, line := range bytes.Split(bytes.TrimSpace(raw), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var e struct {
			ID   int
			Data *struct{ ID int } // in an envelope
		}
		w.must(json.Unmarshal(line, &e))
		if e.Data != nil {
			e.ID = e.Data.ID
		}
		ids = append(ids, e.ID)
	}
	return ids
}
