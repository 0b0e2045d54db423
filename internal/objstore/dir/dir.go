// Package dir keeps objects as files of a directory, with the same promises as
// the other stores: an object appears whole or not at all, and never changes.
//
// A key is a path below the directory. Content type, encoding and metadata are
// not kept: a file has no place for them.
package dir

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"strm/internal/objstore"
)

// tempPrefix begins the names of files that are being written. Keys with such
// a name in their path are refused, so what carries it is always ours.
const tempPrefix = ".strm-tmp-"

// Bucket is a directory. Safe for concurrent use, also by several processes.
// All access goes through an os.Root: no key and no symbolic link leads out.
type Bucket struct {
	root *os.Root
}

// Open opens the directory at an absolute path and creates it if absent. Files
// that a crash left half written are removed: no other process may be writing
// to the directory at this moment, or its write fails (and can be repeated).
func Open(dir string) (*Bucket, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("dir: %q is not an absolute path", dir)
	}
	if err := makeDurable(filepath.Clean(dir)); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("dir: %w", err)
	}
	b := &Bucket{root: root}
	if err := b.sweep(); err != nil {
		return nil, errors.Join(fmt.Errorf("dir: remove unfinished files: %w", err), root.Close())
	}
	return b, nil
}

// Close releases the directory.
func (b *Bucket) Close() error { return b.root.Close() }

// makeDurable creates a directory and its missing parents, each with its entry
// on disk before it is used.
func makeDurable(dir string) error {
	if fi, err := os.Stat(dir); err == nil {
		if !fi.IsDir() {
			return fmt.Errorf("dir: %s is not a directory", dir)
		}
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

func (b *Bucket) sweep() error {
	return fs.WalkDir(b.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // went away under the walk
		}
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && strings.HasPrefix(d.Name(), tempPrefix) {
			if err := b.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// Create implements objstore.Bucket: the bytes go to a file beside the target,
// are synced, and get their name by link(2), which fails if the name is taken;
// then the directory is synced. What if ...
//
//   - the process dies before the link: a file with tempPrefix is left, which
//     the next Open removes; the key is free;
//   - it dies after the link: the object is whole; the next attempt gets Exists;
//   - the sync of the directory fails: the object is there but may not survive
//     a power cut, so the answer is Ambiguous;
//   - it runs twice at once: link(2) lets one of them win.
func (b *Bucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if err := checkKey(key); err != nil {
		return fail("put", key, objstore.Rejected, objstore.BadKey, err)
	}
	if err := ctx.Err(); err != nil {
		return fail("put", key, objstore.NotSent, objstore.Unknown, err)
	}
	if !c.Overwrite {
		if _, err := b.root.Lstat(key); err == nil {
			return fail("put", key, objstore.Exists, objstore.Unknown, errors.New("the key is taken"))
		}
	}
	if err := b.makeParents(path.Dir(key)); err != nil {
		return refused(key, err)
	}
	temp, err := b.writeTemp(ctx, key, c)
	if err != nil {
		return err
	}
	if c.Overwrite {
		err = b.root.Rename(temp, key)
	} else {
		err = b.root.Link(temp, key)
	}
	if err != nil || !c.Overwrite {
		// The second name, or all of it, has had its use. If it cannot be
		// removed it is swept at the next Open, and is no object meanwhile.
		_ = b.root.Remove(temp)
	}
	if errors.Is(err, fs.ErrExist) {
		if c.Overwrite { // rename onto a directory
			return fail("put", key, objstore.Rejected, objstore.BadKey, errors.New("the key is a directory"))
		}
		return fail("put", key, objstore.Exists, objstore.Unknown, errors.New("the key is taken"))
	}
	if err != nil {
		return refused(key, err)
	}
	if err := b.syncDir(path.Dir(key)); err != nil {
		return fail("put", key, objstore.Ambiguous, objstore.Unknown, err)
	}
	return nil
}

// writeTemp writes and syncs the content beside its target.
func (b *Bucket) writeTemp(ctx context.Context, key string, c objstore.Content) (name string, err error) {
	r, err := c.Open()
	if err != nil {
		return "", fail("put", key, objstore.NotSent, objstore.Unknown, fmt.Errorf("open content: %w", err))
	}
	defer func() { _ = r.Close() }() // only read; a failure to close loses nothing
	name = path.Join(path.Dir(key), fmt.Sprintf("%s%016x", tempPrefix, rand.Uint64()))
	f, err := b.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", refused(key, err)
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(f, sum), &ctxReader{ctx, io.LimitReader(r, c.Size+1)})
	if err == nil && (n != c.Size || sum.Sum32() != c.CRC32) {
		err = fail("put", key, objstore.Rejected, objstore.Damaged,
			fmt.Errorf("%d bytes with CRC-32 %08x came, %d with %08x were announced", n, sum.Sum32(), c.Size, c.CRC32))
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = b.root.Remove(name) // swept at the next Open otherwise
		var e *objstore.Error
		if errors.As(err, &e) {
			return "", e
		}
		return "", refused(key, err)
	}
	return name, nil
}

// makeParents creates the directories of a key, each entry on disk before the
// object that depends on it.
func (b *Bucket) makeParents(dir string) error {
	if dir == "." {
		return nil
	}
	if fi, err := b.root.Stat(dir); err == nil && fi.IsDir() {
		return nil
	}
	if err := b.makeParents(path.Dir(dir)); err != nil {
		return err
	}
	if err := b.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return b.syncDir(path.Dir(dir))
}

func (b *Bucket) syncDir(dir string) error {
	d, err := b.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkKey refuses keys that are no plain path below the directory, or that
// two different keys could share a file with ("a//b" and "a/b").
func checkKey(key string) error {
	if err := objstore.CheckKey(key); err != nil {
		return err
	}
	for part := range strings.SplitSeq(key, "/") {
		switch {
		case part == "":
			return errors.New("a directory cannot hold a key with an empty part (a leading, trailing or double slash)")
		case part == "." || part == "..":
			return errors.New(`a directory cannot hold a key with "." or ".." as a part`)
		case len(part) > 255:
			return fmt.Errorf("a part of the key has %d bytes, a file name at most 255", len(part))
		case strings.HasPrefix(part, tempPrefix):
			return fmt.Errorf("names that begin with %s are reserved", tempPrefix)
		}
	}
	return nil
}

// ctxReader lets a copy end with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// refused judges a failure before the object had its name: nothing was stored.
func refused(key string, err error) error {
	reason := objstore.Unknown
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fail("put", key, objstore.NotSent, reason, err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		reason = objstore.NoSpace
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		e := fail("put", key, objstore.Rejected, objstore.Denied, err)
		e.Action = "to write in the directory"
		return e
	case errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) ||
		errors.Is(err, syscall.ELOOP) || escapes(err):
		reason = objstore.BadKey
	case errors.Is(err, fs.ErrNotExist):
		reason = objstore.NoBucket
	}
	return fail("put", key, objstore.Rejected, reason, err)
}

// escapes reports whether an os.Root refused to leave the directory.
func escapes(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "escapes")
}

func fail(op, key string, o objstore.Outcome, r objstore.Reason, err error) *objstore.Error {
	return &objstore.Error{Op: op, Key: key, Outcome: o, Reason: r, Err: err}
}
