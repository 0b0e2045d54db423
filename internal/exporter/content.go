package exporter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"strconv"

	"strm/internal/eventlog"
	"strm/internal/format"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// inMemory is how large an encoded object may be before it goes to a spool file.
const inMemory = 1 << 20

// content is an object's bytes, ready to be put as often as needed.
type content struct {
	objstore.Content
	close func() error
}

// open prepares the bytes of one object of a batch. Where the stored blocks
// can be concatenated nothing is read yet; otherwise the object is encoded, to
// memory or to a spool file. The caller must call close.
func open(ctx context.Context, log eventlog.Log, spoolDir string, f format.Format, b *stream.Batch, o *stream.Object) (content, error) {
	v, err := f.Variant(b.Output.Compression)
	if err != nil {
		return content{}, err
	}
	c := content{close: func() error { return nil }}
	c.ContentType, c.Encoding = v.ContentType, v.Encoding
	c.Metadata = metadata(b, o)

	src := source{log: log, streamID: b.StreamID, ranges: o.Ranges}
	if ok, err := src.concatenates(ctx, f, b.Output.Compression, o.Events, &c.Content); err != nil || ok {
		return c, err
	}
	sp := &spool{dir: spoolDir, sum: crc32.NewIEEE()}
	events, err := f.Encode(sp, b.Output.Compression, src.blocks(ctx))
	if err == nil && events != o.Events {
		err = problem.New(problem.Corrupt, "the log holds %d events for %s, the plan says %d", events, o.Key, o.Events)
	}
	if err != nil {
		return content{}, joinClose(err, sp.close())
	}
	c.Size, c.CRC32, c.close = sp.size, sp.sum.Sum32(), sp.close
	c.Open = sp.open
	return c, nil
}

func joinClose(err, closeErr error) error {
	if closeErr == nil {
		return err
	}
	return fmt.Errorf("%w (and closing the spool: %v)", err, closeErr) //nolint:errorlint // the first error decides the kind
}

// metadata travels with the object, so that it can be told where it came from
// without the ledger.
func metadata(b *stream.Batch, o *stream.Object) map[string]string {
	m := map[string]string{"strm-batch": b.ID, "strm-stream": b.Stream, "strm-events": strconv.FormatInt(o.Events, 10), "strm-encoder": b.Encoder}
	ranges, err := json.Marshal(o.Ranges)
	if err == nil && len(ranges) <= 1024 { // S3 takes 2 KB of metadata in all
		m["strm-ranges"] = string(ranges)
	}
	return m
}

// source reads the blocks of an object's ranges.
type source struct {
	log      eventlog.Log
	streamID string
	ranges   []stream.Range
}

// blocks yields them in order and refuses a block that sticks out of its
// range: plans end where blocks end.
func (s source) blocks(ctx context.Context) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		for _, r := range s.ranges {
			for b, err := range s.log.Read(ctx, s.streamID, r) {
				if err == nil && (b.Range.Start < r.Start || b.Range.End > r.End) {
					err = problem.New(problem.Corrupt, "block %v crosses the end of the planned range %v", b.Range, r)
				}
				if !yield(b, err) || err != nil {
					return
				}
			}
		}
	}
}

// concatenates fills c and returns true if the object's bytes are the stored
// blocks one after the other.
func (s source) concatenates(ctx context.Context, f format.Format, compression string, events int64, c *objstore.Content) (bool, error) {
	cat, ok := f.(format.Concatenator)
	if !ok || !cat.Concatenates(compression, []stream.BlockHeader{{Raw: 1 << 30}}) {
		return false, nil // no object of this variant concatenates: spare the look
	}
	var headers []stream.BlockHeader
	var got int64
	for _, r := range s.ranges {
		for h, err := range s.log.Index(ctx, s.streamID, r) {
			if err != nil {
				return false, err
			}
			headers = append(headers, h)
			got += h.Events
			c.CRC32 = combineCRC32(c.CRC32, h.CRC32, h.Packed)
			c.Size += h.Packed
		}
	}
	if got != events {
		return false, problem.New(problem.Corrupt, "the log holds %d events, the plan says %d", got, events)
	}
	if !cat.Concatenates(compression, headers) {
		c.Size, c.CRC32 = 0, 0
		return false, nil
	}
	size := c.Size
	c.Open = func() (io.ReadSeekCloser, error) { return &joined{ctx: ctx, src: s, size: size}, nil }
	return true, nil
}

// joined reads stored blocks as one file. Seeking is for clients that ask for
// the length or begin again; reading starts over from the first block then.
type joined struct {
	ctx  context.Context // an io.Reader has no other way to be cancelled
	src  source
	size int64

	pos  int64 // where the next Read must begin
	at   int64 // where rest begins
	rest []byte
	next func() (stream.Block, error, bool)
	stop func()
}

// Read returns the bytes at the present position.
func (j *joined) Read(p []byte) (int, error) {
	if j.pos >= j.size {
		return 0, io.EOF
	}
	if j.next == nil || j.pos < j.at {
		if err := j.Close(); err != nil {
			return 0, err
		}
		j.next, j.stop = iter.Pull2(j.src.blocks(j.ctx))
		j.at, j.rest = 0, nil
	}
	for j.pos >= j.at+int64(len(j.rest)) {
		j.at += int64(len(j.rest))
		b, err, ok := j.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, problem.New(problem.Corrupt, "the log ends after %d of %d planned bytes", j.at, j.size)
		}
		j.rest = b.Gzip
	}
	n := copy(p, j.rest[j.pos-j.at:])
	j.pos += int64(n)
	return n, nil
}

// Seek moves the position; nothing is read.
func (j *joined) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += j.pos
	case io.SeekEnd:
		offset += j.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d", offset)
	}
	j.pos = offset
	return offset, nil
}

// Close ends the reading.
func (j *joined) Close() error {
	if j.stop != nil {
		j.stop()
		j.next, j.stop = nil, nil
	}
	return nil
}

// spool takes an encoding: into memory while it is small, then into a file
// that is unlinked at once, so that a crash leaves nothing behind.
type spool struct {
	dir  string
	buf  []byte
	file *os.File
	size int64
	sum  hash.Hash32
}

// Write appends to the spool.
func (s *spool) Write(p []byte) (int, error) {
	_, _ = s.sum.Write(p) // a hash never fails
	s.size += int64(len(p))
	if s.file == nil && len(s.buf)+len(p) <= inMemory {
		s.buf = append(s.buf, p...)
		return len(p), nil
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "object-*")
		if err != nil {
			return 0, problem.New(problem.Unavailable, "spool: %w", err)
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil {
			return 0, problem.New(problem.Unavailable, "spool: %w", err)
		}
	}
	if len(s.buf)+len(p) >= inMemory {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	s.buf = append(s.buf, p...)
	return len(p), nil
}

func (s *spool) spill() error {
	if _, err := s.file.Write(s.buf); err != nil {
		return problem.New(problem.Unavailable, "spool: %w", err)
	}
	s.buf = s.buf[:0]
	return nil
}

func (s *spool) open() (io.ReadSeekCloser, error) {
	if s.file == nil {
		return nopCloser{bytes.NewReader(s.buf)}, nil
	}
	if len(s.buf) > 0 {
		if err := s.spill(); err != nil {
			return nil, err
		}
	}
	return nopCloser{io.NewSectionReader(s.file, 0, s.size)}, nil
}

func (s *spool) close() error {
	s.buf = nil
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

type nopCloser struct{ io.ReadSeeker }

// Close does nothing: the spool outlives its readers.
func (nopCloser) Close() error { return nil }
