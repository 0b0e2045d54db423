package cli

import (
	"testing"
	"time"

	"strm/internal/stream"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1000": 1000, "100MB": 100_000_000, "64MiB": 64 << 20, "64 mib": 64 << 20, "1.5k": 1500, "2GiB": 2 << 30, "1b": 1,
		"9007199254740993": 9007199254740993,
	} {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MB", "-1", "1x", "1e3", "99999999TiB", "1..2MB"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%q: %d, no error", s, got)
		}
	}
}

func TestParseInterval(t *testing.T) {
	for s, want := range map[string]string{"60": "60s", "60s": "60s", "1m": "60s", "1h": "3600s", "1500ms": "1.5s"} {
		if got, err := parseInterval(s); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "-5", "0s", "x", "99999999999"} {
		if got, err := parseInterval(s); err == nil {
			t.Errorf("%q: %s, no error", s, got)
		}
	}
}

func TestParseAge(t *testing.T) {
	for s, want := range map[string]string{"168h": "168h", "7d": "168h", "0d": "0h", "90m": "90m"} {
		if got, err := parseAge(s); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "7", "-1h", "d", "-1d"} {
		if got, err := parseAge(s); err == nil {
			t.Errorf("%q: %s, no error", s, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2026-01-31T12:00:00Z": noon, "2026-01-31T13:00:00+01:00": noon, "2026-01-31T12:00:00": noon, "2026-01-31 12:00": noon,
		"2026-01-31": noon.Add(-12 * time.Hour),
	} {
		if got, err := parseTime(s); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	if _, err := parseTime("yesterday"); err == nil {
		t.Error("yesterday is no time")
	}
}

func TestRandomName(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		n, err := randomName()
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.CheckName("stream", n); err != nil {
			t.Error(err)
		}
		seen[n] = true
	}
	if len(seen) < 40 {
		t.Errorf("%d different names of 50", len(seen))
	}
}
