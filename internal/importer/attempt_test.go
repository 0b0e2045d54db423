package importer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/importer"
	"strm/internal/notice"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// one returns the only import.
func (w *world) one() stream.Import {
	w.t.Helper()
	all := w.imports()
	if len(all) != 1 {
		w.t.Fatalf("%d imports", len(all))
	}
	return all[0]
}

// detail returns what the only report's only entry of a code says.
func (w *world) detail(code stream.RowError) string {
	w.t.Helper()
	for _, e := range w.entries() {
		for n, c := range e.Errors {
			if c == string(code) {
				return e.Details[n]
			}
		}
	}
	w.t.Fatalf("no entry says %s: %+v", code, w.entries())
	return ""
}

// A file that is replaced or deleted while it waits ends with that reason; the new
// one is a file of its own.
func TestReplacedWhileWaiting(t *testing.T) {
	w := newWorld(t, false)
	old := content{file: w.store.put("in/a.rows", fileOf("e1 old")), whole: stream.ErrSchema}
	gone := content{file: w.store.put("in/gone.rows", fileOf("e1 gone")), whole: stream.ErrSchema}
	w.notice(old.file, gone.file)
	now := content{file: w.store.put("in/a.rows", fileOf("e1 new", "e1 newer")), rows: []string{"e1 new", "e1 newer"}}
	w.store.remove("in/gone.rows")
	w.notice(now.file)
	w.start(gates{})
	w.settled()
	w.stop()
	w.check(old, gone, now)
	for _, i := range w.imports() {
		entries, err := w.db.Entries(t.Context(), i.ID)
		w.must(err)
		switch {
		case i.Rows > 0 && i.Accepted == 2:
		case i.Key == "in/a.rows" && strings.Contains(entries[0].Details[0], "was replaced by another one before it was read"):
		case i.Key == "in/gone.rows" && strings.Contains(entries[0].Details[0], "was deleted from the bucket before it was read"):
		default:
			t.Errorf("%+v: %+v", i, entries)
		}
	}
	if n := w.seen.files["INVALID_SCHEMA"]; n != 2 || w.seen.files["imported"] != 1 || w.seen.rows[""] != 2 {
		t.Errorf("told of files %v, rows %v", w.seen.files, w.seen.rows)
	}
}

// onlyFirst lets one append pass, and then kills.
type onlyFirst struct {
	eventlog.Log
	p *process
	n atomic.Int64
}

func (l *onlyFirst) Append(ctx context.Context, id string, e eventlog.Entry) (eventlog.Appended, error) {
	if l.n.Add(1) > 1 {
		l.p.die()
		return eventlog.Appended{}, errFault
	}
	return l.Log.Append(ctx, id, e)
}

// Of a file that is replaced when a part of it is in, the reason says how far.
func TestReplacedInTheMiddle(t *testing.T) {
	w := newWorld(t, false)
	w.notice(w.store.put("in/a.rows", fileOf("e1 1", "e9 2", "e1 3", "e1 4")))
	p := &process{done: make(chan struct{}), died: make(chan struct{})}
	w.begin(p, gates{log: func(l eventlog.Log) eventlog.Log { return &onlyFirst{Log: l, p: p} }})
	if w.settled() {
		t.Fatal("the process did not die")
	}
	w.stop()
	w.store.put("in/a.rows", fileOf("e1 other"))
	w.start(gates{})
	w.settled()
	w.stop()
	if d := w.detail(stream.ErrSchema); !strings.Contains(d, "replaced") || !strings.Contains(d, "rows up to number 3 had been read before") {
		t.Errorf("detail %q", d)
	}
	if rows := w.rows(); len(rows) != 2 {
		t.Errorf("the log holds %q", rows)
	}
}

// What an importer's deletion means depends on whether a file had begun.
func TestDeletedImporter(t *testing.T) {
	w := newWorld(t, true)
	begun := content{file: w.store.put("in/begun.rows", fileOf("e1 1", "e1 2", "e1 3", "e1 4")), rows: []string{"e1 1", "e1 2", "e1 3", "e1 4"}}
	w.notice(begun.file)
	p := &process{done: make(chan struct{}), died: make(chan struct{})}
	w.begin(p, gates{log: func(l eventlog.Log) eventlog.Log { return &onlyFirst{Log: l, p: p} }})
	if w.settled() {
		t.Fatal("the process did not die")
	}
	w.stop()
	waiting := content{file: w.store.put("in/waiting.rows", fileOf("e1 5")), whole: stream.ErrConfigNotFound}
	w.notice(waiting.file)
	w.must(w.db.DeleteImporter(t.Context(), w.imp.ID))
	w.start(gates{})
	w.settled()
	w.stop()
	w.check(begun, waiting)
	if d := w.detail(stream.ErrConfigNotFound); !strings.Contains(d, "importer was deleted") {
		t.Errorf("detail %q", d)
	}
	if at, err := w.log.Mark(t.Context(), w.stream.ID, "import/"+w.imp.ID+"/1"); at != 0 || err != nil {
		t.Errorf("a mark is left: %d, %v", at, err)
	}
}

// Refusals of the bucket are not the file's fault: the import waits, says why with
// the permission that is missing, and goes on when that is mended.
func TestRefusedByTheBucket(t *testing.T) {
	w := newWorld(t, true)
	var mended atomic.Bool
	w.store.refuse = func(op, key string) error {
		if op == "get" && !mended.Load() {
			return &objstore.Error{Op: op, Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Status: 403, Action: "s3:GetObjectVersion on arn:aws:s3:::b/" + key}
		}
		return nil
	}
	f := content{file: w.store.put("in/a.rows", fileOf("e1 a")), rows: []string{"e1 a"}}
	w.notice(f.file)
	w.start(gates{})
	w.until("the refusal is told", func() bool {
		i := w.one()
		return strings.Contains(i.Problem, "missing permission s3:GetObjectVersion on arn:aws:s3:::b/in/a.rows") && i.State == stream.ImportRunning && i.Attempts > 1 && !i.NextTryAt.IsZero()
	})
	mended.Store(true)
	w.settled()
	w.stop()
	w.check(f)
	if i := w.one(); i.Problem != "" || !i.NextTryAt.IsZero() {
		t.Errorf("after mending: %+v", i)
	}
}

// A stream at its bound makes files wait, those that have begun and those that have not.
func TestWaitsForRoom(t *testing.T) {
	w := newWorld(t, true)
	var full atomic.Bool
	full.Store(true)
	w.room = func(_ context.Context, s *stream.Stream) error {
		if full.Load() {
			return problem.New(problem.Busy, "stream %q is full", s.Name)
		}
		return nil
	}
	f := content{file: w.store.put("in/a.rows", fileOf("e1 a")), rows: []string{"e1 a"}}
	w.notice(f.file)
	w.start(gates{})
	w.until("the reason is told", func() bool {
		i := w.one()
		return strings.Contains(i.Problem, `stream "events" is full`) && i.State == stream.ImportNoticed && i.Attempts > 1
	})
	if w.seen.fetched != 0 {
		t.Error("a file was fetched that has no room")
	}
	full.Store(false)
	w.settled()
	w.stop()
	w.check(f)
}

// fullLog has room again after some appends were refused.
type fullLog struct {
	eventlog.Log
	n atomic.Int64
}

func (l *fullLog) Append(ctx context.Context, id string, e eventlog.Entry) (eventlog.Appended, error) {
	if n := l.n.Add(1); n > 1 && n < 6 {
		return eventlog.Appended{}, problem.New(problem.Busy, "%w", eventlog.ErrFull)
	}
	return l.Log.Append(ctx, id, e)
}

// A log that is full for a while does not make a file be read again.
func TestWaitsForTheLog(t *testing.T) {
	w := newWorld(t, true)
	f := content{file: w.store.put("in/a.rows", fileOf("e1 1", "e1 2", "e1 3", "e1 4", "e1 5")), rows: []string{"e1 1", "e1 2", "e1 3", "e1 4", "e1 5"}}
	w.notice(f.file)
	w.start(gates{log: func(l eventlog.Log) eventlog.Log { return &fullLog{Log: l} }})
	w.settled()
	w.stop()
	w.check(f)
	if i := w.one(); i.Attempts != 1 {
		t.Errorf("%d attempts", i.Attempts)
	}
}

// A fault of ours is visible, and a file that always makes one ends with a status.
func TestPanicEndsAsAStatus(t *testing.T) {
	w := newWorld(t, true)
	bad := content{file: w.store.put("in/a.rows", fileOf("!panic")), whole: stream.ErrConfigNotFound}
	good := content{file: w.store.put("in/b.rows", fileOf("e1 b")), rows: []string{"e1 b"}}
	w.notice(bad.file, good.file)
	told := false
	w.start(gates{})
	w.until("done", func() bool {
		open := 0
		for _, i := range w.imports() {
			told = told || strings.Contains(i.Problem, "internal fault: a row that nobody thought of")
			if i.State.Open() {
				open++
			}
		}
		return open == 0
	})
	w.settled()
	w.stop()
	w.check(bad, good)
	if !told {
		t.Error("the fault was never visible")
	}
	if d := w.detail(stream.ErrConfigNotFound); !strings.Contains(d, "internal fault") {
		t.Errorf("detail %q", d)
	}
}

// A file that is none ends with what is wrong with it.
func TestBrokenFileIsAStatus(t *testing.T) {
	w := newWorld(t, true)
	f := content{file: w.store.put("in/a.rows", []byte("PAR1 of something else")), whole: stream.ErrSchema}
	w.notice(f.file)
	w.start(gates{})
	w.settled()
	w.stop()
	w.check(f)
	if d := w.detail(stream.ErrSchema); d != "not a file of rows" {
		t.Errorf("detail %q", d)
	}
}

// What is noticed of a paused importer waits until it goes on.
func TestPausedImporterWaits(t *testing.T) {
	w := newWorld(t, true)
	w.imp.Paused = true
	w.must(w.db.UpdateImporter(t.Context(), w.imp))
	f := content{file: w.store.put("in/a.rows", fileOf("e1 a")), rows: []string{"e1 a"}}
	w.notice(f.file)
	other := w.importer("two")
	other.Prefix = "other/"
	w.must(w.db.UpdateImporter(t.Context(), other))
	g := w.store.put("other/b.rows", fileOf("e1 b"))
	p := w.start(gates{})
	_, err := w.db.Noticed(t.Context(), other.ID, "sns", g.At, []notice.File{g})
	w.must(err)
	p.runner.Wake()
	w.until("the other importer's file is done", func() bool {
		for _, i := range w.imports() {
			if i.Key == "other/b.rows" {
				return !i.State.Open()
			}
		}
		return false
	})
	for _, i := range w.imports() {
		if i.Key == "in/a.rows" && (i.State != stream.ImportNoticed || i.Attempts != 0) {
			t.Errorf("a file of a paused importer: %+v", i)
		}
	}
	w.imp.Paused = false
	w.must(w.db.UpdateImporter(t.Context(), w.imp))
	p.runner.Wake()
	w.settled()
	w.stop()
	w.check(f, content{file: g, rows: []string{"e1 b"}})
}

// The settings of the time when a file begins to run are those of all of it.
func TestSettingsAreFrozen(t *testing.T) {
	w := newWorld(t, true)
	f := content{file: w.store.put("in/a.rows", fileOf("e1 1", "e2 2", "e1 3", "e2 4")), rows: []string{"e1 1", "e2 2", "e1 3", "e2 4"}}
	w.notice(f.file)
	p := &process{done: make(chan struct{}), died: make(chan struct{})}
	w.begin(p, gates{log: func(l eventlog.Log) eventlog.Log { return &onlyFirst{Log: l, p: p} }})
	if w.settled() {
		t.Fatal("the process did not die")
	}
	w.stop()
	w.imp.Environments = []string{"e7"}
	w.must(w.db.UpdateImporter(t.Context(), w.imp))
	w.start(gates{})
	w.settled()
	w.stop()
	w.check(f)
}

// A file of which nothing is in goes by the settings of the time when it can be
// read, however often that was tried before: who mends the bucket may have mended the importer as well.
func TestSettingsOfAFileThatWaitsMayChange(t *testing.T) {
	w := newWorld(t, true)
	right := w.imp.Environments
	w.imp.Environments = []string{"e7"}
	w.must(w.db.UpdateImporter(t.Context(), w.imp))
	f := content{file: w.store.put("in/a.rows", fileOf("e1 1", "e2 2")), rows: []string{"e1 1", "e2 2"}}
	w.notice(f.file)
	var mended atomic.Bool
	w.store.refuse = func(op, key string) error {
		if op == "get" && !mended.Load() {
			return &objstore.Error{Op: op, Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Err: errors.New("denied")}
		}
		return nil
	}
	p := w.start(gates{})
	w.until("the file was tried in vain", func() bool { return w.one().State == stream.ImportRunning && w.one().Problem != "" })
	w.imp.Environments = right
	w.must(w.db.UpdateImporter(t.Context(), w.imp))
	// The attempt under way may have read the older settings.
	tried := w.one().Attempts
	w.until("attempts that began since", func() bool { return w.one().Attempts > tried+1 })
	mended.Store(true)
	p.runner.Wake()
	w.settled()
	w.stop()
	w.check(f)
}

// staleOnce answers the second question for what is due as it did the first.
type staleOnce struct {
	importer.Ledger
	mu    sync.Mutex
	first []stream.Import
	asked int
}

func (l *staleOnce) DueImports(ctx context.Context, owner string, now time.Time, limit int) ([]stream.Import, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due, next, err := l.Ledger.DueImports(ctx, owner, now, limit)
	if len(due) == 0 && l.asked == 0 {
		return due, next, err
	}
	switch l.asked++; l.asked {
	case 1:
		l.first = slices.Clone(due)
	case 2:
		due = l.first
	}
	return due, next, err
}

// failSecond fails the second append, once.
type failSecond struct {
	eventlog.Log
	n atomic.Int64
}

func (l *failSecond) Append(ctx context.Context, id string, e eventlog.Entry) (eventlog.Appended, error) {
	if l.n.Add(1) == 2 {
		return eventlog.Appended{}, errFault
	}
	return l.Log.Append(ctx, id, e)
}

// A list of what is due may be older than the attempt before: its copy of an import
// knows nothing of the settings that attempt has fixed.
func TestAnAttemptDoesNotBeginFromAnOldCopy(t *testing.T) {
	w := newWorld(t, false)
	f := content{file: w.store.put("in/a.rows", fileOf("e1 a", "e2 b", "e1 c", "e3 d", "e1 e", "e2 f", "e1 g"))}
	f.rows = []string{"e1 a", "e2 b", "e1 c", "e3 d", "e1 e", "e2 f", "e1 g"}
	w.notice(f.file)
	w.start(gates{
		ledger: func(l importer.Ledger) importer.Ledger { return &staleOnce{Ledger: l} },
		log:    func(l eventlog.Log) eventlog.Log { return &failSecond{Log: l} },
	})
	w.settled()
	w.stop()
	w.check(f)
}
