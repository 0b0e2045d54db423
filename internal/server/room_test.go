package server_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/internal/server"
)

// patience is how long tests wait for what must come about.
const patience = 5 * time.Minute

// until asks again and again, for as long as a slow machine may need.
func (r *running) until(what string, holds func() bool) {
	r.t.Helper()
	r.within(patience, func() string { return what }, holds)
}

// within asks again and again, for as long as most; what says then what did not
// come about.
func (r *running) within(most time.Duration, what func() string, holds func() bool) {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(most)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			r.t.Fatalf("%s: not within %v\n%s", what(), most, r.log)
		}
	}
}

// A log at --log-max-bytes refuses events while they wait for delivery, and goes
// on by itself, long before the events are old, once they are delivered.
func TestLogAtItsBoundGoesOnByItself(t *testing.T) {
	bucket := filepath.Join(t.TempDir(), "bucket")
	r := start(t, server.Config{Data: t.TempDir(), LogMaxBytes: 100_000})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	r.must("POST", "/v1/streams", `{"name":"kept"}`)
	r.must("PUT", "/v1/sinks/files", fmt.Sprintf(`{"type":"DIR","bucket":%q}`, bucket))
	r.must("POST", "/v1/batch-exporters", `{"stream":"demo","sink":"files",`+daily()+`}`)

	rng := rand.New(rand.NewPCG(1, 2))
	sent, stored := 0, 0
	send := func(to string) int {
		noise := make([]byte, 1000)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		status, out := r.do("POST", "/v1/streams/"+to+"/events", fmt.Sprintf(`{"id":"%s-%d","x":"%s"}`, to, sent, hex.EncodeToString(noise)))
		switch {
		case status == http.StatusOK && to == "demo":
			sent, stored = sent+1, stored+1
		case status != http.StatusOK && status != http.StatusTooManyRequests:
			t.Fatalf("%d %s", status, out)
		}
		return status
	}
	fill := func() {
		t.Helper()
		before := sent
		for send("demo") == http.StatusOK {
			if sent > before+1000 {
				t.Fatal("the log is never full")
			}
		}
	}
	if status := send("kept"); status != http.StatusOK {
		t.Fatalf("the first event: %d", status)
	}
	fill()
	r.until("retention has looked", func() bool { return strings.Contains(r.log.String(), "nothing more may be removed") })
	if status := send("demo"); status != http.StatusTooManyRequests {
		t.Fatalf("nothing was delivered, and the answer is %d", status)
	}
	r.flush("files-demo")
	for range 2 { // the second time with what is left of the delivered events
		r.until("intake goes on", func() bool { return send("demo") == http.StatusOK })
		fill()
	}
	if !strings.Contains(r.log.String(), "the oldest delivered events were removed before their time") {
		t.Error("nothing was said about it")
	}
	r.flush("files-demo")
	if out := r.must("POST", "/v1/batch-exporters/files-demo/verify", ""); !strings.Contains(out, `"ok":true`) || !strings.Contains(out, fmt.Sprintf(`"events":%d`, stored)) {
		t.Errorf("%d events were accepted; verify: %s", stored, out)
	}
	if out := r.must("GET", "/v1/streams/kept", ""); !strings.Contains(out, `"floor":0`) {
		t.Errorf("a stream without an exporter lost events: %s", out)
	}
	var all bytes.Buffer
	files, err := filepath.Glob(filepath.Join(bucket, "2*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for i := range stored {
		if n := strings.Count(all.String(), fmt.Sprintf(`"demo-%d"`, i)); n != 1 {
			t.Errorf("event %d is in the bucket %d times", i, n)
		}
	}
}
