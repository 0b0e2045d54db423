package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/test/harness"
)

// TestReadmeTour runs every command of the README's tour, as a reader would:
// the first block in one terminal, the others in a second.
func TestReadmeTour(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlocks(section(string(readme), "## Five-minute tour"))
	if len(blocks) < 8 {
		t.Fatalf("the tour has %d blocks of commands", len(blocks))
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "strm")); err != nil { // the test binary is strm under that name
		t.Fatal(err)
	}
	address, err := harness.FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=",
		"STRM_LISTEN="+address, "STRM_SERVER=http://"+address, "STRM_MIN_FREE_DISK=0")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	server := shell(ctx, dir, env, "exec "+blocks[0])
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	waitReady(ctx, t, "http://"+address+"/readyz")

	tour := shell(ctx, dir, env, "set -ex\n"+strings.Join(blocks[1:], "\n"))
	out, err := tour.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nserver:\n%s", err, out, log.String())
	}
	for _, want := range []string{"Sent 500 events", "sent 2 events", "---0.jsonl", "no difference", "delivered: 502 events", `"strmMeta"`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the tour does not print %q:\n%s", want, out)
		}
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v:\n%s", err, log.String())
	}
}

func shell(ctx context.Context, dir string, env []string, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir, cmd.Env = dir, env
	return cmd
}

// section returns the text from a heading to the next of its level.
func section(text, heading string) string {
	_, rest, _ := strings.Cut(text, heading+"\n")
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

func shellBlocks(text string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(text, "```sh\n")
		if !ok {
			return out
		}
		block, after, _ := strings.Cut(rest, "```")
		out = append(out, block)
		text = after
	}
}

// waitReady asks until the server says that it is ready.
func waitReady(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the server is not ready")
		}
	}
}
