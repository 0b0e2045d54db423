package cli

import (
	"strconv"
	"strings"
	"time"
)

// parseSize reads a number of bytes: 1000, 64KiB, 100MB, 1.5GiB.
func parseSize(s string) (int64, error) {
	t := strings.TrimSpace(s)
	i := strings.LastIndexAny(t, "0123456789.") + 1
	unit := strings.ToLower(strings.TrimSpace(t[i:]))
	var factor float64
	switch unit {
	case "", "b":
		factor = 1
	case "k", "kb":
		factor = 1e3
	case "m", "mb":
		factor = 1e6
	case "g", "gb":
		factor = 1e9
	case "t", "tb":
		factor = 1e12
	case "ki", "kib":
		factor = 1 << 10
	case "mi", "mib":
		factor = 1 << 20
	case "gi", "gib":
		factor = 1 << 30
	case "ti", "tib":
		factor = 1 << 40
	default:
		return 0, usagef("%q is not a size: write 1000000, 100MB or 64MiB", s)
	}
	if strings.Trim(t[:i], "0123456789.") != "" {
		return 0, usagef("%q is not a size: write 1000000, 100MB or 64MiB", s)
	}
	if n, err := strconv.ParseInt(t[:i], 10, 64); err == nil && factor == 1 && n >= 0 {
		return n, nil
	}
	n, err := strconv.ParseFloat(t[:i], 64)
	if err != nil || n < 0 || n*factor >= 1<<62 {
		return 0, usagef("%q is not a size: write 1000000, 100MB or 64MiB", s)
	}
	return int64(n * factor), nil
}

// parseInterval reads whole seconds or a duration, and returns it as the API
// takes it.
func parseInterval(s string) (string, error) {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n > 0 {
		return strconv.FormatInt(n, 10) + "s", nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return "", usagef("%q is not an interval: write 60, 60s or 1m", s)
	}
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s", nil
	}
	return d.String(), nil
}

// parseOffset reads an interval or 0.
func parseOffset(s string) (string, error) {
	if s == "0" || s == "0s" {
		return "0s", nil
	}
	v, err := parseInterval(s)
	if err != nil {
		return "", usagef("%q is not an offset: write 0, 40m or 2400s", s)
	}
	return v, nil
}

// parseAge reads a duration that may also be in days: 168h, 7d.
func parseAge(s string) (string, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		if days, err := strconv.ParseUint(n, 10, 16); err == nil {
			return strconv.FormatUint(days*24, 10) + "h", nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return "", usagef("%q is not an age: write 168h or 7d", s)
	}
	return s, nil
}

// parseTime reads RFC 3339, or a date or time without zone, which means UTC.
func parseTime(s string) (*time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			t = t.UTC()
			return &t, nil
		}
	}
	return nil, usagef("%q is not a time: write 2026-01-31T15:04:05Z or 2026-01-31", s)
}
