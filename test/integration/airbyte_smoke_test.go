//go:build integration && pyairbyte

package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strm/test/harness"
)

// PyAirbyte's smoke test of destinations: it fails unless every scenario passes.
func TestAirbyteSmoke(t *testing.T) {
	g := startGateway(t)
	g.root().aws(t, "s3", "mb", "s3://smoke")
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	for name, format := range airbyteFormats {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "config.json"), g.airbyteConfig("smoke", strings.ReplaceAll(name, " ", "-"), format))
		cmd := exec.CommandContext(t.Context(), filepath.Join(tools, "pyairbyte", "bin", "pyab"), "destination-smoke-test",
			"--destination="+filepath.Join(root, "connector", "destination-strm"), "--config="+filepath.Join(dir, "config.json"), "--scenarios=all")
		cmd.Dir, cmd.Env = dir, harness.Env("STRM="+strmBin, "DO_NOT_TRACK=1", "AIRBYTE_OFFLINE_MODE=1", "PATH="+filepath.Join(tools, "pyairbyte", "bin")+":"+os.Getenv("PATH"), "AIRBYTE_PROJECT_DIR="+dir, "HOME="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte(`"success": true`)) {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		t.Logf("%s: %s", name, out[max(0, len(out)-1500):])
	}
}
