package segment_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"strm/internal/collect/segment"
	"strm/internal/ingest"
)

const one = `{"type":"track","event":"E","userId":"u"}`

var batch = `{"batch":[` + one + `]}`

// ours are all paths, with the methods and the channel of what they take.
var ours = []struct{ method, path, channel string }{
	{"POST", "/v1/batch", "server"}, {"POST", "/v1/import", "server"}, {"POST", "/v1/import/", "server"}, {"POST", "/batch", "server"},
	{"POST", "/v1/b", "client"}, {"POST", "/b", "client"}, {"POST", "/batch/b", "client"}, {"POST", "/v1/batch/b", "client"},
	{"POST", "/v1/t", "client"}, {"POST", "/v1/i", "client"}, {"POST", "/v1/p", "client"}, {"POST", "/v1/s", "client"}, {"POST", "/v1/g", "client"}, {"POST", "/v1/a", "client"},
	{"POST", "/v1/track", "server"}, {"POST", "/v1/identify", "server"}, {"POST", "/v1/page", "server"},
	{"POST", "/v1/screen", "server"}, {"POST", "/v1/group", "server"}, {"POST", "/v1/alias", "server"},
	{"POST", "/v1/m", ""},
	{"GET", "/v1/projects/right/settings", ""}, {"GET", "/projects/right/settings", ""}, {"GET", "/v1/projects/projects/right/settings", ""},
	{"GET", "/v1/pixel/track", "client"}, {"GET", "/v1/pixel/identify", "client"}, {"GET", "/v1/pixel/page", "client"},
	{"GET", "/v1/pixel/screen", "client"}, {"GET", "/v1/pixel/group", "client"}, {"GET", "/v1/pixel/alias", "client"},
	{"GET", "/analytics.js/v1/right/analytics.min.js", ""}, {"GET", "/analytics.js/v1/right/analytics.js", ""},
	{"GET", "/analytics.js/v1/right/platform/analytics.min.js", ""}, {"GET", "/analytics-next/bundles/a.js", ""},
}

func TestEveryPathInEverySpelling(t *testing.T) {
	r := newRig(t, segment.Deps{Scripts: scripts(t)}, ingest.Options{})
	for _, o := range ours {
		for _, path := range []string{o.path, o.path + "/", "/" + o.path, strings.ReplaceAll(o.path, "/", "//"), "/x/.." + o.path} {
			target, body := path, one
			if strings.Contains(path, "pixel") {
				target, body = path+"?writeKey=right&userId=u&event=E", ""
			}
			before := len(r.lines())
			w := r.send(o.method, target, body, "Origin", "https://shop.example")
			wellAnswered(t, w, "https://shop.example")
			lines := r.lines()
			if w.Code != http.StatusOK || (len(lines) > before) != (o.channel != "") {
				t.Errorf("%s %s: %d %s, %d lines", o.method, path, w.Code, w.Body, len(lines)-before)
				continue
			}
			if o.channel != "" && lines[before]["channel"] != o.channel {
				t.Errorf("%s: channel %v", path, lines[before]["channel"])
			}
			w = r.send(http.MethodOptions, path, "", "Origin", "https://shop.example", "Authorization", "")
			head := w.Header()
			if w.Code != http.StatusNoContent || head.Get("Access-Control-Allow-Origin") != "https://shop.example" || head.Get("Access-Control-Allow-Methods") != "GET, POST, OPTIONS" ||
				head.Get("Access-Control-Max-Age") != "7200" || head.Get("Access-Control-Allow-Credentials") != "true" || head.Get("Vary") != "Origin" {
				t.Errorf("OPTIONS %s: %d %v", path, w.Code, head)
			}
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"} {
				if method == o.method {
					continue
				}
				w := r.send(method, path, one)
				wellAnswered(t, w, "")
				if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != o.method+", OPTIONS" {
					t.Errorf("%s %s: %d %v", method, path, w.Code, w.Header())
				}
			}
		}
	}
}

// The type of a single call comes from the path, where it says none itself.
func TestTypeOfThePath(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	for _, p := range []string{"track", "identify", "page", "screen", "group", "alias"} {
		for _, path := range []string{p, p[:1]} {
			if w := r.post("/v1/"+path, `{"event":"E","userId":"u","previousId":"o","groupId":"g"}`); w.Code != 200 {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
			lines := r.lines()
			if got := lines[len(lines)-1]["type"]; got != p {
				t.Errorf("/v1/%s: type %v", path, got)
			}
		}
	}
}

func TestOtherPathsAreLeftToOthers(t *testing.T) {
	reached := ""
	h := segment.New(segment.Deps{Ingester: ingest.New(nil, ingest.Options{}), Sources: &sources{}}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached = r.URL.Path
		w.WriteHeader(http.StatusTeapot)
	}))
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/streams", "/v1/streams/batch/events", "/v1/batches/1", "/v1/batch-exporters", "/v1/x", "/v1/pixel", "/v1/pixel/x",
		"/v1/projects", "/v1/projects/k", "/v1/projects/k/x/settings", "/v1/streams/k/settings", "/event", "/metrics", "/settings",
		"/analytics.js", "/analytics.js/v1/k/other.js", "/analytics-next/bundles/a/b.js", "/analytics-next/bundles/a.css",
	} {
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		reached = ""
		h.ServeHTTP(w, req)
		if w.Code != http.StatusTeapot || reached != path || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d, reached %q", path, w.Code, reached)
		}
	}
}

// Over a real connection, with a mux behind: no spelling leads to a redirect.
func TestNoRedirectBeforeAMux(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	r := newRig(t, segment.Deps{}, ingest.Options{})
	inner := segment.New(segment.Deps{Ingester: ingest.New(r.log, ingest.Options{}), Sources: r.src})
	srv := httptest.NewServer(inner.Wrap(mux))
	defer srv.Close()
	for _, path := range []string{"/v1/batch", "//v1/batch", "/v1//batch", "/v1/batch/", "/v1/./batch", "/v1/import/", "//v1/import//", "/v1/b/", "//b"} {
		if got := talk(t, srv, "POST "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "+basic("right")+"\r\nContent-Length: "+strconv.Itoa(len(batch))+"\r\n\r\n"+batch, false); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%s: %q", path, got)
		}
	}
	for _, path := range []string{"/v1/projects//settings", "/v1/projects/nope/settings/", "//projects/nope/settings"} {
		if got := talk(t, srv, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// talk sends text and returns all that comes back. With half it then says that
// there is no more.
func talk(t *testing.T, srv *httptest.Server, text string, half bool) string {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if half {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestLogPath(t *testing.T) {
	for p, want := range map[string]string{
		"/v1/projects/KEY/settings": "/v1/projects/***/settings", "//projects//KEY/settings/": "//projects//***/settings/",
		"/v1/projects/KEY/else": "/v1/projects/***/***", "/projects/projects/KEY": "/projects/projects/***",
		"/analytics.js/v1/KEY/analytics.min.js": "/analytics.js/v1/***/analytics.min.js", "/analytics.js/v1/KEY/platform/analytics.js": "/analytics.js/v1/***/platform/analytics.js",
		"/v1/streams/web/events": "/v1/streams/web/events",
	} {
		if got := segment.LogPath(p); got != want {
			t.Errorf("%s: %s", p, got)
		}
	}
}
