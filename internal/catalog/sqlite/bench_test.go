package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/stream"
)

// cpu returns the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchBatch(e string, seq int64) stream.Batch {
	return stream.Batch{ID: stream.BatchID(e, seq), ExporterID: e, StreamID: "s", Stream: "s", Sink: "s", Seq: seq, State: stream.BatchPlanned,
		Reason: stream.CutInterval, CutAt: time.Unix(seq, 0), Encoder: "jsonl/1",
		Output: stream.Output{PathPrefix: "events/raw", Layout: "strm", Format: "jsonl", Compression: "gzip"},
		Objects: []stream.Object{{Key: fmt.Sprintf("events/raw/2026-01-01T00:00:00Z-s-%s-%d---0-1-2-3.jsonl", e, seq), Events: 1000, Ranges: []stream.Range{
			{Partition: 0, Start: stream.Offset(seq-1) * 1000, End: stream.Offset(seq) * 1000}}}}}
}

func benchDB(b *testing.B, exporters int) (*catalog.DB, string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "catalog.db")
	db, err := Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := db.CreateStream(b.Context(), stream.Stream{ID: "s", Name: "s", Partitions: 1}); err != nil {
		b.Fatal(err)
	}
	if _, _, err := db.PutSink(b.Context(), stream.Sink{Name: "s", Type: stream.SinkS3, Bucket: "b"}); err != nil {
		b.Fatal(err)
	}
	for i := range exporters {
		id := fmt.Sprintf("%08x", i)
		if err := db.CreateExporter(b.Context(), stream.Exporter{ID: id, Name: id, Stream: "s", Sink: "s", Start: stream.Position{0}}); err != nil {
			b.Fatal(err)
		}
	}
	return db, path
}

// BenchmarkBatch is what one batch costs the ledger: Plan, Save as attempted,
// Save as done, each a transaction, over 1,000 exporters.
func BenchmarkBatch(b *testing.B) {
	const exporters = 1000
	db, _ := benchDB(b, exporters)
	seq := make([]int64, exporters)
	used := cpu(b)
	for i := 0; b.Loop(); i++ {
		n := i % exporters
		seq[n]++
		batch := benchBatch(fmt.Sprintf("%08x", n), seq[n])
		if err := db.Plan(b.Context(), []stream.Batch{batch}, stream.Position{stream.Offset(seq[n]) * 1000}); err != nil {
			b.Fatal(err)
		}
		batch.State, batch.Attempts, batch.Objects[0].MaybeStored = stream.BatchAttempted, 1, true
		if err := db.Save(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
		batch.State, batch.DoneAt, batch.Objects[0].Stored = stream.BatchDone, time.Unix(1, 0), true
		if err := db.Save(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(3*b.N)/(cpu(b)-used).Seconds(), "txn/cpu-s")
}

// BenchmarkLongLedger reads an exporter with 100,000 done batches.
func BenchmarkLongLedger(b *testing.B) {
	const batches = 100_000
	db, path := benchDB(b, 1)
	for at := int64(0); at < batches; at += 1000 {
		plan := make([]stream.Batch, 1000)
		for i := range plan {
			plan[i] = benchBatch("00000000", at+int64(i)+1)
		}
		if err := db.Plan(b.Context(), plan, stream.Position{stream.Offset(at+1000) * 1000}); err != nil {
			b.Fatal(err)
		}
	}
	finishAll(b, path)
	for name, call := range map[string]func() error{
		"totals":     func() error { _, err := db.Totals(b.Context(), "00000000"); return err },
		"unfinished": func() error { _, err := db.Unfinished(b.Context(), "00000000"); return err },
		"held":       func() error { _, _, err := db.Held(b.Context(), "s"); return err },
		"page": func() error {
			_, err := db.Batches(b.Context(), "00000000", catalog.BatchQuery{Limit: 20})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// finishAll makes every batch but the newest done, in one statement instead of
// as many transactions.
func finishAll(b *testing.B, path string) {
	b.Helper()
	raw, err := sql.Open("sqlite", dsn(path, "immediate", nil))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := raw.Close(); err != nil {
			b.Error(err)
		}
	}()
	if _, err := raw.ExecContext(b.Context(), `UPDATE batch SET state = 'done' WHERE seq < (SELECT MAX(seq) FROM batch)`); err != nil {
		b.Fatal(err)
	}
}
