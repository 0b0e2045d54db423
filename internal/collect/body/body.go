package body

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoding is a content encoding of a body.
type Encoding string

// The encodings. Unknown is any other.
const (
	Unknown  Encoding = ""
	Identity Encoding = "identity"
	Gzip     Encoding = "gzip"
	Zstd     Encoding = "zstd"
)

// EncodingOf returns the encoding that the request's head names.
func EncodingOf(r *http.Request) Encoding {
	switch strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ","))) {
	case "", "identity":
		return Identity
	case "gzip", "x-gzip":
		return Gzip
	case "zstd":
		return Zstd
	}
	return Unknown
}

const (
	smallBuffer = 64 << 10  // what a body begins with
	sureBuffer  = 256 << 10 // a declared length up to this is believed at once
	keepBuffer  = 4 << 20   // larger buffers do not go back to the pool
	zstdWindow  = 8 << 20   // the window every decoder must support (RFC 8878)
)

// Limits bound one body.
type Limits struct {
	Max     int64         // bytes, decompressed
	MaxWire int64         // bytes as sent
	Timeout time.Duration // only for the words of the Error: whoever calls sets the deadline, with Hurry
}

// Memory is asked for every growth beyond First before it happens.
type Memory interface {
	Grow(ctx context.Context, n int64) error
}

// First is how much memory a body gets before its first byte has come. More is
// reserved only as it comes, so a client that declares much and sends little
// holds little.
func First(r *http.Request) int64 {
	if r.ContentLength > 0 && EncodingOf(r) == Identity {
		return min(r.ContentLength+1, sureBuffer)
	}
	return smallBuffer
}

// Hurry gives the sender d for the whole body. The returned function ends the
// deadline; it must be called when the body is there, for the server reads on in
// the background and would take the deadline for a client that went away. After
// a refusal the deadline should stay: the server still reads what was not wanted.
// A writer without deadlines (in a test, behind a wrapper) is left alone.
func Hurry(w http.ResponseWriter, d time.Duration) (arrived func()) {
	conn := http.NewResponseController(w)
	if conn.SetReadDeadline(time.Now().Add(d)) != nil {
		return func() {}
	}
	return func() { _ = conn.SetReadDeadline(time.Time{}) } // it worked before; a connection that broke since fails elsewhere
}

// Reader reads bodies. It keeps buffers and decoders; the zero value is ready.
// It is safe for concurrent use.
type Reader struct {
	buffers sync.Pool // *[]byte
	gzips   sync.Pool // *gzip.Reader
	zstds   sync.Pool // *zstd.Decoder
}

// Buffer returns an empty buffer to Read into. It is given back with GiveBack.
func (rd *Reader) Buffer() *[]byte {
	if b, ok := rd.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// GiveBack takes a buffer whose content nobody needs any more.
func (rd *Reader) GiveBack(b *[]byte) {
	if cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		rd.buffers.Put(b)
	}
}

// Check refuses what the head of the request alone shows to be unreadable. The
// error is an *Error.
func Check(r *http.Request, l Limits) error {
	enc := EncodingOf(r)
	switch {
	case enc == Unknown:
		return &Error{Reason: Unsupported, Detail: "content encoding " + quote(r.Header.Get("Content-Encoding")) + " is not supported: use gzip, zstd or none"}
	case r.ContentLength > l.MaxWire:
		return &Error{Reason: TooLarge, Limit: l.MaxWire, Detail: "the body has " + strconv.FormatInt(r.ContentLength, 10) + " bytes as sent"}
	case enc == Identity && r.ContentLength > l.Max:
		return &Error{Reason: TooLarge, Limit: l.Max, Detail: "the body has " + strconv.FormatInt(r.ContentLength, 10) + " bytes"}
	}
	return nil
}

// Read reads and decompresses the body of a request that passed Check into buf.
// First(r) bytes must be reserved already; m is asked for more. At least one byte
// of capacity is left behind the body.
// Errors: *Error; what m returned.
func (rd *Reader) Read(w http.ResponseWriter, r *http.Request, buf *[]byte, l Limits, m Memory) error {
	enc := EncodingOf(r)
	src, done, err := rd.decoder(enc, http.MaxBytesReader(w, r.Body, l.MaxWire))
	defer done()
	if err == nil {
		err = fill(r, src, buf, l.Max, m)
	}
	if err != nil {
		return explain(enc, l, err)
	}
	return nil
}

var errOverLimit = errors.New("body over the limit")

// refused is an error of Memory, which is passed on as it is.
type refused struct{ error }

func fill(r *http.Request, src io.Reader, buf *[]byte, limit int64, m Memory) error {
	room := First(r)
	b := (*buf)[:0]
	defer func() { *buf = b }()
	for {
		if int64(len(b)) >= room {
			more := min(room, limit+1-room)
			if err := m.Grow(r.Context(), more); err != nil {
				return refused{err}
			}
			room += more
		}
		if int64(cap(b)) < room {
			b = append(make([]byte, 0, room), b...)
		}
		n, err := src.Read(b[len(b):room])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return errOverLimit
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// decoder returns a reader of the decompressed body. done must be called in
// any case.
func (rd *Reader) decoder(enc Encoding, src io.Reader) (r io.Reader, done func(), err error) {
	switch enc {
	case Gzip:
		z, _ := rd.gzips.Get().(*gzip.Reader)
		if z == nil {
			z = new(gzip.Reader)
		}
		err := z.Reset(src)
		return z, func() {
			_ = z.Reset(http.NoBody) // lets go of the request; there is nothing to read, which it says
			rd.gzips.Put(z)
		}, err
	case Zstd:
		z, _ := rd.zstds.Get().(*zstd.Decoder)
		if z == nil {
			// One decoder at a time runs in the caller's goroutine and starts none.
			if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true)); err != nil {
				return nil, func() {}, err
			}
		}
		err := z.Reset(src)
		return z, func() {
			if z.Reset(nil) == nil { // lets go of the request
				rd.zstds.Put(z)
			}
		}, err
	case Identity, Unknown:
	}
	return src, func() {}, nil
}

// explain says why the body could not be read.
func explain(enc Encoding, l Limits, err error) error {
	var wire *http.MaxBytesError
	var memory refused
	switch {
	case errors.As(err, &memory):
		return memory.error
	case errors.As(err, &wire):
		return &Error{Reason: TooLarge, Limit: wire.Limit, Err: err, Detail: "the body has more bytes as sent than are allowed"}
	case errors.Is(err, errOverLimit):
		what := "the body is too large"
		if enc != Identity {
			what = "the body is too large when decompressed"
		}
		return &Error{Reason: TooLarge, Limit: l.Max, Err: err, Detail: what}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &Error{Reason: TooLarge, Limit: zstdWindow, Err: err, Detail: "the zstd frame asks for a larger window than is allowed"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Reason: Slow, Err: err,
			Detail: "the body did not arrive within " + strconv.FormatFloat(l.Timeout.Seconds(), 'g', -1, 64) + " seconds: nothing was stored, send again"}
	case enc == Identity:
		return &Error{Reason: Cut, Err: err, Detail: "the body ended early: nothing was stored"}
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return &Error{Reason: Damaged, Err: err, Detail: "the " + string(enc) + " body is empty or ends early: nothing was stored"}
	}
	return &Error{Reason: Damaged, Err: err, Detail: "the body is not valid " + string(enc) + ": " + err.Error()}
}

// quote shows a name from a request, cut short.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strconv.QuoteToASCII(s)
}
