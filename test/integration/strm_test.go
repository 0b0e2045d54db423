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

// strm is a running server and its command line, in a directory of its own.
type strm struct {
	srv *harness.Server
	cli *harness.CLI
	dir string
}

// startStrm starts a server; it ends with the test, and its log is shown if
// the test failed.
func startStrm(t *testing.T, args ...string) *strm {
	t.Helper()
	return startStrmWith(t, nil, args...)
}

// startStrmWith gives it an environment, too.
func startStrmWith(t *testing.T, env []string, args ...string) *strm {
	t.Helper()
	dir := t.TempDir()
	srv, err := harness.NewServer(t.Context(), strmBin, dir, append([]string{"--allow-short-intervals"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log ends:\n%s", srv.LogTail(8<<10))
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	srv.Env = env
	if err := srv.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	cli, err := srv.CLI()
	if err != nil {
		t.Fatal(err)
	}
	cli.Dir = dir
	// A home of its own: strm send keeps its state below it.
	cli.Env = []string{"HOME=" + dir, "XDG_STATE_HOME=" + dir + "/state", "XDG_CONFIG_HOME=" + dir + "/config", "XDG_CACHE_HOME=" + dir + "/cache"}
	return &strm{srv, cli, dir}
}

// run runs a command, which must succeed.
func (s *strm) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.cli.Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// intake returns a way into a stream.
func (s *strm) intake(t *testing.T, stream string) *harness.Intake {
	t.Helper()
	key, err := s.cli.Source(t.Context(), stream+"-in", stream)
	if err != nil {
		t.Fatal(err)
	}
	return &harness.Intake{Server: s.srv.URL(), Stream: stream, Key: key, Client: http.DefaultClient}
}

// post sends events {"id":"<name>-<n>"} for n in [from, to).
func post(t *testing.T, in *harness.Intake, name string, from, to int) {
	t.Helper()
	var body []byte
	for n := from; n < to; n++ {
		body = fmt.Appendf(body, `{"id":"%s-%d","text":"één → 日本 \" \\ 1.50"}`+"\n", name, n)
	}
	a, err := in.Post(t.Context(), harness.Request{Body: body, Idempotency: fmt.Sprintf("%s-%d-%d", name, from, to)})
	if err != nil || !a.Acknowledged() || a.Accepted != int64(to-from) {
		t.Fatalf("post events: %+v, %v", a, err)
	}
}

// flush delivers everything that waits.
func (s *strm) flush(t *testing.T, exporter string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if _, err := s.cli.Run(ctx, "flush", exporter, "--wait"); err != nil {
		state, serr := s.cli.Run(t.Context(), "get", "batch-exporter", exporter, "-o", "json")
		t.Fatalf("%v\nits state: %s (%v)", err, state, serr)
	}
}

// verify asks for a verification through the API, with all its figures.
func (s *strm) verify(t *testing.T, exporter string) apiv1.Verification {
	t.Helper()
	var v apiv1.Verification
	if err := s.cli.Call(t.Context(), http.MethodPost, "/v1/batch-exporters/"+exporter+"/verify", nil, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// state waits until an exporter is in a state whose reason holds all words.
func (s *strm) state(t *testing.T, exporter, state string, limit time.Duration, words ...string) apiv1.Status {
	t.Helper()
	var got apiv1.Exporter
	err := harness.Poll(t.Context(), limit, 100*time.Millisecond, exporter+" to be "+state, func(ctx context.Context) (bool, string, error) {
		var err error
		got, err = s.cli.Exporter(ctx, exporter)
		return got.Status.State == state, fmt.Sprintf("%s: %s", got.Status.State, got.Status.Reason), err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(got.Status.Reason), strings.ToLower(w)) {
			t.Errorf("%s is %s because of %q, which does not mention %q", exporter, state, got.Status.Reason, w)
		}
	}
	return got.Status
}

// sameAsLedger compares a bucket as others see it with `strm list batches`.
func (s *strm) sameAsLedger(t *testing.T, exporter string, objects []entry) {
	t.Helper()
	type object struct {
		size, events int64
		crc32        string
	}
	seen, told := map[string]object{}, map[string]object{}
	for _, e := range objects {
		if e.Size != e.Read {
			t.Errorf("%s: listed with %d bytes, read %d", e.Key, e.Size, e.Read)
		}
		seen[e.Key] = object{e.Size, int64(len(e.Lines)), e.CRC32}
	}
	batches, err := s.cli.Batches(t.Context(), exporter)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if b.State != "done" {
			t.Errorf("batch %s is %s", b.ID, b.State)
		}
		for _, o := range b.Objects {
			told[o.Key] = object{o.Bytes, o.Events, o.CRC32}
		}
	}
	if len(seen) == 0 || !maps.Equal(seen, told) {
		t.Errorf("%s: the bucket holds\n%v\nand the ledger tells\n%v", exporter, seen, told)
	}
}

// exactly checks that objects hold the events <name>-0 to <name>-<n-1>, each once.
func exactly(t *testing.T, objects []entry, name string, n int) {
	t.Helper()
	count := map[string]int{}
	for _, o := range objects {
		for _, line := range o.Lines {
			var ev struct{ ID, Text string }
			if err := json.Unmarshal([]byte(line), &ev); err != nil || ev.Text != `één → 日本 " \ 1.50` {
				t.Errorf("%s: %v in line %q", o.Key, err, line)
			}
			count[ev.ID]++
		}
	}
	for i := range n {
		id := fmt.Sprintf("%s-%d", name, i)
		if count[id] != 1 {
			t.Errorf("event %s is in the bucket %d times", id, count[id])
		}
		delete(count, id)
	}
	if len(count) > 0 {
		t.Errorf("never sent, yet in the bucket: %q", slices.Sorted(maps.Keys(count)))
	}
}
