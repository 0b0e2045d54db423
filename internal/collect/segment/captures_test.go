package segment_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strm/internal/collect/segment"
	"strm/internal/eventlog"
	"strm/internal/ingest"
)

// capture is a request that an SDK really sent.
type capture struct {
	Method, Path string
	Headers      map[string]string
	Body         json.RawMessage
}

func readCapture(t testing.TB, name string) capture {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var c capture
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Body) > 0 {
		var b bytes.Buffer
		if err := json.Compact(&b, c.Body); err != nil {
			t.Fatal(err)
		}
		c.Body = b.Bytes()
	}
	return c
}

func (r *rig) replay(c capture) *httptest.ResponseRecorder {
	head := []string{"Authorization", ""}
	for k, v := range c.Headers {
		head = append(head, k, v)
	}
	return r.send(c.Method, c.Path, string(c.Body), head...)
}

// Each call of a capture becomes one line, which has everything the call had.
func TestCapturedRequests(t *testing.T) {
	for _, c := range []struct {
		name, channel string
		calls         int
		auth          bool // the body has a key of its own
	}{
		{"node-3.1.0-batch", "server", 7, true},
		{"node-legacy-6.2.0-batch", "server", 5, false},
		{"go-3.3.0-batch", "server", 6, false},
		{"browser-1.84.3-track", "client", 1, true},
		{"browser-1.84.3-batch", "client", 2, true},
		{"browser-1.84.3-retry", "client", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, segment.Deps{}, ingest.Options{})
			r.src.window = 24 * time.Hour
			req := readCapture(t, c.name)
			var entry eventlog.Entry
			r.log.Before = func(e eventlog.Entry) error {
				entry = e
				entry.IDs = append([]eventlog.ID{}, e.IDs...)
				return nil
			}
			w := r.replay(req)
			if w.Code != http.StatusOK || w.Body.String() != `{"success":true}`+"\n" || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("%d %q", w.Code, w.Body)
			}
			wellAnswered(t, w, req.Headers["Origin"])
			var sent struct {
				Batch   []map[string]any
				Context map[string]any
				SentAt  string
			}
			if err := json.Unmarshal(req.Body, &sent); err != nil {
				t.Fatal(err)
			}
			if len(sent.Batch) == 0 {
				sent.Batch = make([]map[string]any, 1)
				if err := json.Unmarshal(req.Body, &sent.Batch[0]); err != nil {
					t.Fatal(err)
				}
				sent.Context = nil
			}
			lines := r.lines()
			if len(lines) != c.calls || len(sent.Batch) != c.calls || entry.Events != c.calls || len(entry.IDs) != c.calls {
				t.Fatalf("%d lines of %d calls, %d events with %d ids", len(lines), len(sent.Batch), entry.Events, len(entry.IDs))
			}
			if !entry.Stamped || entry.IDWindow != 24*time.Hour || !entry.Received.Equal(received) || entry.Key != "" {
				t.Errorf("entry %+v", entry)
			}
			for i, line := range lines {
				call := sent.Batch[i]
				for k, v := range call {
					switch k {
					case "timestamp", "context", "writeKey", "sentAt":
						continue
					}
					if !reflect.DeepEqual(line[k], v) {
						t.Errorf("%d: %s is %v, was %v", i, k, line[k], v)
					}
				}
				context, _ := line["context"].(map[string]any)
				for _, part := range []any{sent.Context, call["context"]} {
					m, _ := part.(map[string]any)
					for k, v := range m {
						if !reflect.DeepEqual(context[k], v) {
							t.Errorf("%d: context.%s is %v, was %v", i, k, context[k], v)
						}
					}
				}
				for k, want := range map[string]any{
					"channel": c.channel, "projectId": "4mKq7ZtRw2VbXc9LsPdE1f", "receivedAt": "2026-11-20T08:00:20.203Z", "version": 2.0, "writeKey": nil,
				} {
					if line[k] != want {
						t.Errorf("%d: %s is %v, want %v", i, k, line[k], want)
					}
				}
				if ip := context["ip"]; c.channel == "client" && ip != "203.0.113.9" {
					t.Errorf("%d: ip %v", i, ip)
				}
				if id := eventlog.NewID([]byte(line["messageId"].(string))); entry.IDs[i] != id {
					t.Errorf("%d: id %x, want %x", i, entry.IDs[i], id)
				}
			}
			if c.name == "browser-1.84.3-track" && lines[0]["timestamp"] != "2026-11-20T08:00:20.187Z" {
				t.Errorf("timestamp %v", lines[0]["timestamp"])
			}
			if got := r.seen.take(); got != "accepted web "+string(rune('0'+c.calls))+"; answered web stored" {
				t.Errorf("told %s", got)
			}
			// Without the header the key of the body opens, if there is one.
			delete(req.Headers, "Authorization")
			if w := r.replay(req); (w.Code == http.StatusOK) != c.auth || !c.auth && (w.Code != http.StatusUnauthorized || codeOf(w) != "no_write_key") {
				t.Errorf("without the header: %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestCapturedMetricsAreLetFall(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	c := readCapture(t, "browser-1.84.3-metrics")
	w := r.replay(c)
	wellAnswered(t, w, c.Headers["Origin"])
	if w.Code != http.StatusOK || r.stored() != "" || r.seen.take() != "" {
		t.Errorf("%d %s", w.Code, r.stored())
	}
}

func TestCapturedPreflight(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	c := readCapture(t, "browser-1.84.3-preflight-retry")
	w := r.replay(c)
	wellAnswered(t, w, c.Headers["Origin"])
	if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	for _, want := range strings.Split(c.Headers["Access-Control-Request-Headers"], ",") {
		if !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), want) {
			t.Errorf("%s is not allowed: %v", want, w.Header())
		}
	}
}
