//go:build integration

package integration

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// runBrowser lets Chromium make visits. It may be called from any goroutine.
func runBrowser(t *testing.T, visits ...map[string]any) (report, error) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return report{}, err
	}
	return runSegmentClient(t, map[string]any{"chromium": chromium, "visits": visits}, "node", segmentProgram("browser.js"))
}

// TestSegmentBrowser runs analytics-next and the snippet in Chromium, on pages
// of another origin than strm's.
func TestSegmentBrowser(t *testing.T) {
	t.Parallel()
	x := startSegmentSite(t, "browser")
	names := []string{"standard", "batching", "snippet", "leave-standard", "leave-batching"}
	rules := map[string]network{"leave-standard": {rule: holdFirst()}}
	srcs, proxies := map[string]segmentSource{}, map[string]*proxy{}
	var all []segmentSource
	for _, name := range append(names, "unknown") {
		proxies[name] = newProxy(t, x.s, rules[name])
		if name == "unknown" {
			srcs[name] = segmentSource{name: name, key: "NoSuchWriteKeyNoSuchWriteKey1234"}
			continue
		}
		srcs[name] = x.source(t, name)
		all = append(all, srcs[name])
	}
	plan := func(name, kind string, batching, metrics bool) map[string]any {
		return map[string]any{
			"name": name, "kind": kind, "collector": proxies[name].https, "writeKey": srcs[name].key,
			"batching": batching, "metrics": metrics, "held": proxies[name].http + heldPath,
		}
	}
	r, err := runBrowser(t,
		plan("standard", "types", false, false), plan("batching", "types", true, true), plan("snippet", "snippet", false, false),
		plan("unknown", "unknown", false, false), plan("leave-standard", "leave", false, false), plan("leave-batching", "leave", true, false),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Chromium %s", r.Version)
	visits := map[string]visit{}
	for _, v := range r.Visits {
		visits[v.Name] = v
		for _, host := range v.Hosts {
			if host != r.Shop && host != strings.TrimPrefix(proxies[v.Name].https, "https://") {
				t.Errorf("%s: the page asked %s for something", v.Name, host)
			}
		}
		if v.Name != "unknown" && v.Rejected != "" {
			t.Errorf("%s: the SDK did not load: %s", v.Name, v.Rejected)
		}
		for _, a := range v.Answers {
			if v.Name != "unknown" && !strings.HasPrefix(a, "2") {
				t.Errorf("%s: the page was answered %s", v.Name, a)
			}
		}
	}
	// What the page sends as it ends is known to the proxy only.
	for i, e := range visits["leave-batching"].Events {
		if e.Outcome == "unknown" && proxies["leave-batching"].answered(e.MessageID) {
			visits["leave-batching"].Events[i].Outcome = "delivered"
		}
	}
	logs := x.rawLogs(t, all...)
	for _, name := range []string{"standard", "batching"} {
		t.Run(name, func(t *testing.T) {
			l, v, p := logs[name], visits[name], proxies[name]
			if delivered, failed := l.once(t, v.Events); delivered != 7 || failed != 0 {
				t.Errorf("%d calls delivered and %d given up, of 7", delivered, failed)
			}
			l.wellFormed(t, x, srcs[name], "client", "analytics.js")
			l.sevenCalls(t, v.Events, name)
			l.ofABrowser(t, name)
			want := []string{"/v1/a", "/v1/g", "/v1/i", "/v1/p", "/v1/s", "/v1/t"}
			if name == "batching" {
				want = []string{"/v1/b", "/v1/m"}
			}
			if got := p.paths(http.MethodPost); !slices.Equal(got, want) {
				t.Errorf("the SDK posted to %q, want %q", got, want)
			}
			p.crossOrigin(t, "http://"+r.Shop, slices.DeleteFunc(want, func(path string) bool { return path == "/v1/m" }))
		})
	}
	t.Run("snippet", func(t *testing.T) {
		l, p := logs["snippet"], proxies["snippet"]
		l.wellFormed(t, x, srcs["snippet"], "client", "analytics.js")
		l.ofABrowser(t, "snippet")
		// The snippet makes a page call by itself.
		if got := l.types(); !slices.Equal(got, []string{"identify", "page", "track"}) {
			t.Errorf("the raw log has %q", got)
		}
		if got, want := p.paths(http.MethodGet), []string{"/analytics.js/v1/" + srcs["snippet"].key + "/analytics.min.js", "/v1/projects/" + srcs["snippet"].key + "/settings"}; !slices.Equal(got, want) {
			t.Errorf("the page asked for %q, want %q", got, want)
		}
	})
	t.Run("unknown write key", func(t *testing.T) {
		p := proxies["unknown"]
		gets := p.requests(http.MethodGet)
		if len(gets) == 0 || gets[0].Status != http.StatusNotFound || visits["unknown"].Rejected == "" {
			t.Errorf("the settings were not refused with 404: %+v, %q", gets, visits["unknown"].Rejected)
		}
		if got := p.paths(http.MethodPost); len(got) != 0 {
			t.Errorf("the SDK sent something to %q", got)
		}
	})
	for _, name := range []string{"leave-standard", "leave-batching"} {
		t.Run(name, func(t *testing.T) {
			events, lost := visits[name].Events, 0
			if name == "leave-batching" {
				// Nobody is left to hear the answer to what is sent as the page ends.
				for i := range events {
					if events[i].Outcome == "unknown" {
						events[i].Outcome, events[i].Reason, lost = "failed", "the page was left", lost+1
					}
				}
			}
			if delivered, failed := logs[name].once(t, events); delivered+failed != 8 || failed != lost || lost > 3 {
				t.Errorf("%d calls delivered and %d given up, of 8; of %d nobody heard", delivered, failed, lost)
			}
			repeats := proxies[name].repeats()
			// The batching SDK may send its batch as the page ends and once more from
			// its timer, if that still runs.
			if name == "leave-standard" && repeats != 3 {
				t.Errorf("strm took %d calls twice, want 3", repeats)
			}
			t.Logf("8 calls, 3 of them as the page ended; %d of them taken again", repeats)
		})
	}
}

// holdFirst lets strm store the calls that the page makes as it ends, and never
// answers: the first time that each comes.
func holdFirst() func(*exchange) fault {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(x *exchange) fault {
		mu.Lock()
		defer mu.Unlock()
		var doc struct {
			MessageID  string
			Properties struct{ N *int }
		}
		if x.Method != http.MethodPost || json.Unmarshal(x.Body, &doc) != nil || doc.Properties.N == nil || *doc.Properties.N < 5 || seen[doc.MessageID] {
			return ""
		}
		seen[doc.MessageID] = true
		return held
	}
}

// answered tells whether strm took a call.
func (p *proxy) answered(id string) bool {
	return slices.ContainsFunc(p.requests(http.MethodPost), func(x exchange) bool {
		return x.Status == http.StatusOK && slices.Contains(x.ids(), id)
	})
}

// types returns the types of the calls in a raw log, sorted.
func (l rawLog) types() []string {
	var out []string
	for _, line := range l.lines {
		out = append(out, line.Type)
	}
	slices.Sort(out)
	return out
}

// ofABrowser checks what only browsers tell.
func (l rawLog) ofABrowser(t *testing.T, name string) {
	t.Helper()
	for _, line := range l.lines {
		page, _ := line.Context["page"].(map[string]any)
		campaign, _ := line.Context["campaign"].(map[string]any)
		agent, _ := line.Context["userAgent"].(string)
		if page["path"] != "/"+name || campaign["source"] != "news" || !strings.Contains(agent, "Chrome/") || line.AnonymousID == "" {
			t.Errorf("not what the page told: %s", line.text)
		}
		if ip, _ := line.Context["ip"].(string); ip == "" {
			t.Errorf("no context.ip: %s", line.text)
		}
	}
}

// crossOrigin checks that each path was preflighted, because of the SDK's
// Authorization header, and that the browser was told what it needs to know.
func (p *proxy) crossOrigin(t *testing.T, origin string, paths []string) {
	t.Helper()
	if got := p.paths(http.MethodOptions); !slices.Equal(got, paths) {
		t.Errorf("preflights of %q, want %q", got, paths)
	}
	for _, x := range p.requests(http.MethodOptions) {
		if x.Status != http.StatusNoContent || x.Header.Get("Access-Control-Request-Headers") != "authorization" {
			t.Errorf("preflight of %s for %q: %d", x.Path, x.Header.Get("Access-Control-Request-Headers"), x.Status)
		}
	}
	for _, x := range p.requests(http.MethodPost) {
		allowed := x.Answer.Get("Access-Control-Allow-Origin")
		if x.Header.Get("Origin") != origin || allowed != origin && allowed != "*" || !strings.Contains(x.Answer.Get("Access-Control-Expose-Headers"), "Retry-After") {
			t.Errorf("POST %s from %s: answered %v", x.Path, x.Header.Get("Origin"), x.Answer)
		}
	}
}
