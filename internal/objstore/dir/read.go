package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"syscall"

	"strm/internal/objstore"
)

// Open implements objstore.Reader.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	if err := checkKey(key); err != nil {
		return nil, objstore.Info{}, fail("get", key, objstore.Rejected, objstore.NoObject, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, objstore.Info{}, fail("get", key, objstore.NotSent, objstore.Unknown, err)
	}
	f, err := b.root.Open(key)
	if err != nil {
		reason := objstore.Unknown
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
			reason = objstore.NoObject
		case errors.Is(err, fs.ErrPermission):
			reason = objstore.Denied
		}
		return nil, objstore.Info{}, fail("get", key, objstore.Rejected, reason, err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("there is no such object, but a directory or another thing")
	}
	if err != nil {
		return nil, objstore.Info{}, fail("get", key, objstore.Rejected, objstore.NoObject, errors.Join(err, f.Close()))
	}
	return f, info(key, fi), nil
}

// OpenVersion implements objstore.Versions; there is only one version at a time.
func (b *Bucket) OpenVersion(ctx context.Context, key, versionID, etag string) (io.ReadCloser, objstore.Info, error) {
	body, info, err := b.Open(ctx, key)
	return objstore.AsVersion(key, versionID, etag, body, info, err)
}

// Stat implements objstore.Stater.
func (b *Bucket) Stat(ctx context.Context, key string) (objstore.Info, error) {
	r, info, err := b.Open(ctx, key)
	if err != nil {
		return objstore.Info{}, err
	}
	return info, r.Close()
}

// Delete implements objstore.Deleter. The directories of the key stay: another
// writer may be about to use them. If the process dies after the file is gone
// but before the directory is synced, a power cut may bring it back.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return nil //nolint:nilerr // no object has such a key
	}
	if err := ctx.Err(); err != nil {
		return fail("delete", key, objstore.NotSent, objstore.Unknown, err)
	}
	fi, err := b.root.Lstat(key)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return nil
	case err == nil && !fi.Mode().IsRegular():
		return nil // a directory on the way to other objects
	case err == nil:
		err = b.root.Remove(key)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another was quicker
	}
	if errors.Is(err, fs.ErrPermission) {
		return fail("delete", key, objstore.Rejected, objstore.Denied, err)
	}
	if err == nil {
		err = b.syncUp(path.Dir(key))
	}
	if err != nil {
		return fail("delete", key, objstore.Ambiguous, objstore.Unknown, err)
	}
	return nil
}

func info(key string, fi fs.FileInfo) objstore.Info {
	return objstore.Info{
		Key: key, Size: fi.Size(), Modified: fi.ModTime(),
		ETag: fmt.Sprintf("%x-%x", fi.ModTime().UnixNano(), fi.Size()),
	}
}

// List implements objstore.Lister. Memory: one directory at a time per level.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		// Only directories that can hold a key with the prefix are read.
		if err := b.walk(ctx, ".", prefix, yield); err != nil && !errors.Is(err, fs.SkipAll) {
			yield(objstore.Info{}, fail("list", "", objstore.Rejected, objstore.Unknown, err))
		}
	}
}

// walk yields the objects below dir in order of key. SkipAll: the caller has enough.
func (b *Bucket) walk(ctx context.Context, dir, prefix string, yield func(objstore.Info, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(b.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(sortName(x), sortName(y)) })
	for _, d := range entries {
		key := path.Join(dir, d.Name())
		switch {
		case d.IsDir():
			if below := key + "/"; strings.HasPrefix(below, prefix) || strings.HasPrefix(prefix, below) {
				if err := b.walk(ctx, key, prefix, yield); err != nil {
					return err
				}
			}
		case d.Type().IsRegular() && strings.HasPrefix(key, prefix) && !strings.HasPrefix(d.Name(), tempPrefix):
			fi, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if !yield(info(key, fi), nil) {
				return fs.SkipAll
			}
		}
	}
	return nil
}

// sortName orders a directory by the keys in it: "a/x" comes after "a-b".
func sortName(d fs.DirEntry) string {
	if d.IsDir() {
		return d.Name() + "/"
	}
	return d.Name()
}
