package segment

import (
	"net/http"
	"path"
	"strings"

	"strm/internal/collect/answer"
	"strm/internal/collect/body"
	"strm/internal/collect/segment/rawlog"
)

// endpoint is what a path stands for.
type endpoint struct {
	serve    func(h *Handler, w http.ResponseWriter, r *http.Request, e endpoint)
	method   string // beside OPTIONS
	callType string // what a call is that does not say it; empty where calls come as a batch
	channel  string // of the calls
	name     string // the write key or the file that the path names
}

// paths returns the endpoints whose path is constant. Beside those of Segment
// there are the ones that SDKs make of a host set with or without /v1 where it
// does not belong.
func paths() map[string]endpoint {
	m := map[string]endpoint{
		"/v1/m": {serve: (*Handler).metrics, method: http.MethodPost},
	}
	for _, p := range []string{"/v1/batch", "/v1/import", "/batch"} {
		m[p] = endpoint{serve: (*Handler).calls, method: http.MethodPost, channel: rawlog.Server}
	}
	for _, p := range []string{"/v1/b", "/b", "/batch/b", "/v1/batch/b"} {
		m[p] = endpoint{serve: (*Handler).calls, method: http.MethodPost, channel: rawlog.Client}
	}
	for _, t := range []string{"track", "identify", "page", "screen", "group", "alias"} {
		m["/v1/"+t] = endpoint{serve: (*Handler).calls, method: http.MethodPost, callType: t, channel: rawlog.Server}
		m["/v1/"+t[:1]] = endpoint{serve: (*Handler).calls, method: http.MethodPost, callType: t, channel: rawlog.Client}
		m["/v1/pixel/"+t] = endpoint{serve: (*Handler).pixel, method: http.MethodGet, callType: t, channel: rawlog.Client}
	}
	return m
}

// find returns the endpoint of a path. Slashes too many, or one at the end, make
// no difference: Java sends to /v1/import/, and a host set as https://h/ makes
// //v1/batch of it.
func (h *Handler) find(p string) (endpoint, bool) {
	if p == "" || p[0] != '/' {
		return endpoint{}, false
	}
	p = path.Clean(p)
	if e, ok := h.paths[p]; ok {
		return e, true
	}
	if key, ok := strings.CutSuffix(p, "/settings"); ok {
		for _, at := range []string{"/v1/projects/projects", "/v1/projects", "/projects"} {
			if key, ok := below(key, at); ok {
				return endpoint{serve: (*Handler).settings, method: http.MethodGet, name: key}, true
			}
		}
	}
	if file, ok := below(p, "/analytics-next/bundles"); ok && strings.HasSuffix(file, ".js") {
		return endpoint{serve: (*Handler).bundle, method: http.MethodGet, name: file}, true
	}
	for _, file := range []string{"/analytics.min.js", "/analytics.js"} {
		if dir, ok := strings.CutSuffix(p, file); ok {
			if _, ok := below(strings.TrimSuffix(dir, "/platform"), "/analytics.js/v1"); ok {
				return endpoint{serve: (*Handler).snippet, method: http.MethodGet}, true
			}
		}
	}
	return endpoint{}, false
}

// redirected reports whether a mux would answer a path that is none of find's
// with a redirect to its clean spelling: an SDK whose host is set wrongly takes
// that for success, and its calls are lost without a word.
func redirected(p string) bool {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return p == "/v1" || p != clean
}

// nobody refuses what would be redirected.
func (h *Handler) nobody(w http.ResponseWriter, r *http.Request) {
	answer.Share(w.Header(), r)
	body.Hurry(w, h.Limits.ReadTimeout)
	h.drain(r)
	(&answer.Refusal{Status: http.StatusNotFound, Code: "not_found",
		Message: "there is nothing at this path: SDKs send to /v1/batch, /v1/import, /v1/b and /v1/{type}; see the SDK's host, path and proxy settings"}).Write(w)
}

// below returns the one name that p has below dir, empty if p is dir itself.
func below(p, dir string) (string, bool) {
	rest, ok := strings.CutPrefix(p, dir)
	if !ok || rest == "" {
		return "", ok
	}
	return rest[1:], rest[0] == '/' && !strings.Contains(rest[1:], "/")
}

// serve does what is the same for all endpoints.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	answer.Share(w.Header(), r)
	switch r.Method {
	case http.MethodOptions:
		answer.Preflight(w, e.method, allowed)
	case e.method:
		e.serve(h, w, r, e)
	default:
		w.Header().Set("Allow", e.method+", OPTIONS")
		(&answer.Refusal{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "use " + e.method}).Write(w)
	}
}

// allowed are the headers that SDKs in browsers set.
const allowed = "authorization, content-encoding, content-type, x-retry-count"

// LogPath returns a path as it may stand in a log: some of the paths here have
// a write key in them.
func LogPath(p string) string {
	if !strings.Contains(p, "/projects") && !strings.Contains(p, "/analytics.js") {
		return p
	}
	parts := strings.Split(p, "/")
	for i, part := range parts {
		switch part {
		case "", "v1", "projects", "settings", "analytics.js", "platform", "analytics.min.js":
		default:
			parts[i] = "***"
		}
	}
	return strings.Join(parts, "/")
}
