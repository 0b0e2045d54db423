package exporter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/exporter"
	"strm/internal/format"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// gapped is a view of a log as one of topics: what its blocks hold is known only when
// they are read, they hold plain lines, and offsets have gaps.
type gapped struct {
	eventlog.Log
	eventlog.Topics // not called
	keep            func(id int) bool
}

func (g gapped) Index(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
	return func(yield func(stream.BlockHeader, error) bool) {
		for h, err := range g.Log.Index(ctx, streamID, r) {
			h.Packed, h.CRC32, h.Estimated = 0, 0, true
			if !yield(h, err) {
				return
			}
		}
	}
}

func (g gapped) Read(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		for b, err := range g.Log.Read(ctx, streamID, r) {
			if err != nil {
				yield(b, err)
				return
			}
			out := stream.Block{BlockHeader: b.BlockHeader}
			out.Packed, out.CRC32 = 0, 0
			one := func(yield func(stream.Block, error) bool) { yield(b, nil) }
			for line, err := range format.Lines(one, b.Range) {
				if err != nil {
					yield(out, err)
					return
				}
				var e struct{ ID int }
				if err := json.Unmarshal(line.Data, &e); err != nil {
					yield(out, err)
					return
				}
				if !g.keep(e.ID) {
					out.Dropped++
					continue
				}
				out.Lines = append(append(out.Lines, line.Data...), '\n')
				out.Offsets = append(out.Offsets, line.Offset)
			}
			out.Events, out.Raw = int64(len(out.Offsets)), int64(len(out.Lines))
			if !yield(out, nil) {
				return
			}
		}
	}
}

// holds checks that the bucket holds what is kept of the events, once, and that the ledger
// knows how many that are.
func (w *world) holds(p *process, keep func(id int) bool) {
	w.t.Helper()
	seen := map[int]int{}
	for info, err := range w.store.List(w.t.Context(), "") {
		w.must(err)
		ids := w.ids(info.Key)
		if stat, err := w.store.Stat(w.t.Context(), info.Key); !strings.Contains(info.Key, ".strm_test_") && (err != nil || stat.Metadata["strm-events"] != strconv.Itoa(len(ids)) || len(ids) == 0) {
			w.t.Errorf("%s holds %d events, its metadata are %v (%v)", info.Key, len(ids), stat.Metadata, err)
		}
		for _, id := range ids {
			seen[id]++
		}
	}
	kept := int64(0)
	for id := range w.sent {
		want := 0
		if keep(id) {
			want = 1
			kept++
		}
		if seen[id] != want {
			w.t.Errorf("event %d is in the bucket %d times, want %d", id, seen[id], want)
		}
	}
	v, err := p.runner.Verify(w.t.Context(), w.exp.ID)
	w.must(err)
	if !v.OK || v.Events != kept || v.Read != v.Objects {
		w.t.Errorf("audit: %+v, want %d events", v, kept)
	}
	totals, err := w.db.Totals(w.t.Context(), w.exp.ID)
	w.must(err)
	if totals.Events != kept {
		w.t.Errorf("the ledger says %d events, it were %d", totals.Events, kept)
	}
}

// most keeps all but every fifth event, and nothing of a run of 40.
func most(id int) bool { return id%5 != 3 && (id < 40 || id >= 80) }

// The first fault table, over a log that can only estimate.
func TestEstimatedObjectsAreCountedOnceWhateverStepFails(t *testing.T) {
	hour := time.Now().UTC().Truncate(time.Hour)
	for _, output := range []stream.Output{
		{Layout: "strm", Compression: "gzip"},
		{Layout: "hive", Compression: "none"}, // an object of three turns out to be empty
		{Layout: "tarsal", Compression: "zstd"},
	} {
		objects := 1
		if output.Layout == "hive" {
			objects = 2
		}
		for step, limit := range map[string]int{"plan": 1, "save": objects + 1, "put": objects} {
			for at := 0; at < limit; at += every {
				for k, name := range whats {
					t.Run(fmt.Sprintf("%s/%s %d/%s", output.Layout, step, at, name), func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, output, 2)
						w.events = gapped{Log: w.log, keep: most}
						w.append(40, hour.Add(-2*time.Hour))
						w.append(40, hour.Add(-time.Hour))
						w.append(41, hour)
						arm := func(p *process, of string) *gate {
							g := &gate{p: p, what: k, at: -1, struck: func() {}}
							if of == step {
								g.at = int64(at)
							}
							return g
						}
						p := w.start(func(p *process, l exporter.Ledger) exporter.Ledger {
							return gatedLedger{Ledger: l, plan: arm(p, "plan"), save: arm(p, "save")}
						}, func(p *process, b objstore.Bucket) objstore.Bucket {
							return gatedBucket{Bucket: b, Reader: w.store, put: arm(p, "put")}
						})
						if !w.flush(p) {
							w.stop()
							p = w.start(nil, nil)
						}
						w.append(5, hour)
						w.flush(p)
						w.holds(p, most)
					})
				}
			}
		}
	}
}

// dropped counts what an observer is told.
type droppedValues struct {
	quiet
	mu sync.Mutex
	n  int64
}

func (d *droppedValues) Dropped(_ string, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n += n
}

func TestABatchThatTurnsOutToBeEmptyIsSettledWithoutAPut(t *testing.T) {
	w := newWorld(t, stream.Output{Compression: "gzip"}, 1)
	none := func(int) bool { return false }
	w.events = gapped{Log: w.log, keep: none}
	d := &droppedValues{}
	w.observe = d
	w.append(40, time.Now())
	p := w.start(nil, nil)
	w.flush(p)
	w.holds(p, none)
	batches, err := w.db.Batches(t.Context(), w.exp.ID, allBatches)
	w.must(err)
	if len(batches) != 1 || !batches[0].Objects[0].Empty() || batches[0].Objects[0].MaybeStored || batches[0].Events() != 0 {
		t.Errorf("batches %+v", batches)
	}
	if d.n != 40 {
		t.Errorf("%d values are said to be dropped", d.n)
	}
	_, _, err = p.runner.Object(t.Context(), w.exp.ID, batches[0].Objects[0].Key)
	if problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "no event") {
		t.Errorf("reading it: %v", err)
	}
}

func TestDroppedValuesAreInTheMetadata(t *testing.T) {
	w := newWorld(t, stream.Output{Compression: "gzip"}, 1)
	w.events = gapped{Log: w.log, keep: most}
	w.append(40, time.Now())
	p := w.start(nil, nil)
	w.flush(p)
	w.holds(p, most)
	for info, err := range w.store.List(t.Context(), "") {
		w.must(err)
		if strings.Contains(info.Key, ".strm_test_") {
			continue
		}
		if stat, err := w.store.Stat(t.Context(), info.Key); err != nil || stat.Metadata["strm-dropped"] != "8" {
			t.Errorf("metadata %v, %v", stat.Metadata, err)
		}
	}
}

// helping is a bucket of a node whose uploads wait until those of another have begun.
type helping struct {
	objstore.Bucket
	objstore.Reader
	mine  func()
	other <-chan struct{}
}

func (b helping) Create(ctx context.Context, key string, c objstore.Content) error {
	if !strings.Contains(key, ".strm_test_") {
		b.mine()
		select {
		case <-b.other:
		case <-ctx.Done():
			return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Err: ctx.Err()}
		}
	}
	return b.Bucket.Create(ctx, key, c)
}

// fill appends n events to every partition.
func (w *world) fill(n int) {
	w.t.Helper()
	for p := range w.stream.Partitions {
		var buf bytes.Buffer
		for range n {
			fmt.Fprintf(&buf, `{"id":%d}`+"\n", w.sent)
			w.sent++
		}
		_, err := w.log.Append(w.t.Context(), w.stream.ID, eventlog.Entry{Partition: stream.Partition(p), Events: n, Data: buf.Bytes(), Received: time.Now()})
		w.must(err)
	}
}

func TestABusyStreamIsDividedAmongNodesByPartitions(t *testing.T) {
	all := func(int) bool { return true }
	for _, output := range []stream.Output{{Layout: "strm", Compression: "gzip"}, {Layout: "tarsal"}} {
		t.Run(output.Layout, func(t *testing.T) {
			w := newWorld(t, output, 8)
			w.events = gapped{Log: w.log, keep: all}
			w.exp.Cut.MaxEvents = 20
			w.must(w.db.UpdateExporter(t.Context(), w.exp))
			w.fill(20)
			w.lives("a", "b", "c")
			var once [2]sync.Once
			begun := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
			bucket := func(mine, other int) func(*process, objstore.Bucket) objstore.Bucket {
				return func(_ *process, b objstore.Bucket) objstore.Bucket {
					return helping{b, w.store, func() { once[mine].Do(func() { close(begun[mine]) }) }, begun[other]}
				}
			}
			a := w.node(newCrew("a", 3, everything), nil, bucket(0, 1)) // cannot finish before another node begins
			defer a.stop()
			b := w.node(newCrew("b", 3, nothing), nil, bucket(1, 0))
			defer b.stop()
			c := w.node(newCrew("c", 3, nothing), nil, bucket(1, 0))
			defer c.stop()
			w.flush(a)
			w.holds(a, all)
			w.quietly()
			batches, err := w.db.Batches(t.Context(), w.exp.ID, allBatches)
			w.must(err)
			first := 0 // batches planned at once
			for i := range batches {
				if batches[i].PlannedAt.Equal(batches[len(batches)-1].PlannedAt) {
					first++
				}
				for _, o := range batches[i].Objects {
					if o.Events > 20 {
						t.Errorf("%s holds %d events, which is more than a batch may", o.Key, o.Events)
					}
				}
			}
			if first < 4 || first > 6 {
				t.Errorf("%d batches were planned at once for 3 nodes", first)
			}
			parts := map[stream.Partition]int64{}
			slices.Reverse(batches)
			for _, b := range batches[:first] {
				for _, r := range b.Ranges() {
					if was := parts[r.Partition]; was != 0 {
						t.Errorf("partition %d is in batches %d and %d of one plan", r.Partition, was, b.Seq)
					}
					parts[r.Partition] = b.Seq
				}
			}
		})
	}
}
