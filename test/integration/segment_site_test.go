//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strm/test/harness"
)

// segmentSite is a server with a bucket into which it may put raw logs, and
// nothing else.
type segmentSite struct {
	g      *gateway
	s      *strm
	bucket string
	began  time.Time
}

// segmentPackage returns a directory of an installed npm package.
func segmentPackage(elem ...string) string {
	return filepath.Join(append([]string{tools, "npm", "segment", "node_modules"}, elem...)...)
}

func startSegmentSite(t *testing.T, bucket string, args ...string) *segmentSite {
	t.Helper()
	sdk := segmentPackage("@segment", "analytics-next")
	x := &segmentSite{g: startGateway(t), s: startStrm(t, append([]string{"--analytics-js", sdk, "--trusted-proxies", "127.0.0.1"}, args...)...), bucket: bucket, began: time.Now()}
	x.g.root().aws(t, "s3", "mb", "s3://"+bucket)
	x.g.user(t, bucket, x.s.dir, allow(bucket+"/segment-logs/*", "s3:PutObject"))
	x.s.run(t, "create", "sink", "s3", bucket, "--credentials-file", "s3.json", "--endpoint", x.g.url, "--path-style")
	return x
}

// segmentSource is a source that moved here with its write key and its id.
type segmentSource struct{ name, key, id string }

// source makes a source, its stream and its exporter, all of one name.
func (x *segmentSite) source(t *testing.T, name string) segmentSource {
	t.Helper()
	letters := strings.Map(func(r rune) rune {
		if r == '-' {
			return -1
		}
		return r
	}, name)
	src := segmentSource{name, (letters + strings.Repeat("Kx3", 11))[:32], (letters + strings.Repeat("Zq7", 8))[:22]}
	x.s.run(t, "create", "source", name, "--kind", "segment", "--write-key", src.key, "--source-id", src.id)
	x.s.run(t, "create", "batch-exporter", name, "--sink", "s3", "--layout", "segment", "--name", name)
	return src
}

// told is what a client says of one call.
type told struct {
	N                                int
	Type, MessageID, Outcome, Reason string
}

// visit is what a browser did on one page.
type visit struct {
	Name, Rejected string
	Hosts, Answers []string
	Events         []told
}

// report is what a client program prints.
type report struct {
	Events        []told
	Version, Shop string
	Visits        []visit
}

// runSegmentClient runs a client program to its end with a plan. It may be
// called from any goroutine.
func runSegmentClient(t *testing.T, plan map[string]any, argv ...string) (report, error) {
	var r report
	arg, err := json.Marshal(plan)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], string(arg))...)
	cmd.Env = harness.Env("NODE_PATH="+segmentPackage(), "HOME="+home)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err = cmd.Run()
	program := filepath.Base(argv[len(argv)-1])
	t.Logf("%s ran for %v\n%s", program, time.Since(began).Round(100*time.Millisecond), errs.String())
	if err == nil {
		err = json.Unmarshal(out.Bytes(), &r)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w\n%.2000s", program, err, out.String())
	}
	return r, nil
}

// together runs jobs at the same time, however many tests may run in parallel,
// and ends the test if one fails.
func together(t *testing.T, jobs ...func() error) {
	t.Helper()
	failures := make(chan error, len(jobs))
	for _, job := range jobs {
		go func() { failures <- job() }()
	}
	for range jobs {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// segmentClient is a program that runs one vendor's server library.
type segmentClient struct {
	name    string
	argv    func() []string
	plan    map[string]any
	library string // context.library.name of its events
}

func segmentProgram(name string) string { return filepath.Join(sources, "clients", "segment", name) }

// segmentClients are the server libraries.
var segmentClients = []segmentClient{
	{"node", func() []string { return []string{"node", segmentProgram("node.js")} }, nil, "@segment/analytics-node"},
	{"node-legacy", func() []string { return []string{"node", segmentProgram("legacy.js")} }, nil, "analytics-node"},
	{"go", func() []string { return []string{filepath.Join(tools, "bin", "segment-go")} }, map[string]any{"module": "v3"}, "analytics-go"},
	{"go-gopkg", func() []string { return []string{filepath.Join(tools, "bin", "segment-go")} }, map[string]any{"module": "gopkg"}, "analytics-go"},
	{"java", segmentJava, nil, "analytics-java"},
	{"python", segmentPython, map[string]any{"gzip": false}, "analytics-python"},
	{"python-gzip", segmentPython, map[string]any{"gzip": true}, "analytics-python"},
}

func segmentJava() []string {
	dir := filepath.Join(tools, "java", "segment")
	return []string{"java", "-cp", dir + string(os.PathListSeparator) + filepath.Join(dir, "lib", "*"), "Client"}
}

func segmentPython() []string {
	return []string{filepath.Join(tools, "segment-venv", "bin", "python"), segmentProgram("client.py")}
}

// run lets the client make the calls of a mode. It may be called from any
// goroutine.
func (c segmentClient) run(t *testing.T, p *proxy, src segmentSource, mode string, events int) ([]told, error) {
	plan := map[string]any{"host": p.http, "writeKey": src.key, "name": src.name, "mode": mode, "events": events}
	maps.Copy(plan, c.plan)
	got, err := runSegmentClient(t, plan, c.argv()...)
	p.settle()
	return got.Events, err
}

// rawLog is one source's raw logs as the AWS CLI, zcat and jq show them.
type rawLog struct {
	lines   []rawLine
	objects int
}

// rawLine is one line of it.
type rawLine struct {
	day  string // the directory
	text string // as in the file
	N    int

	Type, MessageID, UserID, AnonymousID, PreviousID, GroupID, Event, Name, Channel, ProjectID string
	Version                                                                                    int
	Properties, Traits, Context, Integrations                                                  map[string]any
	OriginalTimestamp, SentAt, ReceivedAt, Timestamp                                           time.Time
}

var rawLogKey = regexp.MustCompile(`^segment-logs/([0-9A-Za-z]{22})/(\d{13})/[^/]+\.gz$`)

// rawLogs delivers everything and reads the bucket back with aws s3 sync, zcat
// and jq.
func (x *segmentSite) rawLogs(t *testing.T, srcs ...segmentSource) map[string]rawLog {
	t.Helper()
	for _, src := range srcs {
		x.s.flush(t, src.name)
	}
	out := map[string]rawLog{}
	byID := map[string]string{}
	for _, src := range srcs {
		byID[src.id] = src.name
		out[src.name] = rawLog{}
	}
	days := map[string]bool{}
	for _, e := range x.g.bucket(t, x.bucket, "segment-logs/") {
		m := rawLogKey.FindStringSubmatch(e.Key)
		if m == nil {
			if len(e.Lines) == 0 && strings.Count(e.Key, "/") == 1 {
				continue // the validation object: empty, in no source's directory
			}
			t.Errorf("a key that no reader expects: %s with %d lines", e.Key, len(e.Lines))
			continue
		}
		if e.Type != "text/plain" || e.Encoding != "gzip" {
			t.Errorf("%s has Content-Type %q and Content-Encoding %q", e.Key, e.Type, e.Encoding)
		}
		days[m[2]] = true
		name, ok := byID[m[1]]
		if !ok {
			t.Errorf("%s is in the directory of an unknown source", e.Key)
		}
		l := out[name]
		l.objects++
		out[name] = l
	}
	ended := time.Now()
	for day := range days {
		if ms, err := strconv.ParseInt(day, 10, 64); err != nil || ms%86_400_000 != 0 || ms < x.began.UnixMilli()-86_400_000 || ms > ended.UnixMilli() {
			t.Errorf("%s is not midnight of a day in which this test ran", day)
		}
	}
	dir := t.TempDir()
	x.g.root().in(dir).aws(t, "s3", "sync", "--only-show-errors", "s3://"+x.bucket+"/segment-logs/", ".")
	for _, src := range srcs {
		l := out[src.name]
		if l.objects > 0 {
			l.lines = readRawLog(t, filepath.Join(dir, src.id))
		}
		out[src.name] = l
	}
	return out
}

// readRawLog reads <dir>/<day>/*.gz with zcat and jq.
func readRawLog(t *testing.T, dir string) []rawLine {
	t.Helper()
	var out []rawLine
	days, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range days {
		// jq -c prints what it understood: one value a line, numbers as doubles.
		cmd := exec.CommandContext(t.Context(), "bash", "-c", `set -o pipefail; cd "$0" && zcat ./*.gz >lines && jq -c . <lines >values`, filepath.Join(dir, day.Name()))
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("zcat | jq: %v\n%s", err, b)
		}
		lines, values := fileLines(t, dir, day.Name(), "lines"), fileLines(t, dir, day.Name(), "values")
		if len(lines) != len(values) {
			t.Fatalf("zcat shows %d lines, jq %d values", len(lines), len(values))
		}
		for i, text := range values {
			l := rawLine{day: day.Name(), text: lines[i], N: -1}
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			for _, from := range []map[string]any{l.Properties, l.Traits} {
				if n, ok := from["n"].(float64); ok {
					l.N = int(n)
				}
			}
			out = append(out, l)
		}
	}
	return out
}

func fileLines(t *testing.T, elem ...string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// once checks what a client was told against its raw log.
func (l rawLog) once(t *testing.T, events []told) (delivered, failed int) {
	t.Helper()
	delivered, failed, wrong := account(events, l.lines)
	for _, w := range wrong {
		t.Error(w)
	}
	return delivered, failed
}

// account tells what is wrong: what a client believes delivered has to be there
// once, what it gave up at most once, nothing else at all. It also counts both.
func account(events []told, lines []rawLine) (delivered, failed int, wrong []string) {
	count := map[string]int{}
	for _, line := range lines {
		count[line.MessageID]++
	}
	for _, e := range events {
		n := count[e.MessageID]
		delete(count, e.MessageID)
		call := fmt.Sprintf("call %d (%s %s)", e.N, e.Type, e.MessageID)
		switch {
		case e.Outcome == "delivered":
			delivered++
			if n != 1 {
				wrong = append(wrong, fmt.Sprintf("%s was delivered, and is in the bucket %d times", call, n))
			}
		case e.Outcome == "failed" && e.Reason != "":
			failed++
			if n > 1 {
				wrong = append(wrong, fmt.Sprintf("%s was given up, and is in the bucket %d times", call, n))
			}
		default:
			wrong = append(wrong, fmt.Sprintf("the client does not know what became of %s: %q %q", call, e.Outcome, e.Reason))
		}
	}
	if len(count) > 0 {
		wrong = append(wrong, fmt.Sprintf("in the bucket, but not of this client: %q", slices.Sorted(maps.Keys(count))))
	}
	return delivered, failed, wrong
}
