package segment_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strm/internal/collect/segment"
	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/stream"
)

// discard is a log that takes everything at once, so that only the way to it is measured.
type discard struct{ eventlog.Log }

func (discard) Append(_ context.Context, _ string, e eventlog.Entry) (eventlog.Appended, error) {
	return eventlog.Appended{Events: e.Events}, nil
}

// BenchmarkPost measures the handler without the connection: 100 calls a
// request, as the Node SDK sends them.
func BenchmarkPost(b *testing.B) {
	var list []string
	for i := range 100 {
		list = append(list, fmt.Sprintf(`{"timestamp":"2026-11-20T07:57:43.647Z","integrations":{},"event":"Order Completed","type":"track","properties":{"revenue":39.95,"items":[1,2],"order":"%04d"},`+
			`"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"userId":"u%d","messageId":"node-next-1795161463647-371fd150-9eff-40e6-9c5d-fe2886%06d",`+
			`"_metadata":{"nodeVersion":"v20.20.2","jsRuntime":"node"}}`, i, i, i))
	}
	body := `{"batch":[` + strings.Join(list, ",") + `],"writeKey":"right","sentAt":"2026-11-20T07:57:43.660Z"}`
	src := &sources{stream: stream.Stream{ID: "s1", Name: "web", Partitions: 1}, window: 24 * time.Hour}
	h := segment.New(segment.Deps{Ingester: ingest.New(discard{}, ingest.Options{}), Sources: src}).Wrap(http.NotFoundHandler())
	auth := basic("right:")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/batch", strings.NewReader(body))
		req.Header.Set("Authorization", auth)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
