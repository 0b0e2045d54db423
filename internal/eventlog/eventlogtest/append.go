package eventlogtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

func durableOnNil(t *testing.T, s Store) {
	l := openStream(t, s, 2)
	var want [2][]byte
	for i := range 20 {
		p := stream.Partition(i % 2)
		e := entry(p, fmt.Sprint("e", i), 1+i*37%400)
		a := appendEntry(t, l, e)
		want[p] = append(want[p], e.Data...)
		if end := bounds(t, l)[p].End; end < a.Range.End {
			t.Fatalf("append answered %v, end is %d", a.Range, end)
		}
		switch i % 5 {
		case 2:
			l = reopen(t, s, l)
		case 4:
			s.Crash()
			l = open(t, s)
		}
	}
	for p := range want {
		wantText(t, l, whole(t, l, stream.Partition(p)), want[p])
	}
	closeLog(t, l)
}

func rangeReadsBack(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	type stored struct {
		r    stream.Range
		data []byte
	}
	var all []stored
	var next stream.Offset
	for i := range 12 {
		e := entry(0, fmt.Sprint("r", i), 1+i*97%300)
		a := appendEntry(t, l, e)
		if a.Duplicate || a.Range.Partition != 0 || a.Range.Start < next {
			t.Fatalf("append %d answered %+v, the one before ended at %d", i, a, next)
		}
		next = a.Range.End
		all = append(all, stored{a.Range, e.Data})
	}
	for range 2 { // repeated reads are equal
		for _, st := range all {
			wantText(t, l, st.r, st.data)
		}
	}
	empty := stream.Range{Start: 5, End: 5}
	if got := index(t, l, empty); len(got) != 0 {
		t.Fatalf("index of an empty range: %v", got)
	}
	beyond := stream.Range{Start: next, End: next + 100}
	if got := index(t, l, beyond); len(got) != 0 {
		t.Fatalf("index past the end: %v", got)
	}
}

func blocksAreGzipMembers(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	defer closeLog(t, l)
	var want []byte
	for i := range 9 {
		e := entry(0, fmt.Sprint("g", i), 1+i*211)
		appendEntry(t, l, e)
		want = append(want, e.Data...)
	}
	r := whole(t, l, 0)
	hs := index(t, l, r)
	var file, lines []byte
	var packed int64
	n := 0
	for b, err := range l.Read(context.Background(), id, r) {
		if err != nil {
			t.Fatal(err)
		}
		if n >= len(hs) || hs[n] != b.BlockHeader && !estimates(hs[n], b.BlockHeader) {
			t.Fatalf("block %d has header %+v, index differs: %+v", n, b.BlockHeader, hs)
		}
		n++
		if _, err := checkBlock(b); err != nil {
			t.Fatal(err)
		}
		file = append(file, b.Gzip...)
		lines = append(lines, b.Lines...)
		packed += b.Packed
	}
	if n != len(hs) {
		t.Fatalf("%d blocks read, %d indexed", n, len(hs))
	}
	got := lines
	if file != nil {
		var err error
		if got, err = gunzip(file); err != nil || lines != nil {
			t.Fatalf("members together: %v; %d bytes beside them", err, len(lines))
		}
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("blocks together: %d bytes; want %d", len(got), len(want))
	}
	if have := bounds(t, l)[0].Packed; have != packed {
		t.Fatalf("bounds say %d packed bytes, blocks hold %d", have, packed)
	}
	// A range inside one block yields that block, or that much of it.
	mid := stream.Range{Start: hs[n-1].Range.Start + 3, End: hs[n-1].Range.Start + 5}
	hm := index(t, l, mid)
	if len(hm) != 1 || hm[0] != hs[n-1] && (!hm[0].Estimated || hm[0].Range != mid) {
		t.Fatalf("index of %v: %v", mid, hm)
	}
	whole := text(t, l, r)
	wantText(t, l, mid, bytes.Join(bytes.SplitAfter(whole, []byte("\n"))[mid.Start-r.Start:mid.End-r.Start], nil))
}

// estimates reports whether header h may be what was said, without reading it, of block b.
func estimates(h, b stream.BlockHeader) bool {
	return h.Estimated && h.Range == b.Range && h.Events >= b.Events && (h.Raw > 0) == (h.Events > 0) && h.Packed == 0 && h.CRC32 == 0 &&
		!h.FirstAt.After(b.FirstAt) && h.FirstAt.Truncate(time.Hour).Equal(b.FirstAt.Truncate(time.Hour))
}

func largeEntry(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	// Incompressible and larger than any block, with one huge event inside.
	rng := rand.New(rand.NewPCG(1, 2))
	const digits = "0123456789abcdef"
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = digits[rng.IntN(16)]
		}
		return string(b)
	}
	var data bytes.Buffer
	n := 0
	for data.Len() < 1<<20 {
		fmt.Fprintf(&data, `{"n":%d,"noise":"%s"}`+"\n", n, noise(1000))
		n++
	}
	fmt.Fprintf(&data, `{"huge":"%s"}`+"\n", noise(700_000))
	fmt.Fprintf(&data, `{"after":true}`+"\n")
	e := entry(0, "", 0)
	e.Data, e.Events = data.Bytes(), n+2
	a := appendEntry(t, l, e)
	wantText(t, l, a.Range, e.Data)
	s.Crash()
	l = open(t, s)
	wantText(t, l, a.Range, e.Data)
	closeLog(t, l)
}

func receivedTimes(t *testing.T, s Store) {
	l := openStream(t, s, 1)
	at := func(d time.Duration, n int) {
		e := entry(0, d.String(), n)
		e.Received = noon.Add(d)
		appendEntry(t, l, e)
	}
	at(59*time.Minute+59*time.Second+999*time.Millisecond, 3)
	at(time.Hour, 1)
	at(30*time.Minute, 500) // a clock that went back must not show
	at(time.Hour+time.Microsecond, 2)
	l = reopen(t, s, l)
	at(10*time.Minute, 2) // nor after a restart
	// Many at once, over several hours, small enough to be merged.
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			e := entry(0, fmt.Sprint("t", i), 1+i%3)
			e.Received = noon.Add(time.Duration(i) * 7 * time.Minute)
			if _, err := l.Append(context.Background(), id, e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var last time.Time
	r := whole(t, l, 0)
	for _, h := range index(t, l, r) {
		if h.FirstAt.Before(last) {
			t.Fatalf("block %v was received at %v, before %v", h.Range, h.FirstAt, last)
		}
		last = h.LastAt
	}
	text(t, l, r) // checks that no block spans an hour
	closeLog(t, l)
}

// receivedNow: an entry that does not say when it was received is received now.
func receivedNow(t *testing.T, s Store) {
	l := openStream(t, s, 2)
	defer closeLog(t, l)
	began := time.Now().Truncate(time.Millisecond)
	plain, withKey := entry(0, "p", 2), keyed(entry(1, "k", 2), "key", 1)
	for _, e := range []eventlog.Entry{plain, withKey} {
		e.Received = time.Time{}
		for _, h := range index(t, l, appendEntry(t, l, e).Range) {
			if h.FirstAt.Before(began) || h.FirstAt.After(time.Now()) {
				t.Errorf("received now, the block says %v", h.FirstAt)
			}
		}
	}
}
