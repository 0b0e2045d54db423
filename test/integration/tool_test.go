//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/test/harness"
)

// tool is a server that is not ours; it ends with the test.
type tool struct {
	*harness.Process
	output string // file with what it prints
}

// startTool starts a server and returns at once.
func startTool(t *testing.T, output string, env []string, bin string, args ...string) *tool {
	t.Helper()
	log, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	p, err := harness.StartProcess(bin, env, log, bin, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return &tool{p, output}
}

// listens waits until the server takes connections.
func (s *tool) listens(t *testing.T, addr string) {
	t.Helper()
	err := harness.Poll(t.Context(), 5*time.Minute, 10*time.Millisecond, s.Name+" to listen", func(ctx context.Context) (bool, string, error) {
		if st := s.State(); st != nil {
			out, err := os.ReadFile(s.output)
			t.Fatalf("%s ended: %v\n%s (%v)", s.Name, st, out, err)
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // not listening yet: the poll goes on
		}
		return true, "", conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := harness.FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// shortDir returns a directory for sockets, whose paths must stay below about
// 100 bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "strm") //nolint:usetesting // t.TempDir has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// runTool runs a program to its end and returns what it printed.
func runTool(t *testing.T, limit time.Duration, env []string, bin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(bin), strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}
