// Package catalogtest is the suite that every catalog database must pass.
package catalogtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Opener opens the database at place, a directory made for one test; opening
// the same place again finds what was stored there.
type Opener func(ctx context.Context, place string) (*catalog.DB, error)

// Run runs the suite.
func Run(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, *bench){
		"installation":       testInstallation,
		"streams":            testStreams,
		"topics":             testTopics,
		"topic grows":        testTopicGrows,
		"drop stream":        testDropStream,
		"sources":            testSources,
		"split sources":      testSplitSources,
		"sinks":              testSinks,
		"sink in use":        testSinkInUse,
		"exporters":          testExporters,
		"exporter by name":   testExporterNamed,
		"exporter update":    testExporterUpdate,
		"exporter deletion":  testExporterDeletion,
		"plan and save":      testPlanAndSave,
		"plan refused":       testPlanRefused,
		"save refused":       testSaveRefused,
		"keys":               testKeys,
		"claims":             testClaims,
		"spare batches":      testSpare,
		"estimated":          testEstimated,
		"exporter states":    testExporterStates,
		"rekey":              testRekey,
		"batches never move": testNeverMove,
		"abandon replay":     testAbandonReplay,
		"replay and held":    testReplayAndHeld,
		"batch pages":        testBatchPages,
		"two planners":       testTwoPlanners,
		"two exporters":      testTwoExporters,
		"cancelled":          testCancelled,
		"machine":            testMachine,
		"importers":          testImporters,
		"importer deletion":  testImporterDeletion,
		"imports given up":   testImportsGivenUp,
		"noticed":            testNoticed,
		"import":             testImport,
		"entry numbers":      testEntryNumbers,
		"due imports":        testDueImports,
		"import pages":       testImportPages,
		"reports":            testReports,
		"nodes":              testNodes,
		"import claims":      testImportClaims,
		"report claims":      testReportClaims,
		"revision":           testRevision,
		"exclusive":          testExclusive,
		"import machine":     testImportMachine,
		"copy":               testCopy,
		"secrets":            testSecrets,
		"append ids":         testAppendIDs,
		"append keys":        testAppendKeys,
		"many append keys":   testManyAppendKeys,
		"append marks":       testAppendMarks,
		"append claims":      testAppendClaims,
		"append race":        testAppendRace,
		"appends forgotten":  testAppendsForgotten,
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t: t, open: open, place: t.TempDir()}
			b.reopen()
			t.Cleanup(b.close)
			test(t, b)
		})
	}
}

// bench is one test's database.
type bench struct {
	t     *testing.T
	open  Opener
	place string
	db    *catalog.DB
}

func (b *bench) close() {
	if b.db == nil {
		return
	}
	if err := b.db.Close(); err != nil {
		b.t.Errorf("close: %v", err)
	}
	b.db = nil
}

func (b *bench) reopen() {
	b.t.Helper()
	b.close()
	db, err := b.open(b.t.Context(), b.place)
	if err != nil {
		b.t.Fatalf("open: %v", err)
	}
	b.db = db
}

// fataler is what testing.T and rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func ok(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func must[T any](v T, err error) func(t fataler) T {
	return func(t fataler) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func wantKind(t fataler, err error, kind problem.Kind) {
	t.Helper()
	if err == nil || problem.KindOf(err) != kind {
		t.Fatalf("error %v of kind %v, want kind %v", err, problem.KindOf(err), kind)
	}
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123000, time.UTC)

// plain makes a stream, a sink and an exporter, all called name.
func (b *bench) plain(name string, partitions int) stream.Exporter {
	b.t.Helper()
	ctx := b.t.Context()
	ok(b.t, b.db.CreateStream(ctx, stream.Stream{ID: "id-" + name, Name: name, Partitions: partitions, CreatedAt: noon}))
	_, _, err := b.db.PutSink(ctx, stream.Sink{Name: name, Type: stream.SinkS3, Bucket: "bucket-" + name, UpdatedAt: noon})
	ok(b.t, err)
	return b.exporter("e-"+name, name, name, name, partitions)
}

func (b *bench) exporter(id, name, of, sink string, partitions int) stream.Exporter {
	b.t.Helper()
	ok(b.t, b.db.CreateExporter(b.t.Context(), stream.Exporter{ID: id, Name: name, Stream: of, Sink: sink,
		Cut:    stream.Cut{Interval: time.Minute, MaxBytes: 5, MaxEvents: 6},
		Output: stream.Output{PathPrefix: "p", Layout: "strm", Format: "jsonl", Compression: "none"},
		TestID: "test-" + id, Start: make(stream.Position, partitions), CreatedAt: noon}))
	return must(b.db.Exporter(b.t.Context(), id))(b.t)
}

// plan makes a batch of one object over the ranges.
func plan(e stream.Exporter, seq int64, ranges ...stream.Range) stream.Batch {
	var n int64
	for _, r := range ranges {
		n += int64(r.End - r.Start)
	}
	return stream.Batch{ID: stream.BatchID(e.ID, seq), ExporterID: e.ID, StreamID: e.StreamID, Stream: e.Stream, Sink: e.Sink, Place: `S3 "" bucket-` + e.Sink, Seq: seq,
		Reason: stream.CutInterval, CutAt: noon, Output: e.Output, Encoder: "jsonl/1", State: stream.BatchPlanned, PlannedAt: noon,
		Objects: []stream.Object{{Key: fmt.Sprintf("p/%s-%d.jsonl", e.ID, seq), Ranges: ranges, Events: n}}}
}

func span(p, start, end int) stream.Range {
	return stream.Range{Partition: stream.Partition(p), Start: stream.Offset(start), End: stream.Offset(end)}
}

// attempt and finish take a batch through the protocol.
func attempt(ctx context.Context, db *catalog.DB, b *stream.Batch) error {
	b.State, b.Attempts = stream.BatchAttempted, b.Attempts+1
	if b.AttemptedAt.IsZero() {
		b.AttemptedAt = noon.Add(time.Second)
	}
	for i := range b.Objects {
		b.Objects[i].MaybeStored = true
	}
	return db.Save(ctx, b)
}

func finish(ctx context.Context, db *catalog.DB, b *stream.Batch) error {
	b.State, b.DoneAt = stream.BatchDone, noon.Add(2*time.Second)
	for i := range b.Objects {
		o := &b.Objects[i]
		o.Stored, o.Bytes, o.CRC32 = true, 10*o.Events, 0xfedcba98
	}
	return db.Save(ctx, b)
}
