// Package mem is a bucket in memory, for simulations and tests. It watches the
// promise that an object, once stored, never changes: an overwrite with other
// bytes is refused, counted and reported.
package mem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"strm/internal/objstore"
)

// ErrRewritten is in the chain of the error that answers an overwrite with
// other bytes. No correct caller ever sees it.
var ErrRewritten = errors.New("an object that exists was about to change")

// Bucket holds objects in memory. Safe for concurrent use.
type Bucket struct {
	mu        sync.Mutex
	objects   map[string]object
	rewritten []string
	onRewrite func(key string)
}

type object struct {
	data []byte
	info objstore.Info
}

// New returns an empty bucket. onRewrite, if not nil, is called (outside all
// locks) when somebody tries to change an object; a test passes t.Errorf.
func New(onRewrite func(key string)) *Bucket {
	return &Bucket{objects: map[string]object{}, onRewrite: onRewrite}
}

// Create implements objstore.Bucket.
func (b *Bucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if err := objstore.CheckKey(key); err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.BadKey, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: err}
	}
	data, err := read(c)
	if err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: err}
	}
	if int64(len(data)) != c.Size || crc32.ChecksumIEEE(data) != c.CRC32 {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.Damaged,
			Err: fmt.Errorf("%d bytes with CRC-32 %08x arrived, %d with %08x were announced",
				len(data), crc32.ChecksumIEEE(data), c.Size, c.CRC32)}
	}
	return b.store(key, data, c)
}

func read(c objstore.Content) (data []byte, err error) {
	r, err := c.Open()
	if err != nil {
		return nil, fmt.Errorf("open content: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err = io.ReadAll(io.LimitReader(r, c.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	return data, nil
}

func (b *Bucket) store(key string, data []byte, c objstore.Content) error {
	b.mu.Lock()
	old, taken := b.objects[key]
	if taken && !c.Overwrite {
		b.mu.Unlock()
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Exists, Err: errors.New("the key is taken")}
	}
	if taken && !bytes.Equal(old.data, data) {
		b.rewritten = append(b.rewritten, key)
		b.mu.Unlock()
		if b.onRewrite != nil {
			b.onRewrite(key)
		}
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.BadRequest,
			Err: fmt.Errorf("%w: %d bytes are stored, %d others came", ErrRewritten, len(old.data), len(data))}
	}
	b.objects[key] = object{data: data, info: objstore.Info{
		Key: key, Size: c.Size, ETag: fmt.Sprintf("%08x", c.CRC32),
		Modified: time.Now(), Metadata: maps.Clone(c.Metadata),
	}}
	b.mu.Unlock()
	return nil
}

// Open implements objstore.Reader.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, objstore.Info{}, &objstore.Error{Op: "get", Key: key, Outcome: objstore.NotSent, Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	if !ok {
		return nil, objstore.Info{}, &objstore.Error{Op: "get", Key: key, Outcome: objstore.Rejected,
			Reason: objstore.NoObject, Err: errors.New("there is no such object")}
	}
	info := o.info
	info.Metadata = maps.Clone(info.Metadata)
	return io.NopCloser(bytes.NewReader(o.data)), info, nil
}

// List implements objstore.Lister. It shows the state at the first step.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		b.mu.Lock()
		var found []objstore.Info
		for key, o := range b.objects {
			if strings.HasPrefix(key, prefix) {
				info := o.info
				info.Metadata = nil
				found = append(found, info)
			}
		}
		b.mu.Unlock()
		slices.SortFunc(found, func(x, y objstore.Info) int { return strings.Compare(x.Key, y.Key) })
		for _, info := range found {
			if err := ctx.Err(); err != nil {
				yield(objstore.Info{}, &objstore.Error{Op: "list", Outcome: objstore.NotSent, Err: err})
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
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

// Delete implements objstore.Deleter.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return &objstore.Error{Op: "delete", Key: key, Outcome: objstore.NotSent, Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, key)
	return nil
}

// Rewritten returns the keys whose objects somebody tried to change.
func (b *Bucket) Rewritten() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.rewritten)
}
