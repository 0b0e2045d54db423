//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/test/harness"
)

// delivery is a stream with a sink and an exporter, all of one name.
type delivery struct {
	s    *strm
	name string
	in   *harness.Intake // of a source of kind events, or nil
	key  string          // write key of a source of kind segment
	sent int
	told string // what was wrong at its creation; empty if nothing
}

// place says where a delivery goes.
type place struct {
	endpoint, bucket string
	sink             []string // further flags of its sink
	exporter         []string // and of its exporter
	segment          bool     // Segment calls, in layout segment; else events below "p"
}

// deliver sets a delivery up. An exporter that cannot write yet exists all the
// same; what was wrong is kept.
func (s *strm) deliver(t *testing.T, name string, to place) *delivery {
	t.Helper()
	d := &delivery{s: s, name: name}
	s.run(t, append([]string{"create", "sink", name, to.bucket, "--endpoint", to.endpoint, "--path-style"}, to.sink...)...)
	create := append([]string{"create", "batch-exporter", name, "--sink", name, "--name", name, "--interval", "1s"}, to.exporter...)
	if to.segment {
		var src struct {
			apiv1.Source
			Wrapped *apiv1.Source `json:"source"`
		}
		if err := s.cli.JSON(t.Context(), &src, "create", "source", name, "--kind", "segment", "-o", "json"); err != nil {
			t.Fatal(err)
		}
		d.key = src.WriteKey
		if src.Wrapped != nil {
			d.key = src.Wrapped.WriteKey
		}
		create = append(create, "--layout", "segment", "--interval-offset", "0s")
	} else {
		s.run(t, "create", "stream", name)
		d.in = s.intake(t, name)
		create = append(create, "--path-prefix", "p")
	}
	if out, err := s.cli.Command(t.Context(), create...).CombinedOutput(); err != nil {
		if !strings.Contains(string(out), "was created but cannot deliver yet") {
			t.Fatalf("create batch-exporter: %v\n%s", err, out)
		}
		d.told = string(out)
	}
	return d
}

// refused checks that the creation of the exporter told what is missing.
func (d *delivery) refused(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(d.told, w) {
			t.Fatalf("the exporter's creation did not mention %q:\n%s", w, d.told)
		}
	}
}

// retried lets the exporter try at once what it was waiting to try again, and
// delivers.
func (d *delivery) retried(t *testing.T) {
	t.Helper()
	d.s.run(t, "resume", d.name)
	d.s.state(t, d.name, "running", atOnce)
	d.delivers(t)
}

// post sends n more events or calls.
func (d *delivery) post(t *testing.T, n int) {
	t.Helper()
	from := d.sent
	d.sent += n
	if d.in != nil {
		post(t, d.in, d.name, from, d.sent)
		return
	}
	var calls []map[string]string
	for i := from; i < d.sent; i++ {
		calls = append(calls, map[string]string{"type": "track", "event": "E", "userId": "u", "messageId": fmt.Sprintf("%s-%d", d.name, i)})
	}
	body, err := json.Marshal(map[string]any{"batch": calls})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.s.srv.URL()+"/v1/batch", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(d.key, "")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("post calls: HTTP %d, %v", resp.StatusCode, err)
	}
}

// blocked posts events and waits until their batch is blocked for a reason that
// holds all words. Everything before must have been delivered.
func (d *delivery) blocked(t *testing.T, words ...string) {
	t.Helper()
	d.post(t, 10)
	last := "no batch yet"
	err := harness.Poll(t.Context(), 5*time.Minute, 200*time.Millisecond, d.name+" to be blocked", func(context.Context) (bool, string, error) {
		b := d.batches(t)[0]
		if b.State == "done" {
			return false, last, nil // an earlier one
		}
		last = fmt.Sprintf("%s %s, attempt %d: %s", b.ID, b.State, b.Attempts, b.Problem)
		for _, w := range words {
			if !strings.Contains(b.Problem, w) {
				return false, last, nil
			}
		}
		return b.Blocked, last, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(last)
	d.s.state(t, d.name, "blocked", atOnce, words...)
}

// batches returns the ledger, newest first.
func (d *delivery) batches(t *testing.T) []apiv1.Batch {
	t.Helper()
	all, err := d.s.cli.Batches(t.Context(), d.name)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// goesOn waits until the exporter has recovered by itself, and delivers.
func (d *delivery) goesOn(t *testing.T) {
	t.Helper()
	began := time.Now()
	d.s.state(t, d.name, "running", slowly)
	t.Logf("went on after %v", time.Since(began).Round(time.Second))
	d.delivers(t)
}

// delivers posts more and delivers everything.
func (d *delivery) delivers(t *testing.T) {
	t.Helper()
	d.post(t, 10)
	d.s.flush(t, d.name)
}

// once checks that a bucket, as its owner sees it, holds everything once, and
// what the ledger tells.
func (d *delivery) once(t *testing.T, owner client, bucket string) []entry {
	t.Helper()
	objects := owner.bucket(t, bucket, "")
	d.s.sameAsLedger(t, d.name, objects)
	if d.in != nil {
		exactly(t, objects, d.name, d.sent)
		return objects
	}
	count := map[string]int{}
	for _, o := range objects {
		for _, line := range o.Lines {
			var call struct{ MessageID string }
			if err := json.Unmarshal([]byte(line), &call); err != nil {
				t.Errorf("%s: %v in line %q", o.Key, err, line)
			}
			count[call.MessageID]++
		}
	}
	for i := range d.sent {
		id := fmt.Sprintf("%s-%d", d.name, i)
		if count[id] != 1 {
			t.Errorf("call %s is in the bucket %d times", id, count[id])
		}
		delete(count, id)
	}
	if len(count) > 0 {
		t.Errorf("never sent, yet in the bucket: %q", slices.Sorted(maps.Keys(count)))
	}
	return objects
}

// keyFile writes a credentials file as the AWS CLI prints it, and returns its name.
func keyFile(t *testing.T, k accessKey) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"AccessKey": map[string]string{"UserName": k.UserName, "AccessKeyId": k.AccessKeyID,
		"Status": "Active", "SecretAccessKey": k.SecretAccessKey}})
	if err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/key.json"
	write(t, name, string(b))
	return name
}

// ambient is a server whose environment has these credentials.
func startAmbient(t *testing.T, k accessKey) *strm {
	t.Helper()
	return startStrmWith(t, []string{"AWS_ACCESS_KEY_ID=" + k.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + k.SecretAccessKey})
}
