package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strm/internal/problem"
	"strm/internal/server"
)

// ask makes a request as SDKs do, over a real connection, and follows no redirect.
func (r *running) ask(method, path, body string, head ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	resp, err := r.http.Transport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(text)
}

func TestSegmentsPathsAreServed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "standalone.js"), []byte("standalone();"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, server.Config{Data: t.TempDir(), AnalyticsJS: dir})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	key := r.must("POST", "/v1/sources", `{"name":"web","stream":"demo"}`)
	key = strings.Split(strings.SplitAfter(key, `"writeKey":"`)[1], `"`)[0]
	for _, c := range []struct {
		method, path string
		status       int
		text         string
	}{
		{"POST", "/v1/batch", 401, "unknown_write_key"},
		{"POST", "//v1/batch", 401, "unknown_write_key"},
		{"POST", "/v1/import/", 401, "unknown_write_key"},
		{"POST", "/v1/t", 401, "unknown_write_key"},
		{"POST", "/v1/m", 200, "true"},
		{"OPTIONS", "/v1/t", 204, ""},
		{"GET", "/v1/projects/none/settings", 404, "unknown_write_key"},
		{"GET", "/v1/projects/" + key + "/settings", 404, "wrong_source_kind"},
		{"GET", "/v1/pixel/track", 200, "GIF89a"},
		{"GET", "/analytics.js/v1/none/analytics.min.js", 200, "standalone();"},
	} {
		resp, text := r.ask(c.method, c.path, `{"writeKey":"none","batch":[{"type":"page","userId":"u"}],"type":"page","userId":"u"}`, "Origin", "https://shop.example")
		if resp.StatusCode != c.status || !strings.Contains(text, c.text) || resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
			t.Errorf("%s %s: %d %q %v", c.method, c.path, resp.StatusCode, text, resp.Header)
		}
	}
	// The way in of other sources is as it was, and their keys do not open this one.
	if resp, text := r.ask("POST", "/v1/streams/demo/events", "{}", "Authorization", "Bearer "+key); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if resp, text := r.ask("POST", "/v1/b", `{"writeKey":"`+key+`","batch":[{"type":"page","userId":"u"}]}`); resp.StatusCode != 403 || !strings.Contains(text, "wrong_source_kind") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	out := r.must("GET", "/metrics", "")
	for _, want := range []string{
		`strm_segment_requests_total{outcome="unauthorized",source=""} 6`,
		`strm_segment_requests_total{outcome="forbidden",source="web"} 2`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	r.stop()
	if strings.Contains(r.log.String(), key) {
		t.Error("the log has a write key: " + r.log.String())
	}
}

func TestWrongSettingsForSegmentAreRefused(t *testing.T) {
	for name, cfg := range map[string]server.Config{
		"public URL":   {PublicURL: "events.example.org"},
		"analytics.js": {AnalyticsJS: t.TempDir()},
	} {
		cfg.Data, cfg.Listen, cfg.Logger = t.TempDir(), "127.0.0.1:0", slog.New(slog.DiscardHandler)
		if _, err := server.Open(t.Context(), cfg); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
