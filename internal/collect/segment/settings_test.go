package segment_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"strm/internal/collect/segment"
	"strm/internal/ingest"
	"strm/internal/problem"
)

func TestSettings(t *testing.T) {
	public, err := segment.ParsePublicURL("https://events.example.org/in/")
	if err != nil {
		t.Fatal(err)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	for _, c := range []struct {
		name           string
		deps           segment.Deps
		tls            bool
		head           []string
		protocol, host string
	}{
		{name: "as asked", protocol: "http", host: "h.example/v1"},
		{name: "with TLS", tls: true, protocol: "https", host: "h.example/v1"},
		{name: "told", deps: segment.Deps{PublicURL: public}, head: []string{"X-Forwarded-Proto", "http"}, protocol: "https", host: "events.example.org/in/v1"},
		{name: "a stranger's word", head: []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example"}, protocol: "http", host: "h.example/v1"},
		{name: "a proxy's word", deps: segment.Deps{TrustedProxies: proxies}, head: []string{"X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "e.example, i.example"},
			protocol: "https", host: "e.example/v1"},
		{name: "RFC 7239", deps: segment.Deps{TrustedProxies: proxies}, head: []string{"Forwarded", `for=192.0.2.1;host="e.example:8443";proto=https, for=10.0.0.1`},
			protocol: "https", host: "e.example:8443/v1"},
		{name: "nonsense", deps: segment.Deps{TrustedProxies: proxies}, head: []string{"X-Forwarded-Proto", "gopher"}, protocol: "http", host: "h.example/v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.deps, ingest.Options{})
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h.example/v1/projects/right/settings", http.NoBody)
			req.RemoteAddr = "203.0.113.9:1"
			if c.tls {
				req.TLS = &tls.ConnectionState{}
			}
			for i := 0; i < len(c.head); i += 2 {
				req.Header.Set(c.head[i], c.head[i+1])
			}
			w := httptest.NewRecorder()
			r.h.ServeHTTP(w, req)
			var s struct {
				Integrations map[string]struct{ APIKey, APIHost, Protocol string }
				Metrics      struct{ SampleRate *float64 }
				Plan         struct {
					Track map[string]struct{ Enabled bool }
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
				t.Fatalf("%d %s: %v", w.Code, w.Body, err)
			}
			io := s.Integrations["Segment.io"]
			if io.APIKey != "right" || io.APIHost != c.host || io.Protocol != c.protocol {
				t.Errorf("%+v", io)
			}
			if s.Metrics.SampleRate == nil || *s.Metrics.SampleRate != 0 || !s.Plan.Track["__default"].Enabled {
				t.Errorf("%s", w.Body)
			}
			if w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=300" || r.seen.take() != "answered web settings" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		})
	}
}

func TestSettingsOfNobody(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	for path, code := range map[string]string{
		"/v1/projects/wrong/settings": "unknown_write_key", "/v1/projects/events/settings": "wrong_source_kind", "/v1/projects/settings": "no_write_key",
	} {
		w := r.send("GET", path, "", "Origin", "https://shop.example")
		wellAnswered(t, w, "https://shop.example")
		if w.Code != 404 || codeOf(w) != code || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if got := r.seen.take(); got != "answered  unauthorized; answered  unauthorized; answered other forbidden; refused  unauthorized; refused  unauthorized; refused web forbidden" {
		t.Errorf("told %s", got)
	}
	r.src.err = errors.New("catalog is away")
	if w := r.send("GET", "/v1/projects/right/settings", ""); w.Code != 503 || codeOf(w) != "unavailable" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if said := r.said.String(); strings.Contains(said, "right") || strings.Contains(said, "/wrong/") || !strings.Contains(said, "path=/v1/projects/***/settings") {
		t.Errorf("the log says %s", said)
	}
}

func TestPublicURL(t *testing.T) {
	for _, bad := range []string{"events.example.org", "ftp://x", "https://", "https://u:p@x", "https://x?a", "https://x#a", "https://x/v1", "https://x/v1/", "::"} {
		if _, err := segment.ParsePublicURL(bad); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
