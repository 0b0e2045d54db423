package airbyte

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/cli"
	"strm/internal/objstore"
	"strm/internal/objstore/s3"
	"strm/internal/objstore/s3server"
	"strm/internal/objstore/s3server/s3fault"
	"strm/test/harness"
)

// beCommand in the environment makes the test's own binary the command, so that
// a test can kill it.
const beCommand = "STRM_TEST_IS_THE_COMMAND"

// tellPeak in the environment names a file in which the command leaves the size
// of its largest resident set, in bytes. What the kernel says of a child counts
// the memory of the parent that it began with.
const tellPeak = "STRM_TEST_PEAK"

func writePeak(path string) error {
	u, err := harness.UsageOf(os.Getpid())
	if err != nil {
		return err
	}
	return os.WriteFile(path, strconv.AppendInt(nil, u.PeakRSS, 10), 0o600)
}

const bucketName = "strm-airbyte-test"

func TestMain(m *testing.M) {
	if os.Getenv(beCommand) != "" {
		code := cli.Main(os.Args[1:])
		if path := os.Getenv(tellPeak); path != "" {
			if err := writePeak(path); err != nil {
				panic(err)
			}
		}
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// world is a bucket and a configuration for it.
type world struct {
	t      *testing.T
	url    string
	faults *s3fault.Handler
	bucket *s3.Bucket
	config map[string]any
	env    []string // more of the environment
	temp   string
}

func newWorld(t *testing.T, format map[string]any, more ...any) *world {
	t.Helper()
	return policyWorld(t, nil, format, more...)
}

// policyWorld is a world whose store permits what the policy says; more are
// pairs of configuration.
func policyWorld(t *testing.T, policy s3fault.Policy, format map[string]any, more ...any) *world {
	t.Helper()
	srv, err := s3server.New(s3server.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	h := s3fault.Wrap(srv, s3fault.Options{Policy: policy})
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	w := &world{t: t, url: ts.URL, faults: h, temp: t.TempDir(), config: map[string]any{
		"s3_bucket_name": bucketName, "s3_bucket_path": "test/path", "s3_bucket_region": "", "s3_endpoint": ts.URL,
		"access_key_id": "AKIATESTTESTTESTTEST", "secret_access_key": "secret/secret/secret/secret/secret/12345", "format": format,
		"an_unknown_key": map[string]any{"is": "tolerated"},
	}}
	for i := 0; i < len(more); i += 2 {
		w.config[more[i].(string)] = more[i+1]
	}
	w.bucket = openBucket(t, srv)
	return w
}

// openBucket opens the store behind the policy, with rights of its own.
func openBucket(t *testing.T, srv *s3server.Server) *s3.Bucket {
	t.Helper()
	ts := httptest.NewServer(srv)
	b, err := s3.Open(t.Context(), s3.Config{Bucket: bucketName, Endpoint: ts.URL, PathStyle: true, Region: "us-east-1",
		AccessKeyID: "AKIATESTTESTTESTTEST", SecretAccessKey: "x"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		ts.Close()
	})
	return b
}

// stream is a stream of a catalog.
type stream struct {
	name, ns, schema, mode string
	gen, min, sync         any // numbers, or nil
}

const idSchema = `{"type":"object","properties":{"id":{"type":"integer"}}}`

func (s stream) MarshalJSON() ([]byte, error) {
	schema, mode := s.schema, s.mode
	if schema == "" {
		schema = idSchema
	}
	if mode == "" {
		mode = "append"
	}
	var ns any
	if s.ns != "" {
		ns = s.ns
	}
	return json.Marshal(map[string]any{
		"stream":    map[string]any{"name": s.name, "namespace": ns, "json_schema": json.RawMessage(schema), "supported_sync_modes": []string{"full_refresh"}},
		"sync_mode": "full_refresh", "destination_sync_mode": mode, "cursor_field": []string{},
		"generation_id": s.gen, "minimum_generation_id": s.min, "sync_id": s.sync,
	})
}

// one is the suite's usual stream.
func one(gen, minimum, sync int) stream {
	return stream{name: "test_stream", gen: gen, min: minimum, sync: sync}
}

func write(t *testing.T, path string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// files writes configuration and catalog, and returns the arguments of write.
func (w *world) files(streams []stream, more ...string) []string {
	w.t.Helper()
	dir := w.t.TempDir()
	write(w.t, filepath.Join(dir, "config.json"), w.config)
	write(w.t, filepath.Join(dir, "catalog.json"), map[string]any{"streams": streams})
	return append([]string{"airbyte", "write", "--config", filepath.Join(dir, "config.json"), "--catalog", filepath.Join(dir, "catalog.json")}, more...)
}

// answer is what a run wrote.
type answer struct {
	t      *testing.T
	failed bool
	lines  []string
}

// states returns the states that came back, as they came.
func (a answer) states() []string { return a.of("STATE") }

func (a answer) of(kind string) (out []string) {
	a.t.Helper()
	for _, line := range a.lines {
		var m struct{ Type string }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			a.t.Fatalf("the output is no message: %q: %v", line, err)
		}
		if m.Type == kind {
			out = append(out, line)
		}
	}
	return out
}

// fault returns the message and type of the TRACE ERROR, which must be one.
func (a answer) fault() (message, kind string) {
	a.t.Helper()
	all := a.of("TRACE")
	if len(all) != 1 {
		a.t.Fatalf("%d TRACE messages: %q", len(all), all)
	}
	var m struct {
		Trace struct {
			Type  string
			Error struct {
				Message string
				Failure string `json:"failure_type"`
			}
		}
	}
	if err := json.Unmarshal([]byte(all[0]), &m); err != nil || m.Trace.Type != "ERROR" {
		a.t.Fatalf("%s: %v", all[0], err)
	}
	return m.Trace.Error.Message, m.Trace.Error.Failure
}

// must fails the test unless the run ended well.
func (a answer) must() answer {
	a.t.Helper()
	if a.failed {
		a.t.Fatalf("it failed:\n%s", strings.Join(a.lines, "\n"))
	}
	return a
}

// fails fails the test unless the run failed and said so in these words.
func (a answer) fails(words, kind string) answer {
	a.t.Helper()
	if !a.failed {
		a.t.Fatalf("it succeeded:\n%s", strings.Join(a.lines, "\n"))
	}
	if m, k := a.fault(); !strings.Contains(m, words) || k != kind {
		a.t.Fatalf("it said %q (%s), want %q (%s)", m, k, words, kind)
	}
	return a
}

// command runs the command in this process.
func (w *world) command(in io.Reader, args ...string) answer {
	w.t.Helper()
	var out, errs bytes.Buffer
	root := cli.New(cli.Deps{Stdin: in, Stdout: &out, Stderr: &errs, Env: append([]string{"TMPDIR=" + w.temp, "HOME=" + w.temp}, w.env...), Version: "test"})
	root.SetArgs(args)
	err := root.ExecuteContext(w.t.Context())
	if errs.Len() > 0 {
		w.t.Errorf("standard error: %s", errs.String())
	}
	for _, s := range []string{"secret/secret"} {
		if strings.Contains(out.String()+errs.String(), s) {
			w.t.Errorf("a secret is in the output")
		}
	}
	if left, _ := filepath.Glob(filepath.Join(w.temp, "strm-airbyte-*")); len(left) > 0 {
		w.t.Errorf("left in the temporary directory: %v", left)
	}
	a := answer{t: w.t, failed: err != nil}
	if text := strings.TrimRight(out.String(), "\n"); text != "" {
		a.lines = strings.Split(text, "\n")
	}
	return a
}

// sync runs write over the messages, each of which is a line.
func (w *world) sync(streams []stream, messages ...string) answer {
	w.t.Helper()
	return w.command(strings.NewReader(strings.Join(messages, "\n")+"\n"), w.files(streams)...)
}

func object(ns string, rest string, args ...any) string {
	quoted := "null"
	if ns != "" {
		quoted = fmt.Sprintf("%q", ns)
	}
	return strings.ReplaceAll(fmt.Sprintf(rest, args...), "@ns", quoted)
}

// record is a message with a record of test_stream.
func record(data string, at int64) string { return recordOf("test_stream", "", data, at) }

func recordOf(name, ns, data string, at int64) string {
	return object(ns, `{"type":"RECORD","record":{"stream":%s,"namespace":@ns,"data":%s,"emitted_at":%d}}`, quote(name), data, at)
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// status is the message of a stream's status.
func status(name, ns, word string) string {
	return object(ns, `{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1,"stream_status":{"stream_descriptor":{"name":%s,"namespace":@ns},"status":%q}}}`, quote(name), word)
}

func complete() string { return status("test_stream", "", "COMPLETE") }

// state is a STREAM state of test_stream; stats is put after it.
func state(value, more string) string {
	return fmt.Sprintf(`{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"test_stream"},"stream_state":%s}%s}}`, value, more)
}

// echo is the state as it must come back.
func echo(state string, records int) string {
	return fmt.Sprintf(`%s,"destinationStats":{"recordCount":%d.0}}}`, strings.TrimSuffix(state, "}}"), records)
}

// keys returns all keys of the bucket.
func (w *world) keys() (keys []string) {
	w.t.Helper()
	for info, err := range w.bucket.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func (w *world) get(key string) ([]byte, objstore.Info) {
	w.t.Helper()
	r, info, err := w.bucket.Open(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		w.t.Fatal(err)
	}
	return data, info
}

// process is the command as a process of its own.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	errs  bytes.Buffer

	peakFile string // of tellPeak
}

func (w *world) start(streams []stream) *process {
	w.t.Helper()
	p := &process{t: w.t, peakFile: filepath.Join(w.temp, "peak"), lines: make(chan string, 1000)}
	p.cmd = exec.CommandContext(w.t.Context(), os.Args[0], w.files(streams)...)
	p.cmd.Env = []string{beCommand + "=1", "TMPDIR=" + w.temp, "PATH=" + os.Getenv("PATH"), "HOME=" + w.temp, "NO_PROXY=*"}
	if runtime.GOOS == "linux" {
		p.cmd.Env = append(p.cmd.Env, tellPeak+"="+p.peakFile)
	}
	p.cmd.Stderr = &p.errs
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		var rest []byte
		buf := make([]byte, 64<<10)
		for {
			n, err := out.Read(buf)
			rest = append(rest, buf[:n]...)
			for {
				i := bytes.IndexByte(rest, '\n')
				if i < 0 {
					break
				}
				p.lines <- string(rest[:i])
				rest = rest[i+1:]
			}
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *process) say(messages ...string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, strings.Join(messages, "\n")+"\n"); err != nil {
		p.t.Fatalf("%v; %s", err, p.errs.String())
	}
}

// await returns the next state, while it sends something each time the time
// passes: a source that waits is not silent.
func (p *process) await(within time.Duration, meanwhile string) string {
	p.t.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("it ended before a state came back; %s", p.errs.String())
			}
			if strings.Contains(line, `"type":"STATE"`) {
				return line
			}
		case <-tick.C:
			if meanwhile != "" {
				p.say(meanwhile)
			}
		case <-limit.C:
			p.t.Fatal("no state came back in time")
		}
	}
}

// end waits for the process and returns how it ended and what it still said.
func (p *process) end() (*os.ProcessState, []string) {
	var rest []string
	for line := range p.lines {
		rest = append(rest, line)
	}
	_ = p.cmd.Wait() // the state tells
	return p.cmd.ProcessState, rest
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_, _ = p.end()
}

// put stores an object as somebody else would.
func (w *world) put(key string, data []byte, meta map[string]string) {
	w.t.Helper()
	c := objstore.Bytes(data)
	c.Metadata = meta
	if err := w.bucket.Create(w.t.Context(), key, c); err != nil {
		w.t.Fatal(err)
	}
}
