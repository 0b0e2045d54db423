package control_test

import (
	"slices"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

func ptr[T any](v T) *T { return &v }

func exporterWorld(t *testing.T) (*controltest.World, control.Exporter) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	x := mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "x"})
	w.Runner.Validated, w.Runner.Reloads = nil, nil
	return w, x
}

func TestUpdateExporter(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ch    control.ExporterChange
		tried bool
		check func(stream.Exporter) bool
	}{
		{"interval", control.ExporterChange{Interval: ptr(30 * time.Second)}, false, func(e stream.Exporter) bool { return e.Cut.Interval == 30*time.Second }},
		{"sizes", control.ExporterChange{MaxBytes: ptr(int64(7)), MaxEvents: ptr(int64(8))}, false, func(e stream.Exporter) bool { return e.Cut.MaxBytes == 7 && e.Cut.MaxEvents == 8 }},
		{"prefix", control.ExporterChange{PathPrefix: ptr("p")}, true, func(e stream.Exporter) bool { return e.Output.PathPrefix == "p" }},
		{"same prefix", control.ExporterChange{PathPrefix: ptr("")}, false, func(e stream.Exporter) bool { return e.Output.PathPrefix == "" }},
		{"sink", control.ExporterChange{Sink: ptr("two")}, true, func(e stream.Exporter) bool { return e.Sink == "two" }},
		{"compression", control.ExporterChange{Compression: ptr("gzip")}, true, func(e stream.Exporter) bool { return e.Output.Compression == "gzip" }},
		{"nothing", control.ExporterChange{}, false, func(e stream.Exporter) bool { return e.Cut.Interval == time.Minute }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, x := exporterWorld(t)
			mustSink(t, w, "two")
			got, err := w.UpdateExporter(t.Context(), "", "x", tt.ch)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := w.DB.Exporter(t.Context(), x.ID)
			if err != nil || !tt.check(stored) || !tt.check(got.Exporter) {
				t.Errorf("answered %+v, stored %+v, %v", got.Exporter, stored, err)
			}
			if tried := len(w.Runner.Validated) == 1; tried != tt.tried {
				t.Errorf("sink tried: %v, want %v", tried, tt.tried)
			}
			if !tt.check(w.Runner.Running[x.ID]) {
				t.Errorf("runs as %+v", w.Runner.Running[x.ID])
			}
		})
	}
}

func TestUpdateExporterRefuses(t *testing.T) {
	w, x := exporterWorld(t)
	for _, tt := range []struct {
		name string
		ch   control.ExporterChange
		kind problem.Kind
		text string
	}{
		{"no interval", control.ExporterChange{Interval: ptr(time.Duration(0))}, problem.Invalid, "interval"},
		{"unknown sink", control.ExporterChange{Sink: ptr("nope")}, problem.NotFound, "nope"},
		{"no sink", control.ExporterChange{Sink: ptr("")}, problem.Invalid, "needs a sink"},
		{"prefix", control.ExporterChange{PathPrefix: ptr("../x")}, problem.Invalid, "path prefix"},
		{"format", control.ExporterChange{Format: ptr("xls")}, problem.Invalid, "xls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.UpdateExporter(t.Context(), "demo", "x", tt.ch)
			wantKind(t, err, tt.kind, tt.text)
			if stored, err := w.DB.Exporter(t.Context(), x.ID); err != nil || stored.Output != x.Output || stored.Cut != x.Cut || stored.Sink != x.Sink {
				t.Errorf("refused, but stored %+v, %v", stored, err)
			}
		})
	}
	_, err := w.UpdateExporter(t.Context(), "demo", "nope", control.ExporterChange{})
	wantKind(t, err, problem.NotFound, "nope")
}

// Whether an update happened or not, the runner does what the catalog holds.
func TestUpdateExporterFaults(t *testing.T) {
	for _, lose := range []func(*controltest.Faults, string){(*controltest.Faults).LoseRequest, (*controltest.Faults).LoseAnswer} {
		w, x := exporterWorld(t)
		lose(w.Faults, "UpdateExporter")
		_, err := w.UpdateExporter(t.Context(), "demo", "x", control.ExporterChange{Interval: ptr(30 * time.Second)})
		wantInjected(t, err)
		stored, err := w.DB.Exporter(t.Context(), x.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w.Runner.Reloads, []string{"x"}) || w.Runner.Running[x.ID].Cut != stored.Cut {
			t.Errorf("stored %+v, runs as %+v", stored.Cut, w.Runner.Running[x.ID].Cut)
		}
	}
	w, _ := exporterWorld(t)
	w.Runner.ReloadErr = controltest.ErrInjected
	_, err := w.UpdateExporter(t.Context(), "demo", "x", control.ExporterChange{Interval: ptr(30 * time.Second)})
	wantKind(t, err, problem.Internal, "is stored, but does not work yet")
	_, err = w.Pause(t.Context(), "demo", "x")
	wantKind(t, err, problem.Internal, "has not stopped")
}

// A change must not move the position, which the ledger alone moves.
func TestUpdateExporterLeavesPosition(t *testing.T) {
	w, x := exporterWorld(t)
	w.Append("demo", 0, 4, time.Now())
	b := stream.Batch{
		ID: stream.BatchID(x.ID, 1), ExporterID: x.ID, StreamID: x.StreamID, Stream: "demo", Sink: x.Sink, Seq: 1, Reason: stream.CutFlush,
		CutAt: time.Now(), State: stream.BatchPlanned, PlannedAt: time.Now(), Output: x.Output, Encoder: "e",
		Objects: []stream.Object{{Key: "k", Events: 4, Ranges: []stream.Range{{Start: 0, End: 4}}}},
	}
	if err := w.DB.Plan(t.Context(), []stream.Batch{b}, stream.Position{4}); err != nil {
		t.Fatal(err)
	}
	got, err := w.UpdateExporter(t.Context(), "demo", "x", control.ExporterChange{PathPrefix: ptr("p")})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Status.Position, stream.Position{4}) || got.LastSeq != 1 {
		t.Errorf("position %v, last batch %d", got.Status.Position, got.LastSeq)
	}
}

func TestPutExporter(t *testing.T) {
	w, x := exporterWorld(t)
	n := control.NewExporter{Stream: "demo", Name: "x", Cut: stream.Cut{Interval: 30 * time.Second}, Output: stream.Output{PathPrefix: "p"}}
	got, created, err := w.PutExporter(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if created || got.ID != x.ID || got.Cut.Interval != 30*time.Second || got.Output.PathPrefix != "p" || got.Sink != "s3" {
		t.Errorf("created %v, %+v", created, got.Exporter)
	}
	n.Start.Existing = true
	_, _, err = w.PutExporter(t.Context(), n)
	wantKind(t, err, problem.Conflict, "where it begins cannot be changed")
	n.Name = "y"
	got, created, err = w.PutExporter(t.Context(), n)
	if err != nil || !created || !got.FromStart {
		t.Errorf("created %v, %+v, %v", created, got.Exporter, err)
	}
	_, _, err = w.PutExporter(t.Context(), control.NewExporter{Name: "x"})
	wantKind(t, err, problem.Invalid, "needs a stream and a name")
}

func TestPauseAndResume(t *testing.T) {
	w, x := exporterWorld(t)
	got, err := w.Pause(t.Context(), "demo", "x")
	if err != nil || got.Status.State != exporter.StatePaused || !w.Runner.Running[x.ID].Paused {
		t.Fatalf("paused: %+v, %v", got.Status, err)
	}
	if len(w.Runner.Validated) != 0 {
		t.Error("pausing tried the sink")
	}
	w.Runner.ValidateErr = &objstore.Error{Reason: objstore.NoBucket, Code: "NoSuchBucket"}
	got, err = w.Resume(t.Context(), "demo", "x")
	if err != nil || got.Status.State != exporter.StateBlocked || w.Runner.Running[x.ID].Paused {
		t.Fatalf("resumed: %+v, %v", got.Status, err)
	}
	w.Runner.ValidateErr = nil
	if got, err = w.Resume(t.Context(), "demo", "x"); err != nil || got.Status.State != exporter.StateRunning {
		t.Fatalf("resumed: %+v, %v", got.Status, err)
	}
	if len(w.Runner.Validated) != 2 || !slices.Equal(w.Runner.Reloads, []string{"x", "x", "x"}) {
		t.Errorf("validated %d times, reloaded %v", len(w.Runner.Validated), w.Runner.Reloads)
	}
}

func TestDeleteExporter(t *testing.T) {
	for _, tt := range []struct {
		name    string
		inject  func(*controltest.World)
		deleted bool
		failed  bool
	}{
		{"well", func(*controltest.World) {}, true, false},
		{"request lost", func(w *controltest.World) { w.Faults.LoseRequest("DeleteExporter") }, false, true},
		{"answer lost", func(w *controltest.World) { w.Faults.LoseAnswer("DeleteExporter") }, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, x := exporterWorld(t)
			tt.inject(w)
			err := w.DeleteExporter(t.Context(), "", "x")
			if tt.failed {
				wantInjected(t, err)
			} else if err != nil {
				t.Fatal(err)
			}
			_, err = w.DB.Exporter(t.Context(), x.ID)
			_, running := w.Runner.Running[x.ID]
			if gone := problem.KindOf(err) == problem.NotFound; gone != tt.deleted || running == tt.deleted {
				t.Errorf("gone %v, runs %v", gone, running)
			}
		})
	}
	w, _ := exporterWorld(t)
	wantKind(t, w.DeleteExporter(t.Context(), "", "nope"), problem.NotFound, "nope")
	w.Runner.ReloadErr = controltest.ErrInjected
	wantKind(t, w.DeleteExporter(t.Context(), "", "x"), problem.Internal, "still runs")
}
