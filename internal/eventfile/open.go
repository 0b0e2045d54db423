package eventfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// spaceEvery is after how many bytes the free disk space is looked at again.
const spaceEvery = 64 << 20

// source is where a file comes from. It keeps errors of its own apart from
// those of decoders that read it.
type source struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	want int64
	err  error // of src or ctx
}

func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	switch {
	case s.n > s.want:
		s.err = fmt.Errorf("the file has more than the %d bytes that the store said", s.want)
	case errors.Is(err, io.EOF) && s.n < s.want:
		s.err = fmt.Errorf("the file ended after %d of %d bytes: %w", s.n, s.want, io.ErrUnexpectedEOF)
	case err != nil && !errors.Is(err, io.EOF):
		s.err = err
	}
	if s.err != nil {
		err = s.err
	}
	return n, err
}

// open does what Open says; what it leaves behind after an error is closed by Open.
func (f *File) open(ctx context.Context, from io.Reader, dir string) (err error) {
	src := &source{ctx: ctx, r: from, want: f.stored}
	if f.temp, err = os.CreateTemp(dir, "eventfile-*"); err != nil {
		return err
	}
	if f.stored == 0 {
		return refuse("the file is empty")
	}
	f.size, err = f.copy(src, dir)
	if src.err != nil {
		return src.err
	}
	if err != nil {
		return err
	}
	f.table, err = f.footer()
	return err
}

// footer reads the footer. A panic in it would be a fault of ours that the file has found.
func (f *File) footer() (t table, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = refuse("the Parquet footer is damaged (%v)", p)
		}
	}()
	return readFooter(f.temp, f.size, f.limits.Footer)
}

// copy writes what src holds, without its wrapper, and returns how long that is.
func (f *File) copy(src *source, dir string) (n int64, err error) {
	in := bufio.NewReaderSize(src, 256<<10)
	head, err := in.Peek(64)
	if src.err != nil || err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	what := sniff(head)
	if what == plainFile {
		if err := f.room(dir, f.stored); err != nil {
			return 0, err
		}
	}
	r, err := f.unwrapped(what, in, head)
	if err != nil {
		return 0, err
	}
	defer r.close()
	most := min(f.limits.Unwrapped, f.limits.most(f.stored))
	buf := make([]byte, 256<<10)
	for looked := int64(-spaceEvery); ; {
		if n-looked >= spaceEvery {
			if err := f.room(dir, 0); err != nil {
				return n, err
			}
			looked = n
		}
		k, err := r.read(buf)
		if n == 0 && k > 0 {
			if err := inner(what, buf[:k]); err != nil {
				return n, err
			}
		}
		n += int64(k)
		if n > most {
			return n, refuse("the file has more than %d bytes when it is unwrapped from %s, and %d as stored: refused", most, what, f.stored)
		}
		if _, err := f.temp.Write(buf[:k]); err != nil {
			return n, fmt.Errorf("write temporary file: %w", err)
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil && src.err == nil:
			return n, refuse("the file is damaged: it cannot be unwrapped from %s: %v", what, err)
		case err != nil:
			return n, err
		}
	}
}

// room checks that so many more bytes leave the disk as free as it should be.
func (f *File) room(dir string, more int64) error {
	free, err := freeBytes(dir)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free-more < f.limits.FreeDisk {
		return fmt.Errorf("%s has %d MiB free; a temporary file of %d more must leave %d", dir, free>>20, more>>20, f.limits.FreeDisk>>20)
	}
	return nil
}
