package exporter_test

import (
	"bytes"
	"hash/crc32"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"strm/internal/catalog"
	"strm/internal/objstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var catalogAll = catalog.BatchQuery{Limit: 100}

type nopSeekCloser struct{ *bytes.Reader }

func (nopSeekCloser) Close() error { return nil }

func contentOf(b []byte) objstore.Content {
	return objstore.Content{
		Size: int64(len(b)), CRC32: crc32.ChecksumIEEE(b),
		Open: func() (io.ReadSeekCloser, error) { return nopSeekCloser{bytes.NewReader(b)}, nil },
	}
}

func unzstd(t *testing.T, raw []byte) []byte {
	t.Helper()
	zr, err := zstd.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	out, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
