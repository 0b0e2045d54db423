package control_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestCreateExporterDefaults(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 2)
	mustSink(t, w, "s3")
	w.Append("demo", 1, 3, time.Now())
	x := mustExporter(t, w, control.NewExporter{Stream: "demo"})
	if x.Name != "s3-demo" || x.Sink != "s3" || x.Cut != (stream.Cut{Interval: time.Minute}) ||
		x.Output != (stream.Output{Layout: "strm", Format: "jsonl", Compression: "none"}) {
		t.Errorf("defaults are %+v", x.Exporter)
	}
	if len(x.ID) != 8 || len(x.TestID) != 36 || x.FromStart {
		t.Errorf("id %q, test id %q, from start %v", x.ID, x.TestID, x.FromStart)
	}
	if !slices.Equal(x.Start, stream.Position{0, 3}) || !slices.Equal(x.Status.Position, x.Start) {
		t.Errorf("starts at %v, next %v; want the log's end", x.Start, x.Status.Position)
	}
	if x.Status.State != exporter.StateRunning || x.Status.Reason != "" {
		t.Errorf("status %+v", x.Status)
	}
	if len(w.Runner.Validated) != 1 || !slices.Equal(w.Runner.Reloads, []string{"s3-demo"}) {
		t.Errorf("validated %d times, reloaded %v", len(w.Runner.Validated), w.Runner.Reloads)
	}
}

func TestCreateExporterStart(t *testing.T) {
	w := controltest.New(t)
	s := mustStream(t, w, "demo", 2)
	mustSink(t, w, "s3")
	t0 := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	w.Append("demo", 0, 10, t0)
	w.Append("demo", 0, 10, t0.Add(time.Minute))
	w.Append("demo", 0, 10, t0.Add(2*time.Minute))
	if err := w.EventLog.Trim(t.Context(), s.ID, 0, 10); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		start control.Start
		want  stream.Position
	}{
		{"now", control.Start{}, stream.Position{30, 0}},
		{"earliest", control.Start{Existing: true}, stream.Position{10, 0}},
		{"long ago", control.Start{From: t0.Add(-time.Hour)}, stream.Position{10, 0}},
		{"at a block", control.Start{From: t0.Add(2 * time.Minute)}, stream.Position{20, 0}},
		{"between blocks", control.Start{From: t0.Add(90 * time.Second)}, stream.Position{20, 0}},
		{"after all", control.Start{From: t0.Add(time.Hour)}, stream.Position{30, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := mustExporter(t, w, control.NewExporter{Stream: "demo", Name: strings.ReplaceAll(tt.name, " ", "-"), Start: tt.start})
			if !slices.Equal(x.Start, tt.want) || x.FromStart != tt.start.Existing {
				t.Errorf("starts at %v (from start %v), want %v", x.Start, x.FromStart, tt.want)
			}
		})
	}
}

func TestCreateExporterRefuses(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "taken"})
	seconds := func(n int) stream.Cut { return stream.Cut{Interval: time.Duration(n) * time.Second} }
	for _, tt := range []struct {
		name string
		n    control.NewExporter
		kind problem.Kind
		text string
	}{
		{"no stream", control.NewExporter{}, problem.Invalid, "needs a stream"},
		{"unknown stream", control.NewExporter{Stream: "nope"}, problem.NotFound, "nope"},
		{"unknown sink", control.NewExporter{Stream: "demo", Sink: "nope"}, problem.NotFound, "nope"},
		{"bad name", control.NewExporter{Stream: "demo", Name: "a b"}, problem.Invalid, `"a b"`},
		{"taken", control.NewExporter{Stream: "demo", Name: "taken"}, problem.Conflict, "update it, or delete it first"},
		{"interval too short", control.NewExporter{Stream: "demo", Cut: seconds(29)}, problem.Invalid, "between 30s and 24h0m0s; a server started with --allow-short-intervals"},
		{"interval too long", control.NewExporter{Stream: "demo", Cut: seconds(86401)}, problem.Invalid, "between 30s and 24h0m0s"},
		{"interval below zero", control.NewExporter{Stream: "demo", Cut: seconds(-60)}, problem.Invalid, "between"},
		{"half a second", control.NewExporter{Stream: "demo", Cut: stream.Cut{Interval: 30500 * time.Millisecond}}, problem.Invalid, "whole seconds"},
		{"negative bytes", control.NewExporter{Stream: "demo", Cut: stream.Cut{MaxBytes: -1}}, problem.Invalid, "max bytes"},
		{"too many bytes", control.NewExporter{Stream: "demo", Cut: stream.Cut{MaxBytes: 5<<30 + 1}}, problem.Invalid, "max bytes"},
		{"negative events", control.NewExporter{Stream: "demo", Cut: stream.Cut{MaxEvents: -1}}, problem.Invalid, "max events"},
		{"slash at the end", control.NewExporter{Stream: "demo", Output: stream.Output{PathPrefix: "a/"}}, problem.Invalid, "path prefix"},
		{"format", control.NewExporter{Stream: "demo", Output: stream.Output{Format: "xls"}}, problem.Invalid, `"xls"`},
		{"two starts", control.NewExporter{Stream: "demo", Start: control.Start{Existing: true, From: time.Unix(1, 0)}}, problem.Invalid, "exclude"},
		{"future", control.NewExporter{Stream: "demo", Start: control.Start{From: time.Now().Add(time.Hour)}}, problem.Invalid, "future"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.Faults.Clear()
			_, err := w.CreateExporter(t.Context(), tt.n)
			wantKind(t, err, tt.kind, tt.text)
			if slices.Contains(w.Faults.Calls, "CreateExporter") {
				t.Error("refused, but stored")
			}
		})
	}
}

func TestCreateExporterChoosesTheOnlySink(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	const text = "You must provide a sink name when creating a batch exporter"
	_, err := w.CreateExporter(t.Context(), control.NewExporter{Stream: "demo"})
	wantKind(t, err, problem.Invalid, text)
	mustSink(t, w, "one")
	mustSink(t, w, "two")
	_, err = w.CreateExporter(t.Context(), control.NewExporter{Stream: "demo"})
	wantKind(t, err, problem.Invalid, text)
	if x := mustExporter(t, w, control.NewExporter{Stream: "demo", Sink: "two"}); x.Name != "two-demo" {
		t.Errorf("name %q", x.Name)
	}
}

func TestShortIntervals(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	w.With(control.Options{AllowShortIntervals: true})
	mustExporter(t, w, control.NewExporter{Stream: "demo", Cut: stream.Cut{Interval: time.Second}})
	_, err := w.CreateExporter(t.Context(), control.NewExporter{Stream: "demo", Name: "x", Cut: stream.Cut{Interval: time.Millisecond}})
	wantKind(t, err, problem.Invalid, "between 1s and 24h0m0s")
	if strings.Contains(err.Error(), "--allow-short-intervals") {
		t.Errorf("the flag is set already: %v", err)
	}
}

// A sink that cannot be written makes a state, not a refusal.
func TestCreateExporterSinkFails(t *testing.T) {
	denied := &objstore.Error{Op: "put", Reason: objstore.Denied, Action: "s3:PutObject on arn:aws:s3:::b/*"}
	for _, tt := range []struct {
		name  string
		err   error
		state string
		text  string
	}{
		{"denied", problem.New(problem.Forbidden, "sink s3: %w", denied), exporter.StateBlocked, "s3:PutObject"},
		{"unreachable", &objstore.Error{Op: "put", Reason: objstore.Unreachable, Err: errors.New("no route")}, exporter.StateRetrying, "no route"},
		{"too slow", context.DeadlineExceeded, exporter.StateRetrying, "deadline"},
		{"unsealing", problem.New(problem.Corrupt, "credentials cannot be read"), exporter.StateBlocked, "credentials"},
		{"unavailable", problem.New(problem.Unavailable, "wait"), exporter.StateRetrying, "wait"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := controltest.New(t)
			mustStream(t, w, "demo", 1)
			mustSink(t, w, "s3")
			w.Runner.ValidateErr = tt.err
			x := mustExporter(t, w, control.NewExporter{Stream: "demo"})
			if x.Status.State != tt.state || !strings.Contains(x.Status.Reason, tt.text) || x.Status.Since.IsZero() {
				t.Errorf("status %+v, want %s with %q", x.Status, tt.state, tt.text)
			}
			if _, running := w.Runner.Running[x.ID]; !running {
				t.Error("it is stored, but does not run")
			}
		})
	}
}

// Events accepted after the exporter is stored are its own, however long the
// trial of the sink takes and whoever has gone meanwhile.
func TestCreateExporterStoredFirst(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	w.Runner.OnValidate = func(context.Context) { w.Append("demo", 0, 5, time.Now()) }
	ctx, cancel := context.WithCancel(t.Context())
	d := w.Deps
	d.Catalog = cancelAfter{d.Catalog, cancel}
	x, err := control.New(d).CreateExporter(ctx, control.NewExporter{Stream: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(x.Start, stream.Position{0}) {
		t.Errorf("starts at %v", x.Start)
	}
	if _, running := w.Runner.Running[x.ID]; !running {
		t.Error("it does not run")
	}
}

func TestCreateExporterFaults(t *testing.T) {
	setUp := func(t *testing.T) *controltest.World {
		w := controltest.New(t)
		mustStream(t, w, "demo", 1)
		mustSink(t, w, "s3")
		return w
	}
	t.Run("bounds", func(t *testing.T) {
		w := setUp(t)
		w.Faults.LoseRequest("Bounds")
		_, err := w.CreateExporter(t.Context(), control.NewExporter{Stream: "demo"})
		wantInjected(t, err)
	})
	t.Run("catalog: request lost", func(t *testing.T) {
		w := setUp(t)
		w.Faults.LoseRequest("CreateExporter")
		_, err := w.CreateExporter(t.Context(), control.NewExporter{Stream: "demo"})
		wantInjected(t, err)
		if len(w.Runner.Validated)+len(w.Runner.Reloads) != 0 {
			t.Error("the runner heard of it")
		}
		w.Faults.Clear()
		mustExporter(t, w, control.NewExporter{Stream: "demo"})
	})
	t.Run("catalog: answer lost", func(t *testing.T) {
		w := setUp(t)
		w.Faults.LoseAnswer("CreateExporter")
		x := mustExporter(t, w, control.NewExporter{Stream: "demo"})
		if _, running := w.Runner.Running[x.ID]; !running {
			t.Error("it is stored and does not run")
		}
	})
	t.Run("runner", func(t *testing.T) {
		w := setUp(t)
		w.Runner.ReloadErr = controltest.ErrInjected
		_, err := w.CreateExporter(t.Context(), control.NewExporter{Stream: "demo"})
		wantInjected(t, err)
		wantKind(t, err, problem.Internal, "is stored, but it does not run")
	})
}

// Trimming waits until the exporter that begins at the floor is stored.
func TestCreateExporterHoldsTrimming(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	var lock checkedLock
	d := w.Deps
	d.Trimming = &lock
	d.Catalog = underLock{d.Catalog, t, &lock}
	if _, err := control.New(d).CreateExporter(t.Context(), control.NewExporter{Stream: "demo", Start: control.Start{Existing: true}}); err != nil {
		t.Fatal(err)
	}
	if lock.held || lock.times != 1 {
		t.Errorf("held %v, taken %d times", lock.held, lock.times)
	}
}

type checkedLock struct {
	held  bool
	times int
}

func (l *checkedLock) Lock(context.Context) (func(), error) {
	l.held = true
	l.times++
	return func() { l.held = false }, nil
}

type underLock struct {
	control.Catalog
	t    *testing.T
	lock *checkedLock
}

func (u underLock) CreateExporter(ctx context.Context, e stream.Exporter) error {
	if !u.lock.held {
		u.t.Error("stored without holding off the trimming")
	}
	return u.Catalog.CreateExporter(ctx, e)
}

func TestExporterNames(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "a", 1)
	mustStream(t, w, "b", 1)
	mustSink(t, w, "s3")
	mustExporter(t, w, control.NewExporter{Stream: "a", Name: "x"})
	mustExporter(t, w, control.NewExporter{Stream: "b", Name: "x"})
	_, err := w.Exporter(t.Context(), "", "x")
	wantKind(t, err, problem.Conflict, "STREAM/NAME")
	for _, ref := range [][2]string{{"b", "x"}, {"", "b/x"}} {
		if x, err := w.Exporter(t.Context(), ref[0], ref[1]); err != nil || x.Stream != "b" {
			t.Errorf("%v: %+v, %v", ref, x.Exporter, err)
		}
	}
	if xs, err := w.ExportersOf(t.Context(), "a"); err != nil || len(xs) != 1 {
		t.Errorf("of a: %v, %v", xs, err)
	}
	if xs, err := w.ExportersOf(t.Context(), ""); err != nil || len(xs) != 2 {
		t.Errorf("all: %v, %v", xs, err)
	}
	long := strings.Repeat("n", 90)
	mustStream(t, w, long, 1)
	mustSink(t, w, long)
	if x := mustExporter(t, w, control.NewExporter{Stream: long, Sink: long}); len(x.Name) != stream.MaxName {
		t.Errorf("default name has %d bytes", len(x.Name))
	}
}
