package upload

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWindow: whatever the order of answers, the mark stands before the first
// chunk without one, counts add up, the accepted lines are told exactly, and a
// chunk of an earlier run stays as old as it is.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "chunks")
		sentBefore := rapid.IntRange(0, n).Draw(t, "chunks of an earlier run")
		long := time.Unix(-1000, 0)
		w := newWindow(&state{Reach: int64(10 * sentBefore), LowAt: long})
		var all []*chunk
		var at mark
		for i := range n {
			next := mark{at.Offset + 10, at.Lines + int64(1+i%3)}
			c := &chunk{from: at, to: next}
			all = append(all, c)
			w.add(c, time.Unix(int64(i), 0))
			at = next
		}
		order := rapid.Permutation(all).Draw(t, "order")
		done := map[*chunk]bool{}
		moved := 0
		for _, c := range order[:rapid.IntRange(0, n).Draw(t, "answers")] {
			moved += w.ack(c, 5)
			done[c] = true
		}
		first := 0
		for first < n && done[all[first]] {
			first++
		}
		want := at
		if first < n {
			want = all[first].from
		}
		if w.low != want || moved != first {
			t.Fatalf("mark %+v after %d, want %+v after %d", w.low, moved, want, first)
		}
		if w.events != int64(5*first) || w.events+w.beyond != int64(5*len(done)) {
			t.Fatalf("%d and %d events for %d chunks, %d of them before the mark", w.events, w.beyond, len(done), first)
		}
		var lines, told []int64
		for _, c := range all {
			if done[c] {
				for l := c.from.Lines + 1; l <= c.to.Lines; l++ {
					lines = append(lines, l)
				}
			}
		}
		ranges := w.accepted()
		for i, r := range ranges {
			if i > 0 && ranges[i-1].To+1 >= r.From {
				t.Fatalf("ranges touch: %v", ranges)
			}
			for l := r.From; l <= r.To; l++ {
				told = append(told, l)
			}
		}
		if !slices.Equal(lines, told) {
			t.Fatalf("told %v want %v", told, lines)
		}
		oldest := time.Unix(1000, 0)
		if first < sentBefore {
			oldest = long
		} else if first < n {
			oldest = time.Unix(int64(first), 0)
		}
		if got := w.oldest(time.Unix(1000, 0)); !got.Equal(oldest) {
			t.Fatalf("oldest %v want %v", got, oldest)
		}
	})
}
