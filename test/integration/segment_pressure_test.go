//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestSegmentBackPressure starts clients against a server that has no room,
// gives it room while they wait, and counts the seconds that each waited.
func TestSegmentBackPressure(t *testing.T) {
	t.Parallel()
	x := startSegmentSite(t, "back-pressure", "--min-free-disk", "1000TB")
	var srcs []segmentSource
	proxies, events := map[string]*proxy{}, map[string][]told{}
	obeys := map[string]bool{"node": true, "go": false, "python": true, "browser": true, "browser-batching": true}
	var clients []segmentClient
	for _, c := range segmentClients {
		if _, ok := obeys[c.name]; ok {
			clients = append(clients, c)
		}
	}
	refused := make(chan string, 1024)
	for name := range obeys {
		srcs, proxies[name] = append(srcs, x.source(t, name)), newProxy(t, x.s, network{settled: func(r *exchange) {
			if r.Status == http.StatusTooManyRequests {
				refused <- name
			}
		}})
	}
	by := func(name string) segmentSource {
		return srcs[slices.IndexFunc(srcs, func(s segmentSource) bool { return s.name == name })]
	}
	// One call is enough for the batching SDK: where it has set a timer for more
	// of them, it sets no other for Retry-After.
	results := make([][]told, len(clients))
	var pages report
	// Chromium takes its time to start, and the Go client tries for half a minute
	// only: the others begin once the pages have been refused.
	browsing := make(chan struct{})
	jobs := []func() error{
		func() (err error) {
			pages, err = runBrowser(t,
				map[string]any{"name": "browser", "kind": "types", "collector": proxies["browser"].https, "writeKey": by("browser").key},
				map[string]any{"name": "browser-batching", "kind": "load", "events": 1, "collector": proxies["browser-batching"].https, "writeKey": by("browser-batching").key, "batching": true, "size": 1},
			)
			return err
		},
		func() error {
			begin := sync.OnceFunc(func() { close(browsing) })
			defer begin()
			waiting := map[string]bool{}
			for limit := time.After(5 * time.Minute); len(waiting) < len(obeys); {
				select {
				case name := <-refused:
					waiting[name] = true
					if waiting["browser"] && waiting["browser-batching"] {
						begin()
					}
				case <-limit:
					return fmt.Errorf("within two minutes only %v were refused", waiting)
				}
			}
			if err := x.s.srv.Process().Stop(t.Context(), 2*time.Minute); err != nil {
				return err
			}
			x.s.srv.Args = slices.DeleteFunc(x.s.srv.Args, func(a string) bool { return a == "--min-free-disk" || a == "1000TB" })
			return x.s.srv.Run(t.Context())
		},
	}
	for i, c := range clients {
		jobs = append(jobs, func() (err error) {
			<-browsing
			results[i], err = c.run(t, proxies[c.name], by(c.name), "types", 0)
			return err
		})
	}
	together(t, jobs...)
	for i, c := range clients {
		events[c.name] = results[i]
	}
	for _, v := range pages.Visits {
		events[v.Name] = v.Events
	}
	logs := x.rawLogs(t, srcs...)
	for name, obedient := range obeys {
		t.Run(name, func(t *testing.T) {
			want := 7
			if name == "browser-batching" {
				want = 1
			}
			if delivered, failed := logs[name].once(t, events[name]); delivered != want || failed != 0 {
				t.Errorf("%d calls delivered and %d given up, of %d", delivered, failed, want)
			}
			refusals := 0
			for _, wait := range proxies[name].waits(t) {
				refusals++
				if obedient && wait.waited < wait.asked-100*time.Millisecond { // its clock starts a little before ours
					t.Errorf("asked to wait %v, the client waited %v", wait.asked, wait.waited)
				}
				t.Logf("asked to wait %v, waited %v", wait.asked, wait.waited.Round(10*time.Millisecond))
			}
			if refusals == 0 {
				t.Error("the client was never refused")
			}
		})
	}
}

type waited struct{ asked, waited time.Duration }

// waits returns, for each 429 that the client got, how long it was asked to
// wait and how long it took until the first of those calls came again.
func (p *proxy) waits(t *testing.T) []waited {
	t.Helper()
	var out []waited
	posts := p.requests(http.MethodPost)
	for i, r := range posts {
		if r.Status != http.StatusTooManyRequests {
			continue
		}
		asked, err := time.ParseDuration(r.Answer.Get("Retry-After") + "s")
		if err != nil || asked < time.Second {
			t.Errorf("429 with Retry-After %q", r.Answer.Get("Retry-After"))
		}
		var doc struct{ Success *bool }
		if err := json.Unmarshal(r.Said, &doc); err != nil || doc.Success == nil || *doc.Success {
			t.Errorf("429 with the body %q", r.Said)
		}
		again := slices.IndexFunc(posts[i+1:], func(o exchange) bool {
			return slices.ContainsFunc(o.ids(), func(id string) bool { return slices.Contains(r.ids(), id) })
		})
		if again < 0 {
			t.Errorf("%q were refused and never came again", r.ids())
			continue
		}
		out = append(out, waited{asked, posts[i+1+again].Began.Sub(r.Ended)})
	}
	return out
}
