//go:build integration

package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"strm/test/harness"
)

// TestCompletion asks the shell completion for live names.
func TestCompletion(t *testing.T) {
	s := startStrm(t)
	s.run(t, "create", "stream", "alpine")
	s.run(t, "create", "stream", "alpaca")
	if out := s.run(t, "__complete", "create", "batch-exporter", "alp"); !strings.Contains(out, "alpine") || !strings.Contains(out, "alpaca") {
		t.Errorf("completion of a stream's name:\n%s", out)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := s.run(t, "completion", shell); !strings.Contains(out, "strm") {
			t.Errorf("completion %s:\n%.300s", shell, out)
		}
	}
}

// TestTail follows a stream while events arrive.
func TestTail(t *testing.T) {
	s := startStrm(t)
	s.run(t, "create", "stream", "demo")
	in := s.intake(t, "demo")
	tail := s.start(t, "tail", "demo")
	n := 0
	err := harness.Poll(t.Context(), 5*time.Minute, 50*time.Millisecond, "tail to show an event", func(context.Context) (bool, string, error) {
		post(t, in, "tail", n, n+1)
		n++
		out := tail.out.String()
		return strings.Contains(out, `"tail-`), out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
