package eventlogtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// fill appends n entries to partition 0, each in blocks of its own because the
// appends follow each other, and returns their ranges.
func fill(t tb, l eventlog.Log, n int) (rs []stream.Range) {
	t.Helper()
	for i := range n {
		e := entry(0, fmt.Sprint("f", i), 1+i*53%200)
		rs = append(rs, appendEntry(t, l, e).Range)
	}
	return rs
}

// fillBlocks appends to partition 0 until it has that many blocks, and returns the text.
func fillBlocks(t tb, l eventlog.Log, blocks int) []byte {
	t.Helper()
	var all []byte
	for len(index(t, l, whole(t, l, 0))) < blocks {
		e := entry(0, fmt.Sprint("b", len(all)), 150)
		if len(all) > 1<<19 { // blocks are large: fewer, larger entries
			e = entry(0, fmt.Sprint("b", len(all)), 3000)
		}
		appendEntry(t, l, e)
		all = append(all, e.Data...)
	}
	return all
}

func wantTrimmed(t tb, l eventlog.Log, r stream.Range) {
	t.Helper()
	if _, err := tryText(l, r); !isFault(err, eventlog.ErrTrimmed, problem.Conflict) {
		t.Fatalf("read of %v, part of it trimmed: %v", r, err)
	}
	for _, err := range l.Index(context.Background(), id, r) {
		if !isFault(err, eventlog.ErrTrimmed, problem.Conflict) {
			t.Fatalf("index of %v, part of it trimmed: %v", r, err)
		}
	}
}

func trim(t *testing.T, s Store) {
	ctx := context.Background()
	l := openStream(t, s, 2)
	rs := fill(t, l, 10)
	other := entry(1, "other", 4)
	appendEntry(t, l, other)
	r := whole(t, l, 0)
	full := bounds(t, l)[0]

	// Inside a block: only what lies wholly below goes.
	if err := l.Trim(ctx, id, 0, rs[6].Start+1); err != nil {
		t.Fatal(err)
	}
	b := bounds(t, l)[0]
	if b.Floor > rs[6].Start+1 || b.End != full.End {
		t.Fatalf("after a trim before %d the bounds are %+v", rs[6].Start+1, b)
	}
	if b.Floor == r.Start {
		t.Fatalf("nothing was trimmed")
	}
	keep := text(t, l, whole(t, l, 0))
	check := func() {
		t.Helper()
		if got := bounds(t, l)[0]; got != b {
			t.Fatalf("bounds %+v, want %+v", got, b)
		}
		var packed int64
		for _, h := range index(t, l, whole(t, l, 0)) {
			packed += h.Packed
		}
		if packed != b.Packed {
			t.Fatalf("%d packed bytes are left, bounds say %d", packed, b.Packed)
		}
		wantTrimmed(t, l, r)
		wantTrimmed(t, l, stream.Range{Start: b.Floor - 1, End: b.End})
		wantText(t, l, whole(t, l, 0), keep)
		wantText(t, l, whole(t, l, 1), other.Data)
	}
	check()
	// Below the floor, and once more: nothing changes.
	for _, before := range []stream.Offset{0, rs[2].End, b.Floor} {
		if err := l.Trim(ctx, id, 0, before); err != nil {
			t.Fatal(err)
		}
		check()
	}
	l = reopen(t, s, l)
	check()
	s.Crash()
	l = open(t, s)
	check()
	closeLog(t, l)
}

func trimAll(t *testing.T, s Store, timesGo bool) {
	ctx := context.Background()
	l := openStream(t, s, 1)
	fill(t, l, 5)
	late := entry(0, "late", 1)
	late.Received = noon.Add(90 * 60e9)
	end := appendEntry(t, l, late).Range.End
	if err := l.Trim(ctx, id, 0, end+1000); err != nil { // past the end is as good as the end
		t.Fatal(err)
	}
	for range 2 {
		if b := bounds(t, l)[0]; b.Floor != end || b.End != end || b.Packed != 0 {
			t.Fatalf("after trimming all up to %d: %+v", end, b)
		}
		l = reopen(t, s, l)
	}
	e := entry(0, "next", 2) // received earlier than what was trimmed
	a := appendEntry(t, l, e)
	if a.Range.Start < end {
		t.Fatalf("offsets are used again: %v after %d", a.Range, end)
	}
	wantText(t, l, a.Range, e.Data)
	if h := index(t, l, a.Range); !timesGo && h[0].FirstAt.Before(late.Received) {
		t.Fatalf("received time went back to %v", h[0].FirstAt)
	}
	closeLog(t, l)
}

// trimWhileReading: what a reader gets is right or ErrTrimmed, never something else.
func trimWhileReading(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	all := fillBlocks(t, l, 5)
	r := whole(t, l, 0)
	var got []byte
	n := 0
	for b, err := range l.Read(context.Background(), id, r) {
		if errors.Is(err, eventlog.ErrTrimmed) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := checkBlock(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, raw...)
		if n++; n == 3 {
			if err := l.Trim(context.Background(), id, 0, r.End-1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n < 3 {
		t.Fatalf("%d blocks were read, nothing was trimmed meanwhile", n)
	}
	if !bytes.HasPrefix(all, got) {
		t.Fatal("a read across a trim gave wrong events")
	}
}
