package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// makeDurable creates a directory and its missing parents, each with its entry
// on disk before it is used.
func makeDurable(dir string) error {
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		return fmt.Errorf("dir: %s is not a directory", dir)
	}
	if err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDurable(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("dir: %w", err)
	}
	d, err := os.Open(parent)
	if err != nil {
		return fmt.Errorf("dir: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeParents creates the directories of a key. Create syncs them.
func (b *Bucket) makeParents(dir string) error {
	if dir == "." {
		return nil
	}
	return b.root.MkdirAll(dir, 0o755)
}

// syncUp brings the entries of dir, its parents and the bucket's directory to
// the disk. All of them, each time: a directory that is there may be the work
// of a process that died before its own sync.
func (b *Bucket) syncUp(dir string) error {
	for {
		d, err := b.root.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}

// sweep removes what writers that died have left.
func (b *Bucket) sweep() error {
	entries, err := fs.ReadDir(b.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, d := range entries {
		if !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), tempPrefix) {
			continue
		}
		if err := b.removeDead(d.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// removeDead removes a temporary file unless its writer lives: a writer holds
// the lock. One that has created its file but not locked it yet loses it; its
// link then fails and nothing is stored.
func (b *Bucket) removeDead(name string) error {
	f, err := b.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened only for the lock
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	return b.root.Remove(name)
}
