package upload

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"strm/internal/problem"
)

// Stdin is the file name that stands for standard input.
const Stdin = "-"

// input is an opened file, or standard input.
type input struct {
	name  string // for people
	path  string // absolute; empty for standard input
	size  int64  // on disk; 0 when unknown
	mtime time.Time
	file  *os.File // nil for standard input
	read  atomic.Int64
	begun int64     // read when start returned
	r     io.Reader // decompressed
	close func()    // of the decompressor
}

// open opens name. Standard input is not closed by the input.
func open(name string, stdin io.Reader) (*input, error) {
	if name == Stdin {
		in := &input{name: "standard input"}
		in.r = &countReader{r: stdin, n: &in.read}
		return in, nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, problem.New(problem.Invalid, "%s: %w", name, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, problem.New(problem.Invalid, "%w", err)
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = problem.New(problem.Invalid, "%s is a directory: name the files in it", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in := &input{name: name, path: path, file: f, mtime: st.ModTime()}
	if st.Mode().IsRegular() {
		in.size = st.Size()
	}
	return in, nil
}

// resumable reports whether the same bytes can be read again.
func (in *input) resumable() bool {
	if in.file == nil {
		return false
	}
	st, err := in.file.Stat()
	return err == nil && st.Mode().IsRegular()
}

// start makes r begin at a decompressed offset.
func (in *input) start(offset int64) error {
	err := in.seek(offset)
	in.begun = in.read.Load()
	return err
}

func (in *input) seek(offset int64) error {
	if in.file == nil {
		return nil
	}
	raw := &countReader{r: in.file, n: &in.read}
	switch ext := strings.ToLower(filepath.Ext(in.path)); {
	case ext == ".gz" && in.empty(), ext == ".zst" && in.empty():
		in.r = raw // an empty file holds no events, compressed or not
	case ext == ".gz":
		zr, err := gzip.NewReader(raw)
		if err != nil {
			return problem.New(problem.Invalid, "%s: not a gzip file: %w", in.name, err)
		}
		in.r = zr
	case ext == ".zst":
		zr, err := zstd.NewReader(raw, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return problem.New(problem.Invalid, "%s: not a zstd file: %w", in.name, err)
		}
		in.r, in.close = zr, zr.Close
	default:
		if offset > 0 {
			if _, err := in.file.Seek(offset, io.SeekStart); err != nil {
				return fmt.Errorf("%s: %w", in.name, err)
			}
			in.read.Store(offset)
		}
		in.r = raw
		return nil
	}
	if n, err := io.CopyN(io.Discard, in.r, offset); err != nil {
		return problem.New(problem.Invalid, "%s: only %d of the %d bytes sent before are there: %w", in.name, n, offset, err)
	}
	return nil
}

func (in *input) empty() bool { return in.resumable() && in.size == 0 }

// Close releases the file.
func (in *input) Close() error {
	if in.close != nil {
		in.close()
	}
	if in.file == nil {
		return nil
	}
	return in.file.Close()
}

// countReader counts what passes.
type countReader struct {
	r io.Reader
	n *atomic.Int64
}

// Read reads from the reader below.
func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
