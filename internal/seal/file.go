package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"strm/internal/durable"
	"strm/internal/problem"
)

// maxFile bounds a key file, in bytes; a thousand keys fit.
const maxFile = 1 << 20

// readOrCreate reads the key file or creates it. Two processes that create it
// at once end with the same file: one wins, the other reads.
func readOrCreate(path string) ([]byte, error) {
	text, err := read(path)
	if err == nil {
		// It may be the work of a process that died before its own sync.
		return text, durable.SyncDir(filepath.Dir(path))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := Create(path); err != nil && problem.KindOf(err) != problem.Conflict {
		return nil, err
	}
	return read(path)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	fi, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, problem.New(problem.Conflict, "key file %s is not a regular file", path)
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, problem.New(problem.Conflict,
			"key file %s can be read or changed by others (mode %04o): run chmod 600 on it", path, fi.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	if len(text) > maxFile {
		return nil, problem.New(problem.Corrupt, "key file %s is too large to be one", path)
	}
	return text, nil
}

// replace exchanges the key file for another in one step.
func replace(path string, text []byte) error {
	if err := durable.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("replace key file %s: %w", path, err)
	}
	return nil
}
