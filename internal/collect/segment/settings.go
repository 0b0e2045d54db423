package segment

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"strm/internal/collect/answer"
	"strm/internal/problem"
)

// settings is what analytics.js and the mobile SDKs load before they send. It
// turns nothing on: no destination runs in the browser, and metrics about the
// SDK itself, which go to Segment unless told otherwise, are off.
type settings struct {
	Integrations struct {
		SegmentIO segmentIO `json:"Segment.io"`
	} `json:"integrations"`
	Plan                 plan              `json:"plan"`
	Metrics              metricsSettings   `json:"metrics"`
	AnalyticsNextEnabled bool              `json:"analyticsNextEnabled"`
	EdgeFunction         map[string]string `json:"edgeFunction"` // none; Kotlin and Swift look for it
}

type segmentIO struct {
	APIKey          string          `json:"apiKey"`
	APIHost         string          `json:"apiHost"` // without scheme, with /v1
	Protocol        string          `json:"protocol"`
	VersionSettings versionSettings `json:"versionSettings"`
}

type versionSettings struct {
	Version        string   `json:"version"`
	ComponentTypes []string `json:"componentTypes"`
}

type plan struct {
	Track map[string]planned `json:"track"`
}

type planned struct {
	Enabled bool `json:"enabled"`
}

type metricsSettings struct {
	SampleRate float64 `json:"sampleRate"`
}

// settings answers what is sufficient for the SDKs of a source. A key that is
// not known gets a 404: then analytics.js sends nothing at all.
func (h *Handler) settings(w http.ResponseWriter, r *http.Request, e endpoint) {
	from, rf := h.identify(r.Context(), e.name)
	if rf != nil {
		if rf.Status < 500 {
			rf.Status = http.StatusNotFound
		}
		h.tell(r, from, rf)
		rf.Write(w)
		return
	}
	var s settings
	io := &s.Integrations.SegmentIO
	io.APIKey = from.key
	io.Protocol, io.APIHost = h.reachedAt(r)
	io.APIHost += "/v1"
	io.VersionSettings = versionSettings{Version: "4.4.7", ComponentTypes: []string{"browser"}}
	s.Plan.Track = map[string]planned{"__default": {Enabled: true}}
	s.AnalyticsNextEnabled = true
	s.EdgeFunction = map[string]string{}
	text, err := json.Marshal(s)
	if err != nil {
		rf := answer.Ingest(problem.New(problem.Internal, "settings: %w", err))
		rf.Counted = false
		h.tell(r, from, rf)
		rf.Write(w)
		return
	}
	h.Observer.Answered(from.source.Name, OutcomeSettings)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(text) // the client is gone: it will ask again
}

// ParsePublicURL reads the address under which browsers and phones reach the
// server. Errors: kind Invalid.
func ParsePublicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, problem.New(problem.Invalid, "public URL: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, problem.New(problem.Invalid, "public URL %q: use the form https://events.example.org, perhaps with a path", u.Redacted())
	}
	if strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/v1") {
		return nil, problem.New(problem.Invalid, "public URL %q: leave out /v1, which is added", text)
	}
	return u, nil
}
