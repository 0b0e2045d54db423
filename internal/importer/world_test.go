package importer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/gzip"

	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/importer"
	"strm/internal/notice"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// world is one installation whose process may die and start again: the log,
// the ledger and the bucket are real and stay, the runner does not.
type world struct {
	t      *testing.T
	log    *embedded.Log
	db     *catalog.DB
	store  *store
	stream stream.Stream
	imp    stream.Importer
	room   func(context.Context, *stream.Stream) error
	chunk  int // rows

	openFile importer.OpenFile

	changed chan struct{} // has a token when something was noted or stored
	seen    observed
	process *process // the one that runs; a dead one reaches nothing any more
}

// process is one life of the runner. Everything it says goes through gates that
// a test can close.
type process struct {
	runner *importer.Runner
	cancel context.CancelFunc
	done   chan struct{}
	died   chan struct{} // closed when a fault killed it
	once   sync.Once
}

// quick suits tests that do not care when something is tried again.
var quick = importer.Backoff{Min: time.Millisecond, Max: 4 * time.Millisecond, Help: 2 * time.Millisecond, Full: 4 * time.Millisecond}

// patience is how long a test waits for what must come about; a slow machine takes its time.
const patience = 10 * time.Minute

const partitions = 3

func newWorld(t *testing.T, versioned bool) *world {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem(), MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, log: log, db: db, store: newStore(t, versioned), changed: make(chan struct{}, 1), chunk: 3,
		room: func(context.Context, *stream.Stream) error { return nil },
	}
	t.Cleanup(func() {
		w.stop()
		if err := errors.Join(db.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	ctx := t.Context()
	w.openFile = func(_ context.Context, src io.Reader, _ int64) (importer.EventFile, error) {
		return openRows(src, w.chunk)
	}
	w.stream = stream.Stream{ID: "00112233aabbccdd", Name: "events", Partitions: partitions, CreatedAt: time.Now()}
	w.must(log.Create(ctx, w.stream.ID, partitions))
	w.must(db.CreateStream(ctx, w.stream))
	_, _, err = db.PutSink(ctx, stream.Sink{Name: "s3", Type: stream.SinkS3, Bucket: "b"})
	w.must(err)
	w.imp = w.importer("fme")
	return w
}

// importer makes an importer that is told of files, and does not list.
func (w *world) importer(name string) stream.Importer {
	w.t.Helper()
	i := stream.Importer{
		ID: "1a2b" + name, Name: name, Stream: "events", StreamID: w.stream.ID, Sink: "s3", Environments: []string{"e1", "e2"},
		Prefix: "in/", Suffixes: []string{".rows"}, StatusPrefix: "status", Token: "token-" + name, ReportEvery: time.Millisecond,
		CreatedAt: time.Now().UTC().Truncate(time.Millisecond), UpdatedAt: time.Now().UTC(),
	}
	w.must(w.db.CreateImporter(w.t.Context(), i))
	return i
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// notice tells of files, as a topic does.
func (w *world) notice(files ...notice.File) {
	w.t.Helper()
	_, err := w.db.Noticed(w.t.Context(), w.imp.ID, "sns", time.Now(), files)
	w.must(err)
	if w.process != nil {
		w.process.runner.Wake()
	}
}

// gates are what a test puts between the runner and the world.
type gates struct {
	ledger func(importer.Ledger) importer.Ledger
	log    func(eventlog.Log) eventlog.Log
	bucket func(objstore.Bucket) objstore.Bucket
	poll   importer.Poll

	members importer.Members
}

// start begins a life.
func (w *world) start(g gates) *process {
	p := &process{done: make(chan struct{}), died: make(chan struct{})}
	w.begin(p, g)
	return p
}

func (w *world) begin(p *process, g gates) {
	o := importer.Options{
		Log: w.log, Ledger: telling{w.db, w}, Catalog: w.db, Logger: slog.New(slog.DiscardHandler), Observer: &w.seen,
		OpenFile: w.openFile,
		Parallel: 3, Backoff: quick, Poll: g.poll, Members: g.members,
		Room: func(ctx context.Context, s *stream.Stream) error { return w.room(ctx, s) },
	}
	if g.ledger != nil {
		o.Ledger = g.ledger(o.Ledger)
	}
	if g.log != nil {
		o.Log = g.log(o.Log)
	}
	var b objstore.Bucket = w.store
	if g.bucket != nil {
		b = g.bucket(b)
	}
	o.Open = func(context.Context, stream.Sink) (objstore.Bucket, error) { return b, nil }
	p.runner = importer.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() {
		defer close(p.done)
		if err := p.runner.Run(ctx); !errors.Is(err, context.Canceled) {
			w.t.Errorf("run: %v", err)
		}
	}()
	w.process = p
}

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

// telling tells the test of what was noted.
type telling struct {
	importer.Ledger
	w *world
}

func (l telling) tell(err error) error {
	select {
	case l.w.changed <- struct{}{}:
	default:
	}
	return err
}

func (l telling) BeginImport(ctx context.Context, i stream.Import) (bool, error) {
	ok, err := l.Ledger.BeginImport(ctx, i)
	return ok, l.tell(err)
}

func (l telling) SaveImport(ctx context.Context, i stream.Import) error {
	return l.tell(l.Ledger.SaveImport(ctx, i))
}

func (l telling) FinishImport(ctx context.Context, i stream.Import, e []stream.StatusEntry) error {
	return l.tell(l.Ledger.FinishImport(ctx, i, e))
}

func (l telling) BeginReport(ctx context.Context, r stream.Report) (stream.Report, bool, error) {
	begun, ok, err := l.Ledger.BeginReport(ctx, r)
	return begun, ok, l.tell(err)
}

func (l telling) SaveReport(ctx context.Context, r stream.Report) error {
	return l.tell(l.Ledger.SaveReport(ctx, r))
}

func (l telling) SetImporterProblem(ctx context.Context, id, p string) error {
	return l.tell(l.Ledger.SetImporterProblem(ctx, id, p))
}

func (l telling) SetListed(ctx context.Context, id string, at time.Time) error {
	return l.tell(l.Ledger.SetListed(ctx, id, at))
}

// until waits until ok says so, or the process dies; false: it died.
func (w *world) until(what string, ok func() bool) bool {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-w.changed:
		case <-w.process.died:
			return false
		case <-ctx.Done():
			w.t.Fatalf("not in time: %s; imports %+v", what, w.imports())
		}
	}
	return true
}

func (w *world) imports() []stream.Import {
	w.t.Helper()
	all, err := w.db.Imports(w.t.Context(), catalog.ImportQuery{Limit: 1000})
	w.must(err)
	return all
}

// settled waits until all files are done and reported.
func (w *world) settled() bool {
	w.t.Helper()
	return w.until("all files done and reported", func() bool {
		for _, i := range w.imports() {
			if i.State.Open() {
				return false
			}
			entries, err := w.db.Entries(w.t.Context(), i.ID)
			w.must(err)
			for _, e := range entries {
				if e.ReportID == 0 {
					return false
				}
			}
		}
		open, err := w.db.OpenReports(w.t.Context())
		w.must(err)
		return len(open) == 0
	})
}

// lines returns all events of the log.
func (w *world) lines() (out []string) {
	w.t.Helper()
	bounds, err := w.log.Bounds(w.t.Context(), w.stream.ID)
	w.must(err)
	for p, b := range bounds {
		r := stream.Range{Partition: stream.Partition(p), Start: b.Floor, End: b.End}
		for block, err := range w.log.Read(w.t.Context(), w.stream.ID, r) {
			w.must(err)
			z, err := gzip.NewReader(bytes.NewReader(block.Gzip))
			w.must(err)
			data, err := io.ReadAll(z)
			w.must(err)
			out = slices.AppendSeq(out, strings.Lines(string(data)))
		}
	}
	return out
}

// rows returns the rows of all events of the log, sorted.
func (w *world) rows() (out []string) {
	w.t.Helper()
	for _, line := range w.lines() {
		var row map[string]string
		w.must(json.Unmarshal([]byte(line), &row))
		for e, text := range row {
			out = append(out, e+" "+text)
		}
	}
	slices.Sort(out)
	return out
}

// told is one entry as a consumer of status reports has it.
type told struct {
	Created  int64    `json:"originalCreationTime"`
	ID       int      `json:"entryId"`
	Valid    bool     `json:"valid"`
	Rows     int64    `json:"numberOfRows"`
	Errors   []string `json:"errors"`
	Details  []string `json:"errorsDetails"`
	Warnings []string `json:"warnings"`
}

type triple struct {
	file    string
	created int64
	id      int
}

// entries reads all status reports as a consumer does, who drops repeats.
func (w *world) entries() map[triple]told {
	w.t.Helper()
	out := map[triple]told{}
	for key, body := range w.store.below("status/") {
		var report map[string][]told
		if err := json.Unmarshal(body, &report); err != nil {
			w.t.Fatalf("%s: %v\n%s", key, err, body)
		}
		if len(report) == 0 {
			w.t.Errorf("%s says nothing", key)
		}
		for file, entries := range report {
			for _, e := range entries {
				if e.Errors == nil || e.Details == nil || e.Warnings == nil || len(e.Errors) != len(e.Details) {
					w.t.Errorf("%s: %+v", key, e)
				}
				at := triple{file, e.Created, e.ID}
				if other, ok := out[at]; ok {
					w.t.Errorf("%+v is reported twice, which the protocol avoids: %+v and %+v", at, other, e)
				}
				out[at] = e
			}
		}
	}
	return out
}

// content is what a version of a file must become.
type content struct {
	file  notice.File
	rows  []string
	whole stream.RowError // the file, or its rest, is refused
}

// check holds log and reports against the files that were stored: rows in are
// events out, and every row of every file is accounted for.
func (w *world) check(files ...content) {
	w.t.Helper()
	var want []string
	entries := w.entries()
	for _, f := range files {
		accepted, refused := int64(0), int64(0)
		for _, row := range f.rows {
			if strings.HasPrefix(row, "e1 ") || strings.HasPrefix(row, "e2 ") {
				want = append(want, row)
				accepted++
			} else {
				refused++
			}
		}
		got := map[string]int64{}
		for t, e := range entries {
			if t.file != f.file.Key || t.created != f.file.At.UnixMilli() {
				continue
			}
			delete(entries, t)
			switch {
			case e.Valid && len(e.Errors) == 0:
				got["ok"] += e.Rows
			case !e.Valid && e.Errors[0] == string(stream.ErrEnvironment):
				got["refused"] += e.Rows
			case !e.Valid:
				got[e.Errors[0]]++
			default:
				w.t.Errorf("entry %+v", e)
			}
		}
		expect := map[string]int64{}
		if accepted > 0 || refused == 0 && f.whole == "" {
			expect["ok"] = accepted
		}
		if refused > 0 {
			expect["refused"] = refused
		}
		if f.whole != "" {
			expect[string(f.whole)] = 1
		}
		if !maps.Equal(got, expect) {
			w.t.Errorf("%s of %v: reported %v, want %v", f.file.Key, f.file.At, got, expect)
		}
	}
	for t, e := range entries {
		w.t.Errorf("reported of no file: %+v %+v", t, e)
	}
	slices.Sort(want)
	if got := w.rows(); !slices.Equal(got, want) {
		w.t.Errorf("the log holds %d rows, want %d\n%q\n%q", len(got), len(want), got, want)
	}
}

// observed adds up what an Observer is told.
type observed struct {
	mu      sync.Mutex
	files   map[string]int
	rows    map[stream.RowError]int64
	fetched int64
	failed  int
	reports map[string]int
	listed  map[bool]int
	found   int
}

func (o *observed) FileDone(_, outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.files == nil {
		o.files = map[string]int{}
	}
	o.files[outcome]++
}

func (o *observed) Rows(_ string, code stream.RowError, rows int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rows == nil {
		o.rows = map[stream.RowError]int64{}
	}
	o.rows[code] += rows
}

func (o *observed) Fetched(_ string, bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fetched += bytes
}

func (o *observed) FileFailed(string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed++
}

func (o *observed) Report(outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reports == nil {
		o.reports = map[string]int{}
	}
	o.reports[outcome]++
}

func (o *observed) Listed(_ string, ok bool, found int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listed == nil {
		o.listed = map[bool]int{}
	}
	o.listed[ok]++
	o.found += found
}
