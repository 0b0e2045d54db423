package control_test

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wantKind checks an error's kind and a part of its text.
func wantKind(t *testing.T, err error, kind problem.Kind, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %v with %q", kind, text)
	}
	if got := problem.KindOf(err); got != kind {
		t.Errorf("kind %v, want %v: %v", got, kind, err)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q does not say %q", err, text)
	}
}

func wantInjected(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, controltest.ErrInjected) {
		t.Fatalf("error %v, want the injected one", err)
	}
}

func mustStream(t *testing.T, w *controltest.World, name string, partitions int) stream.Stream {
	t.Helper()
	s, err := w.CreateStream(t.Context(), control.NewStream{Name: name, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSink(t *testing.T, w *controltest.World, name string) stream.Sink {
	t.Helper()
	s, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: name, Bucket: "b", Credentials: controltest.Credentials})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustExporter(t *testing.T, w *controltest.World, n control.NewExporter) control.Exporter {
	t.Helper()
	x, err := w.CreateExporter(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
