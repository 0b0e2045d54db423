// Package durable writes files so that nothing returns before it would survive
// a crash of the machine.
package durable

import (
	"fmt"
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
func WriteFile(path string, data []byte, perm os.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp*")
	if err != nil {
		return err
	}
	tmp := f.Name()
	defer func() {
		if err != nil {
			// Best effort: the first error is the one to tell.
			_ = f.Close()
			_ = os.Remove(tmp)
		}
	}()
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return SyncDir(dir)
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
