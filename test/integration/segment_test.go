//go:build integration

package integration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSegmentServerLibraries runs Segment's server libraries, unmodified but
// for their host, one call of each type and one with its own message id, and
// reads the raw logs back.
func TestSegmentServerLibraries(t *testing.T) {
	t.Parallel()
	x := startSegmentSite(t, "server-libraries")
	srcs, proxies, events := make([]segmentSource, len(segmentClients)), make([]*proxy, len(segmentClients)), make([][]told, len(segmentClients))
	for i, c := range segmentClients {
		srcs[i], proxies[i] = x.source(t, c.name), newProxy(t, x.s, network{})
	}
	var jobs []func() error
	for i, c := range segmentClients {
		jobs = append(jobs, func() (err error) {
			events[i], err = c.run(t, proxies[i], srcs[i], "types", 0)
			return err
		})
	}
	together(t, jobs...)
	logs := x.rawLogs(t, srcs...)
	day := logs[srcs[0].name].lines[0].day
	t.Run("aws s3 sync of one day", func(t *testing.T) {
		dir := t.TempDir()
		x.g.root().in(dir).aws(t, "s3", "sync", "--only-show-errors", "s3://"+x.bucket+"/segment-logs/"+srcs[0].id+"/"+day+"/", day)
		if got, want := readRawLog(t, dir), logs[srcs[0].name].lines; !reflect.DeepEqual(got, want) {
			t.Errorf("it shows %d lines, of the bucket %d, or others", len(got), len(want))
		}
	})
	t.Run("strm download of one day", func(t *testing.T) {
		dir, person := t.TempDir(), *x.s.cli
		person.Env = append(slices.Clone(person.Env), "AWS_ACCESS_KEY_ID="+rootKey, "AWS_SECRET_ACCESS_KEY="+rootSecret)
		out, err := person.Run(t.Context(), "download", srcs[0].name, "--day", time.UnixMilli(atoi(t, day)).UTC().Format(time.DateOnly), "--to", filepath.Join(dir, day))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := readRawLog(t, dir), logs[srcs[0].name].lines; !reflect.DeepEqual(got, want) {
			t.Errorf("it shows %d lines, of the bucket %d, or others\n%s", len(got), len(want), out)
		}
	})
	for i, c := range segmentClients {
		t.Run(c.name, func(t *testing.T) {
			l := logs[c.name]
			if delivered, failed := l.once(t, events[i]); delivered != 7 || failed != 0 {
				t.Errorf("%d calls delivered and %d given up, of 7", delivered, failed)
			}
			l.wellFormed(t, x, srcs[i], "server", c.library)
			l.sevenCalls(t, events[i], c.name)
			serverRequests(t, c, srcs[i], proxies[i])
			t.Logf("7 calls in %d requests to %v, %d objects", len(proxies[i].requests(http.MethodPost)), proxies[i].paths(http.MethodPost), l.objects)
		})
	}
}

var nanoseconds = regexp.MustCompile(`"timestamp":"[^"]*\.\d{9}Z"`)

func atoi(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// serverRequests checks that each library was itself: what tells it from the
// others is what strm has to cope with.
func serverRequests(t *testing.T, c segmentClient, src segmentSource, p *proxy) {
	t.Helper()
	posts := p.requests(http.MethodPost)
	want := 1
	if c.name == "node-legacy" {
		want = 2 // the first event goes alone
	}
	split := c.library == "analytics-python" && len(posts) > 0 // it sends what half a second brings
	if len(posts) != want && !split {
		t.Errorf("%d requests, want %d", len(posts), want)
	}
	path, auth := "/v1/batch", "Basic "+base64.StdEncoding.EncodeToString([]byte(src.key+":"))
	if c.name == "java" {
		path, auth = "/v1/import/", ""
	}
	for _, r := range posts {
		if r.Path != path || r.Status != 200 || r.Answer.Get("Content-Type") != "application/json" {
			t.Errorf("POST %s: %d %s", r.Path, r.Status, r.Answer.Get("Content-Type"))
		}
		if got := r.Header.Get("Authorization"); got != auth {
			t.Errorf("Authorization %q", got)
		}
		var body struct {
			WriteKey string
			Context  map[string]any
			Batch    []map[string]any
		}
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Errorf("%v in %.300s", err, r.Body)
		}
		switch c.library {
		case "analytics-go":
			if body.WriteKey != "" || body.Context["library"] == nil || body.Batch[0]["context"] != nil || !nanoseconds.Match(r.Body) {
				t.Errorf("not the Go client's body: %.600s", r.Body)
			}
		case "analytics-java":
			if body.WriteKey != src.key || body.Context["library"] == nil || body.Batch[0]["context"] != nil {
				t.Errorf("not the Java client's body: %.600s", r.Body)
			}
		case "analytics-node":
			if body.WriteKey != "" {
				t.Errorf("not the legacy client's body: %.600s", r.Body)
			}
		default:
			if body.WriteKey != src.key {
				t.Errorf("write key %q in the body", body.WriteKey)
			}
		}
		if zipped := r.Header.Get("Content-Encoding") == "gzip"; zipped != (c.plan["gzip"] == true) {
			t.Errorf("Content-Encoding %q", r.Header.Get("Content-Encoding"))
		}
	}
}

// wellFormed checks what every line of a raw log has, whoever sent it.
func (l rawLog) wellFormed(t *testing.T, x *segmentSite, src segmentSource, channel, library string) {
	t.Helper()
	for _, line := range l.lines {
		if line.ProjectID != src.id || line.Channel != channel || line.Version != 2 || line.Integrations == nil {
			t.Errorf("projectId, channel, version or integrations: %s", line.text)
		}
		if lib, ok := line.Context["library"].(map[string]any); !ok || lib["name"] != library || lib["version"] == "" {
			t.Errorf("context.library is not that of %s: %s", library, line.text)
		}
		if line.ReceivedAt.Before(x.began.Add(-time.Second)) || line.ReceivedAt.After(time.Now()) || line.SentAt.IsZero() || line.OriginalTimestamp.IsZero() {
			t.Errorf("times: %s", line.text)
		}
		// The identity holds to the millisecond on the printed values.
		if want := line.ReceivedAt.Add(line.OriginalTimestamp.Sub(line.SentAt)); !line.Timestamp.Equal(want) {
			t.Errorf("timestamp is not %v: %s", want, line.text)
		}
		if day := line.ReceivedAt.UTC().Truncate(24 * time.Hour).UnixMilli(); itoa(day) != line.day {
			t.Errorf("received at %v, and in the directory %s", line.ReceivedAt, line.day)
		}
		for _, name := range []string{"originalTimestamp", "receivedAt", "sentAt", "timestamp"} {
			if !regexp.MustCompile(`"` + name + `":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`).MatchString(line.text) {
				t.Errorf("%s is not in ISO 8601 with milliseconds: %s", name, line.text)
			}
		}
		if keys := topLevelKeys(t, line.text); !slices.IsSorted(keys) {
			t.Errorf("the keys are not in order: %q", keys)
		}
	}
}

// topLevelKeys returns a line's keys in the order in which it has them.
func topLevelKeys(t *testing.T, text string) []string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// sevenCalls checks the content of the calls that every client makes in mode
// "types": nothing of what the caller said is lost or changed.
func (l rawLog) sevenCalls(t *testing.T, events []told, name string) {
	t.Helper()
	byID := map[string]rawLine{}
	for _, line := range l.lines {
		byID[line.MessageID] = line
	}
	if len(events) != 7 {
		t.Fatalf("%d calls", len(events))
	}
	var got [7]rawLine
	for i, e := range events {
		got[i] = byID[e.MessageID]
		if got[i].Type != e.Type || got[i].N != i && e.Type != "alias" {
			t.Errorf("call %d (%s) is %s", i, e.Type, got[i].text)
		}
	}
	identify, track, page, screen, group, alias, own := got[0], got[1], got[2], got[3], got[4], got[5], got[6]
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("identify's userId", identify.UserID, "u1")
	check("identify's traits", identify.Traits, map[string]any{"email": "a@b.c", "plan": "pro", "n": 0.0})
	check("track's event", track.Event, "Order Completed")
	nested := map[string]any{"a": nil}
	if name == "java" {
		delete(nested, "a") // which the client itself leaves out
	}
	check("track's properties", track.Properties, map[string]any{
		"revenue": 39.95, "items": []any{1.0, 2.0}, "nested": nested, "text": "één → 日本 \" \\ </script>", "n": 1.0,
	})
	check("track's time", track.OriginalTimestamp.UTC(), time.Date(2024, 1, 2, 3, 4, 5, 678_000_000, time.UTC))
	check("track's integrations", track.Integrations["Salesforce"], false)
	check("track's context.ip", track.Context["ip"], "203.0.113.7")
	check("page's name", page.Name, "Home")
	check("screen's name", screen.Name, "Main")
	check("group's groupId", group.GroupID, "g1")
	check("group's name", group.Traits["name"], "Initech")
	check("alias's userId", alias.UserID, "u1")
	check("alias's previousId", alias.PreviousID, "old1")
	check("the own message id", own.MessageID, "own-"+name)
}

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
			for limit := time.After(2 * time.Minute); len(waiting) < len(obeys); {
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
			if err := x.s.srv.Process().Stop(t.Context(), 30*time.Second); err != nil {
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
