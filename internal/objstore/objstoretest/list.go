package objstoretest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"strm/internal/objstore"
)

// list checks order, prefixes and paging, with keys whose order as paths and
// as bytes differs.
func (s suite) list(t *testing.T) {
	b := s.open(t)
	keys := []string{"q/a-b.jsonl", "q/a/x.jsonl", "q/a0.jsonl", "q/a.jsonl", "q/ä.jsonl", "qq.jsonl", "r/z.jsonl"}
	for i := range max(3, s.can.Pages) {
		keys = append(keys, fmt.Sprintf("q/n%05d.jsonl", i))
	}
	s.fill(t, b, keys)
	slices.Sort(keys)
	for _, prefix := range []string{"", "q/", "q/a", "q/a/", "q/n0000", "q/n", "r/z.jsonl", "zzz"} {
		var want, got []string
		for _, key := range keys {
			if len(key) >= len(prefix) && key[:len(prefix)] == prefix {
				want = append(want, key)
			}
		}
		for info, err := range b.(objstore.Lister).List(t.Context(), prefix) {
			if err != nil {
				t.Fatalf("prefix %q: %v", prefix, err)
			}
			if info.Size != int64(len(info.Key)) {
				t.Errorf("size of %q: %d", info.Key, info.Size)
			}
			got = append(got, info.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("prefix %q: %d keys, want %d; first difference at %s", prefix, len(got), len(want), difference(got, want))
		}
	}
	n := 0
	for range b.(objstore.Lister).List(t.Context(), "q/") {
		if n++; n == 2 {
			break // a caller may stop early
		}
	}
	if n != 2 {
		t.Errorf("stopped after %d", n)
	}
}

func difference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%d: %q, want %q", i, got[i], want[i])
		}
	}
	return "the end"
}

// fill stores each key's own name under it, a few at a time.
func (s suite) fill(t *testing.T, b objstore.Bucket, keys []string) {
	t.Helper()
	next := make(chan string)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for key := range next {
				if err := b.Create(t.Context(), key, objstore.Bytes([]byte(key))); err != nil {
					t.Errorf("create %q: %v", key, err)
				}
			}
		})
	}
	for _, key := range keys {
		next <- key
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
