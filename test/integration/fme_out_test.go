//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/test/harness"
)

// splitFlags are two flags that everybody gets one treatment of.
const splitFlags = `[` + splitFlagHead + `"name":"checkout","defaultTreatment":"off","changeNumber":1795161463647,"conditions":[` + splitCondition + `"partitions":[{"treatment":"on","size":100}]}]},` +
	splitFlagHead + `"name":"search","defaultTreatment":"off","changeNumber":1795161463648,"conditions":[` + splitCondition + `"partitions":[{"treatment":"v2","size":100}]}]}]`

const (
	splitFlagHead = `{"trafficTypeName":"user","trafficAllocation":100,"trafficAllocationSeed":1,"seed":2,"status":"ACTIVE","killed":false,"algo":2,` +
		`"configurations":{},"sets":[],"impressionsDisabled":false,`
	splitCondition = `{"conditionType":"ROLLOUT","label":"default rule","matcherGroup":{"combiner":"AND","matchers":[{"keySelector":{"trafficType":"user","attribute":null},` +
		`"matcherType":"ALL_KEYS","negate":false,"userDefinedSegmentMatcherData":null,"whitelistMatcherData":null}]},`
)

// impression is a row of an export, as far as the tests compare it.
type impression struct {
	Key, Label, Treatment, SplitName, Properties string
	EnvironmentID, TrafficTypeID                 string
	SDK, SDKVersion                              string
	MachineName, MachineIP                       *string
	SplitVersion, Timestamp, ReceptionTimestamp  int64
}

// splitHeard is what a client's own listener heard: in Go, what it evaluated.
type splitHeard struct {
	KeyName, Feature, Treatment, Properties string
	Time                                    int64
}

// splitTold is what a client program prints.
type splitTold struct {
	Impressions []splitHeard
	Events      int
	Answers     []string
	Version     string
}

// splitClient is one SDK in one mode.
type splitClient struct {
	name, sdk string
	argv      []string
	plan      map[string]any
}

func splitClients() []splitClient {
	program := func(name string) []string {
		return []string{"node", filepath.Join(sources, "clients", "split", name)}
	}
	plan := func(mode string, more map[string]any) map[string]any {
		p := map[string]any{"mode": mode, "users": 40, "repeats": 3, "events": 25}
		maps.Copy(p, more)
		return p
	}
	goBinary := []string{filepath.Join(tools, "bin", "split-go")}
	return []splitClient{
		{"node-debug", "nodejs", program("node.js"), plan("DEBUG", nil)},
		{"node-optimized", "nodejs", program("node.js"), plan("OPTIMIZED", nil)},
		{"node-none", "nodejs", program("node.js"), plan("NONE", nil)},
		{"go-debug", "go", goBinary, plan("debug", nil)},
		{"go-optimized", "go", goBinary, plan("optimized", nil)},
		{"go-none", "go", goBinary, plan("none", nil)},
		{"go-proxy", "go", goBinary, plan("debug", map[string]any{"proxy": true})},
		{"browser-debug", "browserjs", program("browser.js"), plan("DEBUG", map[string]any{"users": 1})},
		{"browser-optimized", "browserjs", program("browser.js"), plan("OPTIMIZED", map[string]any{"users": 1})},
		{"browser-none", "browserjs", program("browser.js"), plan("NONE", map[string]any{"users": 1})},
	}
}

func (c splitClient) run(t *testing.T, s *strm, key string) (splitTold, error) {
	var told splitTold
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return told, err
	}
	plan := maps.Clone(c.plan)
	maps.Copy(plan, map[string]any{"key": key, "name": c.name, "root": s.srv.URL(), "api": s.srv.URL() + "/api", "chromium": chromium})
	arg, err := json.Marshal(plan)
	if err != nil {
		return told, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.argv[0], append(slices.Clone(c.argv[1:]), string(arg))...)
	cmd.Env = harness.Env("NODE_PATH="+filepath.Join(tools, "npm", "split", "node_modules"), "HOME="+s.dir)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return told, fmt.Errorf("%s: %w\n%.2000s", c.name, err, errs.String())
	}
	text := bytes.TrimSpace(out.Bytes()) // the Go client logs there, too
	if err := json.Unmarshal(text[bytes.LastIndexByte(text, '\n')+1:], &told); err != nil {
		return told, fmt.Errorf("%s: %w\n%.2000s", c.name, err, out.String())
	}
	t.Logf("%s: %d evaluations, %d events; %s", c.name, len(told.Impressions), told.Events, strings.TrimSpace(errs.String()))
	return told, nil
}

// fmeColumns are the seed's, as pyarrow names types.
var fmeColumns = []string{
	"key string not null", "label string not null", "treatment string not null", "splitName string not null", "splitVersion int64 not null", "properties string not null",
	"environmentId string not null", "trafficTypeId string not null", "sdk string not null", "sdkVersion string not null", "machineName string null", "machineIp string null",
	"timestamp int64 not null", "receptionTimestamp int64 not null",
}

// TestSplitClientsToParquet runs Split's SDKs in every impressions mode against
// strm alone, delivers their impressions with layout fme in every codec, and
// lets pyarrow, DuckDB and parquet-java read them.
func TestSplitClientsToParquet(t *testing.T) {
	t.Parallel()
	g, s := startGateway(t), startStrm(t)
	const bucket = "impressions"
	g.root().aws(t, "s3", "mb", "s3://"+bucket)
	g.user(t, bucket, s.dir, allow(bucket+"/*", "s3:PutObject"))
	s.run(t, "create", "sink", "s3", bucket, "--credentials-file", "s3.json", "--endpoint", g.url, "--path-style")
	write(t, filepath.Join(s.dir, "flags.json"), splitFlags)
	clients := splitClients()
	key := func(c splitClient) string { return "sdk-key-" + c.name }
	for _, c := range clients {
		s.run(t, "create", "source", c.name, "--kind", "split", "--environment", "env-"+c.name, "--write-key", key(c), "--stream", "impressions",
			"--events-stream", "events", "--counts-stream", "counts", "--flags", "flags.json", "--traffic-type", "user=tt-user")
	}
	codecs := []string{"snappy", "gzip", "zstd", "lzo"}
	for _, codec := range codecs {
		s.run(t, "create", "batch-exporter", "impressions", "--sink", "s3", "--layout", "fme", "--compression", codec, "--name", codec, "--path-prefix", codec)
	}
	s.run(t, "create", "batch-exporter", "events", "--sink", "s3", "--name", "events", "--path-prefix", "events")
	s.run(t, "create", "batch-exporter", "counts", "--sink", "s3", "--name", "counts", "--path-prefix", "counts")

	told := make([]splitTold, len(clients))
	var jobs []func() error
	for i, c := range clients {
		jobs = append(jobs, func() (err error) {
			told[i], err = c.run(t, s, key(c))
			return err
		})
	}
	together(t, jobs...)

	rows := map[string][]impression{}
	for _, codec := range codecs {
		s.flush(t, codec)
		dir := filepath.Join(t.TempDir(), codec)
		g.root().aws(t, "s3", "sync", "--only-show-errors", "s3://"+bucket+"/"+codec+"/schema-v1/", dir)
		if codec == "lzo" {
			rows[codec] = readWithParquetJava(t, dir)
			continue
		}
		var got struct {
			Files                        int
			Columns, Codecs, Differences []string
			Rows                         []impression
		}
		client{dir: dir}.python(t, &got, "impressions.py", dir)
		if got.Files == 0 || !slices.Equal(got.Columns, fmeColumns) || !slices.Equal(got.Codecs, []string{strings.ToUpper(codec)}) || len(got.Differences) > 0 {
			t.Errorf("%s: %d files, columns %q, codecs %q, %q", codec, got.Files, got.Columns, got.Codecs, got.Differences)
		}
		rows[codec] = got.Rows
	}
	for _, codec := range codecs[1:] {
		if a, b := ordered(rows[codec]), ordered(rows[codecs[0]]); !slices.Equal(a, b) {
			t.Errorf("%s: %d rows, other than the %d of %s", codec, len(a), len(b), codecs[0])
		}
	}
	events := map[string]int{}
	s.flush(t, "events")
	for _, line := range g.lines(t, bucket, "events/") {
		var e struct{ EnvironmentID, TrafficTypeID, EventTypeID, Key string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.TrafficTypeID != "tt-user" || e.Key == "" || e.EventTypeID == "" {
			t.Errorf("event %s: %v", line, err)
		}
		events[e.EnvironmentID]++
	}
	for i, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			got := slices.DeleteFunc(slices.Clone(rows["snappy"]), func(r impression) bool { return r.EnvironmentID != "env-"+c.name })
			c.wellFormed(t, got)
			c.accounted(t, told[i], got)
			if n := events["env-"+c.name]; n != told[i].Events || n == 0 {
				t.Errorf("%d events stored, %d tracked", n, told[i].Events)
			}
		})
	}
	s.flush(t, "counts")
	if lines := g.lines(t, bucket, "counts/"); len(lines) == 0 {
		t.Error("optimized and none modes report counts and keys; none are stored")
	}
}

// lines returns the lines of all delivered objects below a prefix.
func (g *gateway) lines(t *testing.T, bucket, prefix string) (out []string) {
	t.Helper()
	for _, o := range g.bucket(t, bucket, prefix) {
		if !strings.Contains(o.Key, "/.strm_test") {
			out = append(out, o.Lines...)
		}
	}
	return out
}

// readWithParquetJava reads files of LZO pages, which neither pyarrow nor DuckDB can.
func readWithParquetJava(t *testing.T, dir string) (rows []impression) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.lzo.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), ".") {
			continue
		}
		lines := parquetJava(t, nil, "read", file)
		if !strings.Contains(lines[0], "required binary key (STRING)") || !strings.Contains(lines[0], "optional binary machineIp (STRING)") || !strings.Contains(lines[0], "required int64 splitVersion") {
			t.Errorf("%s: schema %s", file, lines[0])
		}
		for _, line := range lines[1:] {
			var r impression
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// parquetJava runs Apache's own Parquet library and returns the lines it prints.
func parquetJava(t *testing.T, input []byte, args ...string) (lines []string) {
	t.Helper()
	root := filepath.Join(tools, "java", "parquet")
	cmd := exec.CommandContext(t.Context(), "java", append([]string{"-cp", root + string(os.PathListSeparator) + filepath.Join(root, "lib", "*"), "EventFiles"}, args...)...)
	cmd.Env, cmd.Stdin = harness.Env("HOME="+t.TempDir()), bytes.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("parquet-java %v: %v\n%.3000s", args, err, errs.String())
	}
	sc := bufio.NewScanner(&out)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	return lines
}

func ordered(rows []impression) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		text := func(s *string) string {
			if s == nil {
				return "<null>"
			}
			return *s
		}
		name, ip := text(r.MachineName), text(r.MachineIP)
		r.MachineName, r.MachineIP = nil, nil
		out[i] = fmt.Sprintf("%+v %s %s", r, name, ip)
	}
	slices.Sort(out)
	return out
}

func (c splitClient) wellFormed(t *testing.T, rows []impression) {
	t.Helper()
	for _, r := range rows {
		version := map[string]int64{"checkout": 1795161463647, "search": 1795161463648}[r.SplitName]
		if r.TrafficTypeID != "tt-user" || r.SDK != c.sdk || r.SDKVersion == "" || r.Label != "default rule" || r.SplitVersion != version ||
			r.Timestamp < time.Now().Add(-time.Hour).UnixMilli() || r.ReceptionTimestamp < r.Timestamp-1000 {
			t.Errorf("%+v", r)
		}
		if named := c.sdk != "browserjs"; named != (r.MachineName != nil && r.MachineIP != nil) {
			t.Errorf("machine: %v %v", r.MachineName, r.MachineIP)
		}
	}
}

// accounted compares the rows with what the client evaluated: in debug mode
// each evaluation is one; in optimized mode the first of a key, flag and treatment,
// and those with properties; in none mode there are none.
func (c splitClient) accounted(t *testing.T, told splitTold, rows []impression) {
	t.Helper()
	mode := strings.ToUpper(c.plan["mode"].(string))
	var want, got []string
	seen := map[string]bool{}
	for _, i := range told.Impressions {
		id := i.KeyName + " " + i.Feature + " " + i.Treatment
		if mode == "DEBUG" || mode == "OPTIMIZED" && (!seen[id] || i.Properties != "") {
			want = append(want, id+" "+i.Properties)
		}
		seen[id] = true
	}
	for _, r := range rows {
		got = append(got, r.Key+" "+r.SplitName+" "+r.Treatment+" "+r.Properties)
	}
	slices.SortFunc(want, cmp.Compare)
	slices.SortFunc(got, cmp.Compare)
	if len(told.Impressions) == 0 || !slices.Equal(want, got) {
		t.Errorf("%d evaluations should be %d rows, there are %d, or others", len(told.Impressions), len(want), len(got))
	}
}
