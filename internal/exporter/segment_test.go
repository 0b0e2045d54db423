package exporter_test

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/objstore"
	"strm/internal/objstore/mem"
	"strm/internal/problem"
	"strm/internal/stream"
)

// seen notes how objects were put.
type seen struct {
	*mem.Bucket
	mu  *sync.Mutex
	put map[string]objstore.Content
}

func (s seen) Create(ctx context.Context, key string, c objstore.Content) error {
	s.mu.Lock()
	s.put[key] = c
	s.mu.Unlock()
	return s.Bucket.Create(ctx, key, c)
}

func segmentWorld(t *testing.T, prefix string) (*world, *process, seen) {
	w := newWorld(t, stream.Output{Layout: "segment", PathPrefix: "own", Source: "4mKq7ZtRw2VbXc9LsPdE1f"}, 2)
	_, _, err := w.db.PutSink(t.Context(), stream.Sink{Name: "s3", Type: stream.SinkDir, Bucket: "/bucket", Prefix: prefix})
	w.must(err)
	s := seen{Bucket: w.store, mu: &sync.Mutex{}, put: map[string]objstore.Content{}}
	p := w.start(nil, func(*process, objstore.Bucket) objstore.Bucket { return s })
	return w, p, s
}

// One batch across midnight becomes two objects, in the directories of two
// days, and every event is in that of its day.
func TestABatchAcrossMidnightFallsIntoTwoDays(t *testing.T) {
	w, p, s := segmentWorld(t, "path/prefix")
	midnight := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Duration{-2 * time.Hour, -2 * time.Hour, -time.Millisecond, -time.Millisecond, 0, 0, time.Minute, 3 * time.Hour} {
		w.append(3, midnight.Add(at))
	}
	if !w.flush(p) {
		t.Fatal("not delivered")
	}
	w.check(p)

	batches, err := w.db.Batches(t.Context(), w.exp.ID, allBatches)
	w.must(err)
	if len(batches) != 1 || len(batches[0].Objects) != 2 {
		t.Fatalf("got %+v", batches)
	}
	const base = "path/prefix/own/segment-logs/"
	for i, want := range []struct {
		dir      string
		ids      int
		received time.Time
	}{
		{base + "4mKq7ZtRw2VbXc9LsPdE1f/1795132800000/", 12, midnight.AddDate(0, 0, -1)},
		{base + "4mKq7ZtRw2VbXc9LsPdE1f/1795219200000/", 12, midnight},
	} {
		o := batches[0].Objects[i]
		if !strings.HasPrefix(o.Key, want.dir) || !strings.HasSuffix(o.Key, ".gz") || strings.Contains(o.Key, ".jsonl") || !o.Received.Equal(want.received) {
			t.Errorf("object %d: %s of %v, want one in %s of %v", i, o.Key, o.Received, want.dir, want.received)
		}
		ids := w.ids(o.Key)
		if len(ids) != want.ids {
			t.Errorf("%s holds %d events", o.Key, len(ids))
		}
		for _, id := range ids {
			if before := id < 12; before != (i == 0) {
				t.Errorf("event %d is in %s", id, o.Key)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	test := base + ".strm_test_test.gz"
	if _, ok := s.put[test]; !ok {
		t.Errorf("no validation object %s among %d", test, len(s.put))
	}
	for key, c := range s.put {
		if !strings.HasPrefix(key, base) || c.ContentType != "text/plain" || c.Encoding != "gzip" || !c.Encrypt {
			t.Errorf("%s was put as %q %q, encrypted %v", key, c.ContentType, c.Encoding, c.Encrypt)
		}
	}
}

// A prefix is frozen with the plan; those of a sink changed later hold for what
// is planned later, replays included.
func TestThePrefixOfASinkComesBeforeThatOfTheExporter(t *testing.T) {
	w, p, _ := segmentWorld(t, "")
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	sink := func(prefix string) {
		_, _, err := w.db.PutSink(t.Context(), stream.Sink{Name: "s3", Type: stream.SinkDir, Bucket: "/bucket", Prefix: prefix})
		w.must(err)
		p.runner.SinkChanged(t.Context(), "s3")
	}
	keys := func(prefix string) (n int) {
		for info, err := range w.store.List(t.Context(), prefix+"segment-logs/4mKq7ZtRw2VbXc9LsPdE1f/") {
			w.must(err)
			if info.Key != "" {
				n++
			}
		}
		return n
	}
	w.append(2, at)
	w.flush(p)
	sink("below")
	w.append(2, at)
	w.flush(p)
	if keys("own/") != 1 || keys("below/own/") != 1 {
		t.Errorf("%d objects without the prefix, %d with it", keys("own/"), keys("below/own/"))
	}
	w.check(p)

	if _, err := p.runner.Replay(t.Context(), w.exp.ID, "own", time.Time{}, time.Time{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a replay onto the exporter's own prefix: %v", err)
	}
	out, err := p.runner.Replay(t.Context(), w.exp.ID, "again", time.Time{}, time.Time{})
	w.must(err)
	b, err := w.db.Batch(t.Context(), out.Batches[0])
	w.must(err)
	if !strings.HasPrefix(b.Objects[0].Key, "below/again/segment-logs/") {
		t.Errorf("replayed into %s", b.Objects[0].Key)
	}
}

// Nobody checks a sink's new prefix against a replay's: planning does, and for
// exporters too.
func TestNoKeyIsPlannedThatIsTooLong(t *testing.T) {
	w, p, _ := segmentWorld(t, strings.Repeat("p", 930))
	w.append(2, time.Now())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		target, err := p.runner.Flush(ctx, w.exp.ID)
		if err != nil {
			w.must(ctx.Err())
			continue // it has not read its exporters yet
		}
		ok, err := p.runner.WaitDelivered(ctx, w.exp.ID, target)
		w.must(err)
		if ok {
			t.Fatal("delivered")
		}
		break
	}
	if st := p.runner.Status(w.exp.ID); st.State != "blocked" || !strings.Contains(st.Reason, "bytes long") {
		t.Errorf("status %+v", st)
	}
	if _, err := p.runner.Replay(t.Context(), w.exp.ID, "again", time.Time{}, time.Time{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("replay: %v", err)
	}
	batches, err := w.db.Batches(t.Context(), w.exp.ID, allBatches)
	w.must(err)
	if len(batches) != 0 {
		t.Errorf("planned %+v", batches)
	}
}

var allBatches = catalog.BatchQuery{}

// What was delivered can be read back, if the ledger has it and the store lets it.
func TestOnlyObjectsOfTheLedgerAreOpened(t *testing.T) {
	w, p, s := segmentWorld(t, "")
	w.append(3, time.Now())
	w.flush(p)
	batches, err := w.db.Batches(t.Context(), w.exp.ID, allBatches)
	w.must(err)
	o := batches[0].Objects[0]
	body, size, err := p.runner.Object(t.Context(), w.exp.ID, o.Key)
	w.must(err)
	b, err := io.ReadAll(body)
	w.must(errors.Join(err, body.Close()))
	if size != o.Bytes || int64(len(b)) != o.Bytes || crc32.ChecksumIEEE(b) != o.CRC32 {
		t.Errorf("got %d bytes of %d", len(b), size)
	}
	for _, key := range []string{"own/segment-logs/.strm_test_test.gz", "nope", ""} {
		if _, _, err := p.runner.Object(t.Context(), w.exp.ID, key); problem.KindOf(err) != problem.NotFound {
			t.Errorf("%q: %v", key, err)
		}
	}
	if _, _, err := p.runner.Object(t.Context(), "00000000", o.Key); problem.KindOf(err) != problem.NotFound {
		t.Errorf("another exporter: %v", err)
	}
	w.must(s.Delete(t.Context(), o.Key))
	if _, _, err := p.runner.Object(t.Context(), w.exp.ID, o.Key); problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "not in the bucket") {
		t.Errorf("deleted: %v", err)
	}
	// A sink that points elsewhere now has not got it.
	_, _, err = w.db.PutSink(t.Context(), stream.Sink{Name: "s3", Type: stream.SinkDir, Bucket: "/elsewhere"})
	w.must(err)
	if _, _, err := p.runner.Object(t.Context(), w.exp.ID, o.Key); problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "ledger") {
		t.Errorf("moved: %v", err)
	}
}

func TestAStoreThatDoesNotLetReadIsNamed(t *testing.T) {
	w := newWorld(t, stream.Output{}, 1)
	p := w.start(nil, func(*process, objstore.Bucket) objstore.Bucket { return closed{w.store} })
	w.append(3, time.Now())
	w.flush(p)
	batches, err := w.db.Batches(t.Context(), w.exp.ID, allBatches)
	w.must(err)
	_, _, err = p.runner.Object(t.Context(), w.exp.ID, batches[0].Objects[0].Key)
	if problem.KindOf(err) != problem.Forbidden || !strings.Contains(err.Error(), "s3:GetObject") {
		t.Errorf("got %v", err)
	}
}

// closed may be written, not read.
type closed struct{ *mem.Bucket }

func (closed) Open(_ context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	return nil, objstore.Info{}, &objstore.Error{Op: "get", Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "s3:GetObject on arn:aws:s3:::b/" + key}
}
