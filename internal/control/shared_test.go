package control_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

// otherNode returns a Control as another node has it, over the same state.
func otherNode(w *controltest.World, wrap func(control.Catalog) control.Catalog) *control.Control {
	d := w.Deps
	d.Shared = true
	if wrap != nil {
		d.Catalog = wrap(d.Catalog)
	}
	return control.New(d)
}

// What is made on one node is known on another at once; what is taken away there
// is known when ConfigurationChanged says that something has changed.
func TestSourcesOfOtherNodes(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	other := otherNode(w, nil)
	keys := other.WriteKeys()
	lookUp := func(key string, known bool) {
		t.Helper()
		_, _, err := keys.Source(t.Context(), control.KeyHash(key))
		if known && err != nil || !known && problem.KindOf(err) != problem.NotFound {
			t.Errorf("the key leads to %v, known: %t", err, known)
		}
	}
	lookUp("nobody's", false)
	_, key, err := createSource(t, w.Control, "web", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	lookUp(key, true)
	meta := false
	if _, err := w.CreateStream(t.Context(), control.NewStream{Name: "own", Partitions: 1, StrmMeta: &meta}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.OpenStream(t.Context(), "own"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := createSource(t, w.Control, "site", "own", "segment"); err != nil {
		t.Fatal(err)
	}
	_, err = other.OpenStream(t.Context(), "own")
	wantKind(t, err, problem.Conflict, "belongs to source")

	if err := w.DeleteSource(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	other.ConfigurationChanged()
	lookUp(key, false)
}

// counting counts the questions for the revision.
type counting struct {
	control.Catalog
	n    *atomic.Int64
	fail *atomic.Pointer[error]
}

func (c counting) Revision(ctx context.Context) (int64, error) {
	c.n.Add(1)
	if err := c.fail.Load(); err != nil {
		return 0, *err
	}
	return 1, nil
}

func (counting) Sources(context.Context) ([]stream.Source, error)     { return nil, nil }
func (counting) Streams(context.Context) ([]stream.Stream, error)     { return nil, nil }
func (counting) Exporters(context.Context) ([]stream.Exporter, error) { return nil, nil }

// However many wrong keys are tried, the catalog is asked ten times a second; and
// nobody is told that a key is wrong while that cannot be known.
func TestWrongKeysCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counting{n: new(atomic.Int64), fail: new(atomic.Pointer[error])}
		keys := control.New(control.Deps{Catalog: c, Shared: true}).WriteKeys()
		began := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 20 {
					if _, _, err := keys.Source(t.Context(), "wrong"); problem.KindOf(err) != problem.NotFound {
						t.Errorf("error %v", err)
					}
				}
			})
		}
		wg.Wait()
		if most := int64(time.Since(began)/(100*time.Millisecond)) + 3; c.n.Load() > most {
			t.Errorf("%d questions in %v", c.n.Load(), time.Since(began))
		}
		away := problem.New(problem.Unavailable, "away")
		c.fail.Store(&away)
		if _, _, err := keys.Source(t.Context(), "wrong"); !errors.Is(err, away) {
			t.Errorf("error %v", err)
		}
		c.fail.Store(nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := keys.Source(ctx, "wrong"); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if _, _, err := keys.Source(t.Context(), "wrong"); problem.KindOf(err) != problem.NotFound {
			t.Errorf("error %v", err)
		}
	})
}

// Two nodes change the configuration one after the other.
func TestChangesWaitForEachOther(t *testing.T) {
	w := controltest.New(t)
	changes := make(trimLock, 1)
	w.Deps.Changes = changes
	w.Control = control.New(w.Deps)
	unlock, err := changes.Lock(t.Context()) // another node's
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := w.CreateStream(ctx, control.NewStream{Name: "demo"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	unlock()
	mustStream(t, w, "demo", 1)
}

// Every duty is one live node's; the dead are shown without any.
func TestNodes(t *testing.T) {
	w := controltest.New(t)
	w.Deps.Node = stream.Node{ID: "a", Name: "here"}
	w.Control = control.New(w.Deps)
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	for _, name := range []string{"x", "y", "z"} {
		mustExporter(t, w, control.NewExporter{Stream: "demo", Name: name})
	}
	list := func(want int) []control.Node {
		t.Helper()
		all, err := w.Nodes(t.Context())
		if err != nil || len(all) != want {
			t.Fatalf("nodes %+v, %v", all, err)
		}
		exporters, duties := 0, 0
		for _, n := range all {
			exporters += n.Exporters
			duties += len(n.Duties)
			if n.This != (n.ID == "a") {
				t.Errorf("%+v", n)
			}
			if !n.Alive && (n.Exporters > 0 || len(n.Duties) > 0) {
				t.Errorf("a dead node has duties: %+v", n)
			}
		}
		if exporters != 3 || duties != 3 {
			t.Errorf("%d exporters and %d duties of 3 and 3: %+v", exporters, duties, all)
		}
		return all
	}
	if one := list(1)[0]; one.Name != "here" || !one.Alive || one.Exporters != 3 {
		t.Errorf("the only node: %+v", one)
	}
	for _, id := range []string{"a", "b", "dead"} {
		lease := time.Minute
		if id == "dead" {
			lease = time.Microsecond
		}
		if _, err := w.DB.Beat(t.Context(), stream.Node{ID: id, Name: "at " + id, Version: "v"}, lease); err != nil {
			t.Fatal(err)
		}
	}
	list(3)
}
