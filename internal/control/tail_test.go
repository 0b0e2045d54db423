package control_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/eventlog"
	"strm/internal/problem"
)

// show reads a tail to its end and returns "partition:offset" of each event.
func show(t *testing.T, w *controltest.World, q control.TailQuery) []string {
	t.Helper()
	tail, err := w.Tail(t.Context(), "demo", q)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = tail.Each(t.Context(), func(e control.TailEvent) error {
		got = append(got, fmt.Sprintf("%d:%d", e.Partition, e.Offset))
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTail(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 2)
	t0 := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	w.Append("demo", 0, 3, t0)
	w.Append("demo", 0, 2, t0.Add(time.Minute))
	w.Append("demo", 1, 1, t0)
	for _, tt := range []struct {
		name string
		q    control.TailQuery
		want string
	}{
		{"all", control.TailQuery{Start: control.Start{Existing: true}, Partition: -1}, "0:0 0:1 0:2 0:3 0:4 1:0"},
		{"one partition", control.TailQuery{Start: control.Start{Existing: true}, Partition: 1}, "1:0"},
		{"limit", control.TailQuery{Start: control.Start{Existing: true}, Partition: -1, Limit: 2}, "0:0 0:1"},
		{"since", control.TailQuery{Start: control.Start{From: t0.Add(time.Second)}, Partition: -1}, "0:3 0:4"},
		{"from now", control.TailQuery{Partition: -1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(show(t, w, tt.q), " "); got != tt.want {
				t.Errorf("shown %q, want %q", got, tt.want)
			}
		})
	}
	_, err := w.Tail(t.Context(), "nope", control.TailQuery{})
	wantKind(t, err, problem.NotFound, "nope")
	_, err = w.Tail(t.Context(), "demo", control.TailQuery{Partition: 2})
	wantKind(t, err, problem.Invalid, "no partition 2")
	_, err = w.Tail(t.Context(), "demo", control.TailQuery{Limit: -1})
	wantKind(t, err, problem.Invalid, "limit")
}

func TestTailFollows(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	tail, err := w.Tail(t.Context(), "demo", control.TailQuery{Follow: true, Partition: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shown := make(chan string, 10)
	idle := make(chan struct{}, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- tail.Each(ctx, func(e control.TailEvent) error {
			shown <- string(e.JSON)
			return nil
		}, func() error {
			idle <- struct{}{}
			return nil
		})
	}()
	<-idle
	w.Append("demo", 0, 2, time.Now())
	if a, b := <-shown, <-shown; a != `{"n":0}` || b != `{"n":1}` {
		t.Errorf("shown %s, %s", a, b)
	}
	<-idle
	w.Append("demo", 0, 1, time.Now())
	<-shown
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Events longer than the reader's buffer come whole.
func TestTailLongEvents(t *testing.T) {
	w := controltest.New(t)
	s := mustStream(t, w, "demo", 1)
	long := `{"a":"` + strings.Repeat("x", 300_000) + `"}`
	data := "{}\n" + long + "\n" + long + "\n{}\n"
	if _, err := w.EventLog.Append(t.Context(), s.ID, eventlog.Entry{Events: 4, Data: []byte(data), Received: time.Now()}); err != nil {
		t.Fatal(err)
	}
	tail, err := w.Tail(t.Context(), "demo", control.TailQuery{Start: control.Start{Existing: true}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = tail.Each(t.Context(), func(e control.TailEvent) error {
		got = append(got, string(e.JSON))
		return nil
	}, func() error { return nil })
	if err != nil || !slices.Equal(got, []string{"{}", long, long, "{}"}) {
		t.Errorf("%d events, %v", len(got), err)
	}
}

// What retention removes before it was shown is said, not skipped, once the
// reading has begun; before that the reading begins at the floor.
func TestTailTrimmed(t *testing.T) {
	w := controltest.New(t)
	s := mustStream(t, w, "demo", 1)
	hour := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for i := range 3 {
		w.Append("demo", 0, 1, hour.Add(time.Duration(i)*time.Hour))
	}
	tail, err := w.Tail(t.Context(), "demo", control.TailQuery{Start: control.Start{Existing: true}, Follow: true, Partition: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.EventLog.Trim(t.Context(), s.ID, 0, 1); err != nil {
		t.Fatal(err)
	}
	var shown []int64
	rounds := 0
	err = tail.Each(t.Context(), func(e control.TailEvent) error {
		shown = append(shown, int64(e.Offset))
		return nil
	}, func() error {
		if rounds++; rounds == 1 {
			w.Append("demo", 0, 1, hour.Add(3*time.Hour))
			w.Append("demo", 0, 1, hour.Add(4*time.Hour))
			return w.EventLog.Trim(t.Context(), s.ID, 0, 4)
		}
		return errors.New("it went on as if nothing were missing")
	})
	wantKind(t, err, problem.Conflict, "removed by retention")
	if !errors.Is(err, eventlog.ErrTrimmed) {
		t.Errorf("ended with %v", err)
	}
	if !slices.Equal(shown, []int64{1, 2}) {
		t.Errorf("shown %v", shown)
	}
}

func TestTailStreamDeleted(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	tail, err := w.Tail(t.Context(), "demo", control.TailQuery{Partition: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.DeleteStream(t.Context(), "demo", false); err != nil {
		t.Fatal(err)
	}
	err = tail.Each(t.Context(), func(control.TailEvent) error { return nil }, func() error { return nil })
	wantKind(t, err, problem.NotFound, "no such stream")
}
