package control_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestFlush(t *testing.T) {
	w, x := exporterWorld(t)
	f, err := w.Flush(t.Context(), "demo", "x", "", 0)
	if err != nil || !f.Done {
		t.Errorf("nothing waits, but: %+v, %v", f, err)
	}
	w.Append("demo", 0, 5, time.Now())
	f, err = w.Flush(t.Context(), "demo", "x", "", 0)
	if err != nil || f.Done {
		t.Fatalf("nothing was delivered, but: %+v, %v", f, err)
	}
	// Later events do not matter to the token.
	w.Append("demo", 0, 5, time.Now())
	w.Runner.Deliver(x.ID, stream.Position{5})
	again, err := w.Flush(t.Context(), "demo", "x", f.Token, time.Minute)
	if err != nil || !again.Done || again.Token != f.Token {
		t.Errorf("after the delivery: %+v, %v", again, err)
	}
	w.Runner.Trouble = exporter.Status{State: exporter.StateBlocked, Reason: "no bucket"}
	f, err = w.Flush(t.Context(), "demo", "x", "", time.Minute)
	if err != nil || f.Done || f.Status.Reason != "no bucket" {
		t.Errorf("blocked: %+v, %v", f, err)
	}
}

func TestFlushEndsWithItsCaller(t *testing.T) {
	w, _ := exporterWorld(t)
	w.Append("demo", 0, 5, time.Now())
	f, err := w.Flush(t.Context(), "demo", "x", "", time.Millisecond)
	if err != nil || f.Done {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestFlushRefuses(t *testing.T) {
	w, x := exporterWorld(t)
	other := mustExporter(t, w, control.NewExporter{Stream: "demo", Name: "other"})
	f, err := w.Flush(t.Context(), "demo", "other", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.Token, other.ID+".") {
		t.Fatalf("token %q", f.Token)
	}
	for _, token := range []string{f.Token, "x", x.ID, x.ID + ".", x.ID + ".!!", x.ID + ".AAAA", x.ID + ".gA", x.ID + ".____________AQ"} {
		_, err := w.Flush(t.Context(), "demo", "x", token, 0)
		wantKind(t, err, problem.Invalid, "token")
	}
	_, err = w.Flush(t.Context(), "demo", "x", "", control.MaxWait+1)
	wantKind(t, err, problem.Invalid, "wait")
	_, err = w.Flush(t.Context(), "demo", "nope", "", 0)
	wantKind(t, err, problem.NotFound, "nope")
}

func TestReplay(t *testing.T) {
	w, _ := exporterWorld(t)
	if _, err := w.UpdateExporter(t.Context(), "demo", "x", control.ExporterChange{PathPrefix: ptr("live")}); err != nil {
		t.Fatal(err)
	}
	t0 := time.Now()
	for _, tt := range []struct {
		into     string
		from, to time.Time
		text     string
	}{
		{into: "", text: "needs another path prefix"},
		{into: "a//b", text: "double slashes"},
		{into: "live", text: "would be there twice"},
		{into: "again", from: t0, to: t0, text: "before"},
	} {
		_, err := w.Replay(t.Context(), "demo", "x", tt.into, tt.from, tt.to)
		wantKind(t, err, problem.Invalid, tt.text)
	}
	if len(w.Runner.Replays) != 0 {
		t.Errorf("refused, but replayed into %v", w.Runner.Replays)
	}
	r, err := w.Replay(t.Context(), "demo", "x", "again", time.Time{}, time.Time{})
	if err != nil || r.ID == "" || len(w.Runner.Replays) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestVerify(t *testing.T) {
	w, _ := exporterWorld(t)
	e, v, err := w.Verify(t.Context(), "", "demo/x")
	if err != nil || e.Name != "x" || v.OK || len(v.Differences) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	w.Runner.VerifyErr = &objstore.Error{Op: "get", Reason: objstore.Unreachable, Err: context.DeadlineExceeded}
	_, _, err = w.Verify(t.Context(), "demo", "x")
	wantKind(t, err, problem.Unavailable, "get")
}

func TestBatches(t *testing.T) {
	w, x := exporterWorld(t)
	w.Append("demo", 0, 10, time.Now())
	for i := range 5 {
		seq := int64(i + 1)
		r := stream.Range{Start: stream.Offset(i), End: stream.Offset(i + 1)}
		b := stream.Batch{
			ID: stream.BatchID(x.ID, seq), ExporterID: x.ID, StreamID: x.StreamID, Stream: "demo", Sink: x.Sink, Seq: seq, Reason: stream.CutInterval,
			CutAt: time.Now(), State: stream.BatchPlanned, PlannedAt: time.Now(), Output: x.Output, Encoder: "e",
			Objects: []stream.Object{{Key: fmt.Sprint("k", i), Events: 1, Ranges: []stream.Range{r}}},
		}
		if err := w.DB.Plan(t.Context(), []stream.Batch{b}, stream.Position{r.End}); err != nil {
			t.Fatal(err)
		}
	}
	var seqs []int64
	f := control.BatchFilter{Limit: 2}
	for {
		p, err := w.Batches(t.Context(), "demo", "x", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range p.Batches {
			seqs = append(seqs, b.Seq)
		}
		if f.Before = p.Next; f.Before == 0 {
			break
		}
	}
	if fmt.Sprint(seqs) != "[5 4 3 2 1]" {
		t.Errorf("paged through %v", seqs)
	}
	if p, err := w.Batches(t.Context(), "demo", "x", control.BatchFilter{State: stream.BatchDone}); err != nil || len(p.Batches) != 0 {
		t.Errorf("done: %+v, %v", p, err)
	}
	for _, bad := range []control.BatchFilter{{Limit: -1}, {Limit: 1001}, {Before: -1}, {State: "lost"}} {
		_, err := w.Batches(t.Context(), "demo", "x", bad)
		wantKind(t, err, problem.Invalid, "")
	}

	id := stream.BatchID(x.ID, 3)
	b, name, err := w.Batch(t.Context(), id)
	if err != nil || b.Seq != 3 || name != "x" {
		t.Errorf("%+v, %q, %v", b, name, err)
	}
	if err := w.DeleteExporter(t.Context(), "demo", "x"); err != nil {
		t.Fatal(err)
	}
	b, name, err = w.Batch(t.Context(), id)
	if err != nil || b.State != stream.BatchAbandoned || name != x.ID {
		t.Errorf("after its exporter is deleted: %+v, %q, %v", b, name, err)
	}
	_, _, err = w.Batch(t.Context(), "nope-1")
	wantKind(t, err, problem.NotFound, "nope-1")
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{"60": time.Minute, "60s": time.Minute, "1h30m": 90 * time.Minute, "0": 0, "-5": -5 * time.Second} {
		if got, err := control.ParseDuration("interval", in); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "soon", "1.5", "99999999999999999", "-99999999999999999", "60 s"} {
		_, err := control.ParseDuration("interval", in)
		wantKind(t, err, problem.Invalid, "interval")
	}
}
