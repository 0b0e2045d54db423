//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"strm/test/harness"
)

// What TestMain finds or builds, for all tests.
var (
	strmBin string // the binary under test
	tools   string // .integration
	sources string // the directory of this package
	home    string // an empty home directory for programs that want one
)

func TestMain(m *testing.M) {
	code, err := prepare(context.Background(), m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

// prepare installs what is missing (nothing is skipped when that fails, CI or
// not), builds strm and runs the tests.
func prepare(ctx context.Context, m *testing.M) (int, error) {
	root, err := harness.Root()
	if err != nil {
		return 0, err
	}
	tools, sources = filepath.Join(root, ".integration"), filepath.Join(root, "test", "integration")
	install := exec.CommandContext(ctx, "bash", filepath.Join(sources, "install.sh"))
	install.Stdout, install.Stderr = os.Stderr, os.Stderr
	if err := install.Run(); err != nil {
		return 0, fmt.Errorf("install.sh: %w", err)
	}
	dir, err := os.MkdirTemp("", "strm-integration-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	home = filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return 0, err
	}
	if strmBin, err = harness.Build(ctx, dir); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
