package s3server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// store is a gofakes3.Backend. On disk: DIR/BUCKET/ID.obj, ID being the hash
// of the key, each file the object's bytes followed by its description
// (file.go). In memory: the descriptions.
type store struct {
	dir string

	mu      sync.RWMutex
	buckets map[string]*bucket
}

type bucket struct {
	objects map[string]*object
	keys    []string // sorted; nil after a change, until somebody lists
	created time.Time
}

// object is the description of a stored object; never changed once published.
type object struct {
	Key      string            `json:"key"`
	Size     int64             `json:"size"`
	MD5      []byte            `json:"md5"`
	Meta     map[string]string `json:"meta"`
	Modified time.Time         `json:"modified"`
}

var _ gofakes3.Backend = (*store)(nil)

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	st := &store{dir: dir, buckets: map[string]*bucket{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range entries {
		if !d.IsDir() || gofakes3.ValidateBucketName(d.Name()) != nil {
			continue
		}
		b, err := loadBucket(filepath.Join(dir, d.Name()))
		if err != nil {
			return nil, fmt.Errorf("load bucket %s: %w", d.Name(), err)
		}
		st.buckets[d.Name()] = b
	}
	return st, nil
}

func loadBucket(dir string) (*bucket, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	b := &bucket{objects: map[string]*object{}, created: time.Now()}
	for _, d := range entries {
		name := filepath.Join(dir, d.Name())
		if strings.HasSuffix(name, tempSuffix) {
			if err := os.Remove(name); err != nil {
				return nil, err
			}
			continue
		}
		o, err := readTrailer(name)
		if err != nil {
			return nil, err
		}
		b.objects[o.Key] = o
	}
	return b, nil
}

// find returns the bucket and the object, nil if there is none. Needs the lock.
func (st *store) find(bucketName, key string) (*bucket, *object, error) {
	b := st.buckets[bucketName]
	if b == nil {
		return nil, nil, gofakes3.BucketNotFound(bucketName)
	}
	return b, b.objects[key], nil
}

func (st *store) ListBuckets() ([]gofakes3.BucketInfo, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var all []gofakes3.BucketInfo
	for name, b := range st.buckets {
		all = append(all, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(b.created)})
	}
	slices.SortFunc(all, func(x, y gofakes3.BucketInfo) int { return strings.Compare(x.Name, y.Name) })
	return all, nil
}

// maxPage is S3's own limit of keys per answer.
const maxPage = 1000

func (st *store) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b := st.buckets[name]
	if b == nil {
		return nil, gofakes3.BucketNotFound(name)
	}
	if b.keys == nil {
		b.keys = make([]string, 0, len(b.objects))
		for key := range b.objects {
			b.keys = append(b.keys, key)
		}
		slices.Sort(b.keys)
	}
	return listPage(b, prefix, page), nil
}

func listPage(b *bucket, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) *gofakes3.ObjectList {
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	limit := page.MaxKeys
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	list := gofakes3.NewObjectList()
	var match gofakes3.PrefixMatch
	var count int64
	var last, folder string // the key last looked at, the folder last named
	start := 0
	if page.HasMarker {
		start = sort.SearchStrings(b.keys, page.Marker)
		if start < len(b.keys) && b.keys[start] == page.Marker {
			start++
		}
		if prefix.Match(page.Marker, &match) && match.CommonPrefix {
			folder = match.MatchedPart
		}
	}
	for _, key := range b.keys[start:] {
		if !prefix.Match(key, &match) || (match.CommonPrefix && match.MatchedPart == folder) {
			continue
		}
		if count == limit {
			list.IsTruncated, list.NextMarker = true, last
			break
		}
		count++
		last = key
		if match.CommonPrefix {
			folder = match.MatchedPart
			list.AddPrefix(folder)
			continue
		}
		o := b.objects[key]
		list.Add(&gofakes3.Content{Key: key, Size: o.Size, ETag: `"` + hex.EncodeToString(o.MD5) + `"`,
			LastModified: gofakes3.NewContentTime(o.Modified), StorageClass: "STANDARD"})
	}
	return list
}

func (st *store) CreateBucket(name string) error {
	if err := gofakes3.ValidateBucketName(name); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.buckets[name] != nil {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	if err := os.MkdirAll(filepath.Join(st.dir, name), 0o755); err != nil {
		return err
	}
	st.buckets[name] = &bucket{objects: map[string]*object{}, created: time.Now()}
	return nil
}

func (st *store) BucketExists(name string) (bool, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.buckets[name] != nil, nil
}

func (st *store) DeleteBucket(name string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b := st.buckets[name]
	if b == nil {
		return gofakes3.BucketNotFound(name)
	}
	if len(b.objects) > 0 {
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	return st.dropBucket(name)
}

func (st *store) ForceDeleteBucket(name string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.buckets[name] == nil {
		return gofakes3.BucketNotFound(name)
	}
	return st.dropBucket(name)
}

func (st *store) dropBucket(name string) error {
	delete(st.buckets, name)
	return os.RemoveAll(filepath.Join(st.dir, name))
}

func (st *store) DeleteObject(bucketName, key string) (gofakes3.ObjectDeleteResult, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, o, err := st.find(bucketName, key)
	if err != nil || o == nil {
		return gofakes3.ObjectDeleteResult{}, err // deleting what is not there succeeds
	}
	if err := os.Remove(st.file(bucketName, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return gofakes3.ObjectDeleteResult{}, err
	}
	delete(b.objects, key)
	b.keys = nil
	return gofakes3.ObjectDeleteResult{}, nil
}

func (st *store) DeleteMulti(bucketName string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var result gofakes3.MultiDeleteResult
	for _, key := range keys {
		if _, err := st.DeleteObject(bucketName, key); err != nil {
			failed := gofakes3.ErrorResultFromError(err)
			failed.Key = key
			result.Error = append(result.Error, failed)
			continue
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

func (st *store) CopyObject(srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(st, srcBucket, srcKey, dstBucket, dstKey, meta)
}
