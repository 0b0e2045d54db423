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
// that a crash left half written are removed; those that a living writer, of
// this process or another, is busy with are locked and stay.
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

// Create implements objstore.Bucket: the bytes go to a temporary file in the
// bucket's directory, are synced, and get their name by link(2), which fails if
// the name is taken; then every directory on the way is synced. What if ...
//
//   - the process dies before the link: a file with tempPrefix is left, which
//     the next Open removes; the key is free;
//   - it dies after the link: the object is whole, and the next attempt, which
//     gets Exists, syncs the directories first;
//   - the sync of a directory fails: the object is there but may not survive
//     a power cut, so the answer is Ambiguous;
//   - it runs twice at once: link(2) lets one of them win.
func (b *Bucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if err := checkKey(key); err != nil {
		return fail("put", key, objstore.Rejected, objstore.BadKey, err)
	}
	if err := ctx.Err(); err != nil {
		return fail("put", key, objstore.NotSent, objstore.Unknown, err)
	}
	if fi, err := b.root.Lstat(key); err == nil && (!c.Overwrite || !fi.Mode().IsRegular()) {
		return b.taken(key)
	}
	if err := b.makeParents(path.Dir(key)); err != nil {
		return refused(key, err)
	}
	temp, f, err := b.writeTemp(ctx, key, c)
	if err != nil {
		return err
	}
	// Closing gives up the lock, so it comes last; the bytes are synced already.
	defer func() { _ = f.Close() }()
	if c.Overwrite {
		err = b.root.Rename(temp, key)
	} else if err = b.root.Link(temp, key); err != nil && linked(f) {
		err = nil // done, but the answer was lost on the way, as NFS may do
	}
	if err != nil || !c.Overwrite {
		// The temporary name has had its use. If it cannot be removed it is no
		// object all the same, and is swept at the next Open.
		_ = b.root.Remove(temp)
	}
	if errors.Is(err, fs.ErrExist) {
		return b.taken(key)
	}
	if err != nil {
		return unnamed(key, err)
	}
	if err := b.syncUp(path.Dir(key)); err != nil {
		return fail("put", key, objstore.Ambiguous, objstore.Unknown, err)
	}
	return nil
}

// linked reports whether the temporary file has got its second name.
func linked(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 1
}

// taken answers for a key that exists. The caller may conclude that its own
// earlier attempt has stored it, so it must be as durable as after a success.
func (b *Bucket) taken(key string) error {
	fi, err := b.root.Lstat(key)
	if err == nil && !fi.Mode().IsRegular() {
		return fail("put", key, objstore.Rejected, objstore.BadKey, errors.New("the key is a directory, a link or another thing"))
	}
	if err := b.syncUp(path.Dir(key)); err != nil {
		return fail("put", key, objstore.Ambiguous, objstore.Unknown, err)
	}
	return fail("put", key, objstore.Exists, objstore.Unknown, errors.New("the key is taken"))
}

// writeTemp writes and syncs the content under a temporary name. The file is
// locked until it is closed, so that no sweep takes it for a leftover.
func (b *Bucket) writeTemp(ctx context.Context, key string, c objstore.Content) (string, *os.File, error) {
	r, err := c.Open()
	if err != nil {
		return "", nil, fail("put", key, objstore.NotSent, objstore.Unknown, fmt.Errorf("open content: %w", err))
	}
	defer func() { _ = r.Close() }() // only read; a failure to close loses nothing
	name := fmt.Sprintf("%s%016x", tempPrefix, rand.Uint64())
	f, err := b.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", nil, refused(key, err)
	}
	if err := fill(ctx, f, r, key, c); err != nil {
		_ = f.Close()
		_ = b.root.Remove(name) // swept at the next Open otherwise
		return "", nil, err
	}
	return name, f, nil
}

func fill(ctx context.Context, f *os.File, r io.Reader, key string, c objstore.Content) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return refused(key, fmt.Errorf("lock %s: %w", f.Name(), err))
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(f, sum), &ctxReader{ctx, io.LimitReader(r, c.Size+1)})
	if err != nil {
		return refused(key, err)
	}
	if n != c.Size || sum.Sum32() != c.CRC32 {
		return fail("put", key, objstore.Rejected, objstore.Damaged,
			fmt.Errorf("%d bytes with CRC-32 %08x came, %d with %08x were announced", n, sum.Sum32(), c.Size, c.CRC32))
	}
	if err := f.Sync(); err != nil {
		return refused(key, err)
	}
	return nil
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
