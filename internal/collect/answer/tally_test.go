package answer

import (
	"strconv"
	"testing"
	"time"
)

func TestTallyIsBounded(t *testing.T) {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	ta := Tally{Every: time.Minute}
	for i := range 2 * keepRows {
		want := 3
		if i >= keepRows {
			want = 0
		}
		if n := ta.Add(at, Tallied{strconv.Itoa(i), "r"}, 3); n != want {
			t.Fatalf("row %d: %d is said, want %d", i, n, want)
		}
	}
	// A minute later old rows make room; one that is still in use keeps its count.
	if n := ta.Add(at.Add(59*time.Second), Tallied{"7", "r"}, 2); n != 0 {
		t.Errorf("said %d", n)
	}
	if n := ta.Add(at.Add(time.Minute), Tallied{"7", "r"}, 1); n != 3 {
		t.Errorf("said %d, want 3", n)
	}
	if n := ta.Add(at.Add(time.Minute), Tallied{"new", "r"}, 1); n != 1 || len(ta.rows) != 2 {
		t.Errorf("said %d, %d rows", n, len(ta.rows))
	}
	// The clock is set back by a day: that is no reason to be silent for one.
	if n := ta.Add(at.Add(-24*time.Hour), Tallied{"new", "r"}, 5); n != 5 {
		t.Errorf("said %d, want 5", n)
	}
}
