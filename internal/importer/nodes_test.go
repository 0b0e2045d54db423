package importer_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/importer"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// node is a member that believes that everything is its duty, unless told otherwise.
type node struct {
	id   string
	none atomic.Bool
}

func (n *node) Self() string         { return n.id }
func (n *node) Owns(string) bool     { return !n.none.Load() }
func (*node) Watch() <-chan struct{} { return nil }

// beat says whether a node lives, as far as the ledger knows.
func (w *world) beat(id string, alive bool) {
	w.t.Helper()
	lease := time.Minute
	if !alive {
		lease = time.Microsecond
	}
	for {
		live, err := w.db.Beat(w.t.Context(), stream.Node{ID: id}, lease)
		w.must(err)
		if slices.ContainsFunc(live, func(n stream.Node) bool { return n.ID == id }) == alive {
			return
		}
	}
}

// idle waits until a process has nothing in hand.
func (w *world) idle(p *process) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for p.runner.Busy() {
		select {
		case <-look.C:
		case <-ctx.Done():
			w.t.Fatal("it never comes to rest")
		}
	}
}

// Of two nodes one stands still at some step until its lease is over. The other takes
// over and ends everything; then the first goes on where it stood. Every row
// is in the log once, and reported once.
func TestNodeThatWakesUpHarmsNothing(t *testing.T) {
	for step, limit := range steps {
		if step == "unmark" {
			continue // is not done where there are several
		}
		for at := 0; at < limit; at += every {
			for _, k := range []what{pausedBefore, pausedAfter} {
				t.Run(fmt.Sprintf("%s %d/%d", step, at, k), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, true)
					files := w.theFiles()
					first := &process{done: make(chan struct{}), died: make(chan struct{})}
					struck, goOn := make(chan struct{}), make(chan struct{})
					of := map[string]*gate{"noticed": {p: first, at: -1}}
					for other := range steps {
						of[other] = &gate{p: first, what: k, at: -1, struck: struck, goOn: goOn}
					}
					of[step].at = int64(at)
					w.beat("first", true)
					w.begin(first, gates{
						ledger:  func(l importer.Ledger) importer.Ledger { return gatedLedger{l, of} },
						log:     func(l eventlog.Log) eventlog.Log { return gatedLog{l, of} },
						bucket:  func(objstore.Bucket) objstore.Bucket { return gatedBucket{w.store, of} },
						members: &node{id: "first"},
					})
					w.tell(files)
					waitFor(t, struck)
					w.beat("first", false)
					w.beat("second", true)
					second := w.start(gates{members: &node{id: "second"}})
					w.settled()
					w.beat("first", true)
					close(goOn)
					first.runner.Wake()
					w.idle(first)
					w.settled()
					w.idle(second)
					first.cancel()
					<-first.done
					w.stop()
					w.check(files...)
				})
			}
		}
	}
}

// What the first attempt has fixed holds for its successor, on another node, also
// if nothing was appended: the first may go on at any time.
func TestSuccessorGoesByTheSettingsOfThePredecessor(t *testing.T) {
	w := newWorld(t, true)
	first := &process{done: make(chan struct{}), died: make(chan struct{})}
	paused := &gate{p: first, what: pausedBefore, struck: make(chan struct{}), goOn: make(chan struct{})}
	never := &gate{p: first, at: -1}
	w.beat("first", true)
	w.begin(first, gates{members: &node{id: "first"}, log: func(l eventlog.Log) eventlog.Log {
		return gatedLog{l, map[string]*gate{"append": paused, "mark": never, "unmark": never}}
	}})
	f := content{file: w.store.put("in/a.rows", fileOf("e1 one", "e2 two", "e3 three", "e1 four"))}
	f.rows = []string{"e1 one", "e2 two", "e3 three", "e1 four"}
	w.tell([]content{f})
	waitFor(t, paused.struck)
	w.imp.Environments = []string{"e3"}
	w.must(w.db.UpdateImporter(t.Context(), w.imp))
	w.beat("first", false)
	w.beat("second", true)
	second := w.start(gates{members: &node{id: "second"}})
	w.settled()
	w.beat("first", true)
	close(paused.goOn)
	w.idle(first)
	w.idle(second)
	first.cancel()
	<-first.done
	w.stop()
	w.check(f) // by e1 and e2
}

// putting decides what becomes of PUTs.
type putting struct {
	*store
	put func(store func() error) error
}

func (b putting) Create(ctx context.Context, key string, c objstore.Content) error {
	return b.put(func() error { return b.store.Create(ctx, key, c) })
}

// A node whose PUT of a report was refused stands still before it notes that. Its
// successor stores the report and loses the answer. What the first one notes then must not
// make the report look as if it had never been sent: its own object would be taken for another's.
func TestRefusalThatIsNotedLateUndoesNothing(t *testing.T) {
	w := newWorld(t, true)
	struck, goOn := make(chan struct{}), make(chan struct{})
	one := &node{id: "first"}
	w.beat("first", true)
	first := w.start(gates{members: one, bucket: func(objstore.Bucket) objstore.Bucket {
		return putting{w.store, func(func() error) error {
			close(struck)
			<-goOn
			return &objstore.Error{Op: "put", Outcome: objstore.Rejected, Status: 503, Err: errFault}
		}}
	}})
	f := content{file: w.store.put("in/a.rows", fileOf("e1 one")), rows: []string{"e1 one"}}
	w.tell([]content{f})
	waitFor(t, struck)
	w.beat("first", false)

	w.beat("second", true)
	again := &gate{what: pausedBefore, at: 1, struck: make(chan struct{}), goOn: make(chan struct{})}
	lost := false
	second := &process{done: make(chan struct{}), died: make(chan struct{})}
	again.p = second
	never := &gate{p: second, at: -1}
	w.begin(second, gates{
		members: &node{id: "second"},
		ledger: func(l importer.Ledger) importer.Ledger {
			return gatedLedger{l, map[string]*gate{"begin report": again, "noticed": never, "due": never, "save": never, "finish": never, "plan": never, "report": never}}
		},
		bucket: func(objstore.Bucket) objstore.Bucket {
			return putting{w.store, func(store func() error) error {
				err := store()
				if !lost {
					lost = true
					err = &objstore.Error{Op: "put", Outcome: objstore.Ambiguous, Err: errFault}
				}
				return err
			}}
		},
	})
	waitFor(t, again.struck) // it is about to try again
	one.none.Store(true)
	w.beat("first", true)
	close(goOn)
	w.idle(first)
	close(again.goOn)
	w.settled()
	w.idle(second)
	first.cancel()
	<-first.done
	w.stop()
	w.check(f)
}

func waitFor(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("not in time")
	}
}

// Two nodes that live share the files, and do none of them twice, though both
// believe that all reports are theirs.
func TestTwoNodesShareTheFiles(t *testing.T) {
	for round := range 5 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, true)
			files := w.theFiles()
			for i := range 20 {
				f := content{file: w.store.put(fmt.Sprintf("in/%d.rows", i), fileOf("e1 one", "e2 two", "e3 three"))}
				f.rows = []string{"e1 one", "e2 two", "e3 three"}
				files = append(files, f)
			}
			var all []*process
			for _, id := range []string{"first", "second"} {
				w.beat(id, true)
				all = append(all, w.start(gates{members: &node{id: id}}))
			}
			w.tell(files)
			all[0].runner.Wake()
			w.settled()
			for _, p := range all {
				w.idle(p)
				p.cancel()
				<-p.done
			}
			w.process = nil
			w.check(files...)
		})
	}
}

// A node does not list, nor listen to queues, for importers that are another's duty;
// when they become its own it begins, and when they cease to be it ends.
func TestListeningIsOneNodesDuty(t *testing.T) {
	w := newWorld(t, true)
	i := w.importer("queue")
	i.QueueURL = "https://sqs/q"
	w.must(w.db.UpdateImporter(t.Context(), i))
	begun, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	n := &node{id: "one"}
	n.none.Store(true)
	looked := make(chan struct{}, 100)
	p := w.start(gates{
		members: n,
		ledger:  func(l importer.Ledger) importer.Ledger { return lookedAt{l, looked} },
		poll: func(ctx context.Context, _ stream.Importer, _ importer.Hearer) error {
			begun <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return ctx.Err()
		},
	})
	for range 3 { // the third look begins after the first has done all it does
		waitFor(t, looked)
		p.runner.Wake()
	}
	if len(begun) > 0 {
		t.Error("listens to a queue that is another node's duty")
	}
	n.none.Store(false)
	p.runner.Wake()
	waitFor(t, begun)
	n.none.Store(true)
	p.runner.Wake()
	waitFor(t, ended)
}

// lookedAt tells when the importers are read.
type lookedAt struct {
	importer.Ledger
	looked chan struct{}
}

func (l lookedAt) Importers(ctx context.Context) ([]stream.Importer, error) {
	all, err := l.Ledger.Importers(ctx)
	select {
	case l.looked <- struct{}{}:
	default:
	}
	return all, err
}
