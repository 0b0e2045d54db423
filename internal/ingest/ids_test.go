package ingest_test

import (
	"errors"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/problem"
)

func withIDs(body string, names ...string) ingest.Request {
	r := one(body)
	r.IDWindow = time.Hour
	for _, n := range names {
		r.IDs = append(r.IDs, eventlog.NewID([]byte(n)))
	}
	return r
}

func TestRepeatedEventsAreLeftOut(t *testing.T) {
	l := newLog(t, 1)
	g := ingest.New(l, ingest.Options{})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after              time.Duration
		body               string
		names              []string
		accepted, repeated int
	}{
		{0, `{"a":1}{"b":1}`, []string{"a", "b"}, 2, 0},
		{time.Minute, `{"b":2}{"c":2}{"c":3}`, []string{"b", "c", "c"}, 1, 2},
		{time.Hour, `{"a":4}`, []string{"a"}, 0, 1},
		{time.Hour + time.Second, `{"a":5}`, []string{"a"}, 1, 0},
	} {
		req := withIDs(c.body, c.names...)
		req.Received = at.Add(c.after)
		r, err := g.Ingest(t.Context(), req)
		if err != nil || r.Accepted != c.accepted || r.Repeated != c.repeated || r.Range.Empty() != (c.accepted == 0) {
			t.Errorf("%s: %+v, %v", c.body, r, err)
		}
	}
	if got := text(t, l); got != "{\"a\":1}\n{\"b\":1}\n{\"c\":2}\n{\"a\":5}\n" {
		t.Errorf("stored %q", got)
	}
}

func TestIDsMustFitTheEvents(t *testing.T) {
	l := newLog(t, 1)
	g := ingest.New(l, ingest.Options{})
	for name, change := range map[string]func(*ingest.Request){
		"too few":   func(r *ingest.Request) { r.IDs = r.IDs[:1] },
		"too many":  func(r *ingest.Request) { r.IDs = append(r.IDs, eventlog.ID{}) },
		"no window": func(r *ingest.Request) { r.IDWindow = 0 },
		"and a key": func(r *ingest.Request) { r.IdempotencyKey = "key" },
	} {
		r := withIDs(`{"a":1}{"b":1}`, "a", "b")
		change(&r)
		if _, err := g.Ingest(t.Context(), r); problem.KindOf(err) != problem.Invalid || errors.Is(err, ingest.ErrUnsettled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := text(t, l); got != "" {
		t.Errorf("stored %q", got)
	}
}

func TestLateStampsAreForTheCaller(t *testing.T) {
	g := ingest.New(newLog(t, 1), ingest.Options{})
	at := time.Date(2026, 3, 1, 12, 59, 59, 0, time.UTC)
	send := func(d time.Duration) (ingest.Result, error) {
		r := one(`{"a":1}`)
		r.Received, r.Stamped = at.Add(d), true
		return g.Ingest(t.Context(), r)
	}
	for _, d := range []time.Duration{0, -time.Minute, time.Second} {
		if r, err := send(d); err != nil || r.Accepted != 1 {
			t.Errorf("%s: %+v, %v", d, r, err)
		}
	}
	var late *eventlog.LateError
	if _, err := send(0); !errors.As(err, &late) || !late.At.Equal(at.Add(time.Second)) || errors.Is(err, ingest.ErrUnsettled) || problem.KindOf(err) != problem.Conflict {
		t.Errorf("late: %v", err)
	}
}
