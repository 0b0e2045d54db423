package ingest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/eventlog"
	"strm/internal/ingest/ingesttest"
	"strm/internal/stream"
)

// What is remembered of streams stays bounded, and a stream in use keeps its turn.
func TestIdleStreamsAreForgotten(t *testing.T) {
	rs := rooms{byID: map[string]*room{}}
	now := time.Unix(1_000_000, 0)
	busy := rs.of("busy", now)
	for i := range 5 * keepRooms {
		now = now.Add(10 * time.Second)
		rs.of(fmt.Sprint("stream-", i), now)
		if rs.of("busy", now) != busy {
			t.Fatal("a stream in use was forgotten")
		}
		if len(rs.byID) > keepRooms+1 {
			t.Fatalf("%d streams are remembered", len(rs.byID))
		}
	}
}

// A clock that is set back must not freeze what is known of a stream's size.
func TestSizeIsLookedUpAfterTheClockWasSetBack(t *testing.T) {
	log := &ingesttest.Log{}
	s := stream.Stream{ID: "a", Name: "demo", Retention: stream.Retention{MaxBytes: 1}}
	e := eventlog.Entry{Events: 1, Data: []byte("{}\n"), Received: time.Unix(1_000_000, 0)}
	if err := log.Create(t.Context(), s.ID, 1); err != nil {
		t.Fatal(err)
	}
	rs := rooms{log: log, every: time.Second, byID: map[string]*room{}}
	a, err := log.Append(t.Context(), s.ID, e)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000_000, 0)
	if err := rs.check(t.Context(), &s, now); !errors.Is(err, ErrStreamFull) {
		t.Fatalf("at its bound: %v", err)
	}
	if err := log.Trim(t.Context(), s.ID, 0, a.Range.End); err != nil {
		t.Fatal(err)
	}
	if err := rs.check(t.Context(), &s, now.Add(-time.Hour)); err != nil {
		t.Errorf("there is room, and the clock was set back: %v", err)
	}
	if n := log.BoundsCalls(); n != 2 {
		t.Errorf("looked %d times", n)
	}
}

func TestStreamsAreForgottenAlsoAfterTheClockWasSetBack(t *testing.T) {
	rs := rooms{byID: map[string]*room{}}
	now := time.Unix(10_000_000, 0)
	for i := range keepRooms {
		rs.of(fmt.Sprint("before-", i), now)
	}
	rs.of("after", now.Add(-30*24*time.Hour))
	if n := len(rs.byID); n != 1 {
		t.Errorf("%d streams are remembered", n)
	}
}

// With patience a full log is asked again, until it has room, the time is over
// or nobody waits any more; the refusal is one, however often it was asked.
func TestPatience(t *testing.T) {
	full := errors.New("full")
	for _, c := range []struct {
		name     string
		patience time.Duration
		after    int // tries that fail
		cancel   time.Duration
		other    bool
		tries    int
		waited   time.Duration
		err      bool
	}{
		{name: "none", after: 9, tries: 1, err: true},
		{name: "room at once", patience: time.Second, tries: 1},
		{name: "room in a while", patience: time.Second, after: 2, tries: 3, waited: 2 * again},
		{name: "no room", patience: time.Second - 1, after: 99, tries: 4, waited: time.Second - 1, err: true},
		{name: "the asker has gone", patience: time.Minute, after: 99, cancel: 3*again - 1, tries: 3, waited: 3*again - 1, err: true},
		{name: "another error", patience: time.Second, after: 99, other: true, tries: 1, err: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.cancel > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.cancel)
					defer cancel()
				}
				tries, began := 0, time.Now()
				err := patiently(ctx, c.patience, full, func() error {
					if tries++; tries > c.after {
						return nil
					}
					if c.other {
						return errors.New("other")
					}
					return fmt.Errorf("it is %w", full)
				})
				if tries != c.tries || time.Since(began) != c.waited || (err != nil) != c.err || err != nil && errors.Is(err, full) == c.other {
					t.Errorf("%d tries in %v: %v", tries, time.Since(began), err)
				}
			})
		})
	}
}
