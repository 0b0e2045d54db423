package exporter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"strconv"

	"golang.org/x/sync/semaphore"

	"strm/internal/eventlog"
	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// maxSpooled bounds the bytes that all spool files of a process hold together.
const maxSpooled = 128 << 20

// inChunks is how much goes to a spool file at once: encoders write a few hundred bytes at a time.
const inChunks = 128 << 10

// inMemory is how large an encoded object may be before it goes to a spool file.
const inMemory = 1 << 20

// content is an object's bytes, ready to be put as often as needed.
type content struct {
	objstore.Content
	events  int64         // in it
	dropped int64         // values that are no events and were left out
	lost    format.Losses // what is in the events and not in the file
	close   func() error
}

// open prepares the bytes of one object of a batch. Where the stored blocks
// can be concatenated nothing is read yet; otherwise the object is encoded, into a
// spool. The caller must call close. Where o.Events is an estimate, what was found counts.
func (r *Runner) open(ctx context.Context, f format.Format, b *stream.Batch, o *stream.Object) (content, error) {
	v, err := f.Variant(b.Output)
	if err != nil {
		return content{}, err
	}
	lay, err := layout.Parse(b.Output.Layout)
	if err != nil {
		return content{}, err
	}
	c := content{events: o.Events, close: func() error { return nil }}
	present(&c.Content, lay.Form(), v)
	c.Metadata = metadata(b, o)

	src := source{log: r.log, streamID: b.StreamID, ranges: o.Ranges}
	if !o.Estimated {
		if ok, err := src.concatenates(ctx, f, b.Output, o.Events, &c.Content); err != nil || ok {
			return c, err
		}
	}
	src.dropped = &c.dropped
	sp := &spool{dir: r.spoolDir, room: r.spooled, sum: crc32.NewIEEE()}
	in := src.input(ctx, b)
	in.Losses = &c.lost
	events, err := f.Encode(sp, b.Output, in)
	switch {
	case err != nil:
	case o.Estimated && events > o.Events:
		err = problem.New(problem.Corrupt, "the log holds %d events for %s, the plan says %d at most", events, o.Key, o.Events)
	case !o.Estimated && events != o.Events:
		err = problem.New(problem.Corrupt, "the log holds %d events for %s, the ledger says %d", events, o.Key, o.Events)
	}
	if err != nil {
		return content{}, joinClose(err, sp.close())
	}
	c.events = events
	c.Metadata[eventsMark] = strconv.FormatInt(events, 10)
	tell(c.Metadata, &c)
	sp.finish()
	c.Size, c.CRC32, c.close = sp.size, sp.sum.Sum32(), sp.close
	c.Open = func() (io.ReadSeekCloser, error) {
		if kept, ok := sp.open(); ok {
			return kept, nil
		}
		return &remade{size: c.Size, make: func() (io.ReadCloser, error) {
			return encode(func(w io.Writer) error {
				_, err := f.Encode(w, b.Output, src.input(ctx, b))
				return err
			}), nil
		}}, nil
	}
	return c, nil
}

// present says how an object is to be shown and kept: as the layout has it,
// else as the format does.
func present(c *objstore.Content, form layout.Form, v format.Variant) {
	c.ContentType, c.Encoding, c.Encrypt = v.ContentType, v.Encoding, form.Encrypt
	if form.ContentType != "" {
		c.ContentType, c.Encoding = form.ContentType, form.Encoding
	}
}

func joinClose(err, closeErr error) error {
	if closeErr == nil {
		return err
	}
	return fmt.Errorf("%w (and closing the spool: %v)", err, closeErr) //nolint:errorlint // the first error decides the kind
}

// batchMark is the metadata that says of which batch an object is.
const batchMark = "strm-batch"

// eventsMark is the metadata that says how many events are in an object.
const eventsMark = "strm-events"

// metadata travels with the object, so that it can be told where it came from
// without the ledger.
func metadata(b *stream.Batch, o *stream.Object) map[string]string {
	m := map[string]string{batchMark: b.ID, "strm-stream": b.Stream, eventsMark: strconv.FormatInt(o.Events, 10), "strm-encoder": b.Encoder}
	ranges, err := json.Marshal(o.Ranges)
	if err == nil && len(ranges) <= 1024 { // S3 takes 2 KB of metadata in all
		m["strm-ranges"] = string(ranges)
	}
	return m
}

// tell adds to an object's metadata what is not in it.
func tell(m map[string]string, c *content) {
	for name, n := range map[string]int64{"strm-undeclared": c.lost.Members(), "strm-nulled": c.lost.Nulled, "strm-dropped": c.dropped} {
		if n > 0 {
			m[name] = strconv.FormatInt(n, 10)
		}
	}
}

// source reads the blocks of an object's ranges.
type source struct {
	log      eventlog.Log
	streamID string
	ranges   []stream.Range
	dropped  *int64 // if not nil: set to BlockHeader.Dropped of all blocks, once they were read to the end
}

// blocks yields them in order and refuses a block that sticks out of its
// range: plans end where blocks end.
func (s source) blocks(ctx context.Context) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		var dropped int64
		for _, r := range s.ranges {
			for b, err := range s.log.Read(ctx, s.streamID, r) {
				if err == nil && (b.Range.Start < r.Start || b.Range.End > r.End) {
					err = problem.New(problem.Corrupt, "block %v crosses the end of the planned range %v", b.Range, r)
				}
				dropped += b.Dropped
				if !yield(b, err) || err != nil {
					return
				}
			}
		}
		if s.dropped != nil {
			*s.dropped = dropped // a format may read twice
		}
	}
}

// input is what an encoder makes the object of.
func (s source) input(ctx context.Context, b *stream.Batch) format.Input {
	return format.Input{Blocks: func() format.Blocks { return s.blocks(ctx) }, StreamID: s.streamID, Seq: b.Seq}
}

// concatenates fills c and returns true if the object's bytes are the stored
// blocks one after the other.
func (s source) concatenates(ctx context.Context, f format.Format, o stream.Output, events int64, c *objstore.Content) (bool, error) {
	cat, ok := f.(format.Concatenator)
	if !ok || !cat.Concatenates(o, []stream.BlockHeader{{Raw: 1 << 30, Packed: 1}}) {
		return false, nil // no object of this variant concatenates: spare the look
	}
	var headers []stream.BlockHeader
	var got int64
	for _, r := range s.ranges {
		for h, err := range s.log.Index(ctx, s.streamID, r) {
			if err != nil {
				return false, err
			}
			if h.Estimated || h.Packed == 0 {
				c.Size, c.CRC32 = 0, 0
				return false, nil // the log keeps no gzip members
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
	if !cat.Concatenates(o, headers) {
		c.Size, c.CRC32 = 0, 0
		return false, nil
	}
	size := c.Size
	c.Open = func() (io.ReadSeekCloser, error) {
		return &remade{size: size, make: func() (io.ReadCloser, error) { return s.members(ctx), nil }}, nil
	}
	return true, nil
}

// remade is a file that is not kept anywhere: reading it makes it, and seeking
// back makes it again. Clients seek to ask for the length, or to begin anew.
type remade struct {
	size int64
	make func() (io.ReadCloser, error)

	pos int64 // where the next Read must begin
	at  int64 // where cur stands
	cur io.ReadCloser
}

// Read returns the bytes at the present position.
func (m *remade) Read(p []byte) (int, error) {
	if m.pos >= m.size {
		return 0, io.EOF
	}
	if m.cur == nil || m.pos < m.at {
		if err := m.Close(); err != nil {
			return 0, err
		}
		cur, err := m.make()
		if err != nil {
			return 0, err
		}
		m.cur, m.at = cur, 0
	}
	if m.pos > m.at {
		n, err := io.CopyN(io.Discard, m.cur, m.pos-m.at)
		m.at += n
		if err != nil {
			return 0, m.short(err)
		}
	}
	n, err := m.cur.Read(p[:min(int64(len(p)), m.size-m.pos)])
	m.at += int64(n)
	m.pos += int64(n)
	if errors.Is(err, io.EOF) && m.pos < m.size {
		err = m.short(err)
	}
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (m *remade) short(err error) error {
	if errors.Is(err, io.EOF) {
		return problem.New(problem.Corrupt, "the log ends after %d of %d bytes", m.at, m.size)
	}
	return err
}

// Seek moves the position; nothing is read.
func (m *remade) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += m.pos
	case io.SeekEnd:
		offset += m.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d", offset)
	}
	m.pos = offset
	return offset, nil
}

// Close ends the making.
func (m *remade) Close() error {
	if m.cur == nil {
		return nil
	}
	err := m.cur.Close()
	m.cur = nil
	return err
}

// members reads stored blocks one after the other.
type members struct {
	next func() (stream.Block, error, bool)
	stop func()
	rest []byte
}

func (s source) members(ctx context.Context) *members {
	next, stop := iter.Pull2(s.blocks(ctx))
	return &members{next: next, stop: stop}
}

// Read returns what is left of a block.
func (m *members) Read(p []byte) (int, error) {
	for len(m.rest) == 0 {
		b, err, ok := m.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, io.EOF
		}
		if b.Gzip == nil {
			return 0, problem.New(problem.Corrupt, "block %v is no gzip member any more", b.Range)
		}
		m.rest = b.Gzip
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// Close ends the iteration.
func (m *members) Close() error {
	m.stop()
	return nil
}

// encoding is a running encoder that is read from.
type encoding struct {
	*io.PipeReader
	done chan struct{}
}

// encode starts an encoder. It ends when everything was read, or at Close.
func encode(encode func(w io.Writer) error) *encoding {
	pr, pw := io.Pipe()
	e := &encoding{PipeReader: pr, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		_ = pw.CloseWithError(encode(pw)) // never fails
	}()
	return e
}

// Close stops the encoder and waits for it.
func (e *encoding) Close() error {
	err := e.PipeReader.Close()
	<-e.done
	return err
}

// spool keeps an encoding: in memory while it is small, then in a file that is
// unlinked at once. When there is no room for it, it only measures: the object
// is then encoded a second time while it is put. So a full disk, or many large
// objects for a sink that does not answer, cannot stop deliveries.
type spool struct {
	dir  string
	room *semaphore.Weighted // bytes that all spools together may have in files
	buf  []byte
	file *os.File
	held int64 // of room
	lost bool  // measuring only
	size int64
	sum  hash.Hash32
}

// Write appends to the spool. It never fails for want of room.
func (s *spool) Write(p []byte) (int, error) {
	_, _ = s.sum.Write(p) // a hash never fails
	s.size += int64(len(p))
	switch {
	case s.lost:
	case s.file == nil && len(s.buf)+len(p) <= inMemory, s.file != nil && len(s.buf)+len(p) <= inChunks:
		s.buf = append(s.buf, p...)
	default:
		if err := s.spill(p); err != nil {
			s.lose()
		}
	}
	return len(p), nil
}

// finish makes what was written last a part of the file, if there is one. It is called
// once, after the last Write.
func (s *spool) finish() {
	if s.lost || s.file == nil {
		return
	}
	if err := s.spill(nil); err != nil {
		s.lose()
		return
	}
	s.buf = nil
}

// errNoRoom: the spools have what they may have.
var errNoRoom = errors.New("no room to spool")

// spill moves what is in memory, and p, to the file.
func (s *spool) spill(p []byte) error {
	n := int64(len(s.buf) + len(p))
	if !s.room.TryAcquire(n) {
		return errNoRoom
	}
	s.held += n
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "object-*")
		if err != nil {
			return err
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
	}
	for _, part := range [][]byte{s.buf, p} {
		if len(part) == 0 {
			continue
		}
		if _, err := s.file.Write(part); err != nil {
			return err
		}
	}
	s.buf = s.buf[:0]
	return nil
}

// lose gives up keeping the bytes.
func (s *spool) lose() {
	_ = s.close() // nothing in it is wanted any more
	s.lost = true
}

// open returns a reader of what is kept; ok is false if nothing is.
func (s *spool) open() (r io.ReadSeekCloser, ok bool) {
	switch {
	case s.lost:
		return nil, false
	case s.file == nil:
		return nopCloser{bytes.NewReader(s.buf)}, true
	}
	return nopCloser{io.NewSectionReader(s.file, 0, s.size)}, true
}

func (s *spool) close() error {
	s.room.Release(s.held)
	s.held, s.buf = 0, nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

type nopCloser struct{ io.ReadSeeker }

// Close does nothing: the spool outlives its readers.
func (nopCloser) Close() error { return nil }
