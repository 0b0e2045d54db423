package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/importer"
	"strm/internal/notice"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// The fault table: every step of the flow, times what can happen to it, with
// notices that come twice and out of order. Whatever happens, after a restart every
// row of every version is in the log once, and accounted for.

// what happens to a step.
type what int

const (
	requestLost  what = iota // fails without effect
	answerLost               // takes effect, then fails
	killedBefore             // the process dies before it
	killedAfter              // it takes effect, then the process dies
	pausedBefore             // the process stands still before it, and goes on when another has taken over
	pausedAfter              // it takes effect; then the same
)

var whats = map[what]string{requestLost: "request lost", answerLost: "answer lost", killedBefore: "killed before", killedAfter: "killed after"}

var errFault = errors.New("injected fault")

// gate lets the n-th call of one kind fail.
type gate struct {
	p      *process
	what   what
	at     int64
	calls  atomic.Int64
	struck chan struct{}
	goOn   chan struct{} // for those that pause
}

// pass runs act under the gate.
func (g *gate) pass(act func() error, lost, ambiguous error) error {
	if g.p.dead() {
		return ambiguous // nothing a dead process does has any effect
	}
	if g.calls.Add(1)-1 != g.at {
		return act()
	}
	close(g.struck)
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
	case pausedBefore:
		<-g.goOn
	case pausedAfter:
		err := act()
		<-g.goOn
		return err
	}
	return act()
}

func (g *gate) ours(act func() error) error { return g.pass(act, errFault, errFault) }

type gatedLedger struct {
	importer.Ledger
	of map[string]*gate
}

func (l gatedLedger) Noticed(ctx context.Context, id, via string, at time.Time, files []notice.File) (n int, err error) {
	err = l.of["noticed"].ours(func() error { n, err = l.Ledger.Noticed(ctx, id, via, at, files); return err })
	return n, err
}

func (l gatedLedger) DueImports(ctx context.Context, owner string, now time.Time, limit int) (due []stream.Import, next time.Time, err error) {
	err = l.of["due"].ours(func() error { due, next, err = l.Ledger.DueImports(ctx, owner, now, limit); return err })
	return due, next, err
}

func (l gatedLedger) BeginImport(ctx context.Context, i stream.Import) (ok bool, err error) {
	err = l.of["save"].ours(func() error { ok, err = l.Ledger.BeginImport(ctx, i); return err })
	return ok && err == nil, err
}

func (l gatedLedger) SaveImport(ctx context.Context, i stream.Import) error {
	return l.of["save"].ours(func() error { return l.Ledger.SaveImport(ctx, i) })
}

func (l gatedLedger) FinishImport(ctx context.Context, i stream.Import, e []stream.StatusEntry) error {
	return l.of["finish"].ours(func() error { return l.Ledger.FinishImport(ctx, i, e) })
}

func (l gatedLedger) PlanReport(ctx context.Context, at time.Time, files int) (r stream.Report, ok bool, err error) {
	err = l.of["plan"].ours(func() error { r, ok, err = l.Ledger.PlanReport(ctx, at, files); return err })
	return r, ok && err == nil, err
}

func (l gatedLedger) BeginReport(ctx context.Context, r stream.Report) (begun stream.Report, ok bool, err error) {
	err = l.of["begin report"].ours(func() error { begun, ok, err = l.Ledger.BeginReport(ctx, r); return err })
	return begun, ok && err == nil, err
}

func (l gatedLedger) SaveReport(ctx context.Context, r stream.Report) error {
	return l.of["report"].ours(func() error { return l.Ledger.SaveReport(ctx, r) })
}

type gatedLog struct {
	eventlog.Log
	of map[string]*gate
}

func (l gatedLog) Append(ctx context.Context, id string, e eventlog.Entry) (a eventlog.Appended, err error) {
	err = l.of["append"].ours(func() error { a, err = l.Log.Append(ctx, id, e); return err })
	return a, err
}

func (l gatedLog) Mark(ctx context.Context, id, mark string) (at uint64, err error) {
	err = l.of["mark"].ours(func() error { at, err = l.Log.Mark(ctx, id, mark); return err })
	return at, err
}

func (l gatedLog) Unmark(ctx context.Context, id, mark string) error {
	return l.of["unmark"].ours(func() error { return l.Log.Unmark(ctx, id, mark) })
}

type gatedBucket struct {
	*store
	of map[string]*gate
}

func (b gatedBucket) Create(ctx context.Context, key string, c objstore.Content) error {
	return b.of["put"].pass(func() error { return b.store.Create(ctx, key, c) },
		&objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: errFault},
		&objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: errFault})
}

func (b gatedBucket) OpenVersion(ctx context.Context, key, version, etag string) (body io.ReadCloser, info objstore.Info, err error) {
	err = b.of["get"].pass(func() error { body, info, err = b.store.OpenVersion(ctx, key, version, etag); return err },
		&objstore.Error{Op: "get", Key: key, Outcome: objstore.NotSent, Err: errFault},
		&objstore.Error{Op: "get", Key: key, Outcome: objstore.Ambiguous, Err: errFault})
	if err == nil {
		body = gatedBody{body, b.of["body"]}
	}
	return body, info, err
}

// gatedBody breaks off, or ends too early.
type gatedBody struct {
	io.ReadCloser
	of *gate
}

func (b gatedBody) Read(p []byte) (n int, err error) {
	if len(p) > 16 {
		p = p[:16]
	}
	ferr := b.of.pass(func() error { n, err = b.ReadCloser.Read(p); return nil }, io.EOF, errFault)
	if ferr != nil {
		return n, ferr
	}
	return n, err
}

// steps are what may fail, and how many times each is called at least.
var steps = map[string]int{
	"due": 2, "save": 5, "mark": 3, "get": 3, "body": 9, "append": 9, "finish": 5, "unmark": 3, "plan": 2, "begin report": 1, "report": 2, "put": 1,
}

// theFiles stores files of all sorts, two versions of one key among them.
func (w *world) theFiles() []content {
	var out []content
	add := func(key string, whole stream.RowError, rows ...string) {
		f := content{file: w.store.put(key, fileOf(rows...)), whole: whole}
		for _, row := range rows {
			if strings.HasPrefix(row, "!") {
				break
			}
			f.rows = append(f.rows, row)
		}
		out = append(out, f)
	}
	many := func(tag string, n int) (rows []string) {
		for i := range n {
			rows = append(rows, fmt.Sprintf("%s %s-%d", []string{"e1", "e2", "e1", "e3"}[i%4], tag, i))
		}
		return rows
	}
	add("in/a.rows", "", many("a", 13)...)
	add("in/b.rows", "", many("b", 4)...)
	add("in/same.rows", "", "e1 same", "e1 same", "e2 same") // equal rows are rows of their own
	add("in/a.rows", "", many("a", 10)...)                   // another version, with rows that were there before
	add("in/damaged.rows", stream.ErrSchema, append(many("d", 8), "!damage", "e1 behind")...)
	add("in/none.rows", "", "e3 x", "e4 y", "e5 z", "e6 z")
	add("in/empty.rows", "")
	return out
}

// tell tells of the files twice, in two orders, one by one and together.
func (w *world) tell(files []content) {
	for i := len(files) - 1; i >= 0; i-- {
		w.notice(files[i].file)
	}
	var all []notice.File
	for _, f := range files {
		all = append(all, f.file)
	}
	w.notice(all...)
	w.notice(all...)
}

func TestEveryRowIsAppendedOnceWhateverStepFails(t *testing.T) {
	for step, limit := range steps {
		for at := 0; at < limit; at += every {
			for k, name := range whats {
				t.Run(fmt.Sprintf("%s %d/%s", step, at, name), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, true)
					files := w.theFiles()
					p := &process{done: make(chan struct{}), died: make(chan struct{})}
					struck := make(chan struct{})
					of := map[string]*gate{"noticed": {p: p, at: -1}}
					for other := range steps {
						of[other] = &gate{p: p, what: k, at: -1, struck: struck}
					}
					of[step].at = int64(at)
					w.begin(p, gates{
						ledger: func(l importer.Ledger) importer.Ledger { return gatedLedger{l, of} },
						log:    func(l eventlog.Log) eventlog.Log { return gatedLog{l, of} },
						bucket: func(objstore.Bucket) objstore.Bucket { return gatedBucket{w.store, of} },
					})
					w.tell(files)
					if w.settled() {
						w.tell(files) // a late repeat
						w.settled()
					}
					w.stop()
					w.chunk = 2 // the next release may cut chunks in other places
					w.start(gates{})
					w.tell(files)
					w.settled()
					select {
					case <-struck:
					default:
						t.Error("the fault never struck")
					}
					w.stop()
					w.check(files...)
				})
			}
		}
	}
}
