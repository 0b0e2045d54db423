package s3server

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// A file is:
//
//	bytes of the object | description, JSON | its length, 4 bytes big-endian | "strmobj1"
const (
	magic      = "strmobj1"
	tempSuffix = ".part"
)

func (st *store) file(bucketName, key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(st.dir, bucketName, hex.EncodeToString(sum[:])+".obj")
}

// PutObject streams the body to a file without a lock, then publishes it under
// the lock, where the condition is decided. A condition that cannot hold any
// more is answered before the body is read.
func (st *store) PutObject(bucketName, key string, meta map[string]string, body io.Reader, size int64,
	cond *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {

	var done gofakes3.PutObjectResult
	st.mu.RLock()
	_, o, err := st.find(bucketName, key)
	st.mu.RUnlock()
	if err == nil {
		err = allowed(cond, o)
	}
	if err != nil {
		return done, err
	}
	temp, o, err := st.writeTemp(bucketName, key, meta, body, size)
	if err != nil {
		return done, err
	}
	if err := st.publish(bucketName, temp, o, cond); err != nil {
		_ = os.Remove(temp) // removed at the next start otherwise
		return done, err    // as it is: gofakes3 does not look behind wrapping
	}
	return done, nil
}

func allowed(cond *gofakes3.PutConditions, o *object) error {
	if cond == nil {
		return nil
	}
	info := &gofakes3.ConditionalObjectInfo{Exists: o != nil}
	if o != nil {
		info.Hash = o.MD5
	}
	return gofakes3.CheckPutConditions(cond, info)
}

func (st *store) publish(bucketName, temp string, o *object, cond *gofakes3.PutConditions) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, old, err := st.find(bucketName, o.Key)
	if err == nil {
		err = allowed(cond, old)
	}
	if err == nil {
		err = os.Rename(temp, st.file(bucketName, o.Key))
	}
	if err != nil {
		return err
	}
	b.objects[o.Key] = o
	if old == nil {
		b.keys = nil
	}
	return nil
}

// private are request headers that gofakes3 would keep as metadata and show.
var private = []string{"X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token", "X-Amz-User-Agent"}

func (st *store) writeTemp(bucketName, key string, meta map[string]string, body io.Reader, size int64) (string, *object, error) {
	f, err := os.CreateTemp(filepath.Join(st.dir, bucketName), "*"+tempSuffix)
	if err != nil {
		return "", nil, err
	}
	o := &object{Key: key, Size: size, Meta: maps.Clone(meta), Modified: time.Now()}
	for _, name := range private {
		delete(o.Meta, name)
	}
	err = o.write(f, body)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name()) // removed at the next start otherwise
		return "", nil, unwrapS3(err)
	}
	return f.Name(), o, nil
}

// unwrapS3 finds the S3 error in err, by which gofakes3 chooses the answer.
func unwrapS3(err error) error {
	var s3err gofakes3.Error
	if errors.As(err, &s3err) {
		return s3err
	}
	return err
}

// write checks the bytes on their way: length and, if sent, CRC-32.
func (o *object) write(f io.Writer, body io.Reader) error {
	digest, crc := md5.New(), crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(f, digest, crc), io.LimitReader(body, o.Size+1))
	if err != nil {
		return err
	}
	if n != o.Size {
		return gofakes3.ErrIncompleteBody
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc.Sum32()))
	if want, ok := o.Meta["X-Amz-Checksum-Crc32"]; ok && want != sum {
		return gofakes3.ErrorMessage(gofakes3.ErrBadDigest, "The CRC32 you specified did not match what we received.")
	}
	o.MD5 = digest.Sum(nil)
	trailer, err := json.Marshal(o)
	if err != nil {
		return err
	}
	trailer = binary.BigEndian.AppendUint32(trailer, uint32(len(trailer)))
	_, err = f.Write(append(trailer, magic...))
	return err
}

// readTrailer reads the description at the end of a file.
func readTrailer(name string) (*object, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const tail = 4 + int64(len(magic))
	end := make([]byte, tail)
	if _, err := f.ReadAt(end, max(0, fi.Size()-tail)); err != nil || !bytes.Equal(end[4:], []byte(magic)) {
		return nil, fmt.Errorf("%s is not an object of this server", name)
	}
	length := int64(binary.BigEndian.Uint32(end))
	if length > fi.Size()-tail {
		return nil, fmt.Errorf("%s is damaged", name)
	}
	text := make([]byte, length)
	if _, err := f.ReadAt(text, fi.Size()-tail-length); err != nil {
		return nil, err
	}
	o := new(object)
	if err := json.Unmarshal(text, o); err != nil || o.Size != fi.Size()-tail-length {
		return nil, fmt.Errorf("%s is damaged", name)
	}
	return o, nil
}

func (st *store) HeadObject(bucketName, key string) (*gofakes3.Object, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	_, o, err := st.find(bucketName, key)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, gofakes3.KeyNotFound(key)
	}
	return o.answer(nil, io.NopCloser(bytes.NewReader(nil))), nil
}

func (st *store) GetObject(bucketName, key string, want *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	st.mu.RLock()
	defer st.mu.RUnlock() // description and file belong together
	_, o, err := st.find(bucketName, key)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, gofakes3.KeyNotFound(key)
	}
	part, err := want.Range(o.Size)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(st.file(bucketName, key))
	if err != nil {
		return nil, err
	}
	body := io.NewSectionReader(f, 0, o.Size)
	if part != nil {
		body = io.NewSectionReader(f, part.Start, part.Length)
	}
	return o.answer(part, struct {
		io.Reader
		io.Closer
	}{body, f}), nil
}

func (o *object) answer(part *gofakes3.ObjectRange, body io.ReadCloser) *gofakes3.Object {
	return &gofakes3.Object{Name: o.Key, Size: o.Size, Hash: o.MD5, Range: part, Contents: body,
		Metadata: maps.Clone(o.Meta)}
}
