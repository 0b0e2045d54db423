package events

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"strm/internal/ingest"
	"strm/internal/problem"
)

const (
	smallBuffer = 64 << 10  // what a body begins with
	sureBuffer  = 256 << 10 // a declared length up to this is believed at once
	keepBuffer  = 4 << 20   // larger buffers do not go back to the pool
	zstdWindow  = 8 << 20   // the window every decoder must support (RFC 8878)
)

// firstBuffer is how much memory a body gets before its first byte has come.
// More is reserved only as it comes, so a client that declares much and sends
// little holds little.
func firstBuffer(r *http.Request) int64 {
	if r.ContentLength > 0 && encoding(r) == plain {
		return min(r.ContentLength+1, sureBuffer)
	}
	return smallBuffer
}

func (h *Handler) buffer() *[]byte {
	if b, ok := h.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func (h *Handler) giveBack(b *[]byte) {
	if cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		h.buffers.Put(b)
	}
}

// read reads and decompresses the body into buf.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, buf *[]byte, held *ingest.Reservation) *refusal {
	enc := encoding(r)
	src, done, err := h.decoder(enc, http.MaxBytesReader(w, r.Body, h.Limits.MaxWire))
	defer done()
	if err == nil {
		err = fill(r, src, buf, h.Limits.MaxBody, held)
	}
	if err != nil {
		return h.bodyRefusal(enc, err)
	}
	return nil
}

var errOverLimit = errors.New("body over the limit")

// fill reads src to its end. It leaves at least one byte of capacity behind
// the body, so that the Ingester can end the last line without a copy.
func fill(r *http.Request, src io.Reader, buf *[]byte, limit int64, held *ingest.Reservation) error {
	room := firstBuffer(r)
	b := (*buf)[:0]
	defer func() { *buf = b }()
	for {
		if int64(len(b)) >= room {
			more := min(room, limit+1-room)
			if err := held.Grow(r.Context(), more); err != nil {
				return err
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
func (h *Handler) decoder(enc string, src io.Reader) (r io.Reader, done func(), err error) {
	switch enc {
	case gz:
		z, _ := h.gzips.Get().(*gzip.Reader)
		if z == nil {
			z = new(gzip.Reader)
		}
		err := z.Reset(src)
		return z, func() {
			_ = z.Reset(http.NoBody) // lets go of the request; there is nothing to read, which it says
			h.gzips.Put(z)
		}, err
	case zst:
		z, _ := h.zstds.Get().(*zstd.Decoder)
		if z == nil {
			// One decoder at a time runs in the caller's goroutine and starts none.
			if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true)); err != nil {
				return nil, func() {}, err
			}
		}
		err := z.Reset(src)
		return z, func() {
			if z.Reset(nil) == nil { // lets go of the request
				h.zstds.Put(z)
			}
		}, err
	}
	return src, func() {}, nil
}

// bodyRefusal says why the body could not be read.
func (h *Handler) bodyRefusal(enc string, err error) *refusal {
	var wire *http.MaxBytesError
	switch {
	case errors.As(err, &wire):
		return tooLarge("the body has more bytes as sent than are allowed", wire.Limit)
	case errors.Is(err, errOverLimit):
		what := "the body is too large"
		if enc != plain {
			what = "the body is too large when decompressed"
		}
		return tooLarge(what, h.Limits.MaxBody)
	case problem.KindOf(err) != problem.Internal: // of the reservation
		return refuse(err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return tooLarge("the zstd frame asks for a larger window than is allowed", zstdWindow)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{status: http.StatusRequestTimeout, kind: problem.Busy, cause: err, closing: true,
			detail: "the body did not arrive within " + strconv.FormatFloat(h.Limits.ReadTimeout.Seconds(), 'g', -1, 64) + " seconds: nothing was stored, send again"}
	case enc == plain || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		if enc == plain {
			return &refusal{status: http.StatusBadRequest, kind: problem.Invalid, cause: err, detail: "the body ended early: nothing was stored"}
		}
		return &refusal{status: http.StatusBadRequest, kind: problem.Invalid, cause: err, detail: "the " + enc + " body is empty or ends early: nothing was stored"}
	}
	return &refusal{status: http.StatusBadRequest, kind: problem.Invalid, cause: err, detail: "the body is not valid " + enc + ": " + err.Error()}
}
