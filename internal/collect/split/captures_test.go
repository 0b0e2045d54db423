package split_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strm/internal/collect/split"
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
	var b bytes.Buffer
	if err := json.Compact(&b, c.Body); err != nil {
		t.Fatal(err)
	}
	c.Body = b.Bytes()
	return c
}

func TestCapturedRequests(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		status       int
		origin       string
	}{
		{"node-11.11.2-impressions", "si", 200, ""},
		{"node-11.11.2-events", "se", 200, ""},
		{"node-11.11.2-counts", "sc", 200, ""},
		{"go-6.8.1-impressions", "si", 200, ""},
		{"go-6.8.1-events", "se", 200, ""},
		{"browser-1.7.1-impressions-beacon", "si", 204, "http://shop.example.test"},
		{"browser-1.7.1-events-beacon", "se", 204, "http://shop.example.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := readCapture(t, c.name)
			r := newRig(t, split.Deps{}, ingest.Options{})
			r.counts()
			head := []string{"Authorization", "", "SplitSDKVersion", ""}
			for k, v := range in.Headers {
				head = append(head, k, v)
			}
			w := r.send(in.Method, in.Path, string(in.Body), head...)
			if w.Code != c.status || c.origin != "" && w.Header().Get("Access-Control-Allow-Origin") != c.origin {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
			// The form of the lines is wire's, with the same clock and catalogue.
			want, err := os.ReadFile(filepath.Join("wire", "testdata", c.name+".ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.stored(c.stream); got != string(want) {
				t.Errorf("stored\n%s\nwant\n%s", got, want)
			}
			if told := r.seen.take(); !strings.Contains(told, "answered prod stored") {
				t.Errorf("told %s", told)
			}
		})
	}
}

// Two of the three impressions are the same, byte by byte, and both are genuine;
// so is a whole request that comes twice.
func TestEqualImpressionsAreKept(t *testing.T) {
	in := readCapture(t, "go-6.8.1-impressions")
	r := newRig(t, split.Deps{}, ingest.Options{})
	for range 2 {
		if w := r.post(in.Path, string(in.Body)); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	seen := map[string]int{}
	for line := range strings.Lines(r.stored("si")) {
		seen[line]++
	}
	if len(seen) != 2 || len(r.lines("si")) != 6 {
		t.Errorf("stored %v", seen)
	}
}
