package split_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/collect/split"
	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/problem"
)

func TestKeys(t *testing.T) {
	beacon := func(token string) string {
		return `{"entries":` + impressions + `,"token":"` + token + `","sdk":"browserjs-1.7.1"}`
	}
	for _, c := range []struct {
		name, path, auth, body string
		status                 int
		code                   string
	}{
		{"bearer", "/api/testImpressions/bulk", "Bearer right", impressions, 200, ""},
		{"bearer in small letters", "/api/testImpressions/bulk", "bearer  right ", impressions, 200, ""},
		{"beacon", "/api/testImpressions/beacon", "", beacon("right"), 204, ""},
		{"beacon to bulk", "/api/testImpressions/bulk", "", beacon("right"), 200, ""},
		{"listener", "/api/impressions/listener/right", "", impressions, 200, ""},
		{"header before body", "/api/testImpressions/beacon", "Bearer right", beacon("wrong"), 204, ""},
		{"wrong", "/api/testImpressions/bulk", "Bearer wrong", impressions, 401, "unknown_write_key"},
		{"wrong in the body", "/api/testImpressions/beacon", "", beacon("wrong"), 401, "unknown_write_key"},
		{"wrong listener", "/api/impressions/listener/wrong", "", impressions, 401, "unknown_write_key"},
		{"none", "/api/testImpressions/bulk", "", impressions, 401, "no_write_key"},
		{"basic", "/api/testImpressions/bulk", "Basic cmlnaHQ6", impressions, 401, "no_write_key"},
		{"another kind", "/api/testImpressions/bulk", "Bearer events", impressions, 403, "wrong_source_kind"},
		{"another kind in the body", "/api/testImpressions/beacon", "", beacon("events"), 403, "wrong_source_kind"},
		{"a lookup that lies", "/api/testImpressions/bulk", "Bearer mismatch", impressions, 401, "unknown_write_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, split.Deps{}, ingest.Options{})
			w := r.post(c.path, c.body, "Authorization", c.auth, "Origin", "https://shop.example")
			if w.Code != c.status || c.code != "" && codeOf(w) != c.code || (r.stored("si") != "") != (c.code == "") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%v", w.Header())
			}
			if said := r.said.String(); strings.Contains(said, "right") || strings.Contains(said, "wrong\"") || strings.Contains(said, "/wrong") {
				t.Errorf("the log says %s", said)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, body string
		head       []string
		status     int
		code, told string
	}{
		{name: "not JSON", body: "[{", status: 400, code: "invalid_json", told: "answered prod invalid; refused e invalid"},
		{name: "not JSON, nobody's", body: "[{", head: []string{"Authorization", ""}, status: 400, code: "invalid_json", told: "answered  invalid; refused  invalid"},
		{name: "empty", body: "", status: 400, code: "invalid_json"},
		{name: "too large", body: "[" + strings.Repeat(" ", 1<<20) + "]", status: 413, code: "body_too_large", told: "answered prod too_large; refused e too_large"},
		{name: "bomb", body: zipped(strings.Repeat(" ", 50<<20)), head: []string{"Content-Encoding", "gzip"}, status: 413, code: "body_too_large"},
		{name: "no gzip", body: events, head: []string{"Content-Encoding", "gzip"}, status: 400, code: "damaged_encoding"},
		{name: "brotli", body: events, head: []string{"Content-Encoding", "br"}, status: 400, code: "unsupported_encoding"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, split.Deps{Limits: split.Limits{MaxBody: 1 << 20}}, ingest.Options{})
			w := r.post("/api/events/bulk", c.body, c.head...)
			if w.Code != c.status || codeOf(w) != c.code || r.stored("se") != "" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if got := r.seen.take(); c.told != "" && got != c.told {
				t.Errorf("told %s, want %s", got, c.told)
			}
		})
	}
}

// The default takes what SDKs may have gathered, and says where it ends.
func TestBodiesOfSixteenMegabytes(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	one := `{"k":"u","t":"on","r":"` + strings.Repeat("x", 1000) + `"},`
	body := `[{"f":"a","i":[` + strings.Repeat(one, (16<<20)/len(one)-1) + impression + `]}]`
	if w := r.post("/api/testImpressions/bulk", body); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if n := strings.Count(r.stored("si"), "\n"); n != (16<<20)/len(one) {
		t.Errorf("%d lines", n)
	}
	if w := r.post("/api/testImpressions/bulk", body+strings.Repeat(" ", 64<<10)); w.Code != 413 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A small body whose lines are many times as long is stored in parts, each
// within what the log takes, and nothing is lost.
func TestLinesOverTheSizeOfAnEntry(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	const n = 150_000
	parts := 0
	r.log.Before = func(e eventlog.Entry) error {
		if parts++; len(e.Data) > 33<<20 {
			t.Errorf("an entry of %d bytes", len(e.Data))
		}
		return nil
	}
	body := `[{"f":"a","i":[` + strings.TrimSuffix(strings.Repeat(`{"k":"u","t":"on"},`, n), ",") + `]}]`
	if w := r.post("/api/testImpressions/bulk", body); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := strings.Count(r.stored("si"), "\n"); got != n || parts < 2 {
		t.Errorf("%d lines in %d parts", got, parts)
	}
}

func TestContentTypeAndEncoding(t *testing.T) {
	for _, c := range []struct{ typ, enc, body string }{
		{"application/json", "", events}, {"text/plain;charset=UTF-8", "", events}, {"", "", events}, {"%%%", "gzip", zipped(events)},
	} {
		r := newRig(t, split.Deps{}, ingest.Options{})
		if w := r.post("/api/events/bulk", c.body, "Content-Type", c.typ, "Content-Encoding", c.enc); w.Code != 200 || len(r.lines("se")) != 1 {
			t.Errorf("%s, %s: %d %s", c.typ, c.enc, w.Code, w.Body)
		}
	}
}

func TestEntriesLeftOut(t *testing.T) {
	huge := `{"key":"u","eventTypeId":"e","properties":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`
	for _, c := range []struct {
		body  string
		lines int
		told  string
	}{
		{"[" + event + `,7,{"key":"u"},` + huge + "," + event + "]", 2, "accepted e 2; answered prod stored; rejected prod no_event_type 1; rejected prod not_an_object 1; rejected prod too_large 1"},
		{`[7]`, 0, "answered prod dropped; rejected prod not_an_object 1"},
		{`[]`, 0, "answered prod dropped"},
	} {
		r := newRig(t, split.Deps{}, ingest.Options{})
		w := r.post("/api/events/bulk", c.body)
		if got := r.seen.take(); w.Code != 200 || len(r.lines("se")) != c.lines || got != c.told {
			t.Errorf("%d %s, %d lines, told %s", w.Code, w.Body, len(r.lines("se")), got)
		}
	}
}

func TestCountsAreKeptOrDropped(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	for path, body := range map[string]string{"/api/testImpressions/count": counted, "/api/v1/keys/ss": unique, "/api/keys/cs": unique} {
		if w := r.post(path, body); w.Code != 200 || r.stored("sc")+r.stored("si") != "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if got := r.seen.take(); got != "answered prod dropped; answered prod dropped; answered prod dropped; discarded prod counts 1; discarded prod keys 1; discarded prod keys 1" {
		t.Errorf("told %s", got)
	}
	r.counts()
	r.post("/api/testImpressions/count", counted)
	r.post("/api/v1/keys/ss", unique)
	lines := r.lines("sc")
	if len(lines) != 2 || lines[0]["kind"] != "count" || lines[0]["count"] != 2.0 || lines[1]["kind"] != "uniqueKeys" || lines[1]["sdk"] != "nodejs" {
		t.Errorf("%v", lines)
	}
}

// Want of room is waited for; what stays full is refused after a while.
func TestBackPressureIsWaitedFor(t *testing.T) {
	fill := func(t *testing.T, r *rig) {
		if w := r.post("/api/events/bulk", events); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		r.seen.take()
	}
	beacon := `{"entries":` + events + `,"token":"right"}`
	var noRoom atomic.Bool
	for _, c := range []struct {
		name string
		path string
		body string
		head []string
		full func(*rig)
		room func(*rig)
	}{
		{"the log", "/api/events/bulk", events, nil, func(*rig) { noRoom.Store(true) }, func(*rig) { noRoom.Store(false) }},
		{"the stream", "/api/events/bulk", events, nil, func(r *rig) { r.src.streams.Events.Retention.MaxBytes = 1 }, func(r *rig) {
			if err := r.log.Trim(r.t.Context(), "se", 0, 1); err != nil {
				r.t.Error(err)
			}
		}},
		{"the stream, of a beacon", "/api/events/beacon", beacon, []string{"Authorization", ""}, func(r *rig) { r.src.streams.Events.Retention.MaxBytes = 1 }, func(r *rig) {
			if err := r.log.Trim(r.t.Context(), "se", 0, 1); err != nil {
				r.t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, split.Deps{}, ingest.Options{})
				r.log.Before = func(eventlog.Entry) error {
					if noRoom.Load() {
						return problem.New(problem.Busy, "%w", eventlog.ErrFull)
					}
					return nil
				}
				fill(t, r)
				c.full(r)
				began := time.Now()
				w := r.post(c.path, c.body, c.head...)
				if w.Code != 429 || codeOf(w) != "busy" || w.Header().Get("Retry-After") == "" {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				if d := time.Since(began); d < 5*time.Second || d > 6*time.Second {
					t.Errorf("waited %v", d)
				}
				if got := r.seen.take(); got != "answered prod busy; refused e busy" {
					t.Errorf("told %s", got)
				}
				done := make(chan int)
				go func() { done <- r.post(c.path, c.body, c.head...).Code }()
				time.Sleep(2 * time.Second) // the clock of the bubble: it waits by now
				synctest.Wait()
				c.room(r)
				if code := <-done; code >= 300 {
					t.Errorf("room again, but %d", code)
				}
			})
		})
	}
}

func TestFaultsOfOursAre503(t *testing.T) {
	for name, set := range map[string]func(*rig){
		"the catalog is away": func(r *rig) { r.src.err = errors.New("secret path") },
		"the log is away":     func(r *rig) { r.log.Before = func(eventlog.Entry) error { return errors.New("secret path") } },
		"the answer is lost":  func(r *rig) { r.log.After = func(eventlog.Entry) error { return errors.New("secret path") } },
		"the server stops":    func(r *rig) { _ = r.log.Close() },
	} {
		r := newRig(t, split.Deps{}, ingest.Options{})
		set(r)
		w := r.post("/api/events/bulk", events)
		if w.Code != 503 || codeOf(w) != "unavailable" || strings.Contains(w.Body.String(), "secret path") || strings.Contains(w.Body.String(), "messageId") || !strings.Contains(r.said.String(), "level=ERROR") {
			t.Errorf("%s: %d %s; said %s", name, w.Code, w.Body, r.said)
		}
	}
}

func TestStreamThatIsGoneIsAnUnknownKey(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	r.log.Before = func(eventlog.Entry) error { return problem.New(problem.NotFound, "%w", eventlog.ErrNoStream) }
	if w := r.post("/api/events/bulk", events); w.Code != 401 || codeOf(w) != "unknown_write_key" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestUnseenNames(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	r.post("/api/testImpressions/bulk", `[{"f":"new","i":[`+impression+`,`+impression+`]},{"f":"checkout_v2","i":[`+impression+`]},{"f":"other","i":[`+impression+`]}]`)
	r.post("/api/events/bulk", `[`+event+`,{"key":"u","trafficTypeName":"account","eventTypeId":"e"}]`)
	src, _, err := r.src.SplitSource(t.Context(), hash("right"))
	if err != nil {
		t.Fatal(err)
	}
	u := r.unseen.Of(&src)
	if len(u.Flags) != 2 || u.Flags[0].Name != "new" || u.Flags[0].Count != 2 || u.Flags[1].Name != "other" || len(u.TrafficTypes) != 1 || u.TrafficTypes[0].Name != "account" || u.More {
		t.Errorf("%+v", u)
	}
	// What the catalogue learns is no longer shown, and gets its id.
	r.src.split.Flags["new"] = "user"
	if u := r.unseen.Of(&src); len(u.Flags) != 1 || u.Flags[0].Name != "other" {
		t.Errorf("%+v", u)
	}
	r.post("/api/testImpressions/bulk", `[{"f":"new","i":[`+impression+`]}]`)
	if lines := r.lines("si"); lines[len(lines)-1]["trafficTypeId"] != "tt-user" || lines[0]["trafficTypeId"] != "" {
		t.Errorf("%v", lines)
	}
	// There are never more names than are kept.
	var b strings.Builder
	for i := range 1000 {
		b.WriteString(`,{"f":"f` + strings.Repeat("x", i%7) + http.StatusText(i) + time.Duration(i).String() + `","i":[` + impression + `]}`)
	}
	r.post("/api/testImpressions/bulk", "["+b.String()[1:]+"]")
	if u := r.unseen.Of(&src); len(u.Flags) > 256 || !u.More {
		t.Errorf("%d names, more %v", len(u.Flags), u.More)
	}
}

// The log stays quiet, however often a sender is wrong.
func TestWrongSendersAreLoggedOnceAMinute(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	for range 10 {
		r.post("/api/events/bulk", "["+event+",7]")
		r.post("/api/events/bulk", "{")
		r.post("/api/events/bulk", events, "Authorization", "Bearer wrong")
	}
	if got := strings.Count(r.said.String(), "\n"); got != 3 {
		t.Errorf("%d lines:\n%s", got, r.said)
	}
}
