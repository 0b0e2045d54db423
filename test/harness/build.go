package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BinEnv names an already built binary to use instead of building one.
const BinEnv = "STRM_BIN"

// Root returns the repository's root: the nearest directory at or above the
// working directory with a go.mod that declares module strm.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module strm\n")) {
			return dir, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("find the repository: %w", err)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the repository: no go.mod of module strm above the working directory")
		}
		dir = up
	}
}

// Build returns the path of a strm binary: that of STRM_BIN if set, else one
// built from this tree into dir.
func Build(ctx context.Context, dir string) (string, error) {
	if bin := os.Getenv(BinEnv); bin != "" {
		return filepath.Abs(bin)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "strm")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/strm")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build strm: %w\n%s", err, out)
	}
	return bin, nil
}
