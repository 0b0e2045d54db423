package download

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".strm-download-"

// one brings a file, unless it is there.
func (r *run) one(ctx context.Context, f File) (fetched bool, err error) {
	// Beside the root's own check, so that the reason is in plain words.
	if !filepath.IsLocal(filepath.FromSlash(f.Name)) || strings.ContainsAny(f.Name, "\\\x00") || path.Clean(f.Name) != f.Name {
		return false, fmt.Errorf("%q is no name for a file below the directory", f.Name)
	}
	name := filepath.FromSlash(f.Name)
	if ok, err := r.present(ctx, name, f); err != nil || ok {
		return false, err
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := r.root.MkdirAll(dir, 0o777); err != nil {
			return false, err
		}
	}
	wait := r.Wait
	for try := 1; ; try++ {
		err := r.bring(ctx, name, f)
		var local *fs.PathError // the disk's fault: trying again is of no use
		if err == nil || ctx.Err() != nil || try == r.Tries || errors.As(err, &local) || !r.Again(err) {
			return err == nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false, ctx.Err()
		}
		wait *= 2
	}
}

// present reports whether the file is there as the ledger describes it.
func (r *run) present(ctx context.Context, name string, f File) (bool, error) {
	fi, err := r.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !fi.Mode().IsRegular() {
		return false, fmt.Errorf("%s is there, and is no file", f.Name)
	}
	if fi.Size() != f.Bytes {
		return false, nil
	}
	file, err := r.root.Open(name)
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // only read
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, &stoppable{ctx, file}); err != nil {
		return false, err
	}
	return sum.Sum32() == f.CRC32, nil
}

// bring fetches a file, checks it, and gives it its name.
func (r *run) bring(ctx context.Context, name string, f File) (err error) {
	body, err := r.fetch(ctx, f)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // only read, and checked
	temp := filepath.Join(filepath.Dir(name), tempPrefix+rand.Text())
	out, err := r.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	m := &meter{run: r, sum: crc32.NewIEEE()}
	_, err = io.Copy(io.MultiWriter(out, m), io.LimitReader(&stoppable{ctx, body}, f.Bytes+1))
	err = errors.Join(err, out.Close())
	if err == nil {
		err = m.check(f)
	}
	if err == nil {
		err = r.root.Rename(temp, name)
	}
	if err != nil {
		r.moved(-m.n)
		return errors.Join(err, r.root.Remove(temp))
	}
	return nil
}

// meter counts and sums what passes, and reports it.
type meter struct {
	run *run
	n   int64
	sum interface {
		io.Writer
		Sum32() uint32
	}
}

// Write counts b.
func (m *meter) Write(b []byte) (int, error) {
	m.n += int64(len(b))
	m.run.moved(int64(len(b)))
	return m.sum.Write(b)
}

// check compares what has passed with what the ledger says.
func (m *meter) check(f File) error {
	switch {
	case m.n > f.Bytes:
		return fmt.Errorf("it is longer than the %d bytes that the ledger says", f.Bytes)
	case m.n < f.Bytes:
		return fmt.Errorf("it is %d bytes long, the ledger says %d", m.n, f.Bytes)
	case m.sum.Sum32() != f.CRC32:
		return fmt.Errorf("its CRC-32 is %08x, the ledger says %08x", m.sum.Sum32(), f.CRC32)
	}
	return nil
}

// stoppable reads until ctx ends.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read reads on.
func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
