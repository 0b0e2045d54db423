package split_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"strm/internal/collect/split"
	"strm/internal/collect/split/flags"
	"strm/internal/ingest"
	"strm/internal/stream"
)

func TestAnswersWithoutFlags(t *testing.T) {
	for path, want := range map[string]string{
		"/api/splitChanges?s=1.3&since=-1&rbSince=-1": `{"ff":{"d":[],"s":-1,"t":-1},"rbs":{"d":[],"s":-1,"t":-1}}`,
		"/api/splitChanges?s=1.3&since=5&rbSince=6":   `{"ff":{"d":[],"s":5,"t":5},"rbs":{"d":[],"s":6,"t":6}}`,
		"/api/splitChanges?s=1.2&since=7":             `{"splits":[],"since":7,"till":7}`,
		"/api/splitChanges":                           `{"splits":[],"since":-1,"till":-1}`,
		"/api/memberships/user1":                      `{"ms":{"k":[],"cn":null},"ls":{"k":[],"cn":null}}`,
		"/api/mySegments/user1":                       `{"mySegments":[]}`,
		"/api/segmentChanges/a%22b?since=-1":          `{"name":"a\"b","added":[],"removed":[],"since":1,"till":1}`,
		"/api/segmentChanges/vip?since=42":            `{"name":"vip","added":[],"removed":[],"since":42,"till":42}`,
		"/api/v2/auth?users=user1":                    `{"pushEnabled":false,"token":""}`,
		"/api/auth":                                   `{"pushEnabled":false,"token":""}`,
		"/api/version":                                `{"name":"strm"}`,
	} {
		r := newRig(t, split.Deps{}, ingest.Options{})
		raw, query, _ := strings.Cut(path, "?")
		plain, err := url.PathUnescape(raw)
		if err != nil {
			t.Fatal(err)
		}
		w := r.send("GET", plain+"?"+query, "")
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", path, w.Code, w.Body, w.Header())
		}
		if got := r.seen.take(); got != "answered prod served" {
			t.Errorf("told %s", got)
		}
		if w := r.send("GET", plain, "", "Authorization", "Bearer wrong"); w.Code != 401 {
			t.Errorf("%s for a stranger: %d", path, w.Code)
		}
	}
}

// An SDK that polls gets the flags once, nothing while they stay, and the new
// ones after a change.
func TestFlagsAreServed(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	set := func(file string) {
		t.Helper()
		var err error
		if r.src.split.Served, err = flags.Next(r.src.split.Served, []byte(file), received); err != nil {
			t.Fatal(err)
		}
	}
	type side struct {
		D    []map[string]any
		S, T int64
	}
	var a struct{ FF, RBS side }
	since := int64(-1)
	poll := func() []map[string]any {
		t.Helper()
		at := strconv.FormatInt(since, 10)
		w := r.send("GET", "/api/splitChanges?s=1.3&since="+at+"&rbSince="+at, "")
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 || a.FF.S != since {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		since = a.FF.T
		return a.FF.D
	}
	set(`[{"name":"checkout_v2","trafficTypeName":"user","changeNumber":1}]`)
	if d := poll(); len(d) != 1 || d[0]["name"] != "checkout_v2" || since != received.UnixMilli() {
		t.Errorf("%v, till %d", d, since)
	}
	if d := poll(); len(d) != 0 {
		t.Errorf("again %v", d)
	}
	set(`{"ff":{"d":[{"name":"next","trafficTypeName":"account"}]},"rbs":{"d":[{"name":"segment"}]}}`)
	if d := poll(); len(d) != 2 || d[0]["name"] != "next" || d[1]["name"] != "checkout_v2" || d[1]["status"] != "ARCHIVED" || len(a.RBS.D) != 1 {
		t.Errorf("%v %v", d, a.RBS)
	}
	if d := poll(); len(d) != 0 || len(a.RBS.D) != 0 {
		t.Errorf("again %v", d)
	}
	// What is served says what flags are about.
	r.src.split.TrafficTypes = map[string]string{"account": "tt-account"}
	r.post("/api/testImpressions/bulk", `[{"f":"next","i":[`+impression+`]}]`)
	if lines := r.lines("si"); len(lines) != 1 || lines[0]["trafficTypeId"] != "tt-account" {
		t.Errorf("%v", lines)
	}
	var none stream.FlagSet
	r.src.split.Served = none
	if w := r.send("GET", "/api/splitChanges?s=1.1&since=3", ""); w.Body.String() != `{"splits":[],"since":3,"till":3}` {
		t.Errorf("%s", w.Body)
	}
}
