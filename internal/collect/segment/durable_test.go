package segment_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strm/internal/collect/segment"
	"strm/internal/eventlog/embedded"
	"strm/internal/ingest"
	"strm/internal/stream"
)

// What was answered with 200 is in the real log, also after it was opened anew.
func TestAnsweredCallsAreInTheLog(t *testing.T) {
	dir := t.TempDir()
	l, err := embedded.Open(dir, embedded.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Create(t.Context(), "s1", 1); err != nil {
		t.Fatal(err)
	}
	src := &sources{stream: stream.Stream{ID: "s1", Name: "web", Partitions: 1}, window: 24 * time.Hour}
	h := segment.New(segment.Deps{Ingester: ingest.New(l, ingest.Options{}), Sources: src}).Wrap(http.NotFoundHandler())
	var ids []string
	for _, name := range []string{"node-3.1.0-batch", "go-3.3.0-batch", "browser-1.84.3-track"} {
		c := readCapture(t, name)
		for _, part := range strings.Split(string(c.Body), `"messageId":"`)[1:] {
			if id, _, _ := strings.Cut(part, `"`); id != "b10e0fb2-5738-47ef-a956-24c9fe7782a5" { // which is an envelope's
				ids = append(ids, id)
			}
		}
		req := httptest.NewRequestWithContext(t.Context(), c.Method, c.Path, bytes.NewReader(c.Body))
		for k, v := range c.Headers {
			req.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = embedded.Open(dir, embedded.Options{MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	var stored strings.Builder
	for b, err := range l.Read(t.Context(), "s1", stream.Range{End: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(b.Gzip))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&stored, z); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(stored.String(), "\n"); n != len(ids) || n < 14 {
		t.Errorf("%d lines of %d calls", n, len(ids))
	}
	for _, id := range ids {
		if strings.Count(stored.String(), `"messageId":"`+id+`"`) != 1 {
			t.Errorf("%s is there %d times", id, strings.Count(stored.String(), id))
		}
	}
}
