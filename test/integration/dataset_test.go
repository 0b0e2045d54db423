//go:build integration

package integration

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/test/harness"
)

// minRows is how large a public data set must be to count.
const minRows = 200_000

// flights prepares the data set and a place for it: stream flights, exporters
// plain and zipped. It returns the NDJSON file and the number of rows.
func flights(t *testing.T, g *gateway, s *strm, meta bool) (file string, rows int) {
	t.Helper()
	original := filepath.Join(tools, "data", "flights-200k.json")
	file = filepath.Join(s.dir, "flights.ndjson")
	out := g.root().run(t, "python", filepath.Join(sources, "rows.py"), original, file)
	rows, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || rows < minRows {
		t.Fatalf("%q rows, want at least %d", out, minRows)
	}
	g.root().aws(t, "s3", "mb", "s3://flights")
	g.user(t, "flights", s.dir, allow("flights", "s3:GetBucketLocation"), allow("flights/*", "s3:PutObject", "s3:GetObject"))
	s.run(t, "create", "sink", "s3", "flights", "--credentials-file", "s3.json", "--endpoint", g.url, "--path-style")
	s.run(t, "create", "stream", "flights", "--partitions", "4", "--strm-meta="+strconv.FormatBool(meta))
	for name, compression := range map[string]string{"plain": "none", "zipped": "gzip"} {
		s.run(t, "create", "batch-exporter", "flights", "--sink", "s3", "--name", name, "--path-prefix", name,
			"--interval", "1s", "--max-bytes", "2000000", "--compression", compression)
	}
	return file, rows
}

// sameRows lets Python compare what was delivered with the original file.
func sameRows(t *testing.T, g *gateway, s *strm, rows int, meta string) {
	t.Helper()
	for _, name := range []string{"plain", "zipped"} {
		s.flush(t, name)
		var got struct {
			Rows, Delivered, Objects, Missing, Extra int
			Examples                                 []string
		}
		g.root().python(t, &got, "compare.py", filepath.Join(tools, "data", "flights-200k.json"), "flights", name+"/", meta)
		t.Logf("%s: %+v", name, got)
		if got.Rows != rows || got.Delivered != rows || got.Missing != 0 || got.Extra != 0 {
			t.Errorf("%s: the delivered rows are not those of the file: %+v", name, got)
		}
		s.run(t, "verify", "batch-exporter", name)
		if v := s.verify(t, name); !v.OK || v.Read != v.Objects || v.Events != int64(rows) {
			t.Errorf("%s: verify: %+v", name, v)
		}
	}
}

// TestDataset sends a public data set with strm send and compares what comes
// out, row for row, by programs that are not ours.
func TestDataset(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	file, rows := flights(t, g, s, true)
	began := time.Now()
	s.run(t, "send", "flights", file)
	t.Logf("%d rows sent in %v", rows, time.Since(began).Round(10*time.Millisecond))
	sameRows(t, g, s, rows, "meta")
}

// TestDatasetThroughCrashes kills the server, and then the sender, in the
// middle; the same command again goes on, and nothing is lost or doubled.
func TestDatasetThroughCrashes(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	file, rows := flights(t, g, s, false)

	send := s.start(t, "send", "flights", file)
	s.received(t, "flights", int64(rows)/5, send)
	s.srv.Kill()
	if err := s.srv.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := send.wait(t) // it may have held out, or given up
	t.Logf("strm send through kill -9 of the server: %v", first)

	before := s.total(t, "flights")
	if before < int64(rows) {
		send = s.start(t, "send", "flights", file)
		s.received(t, "flights", before+(int64(rows)-before)/2, send)
		if err := send.cmd.Process.Kill(); err != nil {
			t.Logf("the sender ended first: %v", err)
		}
		t.Logf("strm send after its own kill -9: %v", send.wait(t))
	}
	if first != nil || before < int64(rows) {
		s.run(t, "send", "flights", file)
	}
	sameRows(t, g, s, rows, "bare")
}

// TestSenderKilled kills the sender alone; the same command again resumes.
func TestSenderKilled(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	file, rows := flights(t, g, s, false)
	send := s.start(t, "send", "flights", file)
	s.received(t, "flights", int64(rows)/3, send)
	if err := send.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	t.Logf("strm send after kill -9: %v; the stream holds %d events", send.wait(t), s.total(t, "flights"))
	s.run(t, "send", "flights", file)
	sameRows(t, g, s, rows, "bare")
}

// running is a command that runs beside the test.
type running struct {
	cmd  *exec.Cmd
	out  *harness.Buffer
	done chan error
}

// start starts a command; it is killed with the test.
func (s *strm) start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: s.cli.Command(t.Context(), args...), out: &harness.Buffer{}, done: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		r.done <- r.cmd.Wait()
		close(r.done)
	}()
	t.Cleanup(func() {
		// The only failure is that it has ended, which is the aim.
		_ = r.cmd.Process.Kill()
		<-r.done
	})
	return r
}

// wait waits for the command's end and returns how it ended, with its output.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			return fmt.Errorf("%w: %s", err, r.out)
		}
		return nil
	case <-time.After(5 * time.Minute):
		t.Fatalf("still running:\n%s", r.out)
		return nil
	}
}

// total returns how many offsets a stream has given out.
func (s *strm) total(t *testing.T, stream string) int64 {
	t.Helper()
	n, err := s.count(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *strm) count(ctx context.Context, stream string) (int64, error) {
	var st apiv1.Stream
	if err := s.cli.Call(ctx, http.MethodGet, "/v1/streams/"+stream, nil, &st); err != nil {
		return 0, err
	}
	var n int64
	for _, p := range st.Bounds {
		n += p.End
	}
	return n, nil
}

// received waits until a stream holds at least n events. A sender that ends
// before that was too quick for the test, which then would prove nothing.
func (s *strm) received(t *testing.T, stream string, n int64, by *running) {
	t.Helper()
	err := harness.Poll(t.Context(), 5*time.Minute, time.Millisecond, fmt.Sprintf("%d events in %s", n, stream), func(ctx context.Context) (bool, string, error) {
		got, err := s.count(ctx, stream)
		return got >= n, fmt.Sprintf("%d events; the sender says %s", got, by.out), err
	})
	if err != nil {
		t.Fatal(err)
	}
}
