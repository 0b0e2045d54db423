package airbyte

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"strm/internal/airbyte/protocol"
	"strm/internal/format"
)

// chunk is the records that become one object: in memory, or their beginning
// in a file and the rest in memory. Nothing in it survives the process, and
// need not: a record that is in no object was not acknowledged.
type chunk struct {
	stream  *stream
	first   int64 // number of its first record
	records int64
	bytes   int64 // of the records' data
	buf     []byte
	file    string // path, if any
	onDisk  int64
}

// spool holds the chunks within bounds of memory. The loop alone adds to it;
// workers read chunks that have been closed.
type spool struct {
	dir    string
	lock   *os.File
	memory int64 // bytes in all chunks' buffers
	disk   int64
	files  int
}

const (
	spoolPrefix = "strm-airbyte-"
	lockName    = "lock"
	// frameHead precedes each record: id, time, length of changes and of data.
	frameHead = 16 + 8 + 4 + 4
	// A record from this size on goes to the file at once.
	largeFrame = 1 << 20
	// Directories without a lock are left alone so long: one may be being made.
	sweepAge = time.Minute
)

// openSpool makes a directory below parent and sweeps what runs that were
// killed have left there: directories that nobody holds the lock of.
func openSpool(parent string) (*spool, error) {
	sweep(parent)
	dir, err := os.MkdirTemp(parent, spoolPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a spool directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			err = errors.Join(err, lock.Close())
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the spool directory: %w", err), os.RemoveAll(dir))
	}
	return &spool{dir: dir, lock: lock}, nil
}

// sweep removes what is dead, as far as it can: the rest is another user's, or
// gets another try at the next run.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), spoolPrefix) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > sweepAge {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = f.Close() // opened for its lock alone
	}
}

// close removes the directory.
func (s *spool) close() error {
	return errors.Join(os.RemoveAll(s.dir), s.lock.Close())
}

// add appends a record to a chunk.
func (s *spool) add(c *chunk, id [16]byte, r *protocol.Record) error {
	var head [frameHead]byte
	copy(head[:], id[:])
	binary.LittleEndian.PutUint64(head[16:], uint64(r.EmittedAt))
	binary.LittleEndian.PutUint32(head[24:], uint32(len(r.Changes)))
	binary.LittleEndian.PutUint32(head[28:], uint32(len(r.Data)))
	c.records++
	c.bytes += int64(len(r.Data))
	before := len(c.buf)
	c.buf = append(append(c.buf, head[:]...), r.Changes...)
	data := r.Data
	if bytes.IndexByte(data, '\r') >= 0 {
		// Between tokens it is white space; some readers of lines end one there.
		data = bytes.ReplaceAll(data, []byte{'\r'}, []byte{' '})
	}
	if len(data) < largeFrame {
		c.buf = append(c.buf, data...)
		s.memory += int64(len(c.buf) - before)
		return nil
	}
	s.memory += int64(len(c.buf) - before)
	return s.spill(c, data)
}

// spill writes a chunk's buffer, and more, to its file. The file is not kept
// open: there may be more chunks than a process may have files.
func (s *spool) spill(c *chunk, more []byte) error {
	if c.file == "" {
		c.file = s.name()
	}
	f, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	_, err = f.Write(c.buf)
	if err == nil && len(more) > 0 {
		_, err = f.Write(more)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.memory -= int64(len(c.buf))
	n := int64(len(c.buf) + len(more))
	c.onDisk += n
	s.disk += n
	c.buf = nil
	return nil
}

// name returns a free path.
func (s *spool) name() string {
	s.files++
	return filepath.Join(s.dir, strconv.Itoa(s.files))
}

// drop forgets a chunk whose object is stored, or that is given up.
func (s *spool) drop(c *chunk) error {
	s.memory -= int64(len(c.buf))
	s.disk -= c.onDisk
	c.buf = nil
	if c.file == "" {
		return nil
	}
	return os.Remove(c.file)
}

// frames calls each for every record of a closed chunk, in order. The bytes are
// valid during the call.
func (c *chunk) frames(each func(row format.Row, changes, data []byte) error) error {
	var readers []io.Reader
	if c.file != "" {
		f, err := os.Open(c.file)
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		defer func() { _ = f.Close() }() // only read
		readers = append(readers, bufio.NewReaderSize(f, 256<<10))
	}
	r := io.MultiReader(append(readers, bytes.NewReader(c.buf))...)
	var head [frameHead]byte
	var buf []byte
	for range c.records {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		row := format.Row{At: int64(binary.LittleEndian.Uint64(head[16:]))}
		copy(row.ID[:], head[:])
		changes, data := int(binary.LittleEndian.Uint32(head[24:])), int(binary.LittleEndian.Uint32(head[28:]))
		if cap(buf) < changes+data {
			buf = make([]byte, max(changes+data, 4<<10))
		}
		buf = buf[:changes+data]
		if _, err := io.ReadFull(r, buf); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		if err := each(row, buf[:changes], buf[changes:]); err != nil {
			return err
		}
		if cap(buf) > keep {
			buf = nil
		}
	}
	return nil
}
