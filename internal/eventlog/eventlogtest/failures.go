package eventlogtest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func streams(t *testing.T, s Store) {
	ctx := context.Background()
	l := openStream(t, s, 3)
	if n := len(bounds(t, l)); n != 3 {
		t.Fatalf("%d partitions, want 3", n)
	}
	const other = "00000000000000ee"
	if err := l.Create(ctx, other, 1); err != nil {
		t.Fatal(err)
	}
	wantStreams(t, l, id, other)
	if err := l.Drop(ctx, other); err != nil {
		t.Fatal(err)
	}
	wantStreams(t, l, id)
	appendEntry(t, l, keyed(entry(2, "old", 5), "key", 1))
	if err := l.Create(ctx, id, 3); err != nil {
		t.Fatalf("create again: %v", err)
	}
	wantText(t, l, whole(t, l, 2), lines("old", 5))
	for range 2 {
		if err := l.Drop(ctx, id); err != nil {
			t.Fatalf("drop: %v", err)
		}
	}
	if _, err := l.Bounds(ctx, id); !errors.Is(err, eventlog.ErrNoStream) {
		t.Fatalf("bounds of a dropped stream: %v", err)
	}
	s.Crash()
	l = open(t, s)
	if _, err := l.Bounds(ctx, id); !errors.Is(err, eventlog.ErrNoStream) {
		t.Fatalf("bounds of a dropped stream after a crash: %v", err)
	}
	wantStreams(t, l)
	// Made anew it is empty, and has forgotten its keys.
	if err := l.Create(ctx, id, 3); err != nil {
		t.Fatal(err)
	}
	if a := appendEntry(t, l, keyed(entry(2, "new", 4), "key", 2)); a.Duplicate {
		t.Fatal("a stream made anew knows an old key")
	}
	l = reopen(t, s, l)
	wantStreams(t, l, id)
	wantText(t, l, whole(t, l, 2), lines("new", 4))
	if err := l.Drop(ctx, "00000000000000ff"); err != nil {
		t.Fatalf("drop of what never was: %v", err)
	}
	closeLog(t, l)
}

func wantStreams(t *testing.T, l eventlog.Log, want ...string) {
	t.Helper()
	got, err := l.Streams(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("the log holds the streams %v, want %v", got, want)
	}
}

// isFault says whether err is the failure that the port names, of its kind.
func isFault(err, identity error, kind problem.Kind) bool {
	return errors.Is(err, identity) && problem.KindOf(err) == kind
}

// everything calls each method of the log and returns the errors by name.
func everything(ctx context.Context, l eventlog.Log, streamID string) map[string]error {
	errs := map[string]error{}
	_, errs["append"] = l.Append(ctx, streamID, entry(0, "n", 1))
	_, errs["append with key"] = l.Append(ctx, streamID, keyed(entry(0, "n", 1), "key", 1))
	_, errs["append with ids"] = l.Append(ctx, streamID, named(0, "n"))
	_, errs["append with mark"] = l.Append(ctx, streamID, marked(entry(0, "n", 1), "mark", 1))
	_, errs["mark"] = l.Mark(ctx, streamID, "mark")
	errs["unmark"] = l.Unmark(ctx, streamID, "mark")
	_, errs["append of much"] = l.Append(ctx, streamID, entry(0, "n", 5000))
	_, errs["bounds"] = l.Bounds(ctx, streamID)
	errs["trim"] = l.Trim(ctx, streamID, 0, 1)
	errs["index"], errs["read"] = nil, nil
	for _, errs["index"] = range l.Index(ctx, streamID, stream.Range{End: 10}) {
	}
	for _, errs["read"] = range l.Read(ctx, streamID, stream.Range{End: 10}) {
	}
	return errs
}

func errorIdentities(t *testing.T, s Store) {
	ctx := context.Background()
	l := openStream(t, s, 1)
	appendEntry(t, l, entry(0, "e", 3))
	for what, err := range everything(ctx, l, "00000000000000ff") {
		if !isFault(err, eventlog.ErrNoStream, problem.NotFound) {
			t.Errorf("%s of an unknown stream: %v", what, err)
		}
	}
	for _, p := range []stream.Partition{-1, 1} {
		if _, err := l.Append(ctx, id, entry(p, "e", 1)); err == nil {
			t.Errorf("append to partition %d of 1: no error", p)
		}
	}
	closeLog(t, l)
	errs := everything(ctx, l, id)
	errs["create"] = l.Create(ctx, "00000000000000c3", 1)
	errs["drop"] = l.Drop(ctx, id)
	_, errs["streams"] = l.Streams(ctx)
	for what, err := range errs {
		if !isFault(err, eventlog.ErrClosed, problem.Unavailable) {
			t.Errorf("%s of a closed log: %v", what, err)
		}
	}
}

// badEntries: an entry that is not what it says would shift offsets for ever.
func badEntries(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	long := make([]byte, 256)
	for name, e := range map[string]eventlog.Entry{
		"no events":       {},
		"no newline":      {Events: 1, Data: []byte(`{}`)},
		"too few lines":   {Events: 3, Data: lines("b", 2)},
		"too many lines":  {Events: 1, Data: lines("b", 2)},
		"long key":        keyed(entry(0, "b", 1), string(long), 1),
		"ids and key":     keyed(named(0, "b"), "key", 1),
		"too few ids":     {Events: 2, Data: lines("b", 2), Received: noon, IDs: make([]eventlog.ID, 1), IDWindow: time.Hour},
		"too many ids":    {Events: 1, Data: lines("b", 1), Received: noon, IDs: make([]eventlog.ID, 2), IDWindow: time.Hour},
		"no window":       {Events: 1, Data: lines("b", 1), Received: noon, IDs: make([]eventlog.ID, 1)},
		"long mark":       marked(entry(0, "b", 1), string(long), 1),
		"mark of nothing": {Events: 1, Data: lines("b", 1), Received: noon, Mark: "m"},
		"no mark":         {Events: 1, Data: lines("b", 1), Received: noon, MarkAt: 1},
		"mark and key":    marked(keyed(entry(0, "b", 1), "key", 1), "m", 1),
		"mark and ids":    marked(named(0, "b"), "m", 1),
		"stamped never":   {Events: 1, Data: lines("b", 1), Stamped: true},
	} {
		if _, err := l.Append(context.Background(), id, e); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, mark := range []string{"", string(long)} {
		_, err := l.Mark(context.Background(), id, mark)
		if other := l.Unmark(context.Background(), id, mark); problem.KindOf(err) != problem.Invalid || problem.KindOf(other) != problem.Invalid {
			t.Errorf("mark of %d bytes: %v, %v", len(mark), err, other)
		}
	}
	if b := bounds(t, l)[0]; b.End != b.Floor {
		t.Fatalf("something was stored: %+v", b)
	}
}

func full(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	e := entry(0, "full", 2)
	appendEntry(t, l, e)
	s.Full(true)
	for _, e := range []eventlog.Entry{entry(0, "f", 1), entry(0, "f", 5000), keyed(entry(0, "f", 1), "key", 1)} {
		_, err := l.Append(context.Background(), id, e)
		if !errors.Is(err, eventlog.ErrFull) || problem.KindOf(err) != problem.Busy {
			t.Fatalf("append to a full log: %v (kind %v)", err, problem.KindOf(err))
		}
	}
	wantText(t, l, whole(t, l, 0), e.Data)
	s.Full(false)
	again := keyed(entry(0, "f", 1), "key", 1)
	if a := appendEntry(t, l, again); a.Duplicate {
		t.Fatal("a refused append left its key behind")
	}
	wantText(t, l, whole(t, l, 0), append(e.Data, again.Data...))
}

func cancelled(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	e := entry(0, "c", 3)
	appendEntry(t, l, e)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for what, err := range everything(ctx, l, id) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", what, err)
		}
	}
	wantText(t, l, whole(t, l, 0), e.Data)
}

// stopReading: a consumer may leave an iteration, or its context may end in the
// middle; Close afterwards must not wait for it.
func stopReading(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	fillBlocks(t, l, 5)
	r := whole(t, l, 0)
	for range l.Read(context.Background(), id, r) {
		break
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var last error
	for _, err := range l.Read(ctx, id, r) {
		last = err
		if n++; n == 2 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Fatalf("read ended after %d blocks with %v", n, last)
	}
	n = 0
	for _, err := range l.Read(context.Background(), id, r) {
		last = err
		if n++; n == 2 {
			closeLog(t, l)
		}
	}
	if !errors.Is(last, eventlog.ErrClosed) {
		t.Fatalf("read across a close ended after %d blocks with %v", n, last)
	}
}
