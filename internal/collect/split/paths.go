package split

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"strm/internal/collect/answer"
	"strm/internal/collect/body"
	"strm/internal/collect/split/wire"
)

// endpoint is what a path stands for.
type endpoint struct {
	serve  func(h *Handler, w http.ResponseWriter, r *http.Request, e endpoint)
	method string // beside OPTIONS
	kind   wire.Kind
	beacon bool   // from a page that is going away
	name   string // the SDK key, or the segment, that the path names
}

// paths returns the endpoints whose path is constant, without /api and /v1.
func paths() map[string]endpoint {
	m := map[string]endpoint{
		"/splitChanges": {serve: (*Handler).splitChanges, method: http.MethodGet},
		"/auth":         {serve: (*Handler).auth, method: http.MethodGet},
		"/v2/auth":      {serve: (*Handler).auth, method: http.MethodGet},
		"/version":      {serve: (*Handler).version, method: http.MethodGet},
	}
	for p, kind := range map[string]wire.Kind{"/testImpressions/bulk": wire.Impressions, "/testImpressions/count": wire.Counts, "/events/bulk": wire.Events, "/keys/ss": wire.Keys, "/keys/cs": wire.Keys} {
		m[p] = endpoint{serve: (*Handler).entries, method: http.MethodPost, kind: kind}
	}
	for p, kind := range map[string]wire.Kind{"/testImpressions/beacon": wire.Impressions, "/testImpressions/count/beacon": wire.Counts, "/events/beacon": wire.Events, "/keys/cs/beacon": wire.Keys} {
		m[p] = endpoint{serve: (*Handler).entries, method: http.MethodPost, kind: kind, beacon: true}
	}
	for _, p := range []string{"config", "usage", "usage/beacon", "times", "counters", "gauge", "time", "counter"} {
		m["/metrics/"+p] = endpoint{serve: (*Handler).telemetry, method: http.MethodPost, beacon: strings.HasSuffix(p, "/beacon")}
	}
	return m
}

// find returns the endpoint of an escaped path; ours without one says that the
// path is under /api, where there is nothing else.
//
// SDKs differ in what they add to the address they are given: /api, or /v1, or
// both, or nothing, and whoever sets it may have added them already. So any
// number of them is fine, and slashes too many are; but /v1 without /api
// is the control plane's.
func (h *Handler) find(p string) (e endpoint, ours bool) {
	if p == "" || p[0] != '/' {
		return endpoint{}, false
	}
	p = path.Clean(p)
	under := false
	for {
		if rest, ok := cutElement(p, "/api"); ok {
			p, under = rest, true
			continue
		}
		if rest, ok := cutElement(p, "/v1"); ok && under {
			p = rest
			continue
		}
		break
	}
	if e, ok := h.paths[p]; ok {
		return e, true
	}
	for _, d := range []struct {
		at    string
		serve endpoint
	}{
		{"/memberships/", endpoint{serve: (*Handler).memberships, method: http.MethodGet}},
		{"/mySegments/", endpoint{serve: (*Handler).mySegments, method: http.MethodGet}},
		{"/segmentChanges/", endpoint{serve: (*Handler).segmentChanges, method: http.MethodGet}},
		{"/impressions/listener/", endpoint{serve: (*Handler).entries, method: http.MethodPost, kind: wire.Impressions}},
	} {
		if name, ok := strings.CutPrefix(p, d.at); ok && name != "" && !strings.Contains(name, "/") {
			if plain, err := url.PathUnescape(name); err == nil {
				d.serve.name = plain
				return d.serve, true
			}
		}
	}
	return endpoint{}, under
}

// cutElement cuts a leading element off a path.
func cutElement(p, element string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(p, element)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return p, false
	case rest == "":
		return "/", true
	}
	return rest, true
}

// allowed are the headers that SDKs in browsers set.
const allowed = "authorization, cache-control, content-encoding, content-length, content-type, splitsdkimpressionsmode, splitsdkmachineip, splitsdkmachinename, splitsdkversion, x-harness-fme-sdk-version"

// serve does what is the same for all endpoints.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	answer.Share(w.Header(), r)
	switch {
	case e.serve == nil:
		body.Hurry(w, h.Limits.ReadTimeout)
		h.drain(r)
		(&answer.Refusal{Status: http.StatusNotFound, Code: "not_found",
			Message: "there is nothing at this path: SDKs of Split send to /api/testImpressions/bulk, /api/events/bulk and their like"}).Write(w)
	case r.Method == http.MethodOptions:
		answer.Preflight(w, e.method, allowed)
	case r.Method == e.method:
		e.serve(h, w, r, e)
	default:
		w.Header().Set("Allow", e.method+", OPTIONS")
		(&answer.Refusal{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "use " + e.method}).Write(w)
	}
}

// LogPath returns a path as it may stand in a log: some of the paths here name a
// key, of an SDK or of a person.
func LogPath(p string) string {
	for _, at := range []string{"/memberships/", "/mySegments/", "/impressions/listener/"} {
		if before, after, ok := strings.Cut(p, at); ok && after != "" {
			return before + at + "***"
		}
	}
	return p
}
