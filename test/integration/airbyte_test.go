//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strm/test/harness"
)

// airbyteFormats are the output formats that real sources are written in.
var airbyteFormats = map[string]string{
	"jsonl":    `{"format_type":"JSONL"}`,
	"csv":      `{"format_type":"CSV","compression":{"compression_type":"No Compression"}}`,
	"csv flat": `{"format_type":"CSV","flattening":"Root level flattening"}`,
	"parquet":  `{"format_type":"Parquet","compression_codec":"SNAPPY"}`,
}

func (g *gateway) airbyteConfig(bucket, path, format string) string {
	return fmt.Sprintf(`{"s3_bucket_name":%q,"s3_bucket_path":%q,"s3_bucket_region":%q,"s3_endpoint":%q,"access_key_id":%q,"secret_access_key":%q,"format":%s}`,
		bucket, path, region, g.url, rootKey, rootSecret, format)
}

// configured makes a configured catalog of a CATALOG message.
func configured(t *testing.T, discovered []byte, gen, minimum int) string {
	t.Helper()
	for line := range bytes.Lines(discovered) {
		var m struct {
			Type    string
			Catalog struct{ Streams []json.RawMessage }
		}
		if json.Unmarshal(line, &m) != nil || len(m.Catalog.Streams) == 0 {
			continue // what the source logs
		}
		var streams []map[string]any
		for _, s := range m.Catalog.Streams {
			mode := "full_refresh"
			if bytes.Contains(s, []byte(`"incremental"`)) {
				mode = "incremental"
			}
			streams = append(streams, map[string]any{"stream": s, "sync_mode": mode, "destination_sync_mode": "append",
				"generation_id": gen, "minimum_generation_id": minimum, "sync_id": 7, "cursor_field": []string{}})
		}
		text, err := json.Marshal(map[string]any{"streams": streams})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Fatalf("no catalog in %s", discovered)
	return ""
}

// sourceRun is what a real source said.
type sourceRun struct {
	messages string // file
	catalog  string // file
}

func output(t *testing.T, dir string, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, harness.Env("DO_NOT_TRACK=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s\n%s", name, args, err, errs.String(), out)
	}
	return out
}

// runSource discovers and reads a source once.
func runSource(t *testing.T, dir, config, discover string, command ...string) sourceRun {
	t.Helper()
	r := sourceRun{messages: filepath.Join(dir, "messages.jsonl"), catalog: filepath.Join(dir, "catalog.json")}
	write(t, filepath.Join(dir, "source.json"), config)
	run := func(args ...string) []byte {
		return output(t, dir, command[0], append(command[1:len(command):len(command)], args...)...)
	}
	write(t, r.catalog, configured(t, run(discover, "--config", "source.json"), 3, 3))
	write(t, r.messages, string(run("read", "--config", "source.json", "--catalog", r.catalog)))
	return r
}

// comparison is what airbyte.py says.
type comparison struct {
	Source, Bucket  map[string]int
	Objects, States int
	Differences     []string
}

// deliver writes what a source said in every format, compares every record in
// the bucket, and shows the figures.
func (g *gateway) deliver(t *testing.T, bucket string, r sourceRun) map[string]int {
	t.Helper()
	g.root().aws(t, "s3", "mb", "s3://"+bucket)
	var counts map[string]int
	for name, format := range airbyteFormats {
		path := strings.ReplaceAll(name, " ", "-")
		config := filepath.Join(t.TempDir(), "config.json")
		write(t, config, g.airbyteConfig(bucket, path, format))
		in, err := os.Open(r.messages)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), strmBin, "airbyte", "write", "--config", config, "--catalog", r.catalog)
		cmd.Stdin, cmd.Env = in, harness.Env()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		var c comparison
		g.root().python(t, &c, "airbyte.py", r.messages, r.catalog, bucket, path+"/")
		acked := bytes.Count(out, []byte(`"destinationStats"`))
		t.Logf("%s: source %v, bucket %v, %d objects, %d states of %d back", name, c.Source, c.Bucket, c.Objects, acked, c.States)
		if len(c.Differences) > 0 {
			t.Errorf("%s: %s", name, strings.Join(c.Differences, "\n"))
		}
		if len(c.Bucket) < 2 || acked != c.States || c.States == 0 || fmt.Sprint(c.Source) != fmt.Sprint(c.Bucket) {
			t.Errorf("%s: %+v", name, c)
		}
		counts = c.Bucket
	}
	return counts
}

// A source on Airbyte's Python CDK.
func TestAirbyteFaker(t *testing.T) {
	r := runSource(t, t.TempDir(), `{"count":5000,"seed":7,"parallelism":1,"records_per_slice":1000,"always_updated":false}`, "discover",
		filepath.Join(tools, "faker", "bin", "source-faker"))
	if got := startGateway(t).deliver(t, "faker", r); got["users"] != 5000 || got["products"] != 100 || got["purchases"] == 0 {
		t.Errorf("%v", got)
	}
}

// A source on another CDK: legacy states, no statuses.
func TestAirbyteFaros(t *testing.T) {
	dir := filepath.Join(tools, "faros")
	r := runSource(t, t.TempDir(), `{"count":2500}`, "discover", "node", filepath.Join(dir, "source.js"))
	// It says nothing of completeness: only appending may take its end for success.
	text, err := os.ReadFile(r.catalog)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.catalog, strings.ReplaceAll(string(text), `"minimum_generation_id":3`, `"minimum_generation_id":0`))
	g := startGateway(t)
	if got := g.deliver(t, "faros", r); got["numbers"] != 2500 || got["full"] != 50 {
		t.Errorf("%v", got)
	}
	// The judge notices one number that differs, in every format.
	said, err := os.ReadFile(r.messages)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(said), `"half":0.5,`, `"half":0.25,`, 1)
	if changed == string(said) {
		t.Fatal("the first record is not as expected")
	}
	write(t, r.messages, changed)
	for name := range airbyteFormats {
		var c comparison
		g.root().python(t, &c, "airbyte.py", r.messages, r.catalog, "faros", strings.ReplaceAll(name, " ", "-")+"/")
		if len(c.Differences) != 2 {
			t.Errorf("%s: the judge saw %q", name, c.Differences)
		}
	}
}
