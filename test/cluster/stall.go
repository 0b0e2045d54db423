package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"strm/test/traffic"
)

// watch measures, for each exporter, the longest time between two objects. As
// every stream is sent to all the time, that is how long delivery stood still.
type watch struct {
	count func(prefix string) int

	mu      sync.Mutex
	last    map[string]time.Time
	seen    map[string]int
	longest map[string]time.Duration
}

func newWatch(count func(prefix string) int) *watch {
	return &watch{count: count, last: map[string]time.Time{}, seen: map[string]int{}, longest: map[string]time.Duration{}}
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context, exporters []traffic.Exporter) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		w.look(time.Now(), exporters)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) look(now time.Time, exporters []traffic.Exporter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range exporters {
		n := w.count(e.Name + "/")
		if since, known := w.last[e.Name]; known {
			w.longest[e.Name] = max(w.longest[e.Name], now.Sub(since))
		}
		if n != w.seen[e.Name] || w.last[e.Name].IsZero() {
			w.seen[e.Name], w.last[e.Name] = n, now
		}
	}
}

// worst returns the longest stall and the exporter that it met.
func (w *watch) worst() (string, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var name string
	for e, d := range w.longest {
		if d > w.longest[name] {
			name = e
		}
	}
	return name, w.longest[name]
}

// String tells the longest stall of each exporter.
func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	for _, e := range exporters {
		parts = append(parts, fmt.Sprintf("%s %v", e.Name, w.longest[e.Name].Round(100*time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}
