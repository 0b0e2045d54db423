package rawlog_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/internal/collect/segment/rawlog"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// captures are bodies that real SDKs sent, in testdata/NAME.json with their
// lines in testdata/NAME.ndjson.
var captures = []struct{ name, callType, channel string }{
	{"browser-1.84.3-batch", "", "client"},
	{"browser-1.84.3-retry", "track", "client"},
	{"browser-1.84.3-track", "track", "client"},
	{"go-3.3.0-batch", "", "server"},
	{"node-3.1.0-batch", "", "server"},
	{"node-legacy-6.2.0-batch", "", "server"},
}

func capture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b, []byte("\n"))
}

func captureBodies(t testing.TB) []string {
	var out []string
	for _, c := range captures {
		out = append(out, string(capture(t, c.name)))
	}
	return out
}

func TestLinesOfRealRequests(t *testing.T) {
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			var p rawlog.Parser
			b, err := p.Parse(capture(t, c.name), c.callType, rawlog.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Rejected()) > 0 {
				t.Fatalf("rejected %v", b.Rejected())
			}
			got, _ := b.AppendLines(nil, nil, facts(c.channel, "203.0.113.9", ""))
			path := filepath.Join("testdata", c.name+".ndjson")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// The line that the browser's request for "Order Completed" must become, with a
// context cut down to its library.
func TestExampleLine(t *testing.T) {
	const want = `{"_metadata":{"bundled":["Segment.io"],"bundledIds":[],"unbundled":[]},"anonymousId":"8cd7bfaf-94c3-4fc3-ae19-6b1891c060d1","channel":"client","context":{"ip":"203.0.113.7","library":{"name":"analytics.js","version":"next-1.84.3"}},"event":"Order Completed","integrations":{"Segment.io":true},"messageId":"ajs-next-1795161620165-94c3ffc3-2e19-4b18-91c0-60d10bca3115","originalTimestamp":"2026-11-20T08:00:20.165Z","projectId":"4mKq7ZtRw2VbXc9LsPdE1f","properties":{"revenue":39.95},"receivedAt":"2026-11-20T08:00:20.203Z","sentAt":"2026-11-20T08:00:20.181Z","timestamp":"2026-11-20T08:00:20.187Z","type":"track","userId":"u1","version":2}` + "\n"
	const library = `"library":{"name":"analytics.js","version":"next-1.84.3"}`
	body := string(capture(t, "browser-1.84.3-track"))
	from, to := strings.Index(body, `"context":{`), strings.Index(body, `,"messageId"`)
	if from < 0 || to < from || !strings.Contains(body[from:to], library) {
		t.Fatalf("the capture is not as it was: %s", body)
	}
	body = body[:from] + `"context":{` + library + `}` + body[to:]

	var p rawlog.Parser
	b, err := p.Parse([]byte(body), "track", rawlog.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.WriteKey(); got != "WK_browser_std" {
		t.Errorf("write key %q", got)
	}
	got, _ := b.AppendLines(nil, nil, rawlog.Facts{
		Received:  time.Date(2026, 11, 20, 8, 0, 20, 203e6, time.UTC),
		ProjectID: "4mKq7ZtRw2VbXc9LsPdE1f", Channel: "client", IP: "203.0.113.7",
	})
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
