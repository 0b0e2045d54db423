package split_test

import (
	"net/http"
	"strings"
	"testing"

	"strm/internal/collect/split"
	"strm/internal/ingest"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		stream             string
	}{
		{"POST", "/api/testImpressions/bulk", impressions, 200, "si"},
		{"POST", "//api//testImpressions/bulk/", impressions, 200, "si"},
		{"POST", "/api/v1/testImpressions/bulk", impressions, 200, "si"},
		{"POST", "/api/api/testImpressions/bulk", impressions, 200, "si"},
		{"POST", "/testImpressions/bulk", impressions, 200, "si"},
		{"POST", "/api/testImpressions/beacon", impressions, 204, "si"},
		{"POST", "/api/impressions/listener/right", `{"impressions":` + impressions + `,"sdkVersion":"go-6.8.1"}`, 200, "si"},
		{"POST", "/api/events/bulk", events, 200, "se"},
		{"POST", "/events/bulk", events, 200, "se"},
		{"POST", "/api/events/beacon", events, 204, "se"},
		{"POST", "/api/testImpressions/count", counted, 200, "sc"},
		{"POST", "/api/testImpressions/count/beacon", counted, 204, "sc"},
		{"POST", "/api/v1/keys/ss", unique, 200, "sc"},
		{"POST", "/api/v1/keys/cs", unique, 200, "sc"},
		{"POST", "/api/keys/ss", unique, 200, "sc"},
		{"POST", "/api/keys/cs", unique, 200, "sc"},
		{"POST", "/api/v1/keys/cs/beacon", unique, 204, "sc"},
		{"POST", "/api/keys/cs/beacon", unique, 204, "sc"},
		{"POST", "/api/v1/v1/metrics/config", "{}", 200, ""},
		{"POST", "/api/v1/metrics/config", "{}", 200, ""},
		{"POST", "/api/v1/metrics/usage", "no JSON", 200, ""},
		{"POST", "/api/metrics/config", "{}", 200, ""},
		{"POST", "/api/metrics/usage", "{}", 200, ""},
		{"POST", "/api/v1/metrics/usage/beacon", "{}", 204, ""},
		{"POST", "/api/metrics/usage/beacon", "{}", 204, ""},
		{"POST", "/api/metrics/times", "{}", 200, ""},
		{"POST", "/api/metrics/counters", "{}", 200, ""},
		{"POST", "/api/metrics/gauge", "{}", 200, ""},
		{"POST", "/api/metrics/time", "{}", 200, ""},
		{"POST", "/api/metrics/counter", "{}", 200, ""},
		{"GET", "/api/version", "", 200, ""},
		{"GET", "/api/splitChanges", "", 200, ""},
		{"GET", "/api/memberships/user%2F1", "", 200, ""},
		{"GET", "/api/mySegments/user1", "", 200, ""},
		{"GET", "/api/segmentChanges/vip", "", 200, ""},
		{"GET", "/api/v2/auth", "", 200, ""},
		{"GET", "/api/api/v2/auth", "", 200, ""}, // Go's SDK adds /api/v2/auth to what it is given
		{"GET", "/api/auth", "", 200, ""},
		{"OPTIONS", "/api/testImpressions/bulk", "", 204, ""},
		{"OPTIONS", "/api/splitChanges", "", 204, ""},
		{"GET", "/api/events/bulk", "", 405, ""},
		{"POST", "/api/splitChanges", "", 405, ""},
		{"POST", "/api/nothing", "{}", 404, ""},
		{"GET", "/api", "", 404, ""},
		{"POST", "/api/memberships/a/b", "", 404, ""},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			r := newRig(t, split.Deps{}, ingest.Options{})
			r.counts()
			w := r.send(c.method, c.path, c.body, "Origin", "https://shop.example")
			if w.Code != c.status || w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
			for _, id := range []string{"si", "se", "sc"} {
				if (r.stored(id) != "") != (id == c.stream) {
					t.Errorf("stream %s has %q", id, r.stored(id))
				}
			}
		})
	}
}

// What belongs to others stays theirs.
func TestPathsOfOthers(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	for _, path := range []string{"/", "", "/v1/streams", "/v1/keys/ss", "/v1/metrics/usage", "/v1/batch", "/metrics", "/apiary/events/bulk", "/event", "/v1/streams/demo/events"} {
		if w := r.post(path, events); w.Code != 404 || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestPreflight(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	w := r.send(http.MethodOptions, "/api/testImpressions/bulk", "", "Authorization", "", "Origin", "http://shop.example.test",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,splitsdkimpressionsmode,splitsdkversion")
	allowed := strings.Split(w.Header().Get("Access-Control-Allow-Headers"), ", ")
	for _, want := range []string{"authorization", "content-type", "content-length", "splitsdkversion", "splitsdkimpressionsmode", "splitsdkmachineip", "splitsdkmachinename", "cache-control", "x-harness-fme-sdk-version"} {
		found := false
		for _, h := range allowed {
			found = found || h == want
		}
		if !found {
			t.Errorf("%s is not among %v", want, allowed)
		}
	}
	if w.Code != 204 || !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "POST") || w.Header().Get("Access-Control-Allow-Origin") != "http://shop.example.test" || w.Header().Get("Access-Control-Max-Age") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestLogPath(t *testing.T) {
	for in, want := range map[string]string{
		"/api/memberships/jane": "/api/memberships/***", "/api/mySegments/jane/x": "/api/mySegments/***",
		"/api/impressions/listener/sdk-key": "/api/impressions/listener/***", "/api/events/bulk": "/api/events/bulk", "/api/memberships/": "/api/memberships/",
	} {
		if got := split.LogPath(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
