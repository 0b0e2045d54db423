//go:build integration

package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/stream"
)

// cycle takes one batch of one object from its plan to its end.
func cycle(ctx context.Context, db *catalog.DB, e *stream.Exporter) error {
	seq, from := e.LastSeq+1, e.Next[0]
	b := stream.Batch{ID: stream.BatchID(e.ID, seq), ExporterID: e.ID, StreamID: e.StreamID, Stream: e.Stream, Sink: e.Sink, Seq: seq,
		Reason: stream.CutInterval, CutAt: time.Now(), Output: e.Output, Encoder: "jsonl/1", State: stream.BatchPlanned, PlannedAt: time.Now(),
		Objects: []stream.Object{{Key: fmt.Sprintf("p/%s-%d", e.ID, seq), Ranges: []stream.Range{{Start: from, End: from + 1}}, Events: 1}}}
	if err := db.Plan(ctx, []stream.Batch{b}, stream.Position{from + 1}); err != nil {
		return err
	}
	e.LastSeq, e.Next = seq, stream.Position{from + 1}
	b.State, b.Attempts, b.AttemptedAt, b.Objects[0].MaybeStored = stream.BatchAttempted, 1, time.Now(), true
	if err := db.Save(ctx, &b); err != nil {
		return err
	}
	b.State, b.DoneAt, b.Objects[0].Stored, b.Objects[0].Bytes = stream.BatchDone, time.Now(), true, 100
	return db.Save(ctx, &b)
}

func someExporters(t testing.TB, db *catalog.DB, n int) []stream.Exporter {
	t.Helper()
	ctx := t.Context()
	if err := db.CreateStream(ctx, stream.Stream{ID: "s", Name: "s", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	if err := put(ctx, db); err != nil {
		t.Fatal(err)
	}
	all := make([]stream.Exporter, n)
	for i := range all {
		id := fmt.Sprintf("e%d", i)
		if err := db.CreateExporter(ctx, stream.Exporter{ID: id, Name: id, Stream: "s", Sink: "s", Start: stream.Position{0}}); err != nil {
			t.Fatal(err)
		}
		var err error
		if all[i], err = db.Exporter(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Once the statements are prepared, each is one request: a batch of one object
// takes 7 for its plan, 5 for the attempt and 7 for its end.
func TestRoundTripsOfABatch(t *testing.T) {
	url, err := at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, by := through(t, url)
	db, err := Open(t.Context(), by, Options{Writers: 1, Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	e := someExporters(t, db, 1)[0]
	if err := cycle(t.Context(), db, &e); err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	p.when(func([]byte) fate { requests.Add(1); return goOn })
	const cycles = 10
	for range cycles {
		if err := cycle(t.Context(), db, &e); err != nil {
			t.Fatal(err)
		}
	}
	if n := requests.Load(); n > 19*cycles+2 { // and a ping, after a second's pause
		t.Errorf("%d requests for %d batches", n, cycles)
	} else {
		t.Logf("%d requests for %d batches", n, cycles)
	}
}

func BenchmarkBatch(b *testing.B) {
	for _, exporters := range []int{1, 8} {
		b.Run(fmt.Sprint(exporters), func(b *testing.B) {
			url, err := at(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			db, err := Open(b.Context(), url, Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := db.Close(); err != nil {
					b.Error(err)
				}
			}()
			all := someExporters(b, db, exporters)
			work := make(chan error, exporters)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			for i := range all {
				go func() {
					for left.Add(-1) >= 0 {
						if err := cycle(b.Context(), db, &all[i]); err != nil {
							work <- err
							return
						}
					}
					work <- nil
				}()
			}
			for range all {
				if err := <-work; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
