//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/internal/problem"
	"strm/internal/record/registry"
	"strm/test/harness"
)

// startRegistry starts Apicurio Registry, which keeps what it is told in memory,
// and returns the address of the API that it shares with Confluent's registry.
func startRegistry(t *testing.T) (url string, p *tool) {
	t.Helper()
	jars, err := filepath.Glob(filepath.Join(tools, "registry", "apicurio", "*-runner.jar"))
	if err != nil || len(jars) != 1 {
		t.Fatalf("Apicurio Registry: %v, %v", jars, err)
	}
	addr := freeAddr(t)
	host, port, _ := strings.Cut(addr, ":")
	p = startTool(t, filepath.Join(t.TempDir(), "registry.log"), os.Environ(), "java", "-Xmx384m",
		"-Dquarkus.http.host="+host, "-Dquarkus.http.port="+port, "-jar", jars[0])
	p.listens(t, addr)
	url = "http://" + addr + "/apis/ccompat/v7"
	err = harness.Poll(t.Context(), 5*time.Minute, 50*time.Millisecond, "the registry to answer", func(ctx context.Context) (bool, string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/subjects", nil)
		if err != nil {
			return false, "", err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // not ready yet: the poll goes on
		}
		return res.StatusCode == http.StatusOK, res.Status, res.Body.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return url, p
}

// schemas runs schemas.py with Confluent's client.
func schemas(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools, "registry", "venv", "bin", "python"), append([]string{"-W", "ignore", filepath.Join(sources, "schemas.py")}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("schemas.py %v: %v\n%s", args, err, errs.String())
	}
	return out
}

// TestSchemaRegistryValues: what Confluent's serializers write for a real registry
// becomes what its deserializers read, with the JSON that docs/topics.md promises.
func TestSchemaRegistryValues(t *testing.T) {
	t.Parallel()
	url, server := startRegistry(t)
	dir := t.TempDir()
	values, lines := filepath.Join(dir, "values"), filepath.Join(dir, "lines")
	const each = 2000
	schemas(t, "produce", url, values, fmt.Sprint(each))
	r, err := registry.New(registry.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in, err := os.Open(values)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out, last []byte
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		_, packed, _ := strings.Cut(scan.Text(), " ")
		if last, err = base64.StdEncoding.DecodeString(packed); err != nil {
			t.Fatal(err)
		}
		if out, err = r.AppendLine(t.Context(), out, last); err != nil {
			t.Fatalf("%s: %v", scan.Text(), err)
		}
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lines, out, 0o600); err != nil {
		t.Fatal(err)
	}
	var verdict struct {
		Compared    int
		Kinds       map[string]int
		Differences []json.RawMessage
	}
	if err := json.Unmarshal(schemas(t, "judge", url, values, lines), &verdict); err != nil {
		t.Fatal(err)
	}
	if verdict.Compared != 2*each || verdict.Kinds["orders"] != each || verdict.Kinds["views"] != each || len(verdict.Differences) > 0 {
		t.Errorf("compared %d: %v; differences %s", verdict.Compared, verdict.Kinds, verdict.Differences)
	}

	_, err = r.AppendLine(t.Context(), nil, []byte{0, 0, 1, 0, 0, 2})
	if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "knows no schema 65536") {
		t.Errorf("an unknown id: %v", err)
	}
	server.Kill()
	if _, err := r.AppendLine(t.Context(), nil, last); err != nil {
		t.Errorf("a known schema, with the registry away: %v", err)
	}
	if _, err := r.AppendLine(t.Context(), nil, []byte{0, 0, 1, 0, 0, 2}); problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("another, with the registry away: %v", err)
	}
}
