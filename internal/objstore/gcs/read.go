package gcs

import (
	"context"
	"errors"
	"io"
	"iter"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"strm/internal/objstore"
)

// Open implements objstore.Reader. Needs storage.objects.get. Description and
// bytes are of the same generation. The context must live as long as the reader.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	c := call{op: "get", key: key, action: "storage.objects.get"}
	ctx, p := withProgress(ctx)
	object := b.bucket.Object(key)
	attrs, err := object.Attrs(ctx)
	if err != nil {
		return nil, objstore.Info{}, b.classify(c, err, p)
	}
	r, err := object.Generation(attrs.Generation).NewReader(ctx)
	if err != nil {
		return nil, objstore.Info{}, b.classify(c, err, p)
	}
	info := describe(attrs)
	info.Metadata = attrs.Metadata
	return r, info, nil
}

// OpenVersion implements objstore.Versions. The ETag of a generation also changes
// with its description.
func (b *Bucket) OpenVersion(ctx context.Context, key, versionID, etag string) (io.ReadCloser, objstore.Info, error) {
	body, info, err := b.Open(ctx, key)
	return objstore.AsVersion(key, versionID, etag, body, info, err)
}

// Stat implements objstore.Stater. Needs storage.objects.get.
func (b *Bucket) Stat(ctx context.Context, key string) (objstore.Info, error) {
	ctx, p := withProgress(ctx)
	attrs, err := b.bucket.Object(key).Attrs(ctx)
	if err != nil {
		return objstore.Info{}, b.classify(call{op: "get", key: key, action: "storage.objects.get"}, err, p)
	}
	info := describe(attrs)
	info.Metadata = attrs.Metadata
	return info, nil
}

// Delete implements objstore.Deleter. Needs storage.objects.delete.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	ctx, p := withProgress(ctx)
	err := b.bucket.Object(key).Delete(ctx)
	if err != nil && !errors.Is(err, storage.ErrObjectNotExist) {
		return b.classify(call{op: "delete", key: key, action: "storage.objects.delete"}, err, p)
	}
	return nil
}

func describe(a *storage.ObjectAttrs) objstore.Info {
	return objstore.Info{Key: a.Name, Size: a.Size, ETag: a.Etag, Modified: a.Updated}
}

// List implements objstore.Lister. Needs storage.objects.list.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		ctx, p := withProgress(ctx)
		objects := b.bucket.Objects(ctx, &storage.Query{Prefix: prefix})
		for {
			attrs, err := objects.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(objstore.Info{}, b.classify(call{op: "list", action: "storage.objects.list"}, err, p))
				return
			}
			if !yield(describe(attrs), nil) {
				return
			}
		}
	}
}
