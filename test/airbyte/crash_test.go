package airbyte

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"strm/internal/objstore/s3server/s3fault"
)

const analytics = `{"type":"TRACE","trace":{"type":"ANALYTICS","emitted_at":1,"analytics":{"type":"foo","value":"bar"}}}`

// eachKilled runs a scenario with killed processes for a format of each kind.
func eachKilled(t *testing.T, do func(t *testing.T, w *world)) {
	t.Helper()
	for _, v := range variants() {
		switch v.name {
		case "jsonl gzip", "csv flat", "parquet snappy":
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				do(t, newWorld(t, v.format, "flush_interval_seconds", 3600)) // no state comes back for that
			})
		}
	}
}

// Row 2: a state comes back while the source still talks, though of nothing, and
// what it covers survives SIGKILL.
func TestMidSyncCheckpointing(t *testing.T) {
	eachKilled(t, func(t *testing.T, w *world) {
		p := w.start([]stream{one(0, 0, 42)})
		st := state(`{"foo":"bar1"}`, "")
		p.say(record(`{"id":12}`, 1), st)
		if got := p.await(5*time.Minute, analytics); got != echo(st, 1) {
			t.Errorf("state %s", got)
		}
		p.kill()
		w.sync([]stream{one(0, 0, 43)}, complete()).must()
		expect(t, "rows", values(w.rows(""), "id"), "12")
	})
}

// interrupted writes a record of a generation, awaits the ack and kills.
func (w *world) interrupted(gen, minimum, id int) {
	w.t.Helper()
	p := w.start([]stream{one(gen, minimum, gen)})
	st := state(`{"n":1}`, "")
	p.say(record(fmt.Sprintf(`{"id":%d}`, id), 200), st)
	if got := p.await(5*time.Minute, analytics); got != echo(st, 1) {
		w.t.Errorf("state %s", got)
	}
	p.kill()
}

// Rows 6, 7 and 8.
func TestInterruptedTruncate(t *testing.T) {
	eachKilled(t, func(t *testing.T, w *world) {
		w.sync([]stream{one(41, 0, 1)}, record(`{"id":1}`, 100), record(`{"id":2}`, 100), complete()).must()
		w.interrupted(42, 42, 3)
		expect(t, "after the kill", values(w.rows(""), "id"), "1", "2", "3")
		w.sync([]stream{one(42, 42, 3)}, record(`{"id":4}`, 300), complete()).must()
		expect(t, "resumed", values(w.rows(""), "id"), "3", "4")
	})
	eachKilled(t, func(t *testing.T, w *world) {
		w.interrupted(42, 42, 1)
		w.sync([]stream{one(42, 42, 3)}, record(`{"id":2}`, 300), complete()).must()
		expect(t, "without prior data", values(w.rows(""), "id"), "1", "2")
	})
	eachKilled(t, func(t *testing.T, w *world) {
		w.sync([]stream{one(41, 0, 1)}, record(`{"id":1}`, 100), record(`{"id":2}`, 100), complete()).must()
		w.interrupted(42, 42, 3)
		w.sync([]stream{one(43, 0, 3)}, record(`{"id":4}`, 300), complete()).must()
		expect(t, "a new append", values(w.rows(""), "id"), "1", "2", "3", "4")
	})
}

// Row 32: the process is killed at each step of a request to the store, before
// the store acts and after. No state has come back without its object; the next
// sync succeeds and leaves its own data alone, whole.
func TestCrashPoints(t *testing.T) {
	eachKilled(t, func(t *testing.T, w *world) {
		w.sync([]stream{one(1, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
		for n := 1; ; n++ {
			for _, after := range []bool{false, true} {
				gen := 10*n + 2
				if after {
					gen++
				}
				reached := w.killAt(n, after, gen)
				acked := fmt.Sprint(gen)
				if !reached {
					if n < 4 {
						t.Fatalf("only %d requests were seen", n-1)
					}
					expect(t, "undisturbed", values(w.rows(""), "id"), acked)
					return
				}
				w.sync([]stream{one(gen, gen, gen)}, record(fmt.Sprintf(`{"id":%d}`, -gen), 1), complete()).must()
				rows := values(w.rows(""), "id")
				for _, id := range rows {
					if id != acked && id != "-"+acked {
						t.Errorf("request %d (after: %v): left %q", n, after, rows)
					}
				}
			}
		}
	})
}

// killAt runs a sync of a generation and kills it at its nth request to the
// store. It returns false if there were fewer. It checks that an acknowledged
// record is there.
func (w *world) killAt(n int, after bool, gen int) bool {
	w.t.Helper()
	p := w.start([]stream{one(gen, gen, gen)})
	reached := make(chan struct{}, 100)
	count := make(chan int, 1)
	count <- 0
	w.faults.SetDecide(func(s3fault.Request) s3fault.Fault {
		c := <-count + 1
		count <- c
		if c != n {
			return s3fault.Fault{}
		}
		if !after {
			reached <- struct{}{} // first: the process may be gone at once
			_ = p.cmd.Process.Kill()
			return s3fault.Fault{Kind: s3fault.Drop}
		}
		reached <- struct{}{}
		return s3fault.Fault{Kind: s3fault.Drop, After: true}
	})
	st := state(`{}`, "")
	p.say(record(fmt.Sprintf(`{"id":%d}`, gen), 1), st, complete())
	_ = p.in.Close()
	ended := make(chan []string, 1)
	go func() {
		_, lines := p.end()
		ended <- lines
	}()
	var lines []string
	hit := false
	select {
	case <-reached:
		hit = true
		_ = p.cmd.Process.Kill()
		lines = <-ended
	case lines = <-ended:
		hit = len(reached) > 0
	}
	w.faults.SetDecide(nil)
	for _, line := range lines {
		if strings.Contains(line, `"type":"STATE"`) {
			found := false
			for _, id := range values(w.rows(""), "id") {
				found = found || id == fmt.Sprint(gen)
			}
			if !found {
				w.t.Errorf("request %d (after: %v): acknowledged, but not in the bucket", n, after)
			}
		}
	}
	return hit
}

// SIGTERM: what is stored is acknowledged, nothing is deleted, and the process
// ends as the signal would have ended it.
func TestTermination(t *testing.T) {
	eachKilled(t, func(t *testing.T, w *world) {
		w.sync([]stream{one(1, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
		p := w.start([]stream{one(2, 2, 2)})
		st := state(`{"n":1}`, "")
		p.say(record(`{"id":2}`, 1), st)
		if got := p.await(5*time.Minute, ""); got != echo(st, 1) {
			t.Errorf("state %s", got)
		}
		p.say(record(`{"id":3}`, 1), state(`{"n":2}`, ""), complete())
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		how, lines := p.end()
		if ws, ok := how.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
			t.Errorf("it ended with %v", how)
		}
		all := strings.Join(lines, "\n")
		if !strings.Contains(all, "stopped before the end of the input") || !strings.Contains(all, "transient_error") {
			t.Errorf("it said %s", all)
		}
		rows := values(w.rows(""), "id")
		if len(rows) < 2 || rows[0] != "1" || rows[1] != "2" {
			t.Errorf("rows %q", rows)
		}
		if strings.Contains(all, `"n":2`) != (len(rows) == 3) {
			t.Errorf("rows %q, states %s", rows, all)
		}
	})
}
