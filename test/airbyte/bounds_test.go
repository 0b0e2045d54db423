package airbyte

import (
	"testing"
	"time"
)

// A source that talks without end gets its states back at the interval.
func TestStatesOfABusySource(t *testing.T) {
	w := newWorld(t, map[string]any{"format_type": "JSONL"}, "flush_interval_seconds", 1)
	p := w.start([]stream{one(0, 0, 1)})
	st := state(`{"n":1}`, "")
	p.say(record(`{"id":0}`, 1), st)
	if got := p.await(5*time.Minute, record(`{"id":1}`, 1)); got != echo(st, 1) {
		t.Errorf("state %s", got)
	}
	p.say(complete())
	_ = p.in.Close()
	if how, _ := p.end(); !how.Success() {
		t.Error(how)
	}
}
