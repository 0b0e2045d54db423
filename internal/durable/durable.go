// Package durable writes files so that nothing returns before it would survive
// a crash of the machine.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile puts data at path as a whole: after nil the file holds exactly data
// even if the machine loses power, and after an error or a crash it holds
// either what it held before or data, never a part of it. The file gets perm
// exactly, whatever the umask. Its directory must exist.
//
// The steps and what a crash after each leaves: a temporary file beside path
// (litter, ignored by every reader); its contents synced (litter); renamed over
// path (old or new, the file system may still take the rename back); directory
// synced (new).
func WriteFile(path string, data []byte, perm os.FileMode) error {
	tmp, err := stage(path, data, perm)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp) // the first error is the one to tell
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// CreateFile is WriteFile where there must be no file yet: of several callers,
// in one process or in many, one wins, and the others get fs.ErrExist. The file
// that is there then is whole and survives a crash, though its maker may have
// died before it made sure of that.
//
// The steps are those of WriteFile with link(2) for rename(2), which does not
// replace; a crash before the temporary name is removed leaves litter.
func CreateFile(path string, data []byte, perm os.FileMode) error {
	tmp, err := stage(path, data, perm)
	if err != nil {
		return err
	}
	err = os.Link(tmp, path)
	rm := os.Remove(tmp)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if serr := errors.Join(rm, SyncDir(filepath.Dir(path))); serr != nil {
		return serr
	}
	return err
}

// stage writes data, synced, to a temporary file beside path.
func stage(path string, data []byte, perm os.FileMode) (tmp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			// Best effort: the first error is the one to tell.
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(perm); err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// SyncDir makes the names in dir durable: files created, renamed or removed in
// it before the call stay so after a crash.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return d.Close()
}

// MkdirAll makes dir and its missing parents durably. Directories that exist
// keep their permissions.
func MkdirAll(dir string, perm os.FileMode) error {
	dir = filepath.Clean(dir)
	if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, perm); err != nil && !os.IsExist(err) {
		return err
	}
	// A file in the way shows up here, as "not a directory".
	if err := SyncDir(dir); err != nil {
		return err
	}
	return SyncDir(parent)
}
