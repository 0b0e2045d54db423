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
	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestCreateStreamDefaults(t *testing.T) {
	w := controltest.New(t)
	s := mustStream(t, w, "demo", 0)
	if s.Partitions != 1 || !s.StrmMeta || s.Retention != (stream.Retention{MaxAge: 7 * 24 * time.Hour}) {
		t.Errorf("defaults are %+v", s)
	}
	if len(s.ID) != 16 {
		t.Errorf("id %q is not 16 hex digits", s.ID)
	}
	stored, bounds, err := w.Stream(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	if stored.ID != s.ID || len(bounds) != 1 {
		t.Errorf("stored %+v with %d partitions", stored, len(bounds))
	}
}

func TestCreateStreamRefuses(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "taken", 1)
	for _, tt := range []struct {
		name string
		n    control.NewStream
		kind problem.Kind
		text string
	}{
		{"no name", control.NewStream{}, problem.Invalid, "needs a name"},
		{"bad name", control.NewStream{Name: "a/b"}, problem.Invalid, `"a/b"`},
		{"taken", control.NewStream{Name: "taken"}, problem.Conflict, `"taken" exists already`},
		{"too many partitions", control.NewStream{Name: "x", Partitions: 257}, problem.Invalid, "between 1 and 256"},
		{"negative partitions", control.NewStream{Name: "x", Partitions: -1}, problem.Invalid, "between 1 and 256"},
		{"negative age", control.NewStream{Name: "x", Retention: &stream.Retention{MaxAge: -1}}, problem.Invalid, "below zero"},
		{"negative size", control.NewStream{Name: "x", Retention: &stream.Retention{MaxBytes: -1}}, problem.Invalid, "below zero"},
		{"long description", control.NewStream{Name: "x", Description: strings.Repeat("d", 1001)}, problem.Invalid, "description"},
		{"empty tag", control.NewStream{Name: "x", Tags: []string{""}}, problem.Invalid, "tag"},
		{"tag with newline", control.NewStream{Name: "x", Tags: []string{"a\nb"}}, problem.Invalid, "tag"},
		{"many tags", control.NewStream{Name: "x", Tags: make([]string, 51)}, problem.Invalid, "tags: 51"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.Faults.Clear()
			_, err := w.CreateStream(t.Context(), tt.n)
			wantKind(t, err, tt.kind, tt.text)
			if len(w.Faults.Calls) != 0 {
				t.Errorf("refused, but wrote: %v", w.Faults.Calls)
			}
		})
	}
}

// Whatever fails on the way, the stream either exists with its log or does not
// exist and leaves no log behind, as far as the faults allow.
func TestCreateStreamFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		inject func(*controltest.Faults)
		exists bool
		drops  bool
	}{
		{"log: request lost", func(f *controltest.Faults) { f.LoseRequest("Create") }, false, true},
		{"log: answer lost", func(f *controltest.Faults) { f.LoseAnswer("Create") }, false, true},
		{"catalog: request lost", func(f *controltest.Faults) { f.LoseRequest("CreateStream") }, false, true},
		{"catalog: answer lost", func(f *controltest.Faults) { f.LoseAnswer("CreateStream") }, true, false},
		{"catalog and drop: request lost", func(f *controltest.Faults) { f.LoseRequest("CreateStream"); f.LoseRequest("Drop") }, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := controltest.New(t)
			tt.inject(w.Faults)
			s, err := w.CreateStream(t.Context(), control.NewStream{Name: "demo"})
			dropped := slices.Contains(w.Faults.Calls, "Drop")
			w.Faults.Clear()
			if !tt.exists {
				wantInjected(t, err)
				if _, err := w.DB.Stream(t.Context(), "demo"); problem.KindOf(err) != problem.NotFound {
					t.Errorf("the stream exists: %v", err)
				}
				if dropped != tt.drops {
					t.Errorf("dropped: %v, want %v", dropped, tt.drops)
				}
				demo := mustStream(t, w, "demo", 1) // the name is free
				if strangers, err := w.FinishDeletions(t.Context()); err != nil || len(strangers) != 0 {
					t.Errorf("at the next start: %v, %v", strangers, err)
				}
				if logs, err := w.EventLog.Streams(t.Context()); err != nil || !slices.Equal(logs, []string{demo.ID}) {
					t.Errorf("logs left: %v, %v", logs, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if dropped {
				t.Error("the log of a stream that exists was dropped")
			}
			if _, err := w.EventLog.Bounds(t.Context(), s.ID); err != nil {
				t.Errorf("its log: %v", err)
			}
		})
	}
}

// A log without a row is what a creation leaves that was stopped half-way. The
// next start drops it, but nothing that holds events.
func TestFinishDeletionsDropsOrphans(t *testing.T) {
	w := controltest.New(t)
	live := mustStream(t, w, "demo", 1)
	w.Append("demo", 0, 1, time.Now())
	empty := mustStream(t, w, "empty", 1)
	const orphan, stranger = "00000000000000aa", "00000000000000bb"
	for _, id := range []string{orphan, stranger} {
		if err := w.EventLog.Create(t.Context(), id, 2); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.EventLog.Append(t.Context(), stranger, eventlog.Entry{Partition: 1, Events: 1, Data: []byte("{}\n"), Received: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	// Trimmed away, they were there all the same.
	if err := w.EventLog.Trim(t.Context(), stranger, 1, 1); err != nil {
		t.Fatal(err)
	}
	w.Faults.LoseRequest("Drop")
	_, err = w.FinishDeletions(t.Context())
	wantInjected(t, err)
	w.Faults.Clear()
	for range 2 {
		strangers, err := w.FinishDeletions(t.Context())
		if err != nil || !slices.Equal(strangers, []string{stranger}) {
			t.Errorf("strangers %v, %v", strangers, err)
		}
		logs, err := w.EventLog.Streams(t.Context())
		slices.Sort(logs)
		want := []string{live.ID, empty.ID, stranger}
		slices.Sort(want)
		if err != nil || !slices.Equal(logs, want) {
			t.Errorf("logs %v, %v; want %v", logs, err, want)
		}
	}
}

func TestUpdateStream(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	no, text := false, "for tests"
	s, err := w.UpdateStream(t.Context(), "demo", control.StreamChange{StrmMeta: &no, Description: &text})
	if err != nil {
		t.Fatal(err)
	}
	if s.StrmMeta || s.Description != text || s.Retention.MaxAge != control.DefaultRetention {
		t.Errorf("changed to %+v", s)
	}
	_, err = w.UpdateStream(t.Context(), "demo", control.StreamChange{Retention: &stream.Retention{MaxAge: -1}})
	wantKind(t, err, problem.Invalid, "retention")
	_, err = w.UpdateStream(t.Context(), "nope", control.StreamChange{})
	wantKind(t, err, problem.NotFound, "nope")
}

func TestDeleteStream(t *testing.T) {
	w := controltest.New(t)
	s := mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	x := mustExporter(t, w, control.NewExporter{Stream: "demo"})

	_, err := w.DeleteStream(t.Context(), "demo", false)
	wantKind(t, err, problem.Conflict, "Cannot delete stream with name demo, as it still has exporters linked to it.")
	if _, running := w.Runner.Running[x.ID]; !running {
		t.Fatal("the refused deletion stopped the exporter")
	}
	if _, err := w.DeleteStream(t.Context(), "demo", true); err != nil {
		t.Fatal(err)
	}
	if _, running := w.Runner.Running[x.ID]; running {
		t.Error("the exporter still runs")
	}
	if _, err := w.EventLog.Bounds(t.Context(), s.ID); !errors.Is(err, eventlog.ErrNoStream) {
		t.Errorf("the log is still there: %v", err)
	}
	if ids, err := w.DB.DroppedStreams(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("left to drop: %v, %v", ids, err)
	}
	_, err = w.DeleteStream(t.Context(), "demo", true)
	wantKind(t, err, problem.NotFound, "demo")
}

// After the catalog has taken the stream away, nothing brings it back, and a
// later FinishDeletions does what was not done.
func TestDeleteStreamFaults(t *testing.T) {
	for _, tt := range []struct {
		name    string
		inject  func(*controltest.World)
		deleted bool
		failed  bool
	}{
		{"catalog: request lost", func(w *controltest.World) { w.Faults.LoseRequest("DeleteStream") }, false, true},
		{"catalog: answer lost", func(w *controltest.World) { w.Faults.LoseAnswer("DeleteStream") }, true, false},
		{"runner fails", func(w *controltest.World) { w.Runner.ReloadErr = controltest.ErrInjected }, true, true},
		{"log: request lost", func(w *controltest.World) { w.Faults.LoseRequest("Drop") }, true, true},
		{"log: answer lost", func(w *controltest.World) { w.Faults.LoseAnswer("Drop") }, true, true},
		{"forget: request lost", func(w *controltest.World) { w.Faults.LoseRequest("ForgetStream") }, true, true},
		{"forget: answer lost", func(w *controltest.World) { w.Faults.LoseAnswer("ForgetStream") }, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := controltest.New(t)
			s := mustStream(t, w, "demo", 1)
			mustSink(t, w, "s3")
			x := mustExporter(t, w, control.NewExporter{Stream: "demo"})
			tt.inject(w)
			_, err := w.DeleteStream(t.Context(), "demo", true)
			if tt.failed {
				wantInjected(t, err)
			} else if err != nil {
				t.Fatal(err)
			}
			w.Faults.Clear()
			w.Runner.ReloadErr = nil
			if !tt.deleted {
				if _, _, err := w.Stream(t.Context(), "demo"); err != nil {
					t.Errorf("the stream is not whole: %v", err)
				}
				if _, running := w.Runner.Running[x.ID]; !running {
					t.Error("its exporter does not run")
				}
				return
			}
			if _, err := w.DB.Stream(t.Context(), "demo"); problem.KindOf(err) != problem.NotFound {
				t.Errorf("the stream is still there: %v", err)
			}
			if _, err := w.FinishDeletions(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := w.EventLog.Bounds(t.Context(), s.ID); !errors.Is(err, eventlog.ErrNoStream) {
				t.Errorf("the log is still there: %v", err)
			}
			if ids, err := w.DB.DroppedStreams(t.Context()); err != nil || len(ids) != 0 {
				t.Errorf("left to drop: %v, %v", ids, err)
			}
		})
	}
}

// Once the catalog has changed, the rest is done even if the caller has gone.
func TestDeleteStreamCallerGone(t *testing.T) {
	w := controltest.New(t)
	s := mustStream(t, w, "demo", 1)
	ctx, cancel := context.WithCancel(t.Context())
	d := w.Deps
	d.Catalog = cancelAfter{d.Catalog, cancel}
	if _, err := control.New(d).DeleteStream(ctx, "demo", false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.EventLog.Bounds(t.Context(), s.ID); !errors.Is(err, eventlog.ErrNoStream) {
		t.Errorf("the log is still there: %v", err)
	}
}

// cancelAfter makes the caller go as soon as the catalog has changed.
type cancelAfter struct {
	control.Catalog
	cancel context.CancelFunc
}

func (c cancelAfter) DeleteStream(ctx context.Context, name string, recursive bool) (stream.Stream, []stream.Exporter, error) {
	defer c.cancel()
	return c.Catalog.DeleteStream(ctx, name, recursive)
}

func (c cancelAfter) CreateExporter(ctx context.Context, e stream.Exporter) error {
	defer c.cancel()
	return c.Catalog.CreateExporter(ctx, e)
}
