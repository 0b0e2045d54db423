package upload

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// encoder compresses request bodies. It is safe for concurrent use.
type encoder struct {
	encoding string
	gzips    sync.Pool
	zstd     *zstd.Encoder
}

func newEncoder(encoding string) (*encoder, error) {
	e := &encoder{encoding: encoding}
	switch encoding {
	case "", "gzip":
		return e, nil
	case "zstd":
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		e.zstd = z
		return e, nil
	}
	return nil, fmt.Errorf("content encoding %q is not supported", encoding)
}

// body returns b as it travels.
func (e *encoder) body(b []byte) ([]byte, error) {
	switch e.encoding {
	case "gzip":
		return e.gzip(b)
	case "zstd":
		return e.zstd.EncodeAll(b, nil), nil
	}
	return b, nil
}

func (e *encoder) gzip(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, ok := e.gzips.Get().(*gzip.Writer)
	if ok {
		w.Reset(&out)
	} else {
		var err error
		if w, err = gzip.NewWriterLevel(&out, gzip.BestSpeed); err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
	}
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	e.gzips.Put(w)
	return out.Bytes(), nil
}

// close ends the compressor's goroutines.
func (e *encoder) close() error {
	if e.zstd == nil {
		return nil
	}
	return e.zstd.Close()
}
