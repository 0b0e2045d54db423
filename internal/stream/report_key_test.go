package stream_test

import (
	"testing"
	"time"

	"strm/internal/stream"
)

func TestReportKey(t *testing.T) {
	at := time.Date(2022, 1, 3, 14, 34, 20, 345_600_000, time.FixedZone("", 2*3600))
	for prefix, want := range map[string]string{
		"my_statuses": "my_statuses/2022-01-03/12-34-20.345.UTC_report.status",
		"":            "2022-01-03/12-34-20.345.UTC_report.status",
	} {
		r := stream.Report{StatusPrefix: prefix, At: at}
		if got := r.Key(); got != want {
			t.Errorf("key %q, want %q", got, want)
		}
	}
}
