package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// flushed is an answer of a blocked exporter that tries again after in.
func flushed(in time.Duration) string {
	return fmt.Sprintf(`{"done":false,"token":"t","status":{"state":"blocked","reason":"denied","nextRetryAt":%q}}`, time.Now().Add(in).UTC().Format(time.RFC3339Nano))
}

// TestFlushBlocked: a blocked exporter gets the chance of its next try, once,
// if that comes in time.
func TestFlushBlocked(t *testing.T) {
	first, again := "POST /v1/batch-exporters/e/flush?wait=30s", "POST /v1/batch-exporters/e/flush?until=t&wait=30s"
	for _, tt := range []struct {
		name  string
		calls []call
		code  int
		out   string
	}{
		{"mended meanwhile", []call{{on: first, answer: flushed(100 * time.Millisecond)}, {on: again, answer: `{"done":true,"token":"t","status":{"state":"running"}}`}}, 0, "waiting for its next try"},
		{"fails again", []call{{on: first, answer: flushed(100 * time.Millisecond)}, {on: again, answer: flushed(time.Minute)}}, exitFailure, "is blocked: denied. It tries again"},
		{"too late", []call{{on: first, answer: flushed(time.Hour)}}, exitFailure, "is blocked: denied. It tries again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.calls...)
			if got := f.run("flush e --wait -o plain"); got.code != tt.code || !strings.Contains(got.err, tt.out) {
				t.Errorf("%+v", got)
			}
		})
	}
}
