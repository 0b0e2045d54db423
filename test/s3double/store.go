package s3double

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"time"
)

// Object is one stored object.
type Object struct {
	Key      string
	Body     []byte // never changed once stored
	Header   map[string]string
	Modified time.Time
}

// CRC32 returns the CRC-32 (IEEE) of the body.
func (o *Object) CRC32() uint32 { return crc32.ChecksumIEEE(o.Body) }

// Store holds the objects of one bucket and the breaches seen. Its methods
// are safe for concurrent use; the zero value is ready.
type Store struct {
	mu       sync.Mutex
	objects  map[string]*Object
	breaches []string
	puts     int64
}

// Put results.
type putResult int

const (
	stored putResult = iota
	exists           // If-None-Match and the key is taken
)

// put stores an object. A second body for a taken key is a breach whether or
// not the request was conditional: the same key must always mean the same
// bytes, else a lost answer could hide lost events.
func (s *Store) put(o *Object, onlyIfNew bool) putResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = make(map[string]*Object)
	}
	old, taken := s.objects[o.Key]
	if taken && !bytes.Equal(old.Body, o.Body) {
		how := "refused by its condition"
		if !onlyIfNew {
			how = "overwritten"
		}
		s.breaches = append(s.breaches, fmt.Sprintf("key %s (%d bytes, crc32 %08x) was put again with other bytes (%d bytes, crc32 %08x): %s",
			o.Key, len(old.Body), old.CRC32(), len(o.Body), o.CRC32(), how))
	}
	if taken && onlyIfNew {
		return exists
	}
	if !onlyIfNew {
		s.breaches = append(s.breaches, fmt.Sprintf("key %s was put without If-None-Match", o.Key))
	}
	s.objects[o.Key] = o
	s.puts++
	return stored
}

// Add stores what others than the server under test put into the bucket. They
// may replace objects, unconditionally: no breach, and not counted.
func (s *Store) Add(key string, body []byte) *Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = make(map[string]*Object)
	}
	o := &Object{Key: key, Body: body, Header: map[string]string{}, Modified: time.Now()}
	s.objects[key] = o
	return o
}

func (s *Store) get(key string) *Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[key]
}

func (s *Store) breach(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaches = append(s.breaches, fmt.Sprintf(format, args...))
}

// Breaches returns what must never have happened but did.
func (s *Store) Breaches() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.breaches)
}

// Puts returns how many objects were stored.
func (s *Store) Puts() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts
}

// List returns the objects whose keys begin with prefix, in order of key.
func (s *Store) List(prefix string) []*Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Object
	for key, o := range s.objects {
		if strings.HasPrefix(key, prefix) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *Object) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// CRC32Base64 returns the CRC-32 as S3 writes it: base64 of the big-endian value.
func (o *Object) CRC32Base64() string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, o.CRC32()))
}

// ETag returns the ETag without its quotes.
func (o *Object) ETag() string { return strings.Trim(etag(o.Body), `"`) }
