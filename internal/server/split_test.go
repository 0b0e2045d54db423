package server_test

import (
	"strings"
	"testing"

	"strm/internal/server"
)

const (
	splitImpressions = `[{"f":"checkout","i":[{"k":"u","t":"on","m":1795161717142,"c":1700000000000,"r":"default rule"},7]}]`
	splitEvents      = `[{"key":"u","trafficTypeName":"user","eventTypeId":"buy","timestamp":1795161717150}]`
)

func TestSplitsPathsAreServed(t *testing.T) {
	r := start(t, server.Config{Data: t.TempDir()})
	r.must("POST", "/v1/sources", `{"name":"prod","kind":"split","writeKey":"sdk-key-1","split":{"environment":"env-1","trafficTypes":{"user":"tt"},"serve":[{"name":"served","trafficTypeName":"user"}]}}`)
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	other := r.must("POST", "/v1/sources", `{"name":"web","stream":"demo"}`)
	other = strings.Split(strings.SplitAfter(other, `"writeKey":"`)[1], `"`)[0]
	for _, c := range []struct {
		method, path, key, body string
		status                  int
		text                    string
	}{
		{"POST", "/api/testImpressions/bulk", "sdk-key-1", splitImpressions, 200, "{}"},
		{"POST", "//api/events/bulk", "sdk-key-1", splitEvents, 200, "{}"},
		{"POST", "/api/events/beacon", "", `{"entries":` + splitEvents + `,"token":"sdk-key-1"}`, 204, ""},
		{"POST", "/api/impressions/listener/sdk-key-1", "", `{"impressions":` + splitImpressions + `}`, 200, "{}"},
		{"POST", "/api/testImpressions/count", "sdk-key-1", `{"pf":[{"f":"a","m":1,"rc":2}]}`, 200, "{}"},
		{"POST", "/api/v1/metrics/config", "sdk-key-1", `{}`, 200, "{}"},
		{"GET", "/api/splitChanges?s=1.3&since=-1", "sdk-key-1", "", 200, `"name":"served"`},
		{"GET", "/api/memberships/jane-doe", "sdk-key-1", "", 200, `"ms"`},
		{"GET", "/api/v2/auth", "sdk-key-1", "", 200, "pushEnabled"},
		{"POST", "/api/events/bulk", "nobody", splitEvents, 401, "unknown_write_key"},
		{"POST", "/api/events/bulk", other, splitEvents, 403, "wrong_source_kind"},
		{"OPTIONS", "/api/events/bulk", "", "", 204, ""},
		{"POST", "/api/nothing", "sdk-key-1", "{}", 404, "not_found"},
	} {
		head := []string{"Origin", "https://shop.example"}
		if c.key != "" {
			head = append(head, "Authorization", "Bearer "+c.key)
		}
		resp, text := r.ask(c.method, c.path, c.body, head...)
		if resp.StatusCode != c.status || !strings.Contains(text, c.text) || resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
			t.Errorf("%s %s: %d %q %v", c.method, c.path, resp.StatusCode, text, resp.Header)
		}
	}
	// The other ways in are as they were, and an SDK key opens none of them.
	if resp, text := r.ask("POST", "/v1/streams/prod/events", "{}", "Authorization", "Bearer sdk-key-1"); resp.StatusCode != 403 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if resp, text := r.ask("POST", "/v1/b", `{"writeKey":"sdk-key-1","batch":[{"type":"page","userId":"u"}]}`); resp.StatusCode != 403 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if out := r.must("GET", "/v1/streams/prod/events?from=earliest&limit=10", ""); strings.Count(out, `"splitName":"checkout"`) != 2 || !strings.Contains(out, `"environmentId":"env-1"`) {
		t.Errorf("stored %s", out)
	}
	if out := r.must("GET", "/v1/sources/prod", ""); !strings.Contains(out, `"unknown":{"flags":[{"name":"checkout","count":4}]}`) {
		t.Errorf("%s", out)
	}
	out := r.must("GET", "/metrics", "")
	for _, want := range []string{
		`strm_accepted_events_total{stream="prod"} 2`,
		`strm_accepted_events_total{stream="prod-events"} 2`,
		`strm_split_requests_total{outcome="stored",source="prod"} 4`,
		`strm_split_requests_total{outcome="unauthorized",source=""} 1`,
		`strm_split_rejected_entries_total{reason="not_an_object",source="prod"} 2`,
		`strm_split_discarded_total{source="prod",what="counts"} 1`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	r.stop()
	if said := r.log.String(); strings.Contains(said, "sdk-key-1") || strings.Contains(said, "jane-doe") {
		t.Error("the log has a key: " + said)
	}
}
