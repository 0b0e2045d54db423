package control_test

import (
	"regexp"
	"testing"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

var denied = stream.Health{Status: stream.HealthFailing, Step: stream.StepPut, Reason: "missing permission s3:PutObject"}

// A sink is tried when it is saved, and stored whatever that says.
func TestPutSinkTries(t *testing.T) {
	w := controltest.New(t)
	if s := mustSink(t, w, "s3"); s.Health.Status != stream.HealthOK || s.Health.At.IsZero() {
		t.Errorf("created: %+v", s.Health)
	}
	w.Runner.TestHealth = denied
	s := mustSink(t, w, "s3")
	if !s.Health.Same(denied) {
		t.Errorf("changed: %+v", s.Health)
	}
	if read, err := w.Sink(t.Context(), "s3"); err != nil || read.Health != s.Health || read.Revision != 2 {
		t.Errorf("read %+v, %v", read, err)
	}
	// It could not be tried: it is stored, and its health not known.
	w.Runner.TestErr = controltest.ErrInjected
	if s := mustSink(t, w, "s3"); s.Revision != 3 || s.Health != (stream.Health{}) {
		t.Errorf("not tried: %+v", s)
	}
	// Not stored, not tried.
	tried := len(w.Runner.Tested)
	w.Faults.LoseRequest("PutSink")
	_, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "s3", Bucket: "b"})
	wantInjected(t, err)
	if len(w.Runner.Tested) != tried {
		t.Error("a sink that was not stored is tried")
	}
}

// What is written is what the permissions are for.
func TestTestSink(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	mustSink(t, w, "s3")
	own := w.Runner.Tested[0]
	if own.Sink != "s3" || own.Output.PathPrefix != "" || own.Output.Format != "jsonl" || !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(own.TestID) {
		t.Errorf("without exporters it writes as %+v", own)
	}
	x := mustExporter(t, w, control.NewExporter{Stream: "demo", Output: stream.Output{PathPrefix: "events"}})
	for _, tt := range []struct{ prefix, testID, want string }{
		{"", x.TestID, "events"},
		{"other", own.TestID, "other"},
	} {
		s, err := w.TestSink(t.Context(), "s3", tt.prefix)
		if err != nil || s.Health.Status != stream.HealthOK || s.Name != "s3" {
			t.Errorf("prefix %q: %+v, %v", tt.prefix, s, err)
		}
		if as := w.Runner.Tested[len(w.Runner.Tested)-1]; as.Output.PathPrefix != tt.want || as.TestID != tt.testID || as.Sink != "s3" {
			t.Errorf("prefix %q: writes as %+v", tt.prefix, as)
		}
	}
	w.Runner.TestHealth = denied
	if s, err := w.TestSink(t.Context(), "s3", ""); err != nil || !s.Health.Same(denied) {
		t.Errorf("denied: %+v, %v", s.Health, err)
	}
	_, err := w.TestSink(t.Context(), "nope", "")
	wantKind(t, err, problem.NotFound, "nope")
	_, err = w.TestSink(t.Context(), "s3", "a//b")
	wantKind(t, err, problem.Invalid, "a//b")
	w.Runner.TestErr = controltest.ErrInjected
	_, err = w.TestSink(t.Context(), "s3", "")
	wantInjected(t, err)
}
