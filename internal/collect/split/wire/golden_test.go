package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"strm/internal/collect/split/wire"
	"strm/internal/stream"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var received = time.UnixMilli(1795161900123)

// environment knows one flag and one traffic type.
var environment = &stream.Split{
	Environment: "env-1", TrafficTypes: map[string]string{"user": "tt-user", "account": "tt-account"},
	Flags:  map[string]string{"checkout_v2": "user", "lost": "visitor"},
	Served: stream.FlagSet{Types: map[string]string{"served": "account", "checkout_v2": "account"}},
}

// captures are bodies that real SDKs sent, in ../testdata/NAME.json with their
// lines in testdata/NAME.ndjson.
var captures = []struct {
	name string
	kind wire.Kind
}{
	{"node-11.11.2-impressions", wire.Impressions},
	{"node-11.11.2-events", wire.Events},
	{"node-11.11.2-counts", wire.Counts},
	{"go-6.8.1-impressions", wire.Impressions},
	{"go-6.8.1-events", wire.Events},
	{"browser-1.7.1-impressions-beacon", wire.Impressions},
	{"browser-1.7.1-events-beacon", wire.Events},
}

type capture struct {
	Headers map[string]string
	Body    json.RawMessage
}

func readCapture(t testing.TB, name string) capture {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var c capture
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, c.Body); err != nil {
		t.Fatal(err)
	}
	c.Body = b.Bytes()
	return c
}

// lines opens a body and returns its lines and what was left out.
func lines(t testing.TB, kind wire.Kind, body string, f wire.Facts) (string, wire.Rejected) {
	t.Helper()
	e, err := wire.Open(wire.Mend([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if e.SDK != "" {
		f.SDK, f.Mode, f.Machine, f.IP = e.SDK, e.Mode, e.Machine, e.IP
	}
	if f.Split == nil {
		f.Split = environment
	}
	f.Received = received
	var w wire.Writer
	w.Begin(kind, e.Entries, f)
	out, more := w.Append(nil, 1<<30)
	if more {
		t.Error("lines are left")
	}
	return string(out), w.Rejected()
}

func TestLinesOfRealRequests(t *testing.T) {
	for _, c := range captures {
		t.Run(c.name, func(t *testing.T) {
			in := readCapture(t, c.name)
			h := in.Headers
			got, rejected := lines(t, c.kind, string(in.Body), wire.Facts{
				SDK: h["SplitSDKVersion"], Mode: h["SplitSDKImpressionsMode"], Machine: h["SplitSDKMachineName"], IP: h["SplitSDKMachineIP"],
			})
			if rejected != (wire.Rejected{}) {
				t.Errorf("left out %v", rejected)
			}
			path := filepath.Join("testdata", c.name+".ndjson")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("lines are\n%s\nwant\n%s", got, want)
			}
		})
	}
}
