package importer_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/importer"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// takenBucket has somebody else's object under the first keys that a report asks for.
type takenBucket struct {
	*store
	mu    sync.Mutex
	left  int
	taken map[string][]byte
}

func (b *takenBucket) Create(ctx context.Context, key string, c objstore.Content) error {
	b.mu.Lock()
	if b.left > 0 {
		b.left--
		b.put(key, []byte(`{"somebody":"else"}`))
		b.taken[key] = []byte(`{"somebody":"else"}`)
	}
	b.mu.Unlock()
	return b.store.Create(ctx, key, c)
}

// A key that is taken is somebody's: the report goes under the next millisecond,
// and what is there stays.
func TestReportPassesByForeignObjects(t *testing.T) {
	w := newWorld(t, true)
	b := &takenBucket{store: w.store, left: 3, taken: map[string][]byte{}}
	f := content{file: w.store.put("in/a.rows", fileOf("e1 a", "e9 b")), rows: []string{"e1 a", "e9 b"}}
	w.notice(f.file)
	w.start(gates{bucket: func(objstore.Bucket) objstore.Bucket { return b }})
	w.settled()
	w.stop()
	all := w.store.below("status/")
	if len(all) != 4 || len(b.taken) != 3 {
		t.Fatalf("%d objects, %d of them foreign", len(all), len(b.taken))
	}
	for key, data := range b.taken {
		if !bytes.Equal(all[key], data) {
			t.Errorf("%s is now %q", key, all[key])
		}
		w.store.remove(key)
	}
	w.check(f)
	if w.seen.reports["exists"] != 3 || w.seen.reports["stored"] != 1 {
		t.Errorf("told of PUTs: %v", w.seen.reports)
	}
}

// unconditional is a store that does not know conditions.
type unconditional struct{ *store }

func (b unconditional) Create(ctx context.Context, key string, c objstore.Content) error {
	if !c.Overwrite {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.NoConditions, Err: errors.New("not implemented")}
	}
	return b.store.Create(ctx, key, c)
}

func TestReportToAStoreWithoutConditions(t *testing.T) {
	w := newWorld(t, true)
	f := content{file: w.store.put("in/a.rows", fileOf("e1 a")), rows: []string{"e1 a"}}
	w.notice(f.file)
	w.start(gates{bucket: func(objstore.Bucket) objstore.Bucket { return unconditional{w.store} }})
	w.settled()
	w.stop()
	w.check(f)
	s, err := w.db.Sink(t.Context(), "s3")
	w.must(err)
	if s.Conditional != stream.SupportNo {
		t.Errorf("the sink's conditional support is %q", s.Conditional)
	}
}

// A refused report says why, and is stored when that is mended. Only what is new is reported.
func TestReportRefusedAndMended(t *testing.T) {
	w := newWorld(t, true)
	var mu sync.Mutex
	denied := true
	w.store.refuse = func(op, key string) error {
		mu.Lock()
		defer mu.Unlock()
		if op == "put" && denied {
			return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "s3:PutObject on " + key}
		}
		return nil
	}
	a := content{file: w.store.put("in/a.rows", fileOf("e1 a")), rows: []string{"e1 a"}}
	w.notice(a.file)
	w.start(gates{})
	w.until("the refusal is told", func() bool {
		open, err := w.db.OpenReports(t.Context())
		w.must(err)
		return len(open) == 1 && strings.Contains(open[0].Problem, "missing permission s3:PutObject on status/") && !open[0].NextTryAt.IsZero() && !open[0].MaybeStored
	})
	mu.Lock()
	denied = false
	mu.Unlock()
	w.settled()
	b := content{file: w.store.put("in/b.rows", fileOf("e9 b")), rows: []string{"e9 b"}}
	w.notice(b.file)
	w.settled()
	w.stop()
	w.check(a, b)
	if n := len(w.store.below("status/")); n != 2 {
		t.Errorf("%d reports, want 2", n)
	}
	for key := range w.store.below("status/") {
		at, ok := strings.CutPrefix(key, "status/")
		if _, err := time.Parse("2006-01-02/15-04-05.000.UTC_report.status", at); !ok || err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

// Importers that share bucket and status folder share their reports, and no entry
// of one is taken for a repeat of the other's.
func TestImportersShareReports(t *testing.T) {
	w := newWorld(t, true)
	other := w.importer("two")
	other.Environments = []string{"e9"}
	w.must(w.db.UpdateImporter(t.Context(), other))
	f := w.store.put("in/a.rows", fileOf("e1 a", "e1 b", "e9 c"))
	w.notice(f)
	w.imp = other
	w.notice(f)
	w.start(gates{})
	w.settled()
	w.stop()
	sum := map[bool]int64{}
	for _, e := range w.entries() {
		sum[e.Valid] += e.Rows
	}
	if sum[true] != 3 || sum[false] != 3 {
		t.Errorf("reported %v, want three rows stored and three refused: %+v", sum, w.entries())
	}
	if rows := w.rows(); len(rows) != 3 {
		t.Errorf("the log holds %q", rows)
	}
}

var _ importer.Observer = (*observed)(nil)
