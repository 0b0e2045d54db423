package events_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"strm/internal/collect/events"
	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/simulate"
	"strm/internal/stream"
)

// discard is a log that takes everything at once, so that only the way to it is measured.
type discard struct{ eventlog.Log }

func (discard) Append(_ context.Context, _ string, e eventlog.Entry) (eventlog.Appended, error) {
	return eventlog.Appended{Events: e.Events}, nil
}

// BenchmarkPost measures the handler without the connection: 100 events a request.
func BenchmarkPost(b *testing.B) {
	g := simulate.New(1, simulate.Options{})
	var body []byte
	for range 100 {
		body = append(g.Append(body), '\n')
	}
	mux := http.NewServeMux()
	src := &sources{demo: stream.Stream{ID: "s1", Name: "demo", Partitions: 1}}
	events.New(events.Deps{Ingester: ingest.New(discard{}, ingest.Options{}), Sources: src}).Register(mux)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, bytes.NewReader(body))
		req.Header.Set("Authorization", "Bearer right")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
