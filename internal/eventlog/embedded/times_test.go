package embedded

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// A group spans the received times of its entries, and the advance tells both ends.
func TestAdvanceTellsTheTimesOfAGroup(t *testing.T) {
	l := openTest(t, testOptions(vfs.NewMem()))
	s, err := l.stream(testID)
	if err != nil {
		t.Fatal(err)
	}
	var got []eventlog.Advance
	defer l.Subscribe(func(a eventlog.Advance) { got = append(got, a) })()
	at := time.Date(2026, 3, 1, 12, 59, 0, 0, time.UTC)
	commit := func(times ...time.Time) {
		t.Helper()
		var group []*waiter
		for _, r := range times {
			e := one("")
			group = append(group, &waiter{entry: &e, ms: r.UnixMilli()})
		}
		st, _, _, err := s.partitions[0].stageGroup(group)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.partitions[0].settle(st); err != nil {
			t.Fatal(err)
		}
	}
	commit(at, at.Add(time.Second), at.Add(2*time.Minute)) // two blocks: an hour ends in between
	commit(at, at.Add(3*time.Minute))                      // its first is moved forward, into the hour of its last
	want := []eventlog.Advance{
		{StreamID: testID, Events: 3, Raw: 9, First: at, At: at.Add(2 * time.Minute)},
		{StreamID: testID, Events: 2, Raw: 6, First: at.Add(2 * time.Minute), At: at.Add(3 * time.Minute)},
	}
	packed := int64(0)
	for i := range got {
		packed += got[i].Packed
		got[i].Packed = 0
	}
	if kept := l.Stats().Packed; packed != kept {
		t.Errorf("told of %d packed bytes, %d are kept", packed, kept)
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Fatalf("told %+v, want %+v", got, want)
	}
	var first []time.Time
	for h, err := range l.Index(t.Context(), testID, stream.Range{End: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, h.FirstAt)
	}
	if len(first) != 3 || !first[0].Equal(got[0].First) || !first[2].Equal(got[1].First) {
		t.Errorf("blocks begin at %v", first)
	}
}

func TestTimesAheadOfTheClockAreSaidOncePerPartitionAndHour(t *testing.T) {
	var log bytes.Buffer
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	opts := testOptions(vfs.NewMem())
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	opts.Now = func() time.Time { return now }
	l := openTest(t, opts)
	const what = "received times are ahead of the clock"
	step := func(want int) {
		t.Helper()
		put(t, l, one(""))
		if n := strings.Count(log.String(), what); n != want {
			t.Fatalf("said %d times, want %d\n%s", n, want, &log)
		}
	}
	step(0)
	now = now.Add(-30 * time.Second)
	step(0)
	now = now.Add(-365 * 24 * time.Hour)
	step(1)
	step(1)
	now = now.Add(59 * time.Minute)
	step(1)
	now = now.Add(2 * time.Minute)
	step(2)
	now = now.Add(-24 * time.Hour) // back once more: that is news
	step(3)
	if !strings.Contains(log.String(), "stream="+testID+" partition=0 ahead=8760h") {
		t.Errorf("no place or number:\n%s", &log)
	}
}

// A large entry may begin a new hour while a group is being packed. Then nothing
// of the group is stored as it was packed: what is stamped is late, the others
// move into the new hour.
func TestAnHourThatEndsWhileAGroupIsPacked(t *testing.T) {
	l := openTest(t, testOptions(vfs.NewMem()))
	s, err := l.stream(testID)
	if err != nil {
		t.Fatal(err)
	}
	p := s.partitions[0]
	at := time.Date(2026, 3, 1, 12, 59, 59, 0, time.UTC)
	wait := func(stamped bool, d time.Duration) *waiter {
		e := one("")
		e.Stamped = stamped
		return &waiter{entry: &e, ms: at.Add(d).UnixMilli()}
	}
	group := []*waiter{wait(false, time.Second), wait(true, 0), wait(false, 0)}
	kept, late := inHour(group, nil, p.reached())
	if len(kept) != 3 || late != nil || !kept[0].entry.Stamped {
		t.Fatalf("in an empty partition nothing is late; the oldest goes first: %v", kept)
	}
	d, err := l.pack.packGroup(kept, p.reached())
	if err != nil {
		t.Fatal(err)
	}
	meanwhile := one("")
	meanwhile.Received = at.Add(2 * time.Second)
	put(t, l, meanwhile)
	if _, err := p.stage(kept, d); !errors.Is(err, errHour) {
		t.Fatalf("staged into an hour that is over: %v", err)
	}
	st, kept, late, err := p.stageGroup(kept)
	if err != nil || len(kept) != 2 || len(late) != 1 {
		t.Fatalf("%d kept, %d late, %v", len(kept), len(late), err)
	}
	var le *eventlog.LateError
	if !errors.As(late[0].err, &le) || !le.At.Equal(meanwhile.Received) {
		t.Errorf("late: %v", late[0].err)
	}
	if err := p.settle(st); err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for h, err := range l.Index(t.Context(), testID, stream.Range{End: 10}) {
		if err != nil || h.FirstAt.Hour() != 13 {
			t.Errorf("block at %v, %v", h.FirstAt, err)
		}
		n += h.Events
	}
	if n != 3 {
		t.Errorf("%d events", n)
	}
	// A group of which everything is late stores nothing and stops nobody.
	if _, kept, late, err = p.stageGroup([]*waiter{wait(true, 0)}); err != nil || len(kept) != 0 || len(late) != 1 {
		t.Errorf("%d kept, %d late, %v", len(kept), len(late), err)
	}
}
