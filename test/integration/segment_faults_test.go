//go:build integration

package integration

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSegmentFaults runs every client through a network that loses, delays and
// repeats, before a server that is killed three times meanwhile. What a client
// believes delivered is in the bucket once; what it gave up at most once.
func TestSegmentFaults(t *testing.T) {
	t.Parallel()
	const calls, share = 60, 0.35
	x := startSegmentSite(t, "faults")
	k := startKiller(t, x.s, 15, 45, 90)
	srcs, proxies, events := map[string]segmentSource{}, map[string]*proxy{}, map[string][]told{}
	names := []string{"browser", "browser-batching"}
	for _, c := range segmentClients {
		names = append(names, c.name)
	}
	for i, name := range names {
		srcs[name], proxies[name] = x.source(t, name), newProxy(t, x.s, losesAnAnswer(network{seed: uint64(1000 + i), share: share, seen: k.seen}))
	}
	results := make([][]told, len(segmentClients))
	var pages report
	var plan []map[string]any
	for _, name := range names[:2] {
		plan = append(plan, map[string]any{
			"name": name, "kind": "load", "collector": proxies[name].https, "writeKey": srcs[name].key,
			"events": calls / 2, "batching": name == "browser-batching", "size": 3,
		})
	}
	jobs := []func() error{func() (err error) {
		pages, err = runBrowser(t, plan...)
		return err
	}}
	for i, c := range segmentClients {
		jobs = append(jobs, func() (err error) {
			results[i], err = c.run(t, proxies[c.name], srcs[c.name], "load", calls)
			return err
		})
	}
	began := time.Now()
	together(t, jobs...)
	k.stop(t)
	t.Logf("the server was killed %d times within %v", k.kills, time.Since(began).Round(time.Second))
	for i, c := range segmentClients {
		events[c.name] = results[i]
	}
	for _, v := range pages.Visits {
		events[v.Name] = v.Events
	}
	var all []segmentSource
	for _, name := range names {
		proxies[name].settle()
		all = append(all, srcs[name])
	}
	logs := x.rawLogs(t, all...)
	repeating := 0 // clients
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			p, l, want := proxies[name], logs[name], calls
			if strings.HasPrefix(name, "browser") {
				want /= 2
			}
			delivered, failed := l.once(t, events[name])
			if delivered+failed != want || delivered == 0 {
				t.Errorf("%d calls delivered and %d given up, of %d", delivered, failed, want)
			}
			repeats := p.repeats()
			if repeats == 0 && failed == 0 { // the call whose answer was lost came again, or was given up
				t.Error("strm took no call twice: the faults proved nothing")
			}
			if repeats > 0 {
				repeating++
			}
			t.Logf("%d calls delivered, %d given up, %d lines in the bucket; %d calls taken again; faults: %s",
				delivered, failed, len(l.lines), repeats, p.summary())
		})
	}
	if repeating < len(names)-2 {
		t.Errorf("only %d of %d clients had strm take a call twice", repeating, len(names))
	}
}

// losesAnAnswer is a network that loses the answers to POSTs until strm has taken
// one of them, so that every client has reason to repeat what strm has. After that
// chance decides.
func losesAnAnswer(n network) network {
	var lost atomic.Bool
	n.rule = func(x *exchange) fault {
		if x.Method == http.MethodPost && !lost.Load() {
			return unheard
		}
		return ""
	}
	n.settled = func(x *exchange) {
		if x.Fault == unheard && x.Taken {
			lost.Store(true)
		}
	}
	return n
}

// repeats counts the calls that strm took after it had taken them before.
func (p *proxy) repeats() int {
	seen, n := map[string]bool{}, 0
	for _, r := range p.requests(http.MethodPost) {
		if !r.Taken {
			continue
		}
		for _, id := range r.ids() {
			if seen[id] {
				n++
			}
			seen[id] = true
		}
	}
	return n
}

// killer kills a server with kill -9 and starts it again, each time that so many
// POSTs have come.
type killer struct {
	count chan struct{}
	ended chan struct{} // closed to end it
	gone  chan struct{} // closed at its end
	once  sync.Once
	at    []int
	kills int   // read after gone
	err   error // read after gone
}

// startKiller starts a killer, which ends with the test at the latest.
func startKiller(t *testing.T, s *strm, at ...int) *killer {
	t.Helper()
	k := &killer{count: make(chan struct{}, 1024), ended: make(chan struct{}), gone: make(chan struct{}), at: at}
	go k.run(t.Context(), s)
	t.Cleanup(k.end)
	return k
}

func (k *killer) run(ctx context.Context, s *strm) {
	defer close(k.gone)
	for n := 1; ; n++ {
		select {
		case <-k.count:
		case <-k.ended:
			return
		}
		if k.kills == len(k.at) || n < k.at[k.kills] {
			continue
		}
		s.srv.Kill()
		k.kills++
		if k.err = s.srv.Run(ctx); k.err != nil {
			return
		}
	}
}

// seen counts one request; the killer is told before strm is.
func (k *killer) seen(*exchange) {
	select {
	case k.count <- struct{}{}:
	case <-k.gone:
	}
}

func (k *killer) end() {
	k.once.Do(func() { close(k.ended) })
	<-k.gone
}

// stop ends the killer, which must have done all its killing.
func (k *killer) stop(t *testing.T) {
	t.Helper()
	k.end()
	if k.err != nil || k.kills != len(k.at) {
		t.Fatalf("the server was killed %d times, not %d: %v", k.kills, len(k.at), k.err)
	}
}
