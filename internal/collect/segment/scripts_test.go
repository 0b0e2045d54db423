package segment_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"strm/internal/collect/segment"
	"strm/internal/ingest"
	"strm/internal/problem"
)

// npm is what matters of the package.
var npm = fstest.MapFS{
	"package.json":              {Data: []byte("{}")},
	"dist/umd/standalone.js":    {Data: []byte(strings.Repeat("standalone();", 100))},
	"dist/umd/standalone.js.gz": {Data: []byte("not asked for")},
	"dist/umd/a.js":             {Data: []byte("a();")},
	"dist/umd/a.js.map":         {Data: []byte("{}")},
	"dist/umd/x.js/y.js":        {Data: []byte("y();")},
}

func scripts(t *testing.T) *segment.Scripts {
	t.Helper()
	s, err := segment.LoadScripts(npm)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScripts(t *testing.T) {
	r := newRig(t, segment.Deps{Scripts: scripts(t)}, ingest.Options{})
	for _, c := range []struct {
		path, want, cache string
	}{
		{"/analytics.js/v1/any/analytics.min.js", strings.Repeat("standalone();", 100), "public, max-age=3600"},
		{"/analytics-next/bundles/a.js", "a();", "public, max-age=31536000, immutable"},
	} {
		w := r.send("GET", c.path, "", "Authorization", "")
		head := w.Header()
		if w.Code != 200 || w.Body.String() != c.want || head.Get("Content-Type") != "text/javascript; charset=utf-8" || head.Get("Cache-Control") != c.cache || head.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %q %v", c.path, w.Code, w.Body, head)
		}
		tag := head.Get("ETag")
		if w := r.send("GET", c.path, "", "If-None-Match", tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("%s again: %d", c.path, w.Code)
		}
		w = r.send("GET", c.path, "", "Accept-Encoding", "br, gzip;q=0.8")
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil || string(text) != c.want || w.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s zipped: %q, %v", c.path, text, err)
		}
		if w := r.send("GET", c.path, "", "Accept-Encoding", "gzip; q=0"); w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: gzip was not wanted", c.path)
		}
	}
	for _, path := range []string{"/analytics-next/bundles/b.js", "/analytics-next/bundles/standalone.js", "/analytics-next/bundles/x.js"} {
		if w := r.send("GET", path, ""); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestWithoutScriptsTheAnswerSaysHow(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	for _, path := range []string{"/analytics.js/v1/right/analytics.min.js", "/analytics-next/bundles/a.js"} {
		if w := r.send("GET", path, ""); w.Code != 404 || !strings.Contains(w.Body.String(), "npm pack @segment/analytics-next") || !strings.Contains(w.Body.String(), "--analytics-js") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestScriptsThatAreNone(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"empty":       {},
		"a directory": {"standalone.js/x": {Data: []byte("x")}},
		"too large":   {"standalone.js": {Data: []byte("x")}, "b.js": {Data: make([]byte, 17<<20)}},
	} {
		if s, err := segment.LoadScripts(fsys); problem.KindOf(err) != problem.Invalid || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
