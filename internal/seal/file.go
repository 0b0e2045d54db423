package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"strm/internal/problem"
)

// maxFile bounds a key file, in bytes; a thousand keys fit.
const maxFile = 1 << 20

// readOrCreate reads the key file or creates it. Two processes that create it
// at once end with the same file: link(2) lets one win, the other reads.
func readOrCreate(path string, create func() ([]byte, error)) ([]byte, error) {
	text, err := read(path)
	if err == nil {
		// It may be the work of a process that died before its own sync.
		return text, syncDir(path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, err = create()
	if err != nil {
		return nil, err
	}
	temp, err := writeTemp(path, text)
	if err != nil {
		return nil, err
	}
	err = os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = errors.Join(os.Remove(temp), syncDir(path))
	} else {
		_ = os.Remove(temp) // what failed before is the story
	}
	if err != nil {
		return nil, fmt.Errorf("create key file %s: %w", path, err)
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

// writeTemp writes and syncs a file beside path, readable by its owner alone.
func writeTemp(path string, text []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name()) // what failed before is the story
		return "", fmt.Errorf("write key file %s: %w", path, err)
	}
	return f.Name(), nil
}

// replace exchanges the key file for another in one step.
func replace(path string, text []byte) error {
	temp, err := writeTemp(path, text)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp) // what failed before is the story
		return fmt.Errorf("replace key file %s: %w", path, err)
	}
	return syncDir(path)
}

func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
