package split_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"strm/internal/collect/split"
	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/ingest"
	"strm/internal/stream"
)

// What was answered with 200 is in the real log, also after it was opened anew.
func TestAnsweredEntriesAreInTheLog(t *testing.T) {
	dir := t.TempDir()
	l, err := embedded.Open(dir, embedded.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"si", "se"} {
		if err := l.Create(t.Context(), id, 1); err != nil {
			t.Fatal(err)
		}
	}
	src := &sources{
		split:   stream.Split{Environment: "env-1", TrafficTypes: map[string]string{"user": "tt-user"}, Flags: map[string]string{"checkout_v2": "user"}},
		streams: stream.SplitStreams{Impressions: stream.Stream{ID: "si", Name: "i", Partitions: 1}, Events: stream.Stream{ID: "se", Name: "e", Partitions: 1}},
	}
	h := split.New(split.Deps{Ingester: ingest.New(l, ingest.Options{}), Sources: src}).Wrap(http.NotFoundHandler())
	want := map[string]int{}
	for name, n := range map[string]int{"node-11.11.2-impressions": 4, "go-6.8.1-impressions": 3, "browser-1.7.1-impressions-beacon": 1} {
		c := readCapture(t, name)
		req := httptest.NewRequestWithContext(t.Context(), c.Method, c.Path, bytes.NewReader(c.Body))
		for k, v := range c.Headers {
			req.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code >= 300 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		want["si"] += n
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
	for b, err := range l.Read(t.Context(), "si", stream.Range{End: 1000}) {
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
	if n := strings.Count(stored.String(), `"trafficTypeId":"tt-user"`); n != want["si"] || strings.Count(stored.String(), "\n") != n {
		t.Errorf("%d rows, want %d:\n%s", n, want["si"], stored.String())
	}
}

// The answer comes after the log has stored the entries, not before.
func TestTheAnswerWaitsForTheLog(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	inside, out := make(chan struct{}), make(chan struct{})
	r.log.After = func(eventlog.Entry) error {
		close(inside)
		<-out
		return nil
	}
	done := make(chan int, 1)
	go func() { done <- r.post("/api/events/bulk", events).Code }()
	<-inside
	select {
	case code := <-done:
		t.Errorf("%d before the log had answered", code)
	default:
	}
	close(out)
	if code := <-done; code != 200 {
		t.Errorf("%d", code)
	}
}

// A page that is gone does not take its last events with it.
func TestASenderThatIsGoneIsStored(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/events/beacon", &leaving{text: strings.NewReader(`{"entries":` + events + `,"token":"right"}`), leave: cancel})
	r.h.ServeHTTP(httptest.NewRecorder(), req)
	if ctx.Err() == nil || len(r.lines("se")) != 1 {
		t.Errorf("stored %q", r.stored("se"))
	}
}

// leaving is a body whose sender goes away as it ends.
type leaving struct {
	text  io.Reader
	leave func()
}

func (l *leaving) Read(p []byte) (int, error) {
	n, err := l.text.Read(p)
	if err == io.EOF {
		l.leave()
	}
	return n, err
}

// Over a real connection: a body that ends early stores nothing.
func TestABodyThatEndsEarly(t *testing.T) {
	r := newRig(t, split.Deps{}, ingest.Options{})
	srv := httptest.NewServer(r.h)
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/api/events/bulk", io.MultiReader(strings.NewReader(events[:20]), cut{}))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer right")
	if resp, err := srv.Client().Do(req); err == nil {
		_ = resp.Body.Close() // nothing of it is read
		t.Errorf("answered %d", resp.StatusCode)
	}
	srv.Close() // waits for the handler
	if r.stored("se") != "" {
		t.Errorf("stored %q", r.stored("se"))
	}
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, os.ErrClosed }
