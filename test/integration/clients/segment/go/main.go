// Command segmentclients runs one of Segment's two Go clients, unmodified.
// It is a module of its own, so that they are no dependency of strm.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// plan is what the test hands over: one call of each type (mode "types") or
// Events numbered track calls (mode "load") through the client Module.
type plan struct {
	Host, WriteKey, Name, Mode, Module string
	Events                             int
}

// event is what became of one call.
type event struct {
	N         int    `json:"n"`
	Type      string `json:"type"`
	MessageID string `json:"messageId"`
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason"`
}

// outcomes collects what the client's callbacks tell.
type outcomes struct {
	mu     sync.Mutex
	events []event
	rest   sync.WaitGroup
}

// call notes a call before it is made and returns its message id.
func (o *outcomes) call(kind, id string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest.Add(1)
	o.events = append(o.events, event{N: len(o.events), Type: kind, MessageID: id})
	return id
}

// tell settles the call with this message id.
func (o *outcomes) tell(id, outcome, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.events {
		if e := &o.events[i]; e.MessageID == id {
			if e.Outcome == "" {
				o.rest.Done()
			}
			e.Outcome, e.Reason = outcome, reason
			return
		}
	}
	fatal(fmt.Errorf("the client tells of %q, which was never sent", id))
}

// when is the timestamp of one call of each type, and id the message id that
// the n-th call asks for.
func when() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 678_901_234, time.UTC) }

func (p plan) id(n int) string { return fmt.Sprintf("%s-%d", p.Name, n) }

func main() {
	var p plan
	if err := json.Unmarshal([]byte(os.Args[1]), &p); err != nil {
		fatal(err)
	}
	o := &outcomes{}
	run := map[string]func(plan, *outcomes) error{"v3": runV3, "gopkg": runGopkg}[p.Module]
	if err := run(p, o); err != nil {
		fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"events": o.events}); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
