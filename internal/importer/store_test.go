package importer_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/notice"
	"strm/internal/objstore"
)

// store is a bucket with versions, or without, as S3 keeps them.
type store struct {
	t         *testing.T
	versioned bool
	refuse    func(op, key string) error // asked before each call; may be nil

	mu      sync.Mutex
	objects map[string][]stored
	serial  int
	clock   time.Time // of the next object
	stats   int
}

type stored struct {
	info objstore.Info
	data []byte
}

func newStore(t *testing.T, versioned bool) *store {
	return &store{t: t, versioned: versioned, objects: map[string][]stored{}, clock: time.Now().UTC().Truncate(time.Second)}
}

// put stores an event file as a customer does, over what is there, and returns its notice.
func (s *store) put(key string, data []byte) notice.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	s.clock = s.clock.Add(1234 * time.Millisecond)
	info := objstore.Info{Key: key, Size: int64(len(data)), ETag: fmt.Sprintf(`"%x"`, md5.Sum(data)), Modified: s.clock.Truncate(time.Second)}
	if s.versioned {
		info.VersionID = fmt.Sprintf("version%d", s.serial)
		s.objects[key] = append(s.objects[key], stored{info, data})
	} else {
		s.objects[key] = []stored{{info, data}}
	}
	return notice.File{Bucket: "b", Key: key, VersionID: info.VersionID, ETag: objstore.BareETag(info.ETag), Size: info.Size, At: s.clock}
}

func (s *store) remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

func (s *store) ask(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return &objstore.Error{Op: op, Key: key, Outcome: objstore.NotSent, Err: err}
	}
	if s.refuse != nil {
		return s.refuse(op, key)
	}
	return nil
}

// Create stores a report.
func (s *store) Create(ctx context.Context, key string, c objstore.Content) error {
	if err := s.ask(ctx, "put", key); err != nil {
		return err
	}
	r, err := c.Open()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.objects[key]) > 0 {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Exists, Err: errors.New("the key is taken")}
	}
	if c.ContentType != "application/json" || int64(len(data)) != c.Size {
		s.t.Errorf("%s: content type %q, %d bytes of %d", key, c.ContentType, len(data), c.Size)
	}
	s.objects[key] = []stored{{objstore.Info{Key: key, Size: c.Size, ETag: `"r"`, Modified: time.Now()}, data}}
	return nil
}

func (s *store) last(key string) (stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.objects[key]; len(v) > 0 {
		return v[len(v)-1], nil
	}
	return stored{}, &objstore.Error{Op: "get", Key: key, Outcome: objstore.Rejected, Reason: objstore.NoObject, Err: errors.New("no such object")}
}

// OpenVersion implements objstore.Versions.
func (s *store) OpenVersion(ctx context.Context, key, version, etag string) (io.ReadCloser, objstore.Info, error) {
	if err := s.ask(ctx, "get", key); err != nil {
		return nil, objstore.Info{}, err
	}
	o, err := s.last(key)
	if version != "" {
		s.mu.Lock()
		for _, v := range s.objects[key] {
			if v.info.VersionID == version {
				o = v
			}
		}
		s.mu.Unlock()
	}
	if err != nil {
		return nil, objstore.Info{}, err
	}
	return objstore.AsVersion(key, version, etag, io.NopCloser(bytes.NewReader(o.data)), o.info, nil)
}

// Stat implements objstore.Stater.
func (s *store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	if err := s.ask(ctx, "head", key); err != nil {
		return objstore.Info{}, err
	}
	s.mu.Lock()
	s.stats++
	s.mu.Unlock()
	o, err := s.last(key)
	return o.info, err
}

// List implements objstore.Lister: present versions, without saying which.
func (s *store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		if err := s.ask(ctx, "list", prefix); err != nil {
			yield(objstore.Info{}, err)
			return
		}
		s.mu.Lock()
		var all []objstore.Info
		for key, v := range s.objects {
			if strings.HasPrefix(key, prefix) {
				info := v[len(v)-1].info
				info.VersionID = ""
				all = append(all, info)
			}
		}
		s.mu.Unlock()
		slices.SortFunc(all, func(a, b objstore.Info) int { return strings.Compare(a.Key, b.Key) })
		for _, info := range all {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// reports returns the bodies of the objects below the prefix.
func (s *store) below(prefix string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]byte{}
	for key, v := range s.objects {
		if strings.HasPrefix(key, prefix) {
			out[key] = v[len(v)-1].data
		}
	}
	return out
}
